"""What is measured of models without a search: their layers, and how much they share.

An experiment whose ``measure`` is not ``search`` writes one of the files of :mod:`alsatian.records.networks` for
every run instead of ``run.json``, with the run's configuration and the environment.
"""

import time
from pathlib import Path

import torch

from alsatian.costs.profiling.timing import loaded_stages
from alsatian.data.dataset import Batch
from alsatian.models.layers import layers
from alsatian.models.model_set import ModelSet
from alsatian.models.overlap.study import study
from alsatian.records import FieldError, Layer, Layers, Overlap, document
from alsatian.records.networks import BLOCKS, OVERLAP
from experiments.configuration.setup import use_threads
from experiments.runs import record
from experiments.runs.environment import environment
from experiments.runs.progress import Progress
from experiments.runs.queue import Command, Ready
from experiments.runs.repeat import failure

_FILES: dict[str, type[Layers | Overlap]] = {BLOCKS: Layers, OVERLAP: Overlap}


def finished(path: Path) -> bool:
    """Whether ``path`` is the result of a study. It is whole if it is there."""
    try:
        return not _FILES[path.name].problems(document(path))
    except FieldError:
        return False


def examine(run: Ready, command: Command, progress: Progress) -> str:
    """Measure ``run``, save the result and return a line about it.

    Raises:
        RunFailed: anything went wrong.
        SavingError: the result cannot be written.
    """
    config, models = run.setup.config, run.models
    use_threads(config)
    tick = progress.repeat(run.label, 0, 1)
    try:
        content: Layers | Overlap = (
            _layers(run, models)
            if config["measure"] == "layers"
            else study(models.candidates, models.store, models.segments)
        )
    except Exception as error:
        raise failure(error) from error
    tick()
    context = {
        "run_id": run.identity,
        "command": command.text,
        "started": record.now(),
        "config": run.shown,
        "environment": environment(),
    }
    record.save(run.path, command.hide.everywhere(content.model_copy(update=context).plain()))
    return _summary(content)


@torch.no_grad()
def _layers(run: Ready, models: ModelSet) -> Layers:
    """Values and seconds a batch of every layer of the first model, in every repeat."""
    candidate, config = models.candidates[0], run.setup.config
    size = min(config["batch_size"], len(run.setup.dataset.train_items))
    device = torch.device(config["device"]["name"])
    stages = loaded_stages(models, candidate, device)
    found = layers([segment for segment, _ in stages])
    times: list[list[float]] = [[] for _ in found]
    items = candidate.preprocessing(run.setup.dataset.items(Batch(0, 0, size, False)))
    start = tuple(tensor.to(device) for tensor in items)
    for turn in range(config["repeats"] + 1):
        state = start
        for layer, seconds in zip(found, times, strict=True):
            _settle(device)
            begin = time.perf_counter()
            for segment, parameters in stages[layer.start : layer.stop]:
                state = segment(state, parameters)
            _settle(device)
            if turn:  # the first one warms up
                seconds.append(time.perf_counter() - begin)
    blocks = [
        Layer(
            name=layer.name,
            parameters=sum(p.numel() for _, own in stages[layer.start : layer.stop] for p in own),
            inference_s=tuple(seconds),
        )
        for layer, seconds in zip(found, times, strict=True)
    ]
    return Layers(items=size, blocks=tuple(blocks))


def _settle(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _summary(content: Layers | Overlap) -> str:
    if isinstance(content, Layers):
        return f"{len(content.blocks)} layers, {content.items} items a batch"
    return f"{content.share_with_common_blocks:.0%} of {len(content.models)} models share blocks"
