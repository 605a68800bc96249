"""One measurement for :mod:`experiments.studies.planning_scale`, in a process of its own.

``python -m experiments.studies.planning_stages 1000`` plans two rounds of a search among 1000 generated models
and writes what that took to standard output, as JSON.
"""

import gc
import json
import os
import resource
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import ClassVar, TypeVar

import numpy as np

from alsatian.blocks.candidate import Candidate
from alsatian.data.dataset import Batch
from alsatian.models.sets.fingerprint_set import GeneratedSet
from alsatian.planning.limits import Limits
from alsatian.planning.orders.base import Order, Shape
from alsatian.planning.orders.dfs import Dfs
from alsatian.planning.orders.dfs_plus import DfsPlus
from alsatian.planning.orders.given import Given
from alsatian.planning.orders.random import Random
from alsatian.planning.plan import Plan
from alsatian.planning.planner import make_plan
from alsatian.tree import TaskTree

BUDGET = 5 * 1024**3
ITEMS, BATCH_SIZE = 2000, 128
T = TypeVar("T")


@dataclass
class Measured:
    """What one process took. Times in seconds by stage.

    Attributes:
        models: in the set.
        facts: counts of vertices, chunks and steps.
        core_s: of the process on its core.
        wall_s: of the wall clock.
        peak_bytes: largest resident memory of the process.
        start_bytes: the same before the first stage: the interpreter and the libraries.
        load: processes that wanted a core, the mean of about a minute.
    """

    models: int
    facts: dict[str, int] = field(default_factory=dict)
    core_s: dict[str, float] = field(default_factory=dict)
    wall_s: dict[str, float] = field(default_factory=dict)
    peak_bytes: int = 0
    start_bytes: int = 0
    load: float = 0.0

    def enter(self, stage: str, seconds: np.ndarray) -> None:
        """``seconds`` (2,): on the core, on the wall."""
        self.core_s[stage], self.wall_s[stage] = seconds.tolist()

    def timed(self, stage: str, step: Callable[[], T]) -> T:
        """The result of ``step``, whose time is entered."""
        start = _now()
        result = step()
        self.enter(stage, _now() - start)
        return result


@dataclass(frozen=True)
class _Known:
    """An order found before."""

    sequence: list[int]
    name: ClassVar[str] = "known"

    def __call__(self, shape: Shape) -> list[int]:
        return self.sequence


class _Making:
    """Times how long models take to be made, one at a time, while something else consumes them.

    Garbage collections in that time are left out: it is the consumer's objects that they look at.
    """

    def __init__(self, models: Iterable[Candidate]) -> None:
        self.spent = np.zeros(2)
        self._models = iter(models)
        self._collecting = np.zeros(2)

    def __iter__(self) -> Iterator[Candidate]:
        gc.callbacks.append(self._collection)
        while True:
            start = _now()
            model = next(self._models, None)
            self.spent += _now() - start
            if model is None:
                break
            gc.callbacks.remove(self._collection)
            yield model
            gc.callbacks.append(self._collection)
        gc.callbacks.remove(self._collection)

    def _collection(self, phase: str, info: dict[str, int]) -> None:
        self._collecting += _now() if phase == "start" else -_now()
        if phase == "stop":
            self.spent += self._collecting
            self._collecting = np.zeros(2)


def measure(count: int) -> Measured:
    """Plan two rounds of a search among ``count`` models, the second for half of them."""
    result = Measured(count, start_bytes=_peak_bytes())
    start = _now()
    making = _Making(GeneratedSet(count=count))
    tree = TaskTree.of(making)
    result.enter("generate", making.spent)
    result.enter("tree", _now() - start - making.spent)

    models = tree.all_models()
    whole = result.timed("prune", lambda: tree.prune(models))
    small = result.timed("compress", whole.compress)
    del whole
    sequence = result.timed("order", lambda: _ordered(DfsPlus(), small, models))
    plan = result.timed("plan", lambda: _plan(small, models, _Known(sequence)))
    result.facts = {
        "vertices": len(tree),
        "compressed": len(small),
        "chunks": len(plan.chunks),
        "steps": result.timed("steps", lambda: sum(1 for _ in plan.steps)),
    }
    others: list[Order] = [Given(), Random(), Dfs()]
    for order in others:
        result.timed(order.name, partial(_ordered, order, small, models))
    half = np.random.default_rng(0).permutation(count)[: (count + 1) // 2]
    kept = [models[i] for i in np.sort(half)]
    halved = result.timed("half_prune", lambda: tree.prune(kept))
    result.timed("half_plan", lambda: _plan(halved.compress(), kept, DfsPlus()))
    result.peak_bytes, result.load = _peak_bytes(), os.getloadavg()[0]
    return result


def _ordered(order: Order, tree: TaskTree, models: Sequence[str]) -> list[int]:
    return order(Shape.of(tree, models))


def _plan(tree: TaskTree, models: Sequence[str], order: Order) -> Plan:
    stops = [*range(BATCH_SIZE, ITEMS, BATCH_SIZE), ITEMS]
    batches = [Batch(i, i * BATCH_SIZE, stop, stop <= ITEMS // 5) for i, stop in enumerate(stops)]
    return make_plan(tree, models, batches, order, planned_releases=True, limits=Limits((BUDGET,)))


def _now() -> np.ndarray:
    """Seconds (2,) that this process has had a core, and of the wall clock."""
    return np.array([time.process_time(), time.perf_counter()])


def _peak_bytes() -> int:
    """Largest resident memory of this process so far."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:  # not Linux
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return int(next(line for line in lines if line.startswith("VmHWM:")).split()[1]) * 1024


def main() -> None:
    """Measure on one core."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    json.dump(asdict(measure(int(sys.argv[1]))), sys.stdout)


if __name__ == "__main__":
    main()
