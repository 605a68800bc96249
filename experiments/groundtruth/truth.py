"""The ground truth of a model set on a dataset: made once, added to later, kept in one file."""

import contextlib
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from alsatian.data.dataset import Dataset
from alsatian.errors import StoreError
from alsatian.files import claimed
from alsatian.fingerprint import digest_json
from alsatian.models.model_set import ModelSet
from alsatian.models.reading.architectures import SOURCES, code_version
from alsatian.records import GROUNDTRUTH, FieldError, FineTune, GroundTruth, Tuning, document
from alsatian.units import last_line
from experiments.groundtruth.fine_tune import check_data, fine_tune, model_digest
from experiments.runs import record
from experiments.runs.environment import environment
from experiments.runs.progress import Progress
from experiments.runs.repeat import failure

# To be raised when fine-tuning goes another way, since accuracies change with it.
FINE_TUNE_VERSION = 1


@dataclass
class Outcome:
    """What became of the fine-tunes that were asked for.

    Attributes:
        path: of the file.
        record: what it holds.
        failed: one line for each candidate and seed that could not be fine-tuned.
    """

    path: Path
    record: GroundTruth
    failed: list[str] = field(default_factory=list)

    def fine_tunes(self, models: ModelSet) -> list[FineTune]:
        """Those of the candidates in ``models``, by candidate and seed."""
        digests = {candidate.id: model_digest(models, candidate.id) for candidate in models.candidates}
        order = {name: place for place, name in enumerate(digests)}
        found = [one for one in self.record.fine_tunes if digests.get(one.model) == one.digest]
        return sorted(found, key=lambda one: (order[one.model], one.seed))


def identity(dataset: Dataset, tuning: Tuning) -> str:
    """Of the ground truth on ``dataset`` by ``tuning`` with the code that is installed."""
    versions = {source: _version(source) for source in SOURCES}
    return digest_json([dataset.digest, tuning.plain(), code_version(), versions, FINE_TUNE_VERSION])[:16]


def measure(
    models: ModelSet,
    dataset: Dataset,
    tuning: Tuning,
    seeds: int,
    folder: Path,
    progress: Progress,
    command: str,
    again: bool = False,
) -> Outcome:
    """Fine-tune every candidate with each of ``seeds`` seeds and keep the records below ``folder``, by identity.

    What is on record is not done ``again`` unless that is asked for; every fine-tune is on record when it is done.
    One that fails does not stop the others.

    Raises:
        ConfigError: the dataset has no classes, or too few items.
        StoreError: the file holds something else, or another process is at it.
        SavingError: a record cannot be written.
    """
    check_data(dataset)
    key = identity(dataset, tuning)
    path = folder / key / GROUNDTRUTH
    with contextlib.ExitStack() as held:
        try:
            ours = held.enter_context(claimed(path.parent, wait=False))
        except OSError as error:
            raise record.SavingError(record.cannot_write(path, error)) from None
        if not ours:
            raise StoreError(f"{path}: another process is fine-tuning for this file")
        outcome = Outcome(path, _before(path, key, dataset, tuning, command))
        known = {_key(one) for one in outcome.record.fine_tunes if not again}
        # Seed by seed, so that an early end leaves every candidate with as many.
        wanted = [(seed, candidate.id) for seed in range(seeds) for candidate in models.candidates]
        progress.start(len(wanted))
        for seed, name in wanted:
            label = f"{name}, seed {seed}"
            if (name, model_digest(models, name), seed) in known:
                progress.skip(label)
                continue
            try:
                found = fine_tune(models, name, dataset, tuning, seed)
            except Exception as error:
                reason = failure(error)
                outcome.failed.append(f"{label}: {last_line(reason.error)}")
                progress.failed(label, reason.status)
                continue
            outcome.record = _with(outcome.record, found, command)
            record.save(path, outcome.record.plain())
            progress.done(label, f"accuracy {found.accuracy:.4f} with learning rate {found.learning_rate:g}")
    return outcome


def read(path: Path) -> GroundTruth:
    """The ground truth in the file ``path``.

    Raises:
        StoreError: it cannot be read or is none.
    """
    try:
        return GroundTruth.of(document(path))
    except FieldError as error:
        raise StoreError(f"{path}: {error}; delete it to fine-tune anew") from None


def _before(path: Path, key: str, dataset: Dataset, tuning: Tuning, command: str) -> GroundTruth:
    """What is on record, or the record that begins."""
    if path.exists():
        found = read(path)
        if found.identity != key:
            raise StoreError(f"{path}: ground truth of another dataset or tuning; delete it to fine-tune anew")
        return found
    return GroundTruth.of(
        {
            "schema": 1,
            "identity": key,
            "command": command,
            "dataset": {
                "name": dataset.name,
                "digest": dataset.digest,
                "train_items": len(dataset.train_items),
                "test_items": len(dataset.test_items),
                "classes": dataset.classes,
                "summary": dataset.summary,
            },
            "tuning": tuning,
            "environment": environment(),
        }
    )


def _with(truth: GroundTruth, found: FineTune, command: str) -> GroundTruth:
    """``truth`` with one more fine-tune, in place of an earlier one of the same candidate and seed."""
    others = [one for one in truth.fine_tunes if _key(one) != _key(found)]
    update = {"fine_tunes": (*others, found), "command": command, "environment": environment()}
    return truth.model_copy(update=update)


def _key(one: FineTune) -> tuple[str, str, int]:
    return one.model, one.digest, one.seed


def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return ""
