"""What a process does once, done before anything is measured."""

import contextlib
from dataclasses import replace

from alsatian.api import search
from alsatian.blocks.candidate import Candidate
from alsatian.blocks.kernels import arithmetic
from alsatian.models.model_set import ModelSet
from alsatian.records.repeat import Warmed
from alsatian.runtime.memory import return_unused
from experiments.configuration.setup import Setup

# Kind of the warming, code of models, batch size and device that this process has computed with.
_warm: set[tuple[object, ...]] = set()


def warm_up(setup: Setup, models: ModelSet) -> Warmed:
    """Search one batch with a model of each architecture, unless this process has done so; returns what was done.

    Libraries load code, start threads and choose kernels when something is computed first; the first run would pay
    for it, and no other. Where nothing is repeated a batch without content through each architecture has to do:
    that takes no data and no scoring. What goes wrong is left to the search that is measured, which meets and
    reports it.
    """
    if not setup.config["warm_up"]:
        return "nothing"
    kind: Warmed = "search" if setup.config["repeats"] > 1 else "kernels"
    size, device = setup.config["batch_size"], setup.config["device"]["name"]
    models = setup.computing(models)
    chosen: dict[tuple[object, ...], Candidate] = {}
    for candidate in models.candidates:
        code = tuple(models.segments[block.identity].fingerprint for block in candidate.blocks)
        chosen.setdefault((kind, code, candidate.preprocessing.fingerprint, size, device), candidate)
    cold = {key: candidate for key, candidate in chosen.items() if key not in _warm}
    if cold:
        with contextlib.suppress(Exception):
            if kind == "search":
                _search(setup, replace(models, candidates=tuple(cold.values())))
            else:
                with arithmetic(setup.config["numerics"]):
                    for candidate in cold.values():
                        models.compute_example(candidate, [size], device)
        _warm.update(cold)
        return_unused()
    return kind


def _search(setup: Setup, models: ModelSet) -> None:
    data, size = setup.dataset, setup.config["batch_size"]
    few = replace(
        data,
        train_items=data.train_items[:size],
        train_labels=data.train_labels[:size],
        test_items=data.test_items[:size],
        test_labels=data.test_labels[:size],
    )
    search(
        models,
        few,
        proxies=setup.proxy,
        batch_size=size,
        device=setup.config["device"]["name"],
        kernels=setup.config["kernels"],
        numerics=setup.config["numerics"],
        verify=setup.config["verify"],
    )
