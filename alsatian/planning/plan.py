"""A plan: what to compute, score and release, in which order. Data only; the engine runs it."""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import overload

from alsatian.data.dataset import Batch
from alsatian.tree import TaskTree


@dataclass(frozen=True, slots=True)
class Infer:
    """Compute ``vertex`` for the batches of ``chunk`` from its nearest ancestor at hand.

    If the plan fuses ``vertex``, the step goes on to what is below it; see :mod:`~alsatian.planning.computation`.
    """

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


class Steps(Sequence[Step]):
    """The same steps for one chunk after another; models are scored in the last chunk only.

    A step is made when it is looked at. What is kept are eight bytes for each step of one chunk, since plans
    for millions of models have many times as many steps.
    """

    def __init__(self, chunk: Iterable[Step], chunks: int) -> None:
        """``chunk``: the steps of a single chunk; its number in them does not matter."""
        self._chunks = chunks
        self._last = array("q", (_encoded(step) for step in chunk))
        self._others = array("q", (code for code in self._last if code % _KINDS != _SCORE) if chunks > 1 else ())

    def __len__(self) -> int:
        return len(self._others) * (self._chunks - 1) + len(self._last)

    def __iter__(self) -> Iterator[Step]:
        for chunk in range(self._chunks):
            for code in self._last if chunk == self._chunks - 1 else self._others:
                yield _decoded(code, chunk)

    @overload
    def __getitem__(self, index: int) -> Step: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Step]: ...
    def __getitem__(self, index: int | slice) -> Step | Sequence[Step]:
        if isinstance(index, slice):
            return tuple(self[i] for i in range(*index.indices(len(self))))
        i = range(len(self))[index]
        before = len(self._others) * (self._chunks - 1)
        if i >= before:
            return _decoded(self._last[i - before], self._chunks - 1)
        chunk, at = divmod(i, len(self._others))
        return _decoded(self._others[at], chunk)

    def __eq__(self, other: object) -> bool:
        """Equal to any sequence of the same steps."""
        if not isinstance(other, Sequence):
            return NotImplemented
        return len(self) == len(other) and all(a == b for a, b in zip(self, other, strict=True))

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        return repr(tuple(self))


_KINDS = 3
_INFER, _RELEASE, _SCORE = range(_KINDS)


def _encoded(step: Step) -> int:
    kind = _INFER if isinstance(step, Infer) else _RELEASE if isinstance(step, Release) else _SCORE
    return step.vertex * _KINDS + kind


def _decoded(code: int, chunk: int) -> Step:
    vertex, kind = divmod(code, _KINDS)
    return Infer(vertex, chunk) if kind == _INFER else Release(vertex, chunk) if kind == _RELEASE else Score(vertex)


@dataclass(frozen=True)
class Plan:
    """The steps of one round.

    Attributes:
        tree: the compressed task tree that vertices refer to.
        chunks: the round's new batches, divided so that the budget holds.
        steps: in execution order.
        peaks: largest content of each tier of the cache over all steps, in bytes, if releases are planned
            (with one tier and nothing fused or recomputed C_min times the items of the largest chunk); None if
            a reactive policy decides at run time.
        note: what the order has to say about itself, such as that it is not what its name promises.
        fused: vertices that are passed on batch by batch and never kept; see :mod:`~alsatian.planning.computation`.
        recomputed: vertices that are computed again for every child and never kept.
        spilled: vertices that are kept in a lower tier of the cache even if there is room above.
        memory: bytes of the device's memory for intermediates and for blocks while the plan runs; None leaves the
            budgets as they are.
    """

    tree: TaskTree
    chunks: tuple[tuple[Batch, ...], ...]
    steps: Sequence[Step]
    peaks: tuple[int, ...] | None
    note: str | None = None
    fused: frozenset[int] = frozenset()
    recomputed: frozenset[int] = frozenset()
    spilled: frozenset[int] = frozenset()
    memory: tuple[int, int] | None = None
