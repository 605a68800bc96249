"""What the head and a worker say to each other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import torch

from alsatian import errors
from alsatian.data.dataset import Batch
from alsatian.errors import AlsatianError, BadModelError, told
from alsatian.runtime.meter.measurement import Measurement
from alsatian.runtime.scorer import Scored

PRODUCT = "product"
"""What every worker can measure."""
Batches = Mapping[int, torch.Tensor]
"""Features (items, D) of one model by index of the batch, on the CPU."""


@dataclass(frozen=True)
class Task:
    """Models that one worker plans and runs together.

    Attributes:
        round: the number of the one that it belongs to, from 1.
        models: ids of candidates.
        test, train: batches that their scores are for.
        extracted: in place of these the batches whose features are asked for, without scores.
        seconds: it is predicted to take.
    """

    round: int
    models: tuple[str, ...]
    test: tuple[Batch, ...]
    train: tuple[Batch, ...]
    extracted: tuple[Batch, ...] | None = None
    seconds: float = 0.0


@dataclass(frozen=True)
class Fault:
    """An error as a value: it says the same on the other side, and is of the same kind there."""

    kind: str
    text: str
    models: tuple[str, ...] = ()

    @classmethod
    def of(cls, error: BaseException) -> "Fault":
        """What ``error`` says; one that nobody meant for people says also where."""
        if isinstance(error, AlsatianError):
            return cls(type(error).__name__, str(error), getattr(error, "models", ()))
        return cls(AlsatianError.__name__, told(error))

    def error(self, where: str) -> AlsatianError:
        """To be raised; a worker is named where the error may be its own."""
        kind = getattr(errors, self.kind, AlsatianError)
        if kind is BadModelError:
            return BadModelError(self.text, self.models)
        found: AlsatianError = kind(self.text if kind is not AlsatianError else f"{where}: {self.text}")
        return found


@dataclass(frozen=True)
class Report:
    """What became of a task.

    Attributes:
        scored: candidates that have scores now.
        failed: models that cannot be used, with the reason.
        fault: what ended it early; what was scored before counts.
        same: by candidate the one whose features it shares, for those whose features are not sent themselves.
        has: by candidate the indices of the batches of which it has features now.
        measurement: of the worker since it began.
        best_s, best_read: see :class:`~alsatian.runtime.meter.meter.Meter`.
        began: when the worker's clock was started, in seconds of the epoch.
    """

    scored: Mapping[str, Scored]
    failed: Mapping[str, str]
    fault: Fault | None
    same: Mapping[str, str]
    has: Mapping[str, frozenset[int]]
    measurement: Measurement
    best_s: Mapping[tuple[str, int], float] = field(default_factory=dict)
    best_read: float = 0.0
    began: float = 0.0


@dataclass(frozen=True)
class Facts:
    """What a worker says of itself when it joins.

    Attributes:
        name: of the worker.
        node: the machine that it runs on, by the cluster's name for it.
        process: its id there.
        bits: everything that may decide about the last bits of features; see
            :func:`~alsatian.runtime.reuse.bits.surroundings`.
        seconds: that it computes for all candidates of an architecture, by the code of its blocks, a few items
            each; and for a product of matrices (:data:`PRODUCT`).
    """

    name: str
    node: str
    process: int
    bits: Mapping[str, Any]
    seconds: Mapping[str, float]

    @classmethod
    def speeds(cls, workers: Sequence["Facts"]) -> list[float]:
        """Rates of computing by what all ``workers`` measured, over the median; by architectures if they can."""
        common = set.intersection(*(set(one.seconds) for one in workers))
        counted = common - {PRODUCT} or {PRODUCT}
        rates = [1 / sum(one.seconds[key] for key in counted) for one in workers]
        return [rate / median(rates) for rate in rates]
