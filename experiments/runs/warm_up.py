"""What a process does once, done before anything is measured."""

import contextlib
from dataclasses import replace

from alsatian.api import search
from alsatian.blocks.candidate import Candidate
from alsatian.models.model_set import ModelSet
from alsatian.runtime.memory import return_unused
from experiments.configuration.setup import Setup

# Code of models, batch size and device that this process has computed with.
_warm: set[tuple[object, ...]] = set()


def warm_up(setup: Setup, models: ModelSet) -> None:
    """Search one batch with a model of each architecture, unless this process has done so.

    Libraries load code, start threads and choose kernels when something is computed first; the first run would pay
    for it, and no other. What goes wrong is left to the search that is measured, which meets and reports it.
    """
    size, device = setup.config["batch_size"], setup.config["device"]["name"]
    chosen: dict[tuple[object, ...], Candidate] = {}
    for candidate in models.candidates:
        code = tuple(models.segments[block.identity].fingerprint for block in candidate.blocks)
        chosen.setdefault((code, candidate.preprocessing.fingerprint, size, device), candidate)
    cold = {key: candidate for key, candidate in chosen.items() if key not in _warm}
    if not cold:
        return
    data = setup.dataset
    few = replace(
        data,
        train_items=data.train_items[:size],
        train_labels=data.train_labels[:size],
        test_items=data.test_items[:size],
        test_labels=data.test_labels[:size],
    )
    with contextlib.suppress(Exception):
        search(
            replace(models, candidates=tuple(cold.values())),
            few,
            proxies=setup.proxy,
            batch_size=size,
            device=device,
            verify=setup.config["verify"],
        )
    _warm.update(cold)
    return_unused()
