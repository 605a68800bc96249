"""What a round's cut is given, and the lanes that its workers can form."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

import numpy as np

from alsatian.data.dataset import Batch
from alsatian.planning.distribution.distribution import Worker
from alsatian.planning.distribution.ranges import Lane
from alsatian.planning.distribution.work import Cost, Line, Work

_FEW, _MANY = 16, 20


@dataclass(frozen=True, eq=False)
class Job:
    """One round.

    Attributes:
        work: its units.
        batches: that they lack.
        given: the workers, as given.
        bandwidth: bytes per second of workers without one of their own.
        read_ahead: whether blocks are read beside computing.
        homes: the worker that holds a model's features so far.
        held_items: items of these.
    """

    work: Work
    batches: tuple[Batch, ...]
    given: Sequence[Worker]
    bandwidth: float
    read_ahead: bool
    homes: Mapping[str, str]
    held_items: int

    @cached_property
    def workers(self) -> list[Worker]:
        """The fastest first."""
        return sorted(self.given, key=lambda worker: (-worker.speed, -self.way_to_store(worker)))

    @cached_property
    def numbers(self) -> dict[str, int]:
        """The place in :attr:`workers` of each, by name."""
        return {worker.name: number for number, worker in enumerate(self.workers)}

    @cached_property
    def items(self) -> int:
        """Of all batches."""
        return sum(batch.items for batch in self.batches)

    @cached_property
    def line(self) -> Line:
        """All units in depth-first order."""
        return Line(self.work, np.arange(len(self.work)))

    @cached_property
    def home(self) -> np.ndarray:
        """The number (N,) of the worker in :attr:`workers` that holds each unit's features; -1 for none."""
        tree, numbers = self.work.tree, self.numbers
        names = (self.homes.get(tree.models[vertex][0], "") for vertex in self.work.vertex)
        return np.array([numbers.get(name, -1) for name in names], np.int64)

    @cached_property
    def distinct_bytes(self) -> int:
        """Of all blocks, each once."""
        return self.work.distinct_bytes(range(len(self.work)))

    def way_to_store(self, worker: Worker) -> float:
        """Its bytes per second."""
        return worker.bandwidth or self.bandwidth

    def seconds(self, cost: Cost) -> float:
        """Of work on one worker of speed 1."""
        return Lane((Worker(""),), (1.0,), self.bandwidth, self.read_ahead).seconds(cost)

    def again_s(self) -> np.ndarray:
        """Seconds (N,) of what each unit shares with the one before, on one worker of speed 1."""
        computing, _, load, nbytes, _ = self.work.shared
        reading = load + nbytes / self.bandwidth
        both: np.ndarray = np.maximum(computing, reading) if self.read_ahead else computing + reading
        return both

    def counts(self) -> list[int]:
        """Numbers of bins or of workers that are tried: the same up to any number of workers."""
        numbers = [*range(1, _FEW + 1), *(n << k for k in range(_MANY) for n in (_FEW * 3 // 2, 2 * _FEW))]
        return [number for number in numbers if number <= len(self.workers)]

    def lanes(self, size: int) -> list[Lane]:
        """As many as can be of ``size`` workers, which divide the data; the fastest workers are together."""
        groups = [self.workers[i : i + size] for i in range(0, len(self.workers) - size + 1, size)]
        return [self._lane(tuple(group)) for group in groups]

    def _lane(self, workers: tuple[Worker, ...]) -> Lane:
        parts = self.divided(workers)
        shares = [sum(batch.items for batch in part) / self.items for part in parts] if self.items else [1.0]
        moved = self.items * (1 - 1 / len(workers))
        slowest = min(map(self.way_to_store, workers))
        return Lane(workers, tuple(shares), slowest, self.read_ahead, moved)

    def divided(self, workers: Sequence[Worker]) -> list[tuple[Batch, ...]]:
        """The batches of each of ``workers``: ranges in proportion to their speeds."""
        if len(workers) == 1:
            return [self.batches]
        upto = np.cumsum([batch.items for batch in self.batches])
        speeds = np.array(list(accumulate(worker.speed for worker in workers)))
        ends = np.searchsorted(upto - upto[0] / 2, speeds / speeds[-1] * upto[-1], side="right").tolist()
        ends[-1] = len(self.batches)
        return [self.batches[start:end] for start, end in zip([0, *ends], ends, strict=False)]
