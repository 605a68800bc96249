"""A plan: what to compute, score and release, in which order. Data only; the engine runs it."""

from dataclasses import dataclass

from alsatian.data.dataset import Batch
from alsatian.tree import TaskTree


@dataclass(frozen=True, slots=True)
class Infer:
    """Compute ``vertex`` for the batches of ``chunk`` from its nearest ancestor at hand."""

    vertex: int
    chunk: int


@dataclass(frozen=True, slots=True)
class Release:
    """Drop the intermediate ``vertex`` of ``chunk`` from the cache; nothing reads it any more."""

    vertex: int
    chunk: int


@dataclass(frozen=True, slots=True)
class Score:
    """Score the models whose features ``vertex`` is, on all features they have so far."""

    vertex: int


Step = Infer | Release | Score


@dataclass(frozen=True)
class Plan:
    """The steps of one round.

    Attributes:
        tree: the compressed task tree that vertices refer to.
        chunks: the round's new batches, divided so that the budget holds.
        steps: in execution order.
        peaks: largest content of each tier of the cache over all steps, in bytes, if releases are planned
            (with one tier C_min times the items of the largest chunk); None if a reactive policy decides
            at run time.
    """

    tree: TaskTree
    chunks: tuple[tuple[Batch, ...], ...]
    steps: tuple[Step, ...]
    peaks: tuple[int, ...] | None
