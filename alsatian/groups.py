"""Many short sequences kept as one long one."""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Generic, TypeVar, overload

import numpy as np

T = TypeVar("T")


class Groups(Sequence[Sequence[T]], Generic[T]):
    """Group ``i`` is ``items[starts[i]:starts[i + 1]]``, as a tuple made when it is asked for.

    Most vertices of a task tree have one block, no or one child, and no model. A list for each would take
    several times the memory and keep the garbage collector busy.

    Attributes:
        items: of all groups, one group after another.
        starts: where each group starts in ``items``, and where the last one stops.
    """

    def __init__(self, items: Iterable[T] = (), sizes: Sequence[int] | np.ndarray = ()) -> None:
        """``sizes``: number of items of each group, in order."""
        self.items = list(items)
        self.starts = array("q", [0])
        self.starts.frombytes(np.cumsum(sizes, dtype=np.int64).tobytes())

    @classmethod
    def by(cls, group: np.ndarray, items: Sequence[T], count: int) -> "Groups[T]":
        """``items`` by the number of their ``group``, in 0 … ``count`` - 1; in a group they keep their order."""
        order = np.argsort(group, kind="stable").tolist()
        return cls(map(items.__getitem__, order), np.bincount(group, minlength=count))

    @property
    def sizes(self) -> np.ndarray:
        """Number of items of each group."""
        return np.diff(self.starts)

    def __len__(self) -> int:
        return len(self.starts) - 1

    def __iter__(self) -> Iterator[tuple[T, ...]]:
        return (tuple(self.items[start:stop]) for start, stop in pairwise(self.starts))

    @overload
    def __getitem__(self, index: int) -> tuple[T, ...]: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[tuple[T, ...]]: ...
    def __getitem__(self, index: int | slice) -> tuple[T, ...] | Sequence[tuple[T, ...]]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        i = range(len(self))[index]
        return tuple(self.items[self.starts[i] : self.starts[i + 1]])

    def __eq__(self, other: object) -> bool:
        """Equal to any sequence of sequences with the same items."""
        if not isinstance(other, Sequence):
            return NotImplemented
        return len(self) == len(other) and all(a == tuple(b) for a, b in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Groups({list(self)})"
