"""What several workers do in one round: data only. A machine carries it out, and predictions are told from it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from alsatian.data.dataset import Batch
from alsatian.planning.limits import Limits


@dataclass(frozen=True)
class Worker:
    """A process that extracts features and scores models.

    Attributes:
        name: unique among the workers of a search.
        speed: its rate of computing, by its profile, over that of the machine that the costs are of.
        bandwidth: bytes per second of its way to the store; None for that of the costs.
        limits: its own budgets, which its plans keep to.
    """

    name: str
    speed: float = 1.0
    bandwidth: float | None = None
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True)
class Portion:
    """Models that one worker plans and runs together.

    Attributes:
        models: ids of candidates, in depth-first order of the task tree.
        batches: those of the round's missing batches that the worker computes: all, or a range of them if several
            workers divide the data of these models.
        seconds: predicted, on its worker.
        why: for people.
        again_s: seconds, on a worker of speed 1, of what another portion computes and reads as well.
    """

    models: tuple[str, ...]
    batches: tuple[Batch, ...]
    seconds: float
    why: str
    again_s: float = 0.0


@dataclass(frozen=True)
class Distribution:
    """Who does what in a round.

    Attributes:
        way: how the work was cut: ``"subtrees"``, ``"blocks"`` or ``"data"``.
        portions: by name of every worker, in the order to run. Those of a worker share no prefix worth sharing, so
            that one that was not started may move to an idle worker.
        seconds: predicted by worker, with features that move.
        parts_s: the same by exclusive parts.
        read_bytes: of the blocks that each worker reads, each once.
        computed_s: seconds to prepare data and infer in all portions, on a worker of speed 1.
        duplicated_s: the part of these that other portions do as well.
        duplicated_bytes: that more than one worker reads.
        moved_bytes: of features that come from another worker.
        whole_s: seconds of the round on one worker of speed 1.
        note: why it was cut so, for people.
    """

    way: str
    portions: Mapping[str, tuple[Portion, ...]]
    seconds: Mapping[str, float] = field(default_factory=dict)
    parts_s: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    read_bytes: Mapping[str, int] = field(default_factory=dict)
    computed_s: float = 0.0
    duplicated_s: float = 0.0
    duplicated_bytes: int = 0
    moved_bytes: int = 0
    whole_s: float = 0.0
    note: str = ""

    @property
    def wall_s(self) -> float:
        """Until the last worker is done."""
        return max(self.seconds.values(), default=0.0)

    def facts(self) -> dict[str, Any]:
        """As an event says it."""
        said = ("way", "computed_s", "duplicated_s", "duplicated_bytes", "moved_bytes", "whole_s", "note")
        return {
            **{name: getattr(self, name) for name in said},
            "predicted_s": self.wall_s,
            "portions": {name: len(own) for name, own in self.portions.items()},
            "models": {name: sum(len(portion.models) for portion in own) for name, own in self.portions.items()},
        }
