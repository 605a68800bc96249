"""One candidate, fine-tuned on a dataset: the learning rate by held-out items, then the accuracy on test items."""

import time

import numpy as np
import torch

from alsatian.data.dataset import Dataset
from alsatian.data.preprocessing import Preprocessing
from alsatian.errors import ConfigError
from alsatian.fingerprint import digest_json
from alsatian.models.candidate_modules import candidate_of, module_of
from alsatian.models.model_set import CandidateSet, ModelSet
from alsatian.models.reading.architectures import architecture
from alsatian.models.reading.features.extractor import FeatureExtractor
from alsatian.models.sets.training import Recipe, fit, using_threads
from alsatian.records import FineTune, Tried, Tuning

Items = tuple[np.ndarray, np.ndarray]
"""Raw items (N, …) and labels (N,)."""


def check_data(dataset: Dataset) -> None:
    """See that candidates can be fine-tuned on ``dataset`` as classifiers.

    Raises:
        ConfigError: its labels are no classes, or it has fewer than four training items.
    """
    if not dataset.classes:
        raise ConfigError(f"dataset '{dataset.name}': its labels are numbers; ground truth is of classes")
    if len(dataset.train_items) < 4:
        raise ConfigError(
            f"dataset '{dataset.name}': {len(dataset.train_items)} training items are too few to tune"
        )


def model_digest(models: CandidateSet, model_id: str) -> str:
    """Of what the candidate ``model_id`` is: its preprocessing and its blocks."""
    candidate = candidate_of(models, model_id)
    return digest_json([candidate.preprocessing.fingerprint, [block.identity for block in candidate.blocks]])


def fine_tune(models: ModelSet, model_id: str, dataset: Dataset, tuning: Tuning, seed: int) -> FineTune:
    """Fine-tune the candidate ``model_id`` on the training items of ``dataset``, from its own parameters each time.

    Raises:
        AlsatianError: the candidate cannot be built, or its parameters cannot be read.
    """
    start = time.monotonic()
    count = min(max(2, round(tuning.held_out * len(dataset.train_items))), len(dataset.train_items) - 2)
    # Any end of the training items, which are in a stratified order, has the classes in about their proportions.
    kept, held = _part(dataset, slice(None, -count)), _part(dataset, slice(-count, None))
    whole, test = _part(dataset, slice(None)), (dataset.test_items, dataset.test_labels)
    with using_threads(tuning.threads):
        rates = tuning.learning_rates if len(tuning.learning_rates) > 1 else ()  # of one there is nothing to choose
        tried = {rate: _accuracy(models, model_id, (kept, held), tuning, rate, seed)[0] for rate in rates}
        best = max(tuning.learning_rates, key=lambda rate: tried.get(rate, 0.0))
        accuracy, parameters = _accuracy(models, model_id, (whole, test), tuning, best, seed)
    return FineTune(
        model=model_id,
        digest=model_digest(models, model_id),
        parameters=parameters,
        seed=seed,
        tried=tuple(Tried(learning_rate=rate, accuracy=value) for rate, value in tried.items()),
        learning_rate=best,
        accuracy=accuracy,
        seconds=time.monotonic() - start,
    )


def _part(dataset: Dataset, chosen: slice) -> Items:
    return dataset.train_items[chosen], dataset.train_labels[chosen]


def _accuracy(
    models: ModelSet, model_id: str, parts: tuple[Items, Items], tuning: Tuning, rate: float, seed: int
) -> tuple[float, int]:
    """Accuracy on the second of ``parts`` after fine-tuning on the first, and the number of parameters trained."""
    candidate, module = candidate_of(models, model_id), module_of(models, model_id)
    assert candidate.architecture is not None
    built = architecture(candidate.architecture, candidate.preprocessing, folder=models.store.architectures)
    recipe = Recipe(learning_rate=rate, batch_size=tuning.batch_size, threads=tuning.threads)
    (items, labels), (others, expected) = parts
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        head = fit(module, built, 0, candidate.preprocessing, (items, labels), tuning.epochs, recipe, tuning.device)
    hits = predicted(module, head, candidate.preprocessing, others, tuning.batch_size) == expected
    return float(hits.mean()), sum(parameter.numel() for parameter in module.parameters())


@torch.no_grad()
def predicted(
    module: FeatureExtractor, head: torch.nn.Module, prepare: Preprocessing, items: np.ndarray, batch_size: int
) -> np.ndarray:
    """The classes (N,) that ``head`` behind ``module`` gives raw ``items`` (N, …), which ``prepare`` prepares."""
    batches = (prepare(items[i : i + batch_size]) for i in range(0, len(items), batch_size))
    return np.concatenate([head(module(*batch).flatten(1)).argmax(1).numpy() for batch in batches])
