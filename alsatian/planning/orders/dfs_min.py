"""The depth-first order with the smallest peak, also where results stay in memory.

Let a subtree, run depth first from an empty cache, have the peak p and leave the residue r behind: all that is
kept of it, whatever the order. What comes next runs on top of r.

- Among subtrees that run one after another beside the same content, p - r falling is best. Two neighbours i, j
  on top of a content c need c + max(p_i, r_i + p_j) one way round and c + max(p_j, r_j + p_i) the other. If
  p_i - r_i >= p_j - r_j, then r_j + p_i is at least r_i + p_j, and at least p_i: the first is no larger.
  Exchanging neighbours sorts any sequence without making it worse (the argument of Liu, "An application of
  generalized tree pebbling to sparse matrix factorization", 1987).
- The last child is special: the parent, held beside all others, is released as soon as the last child itself
  is computed, so the rest of that child's subtree runs without it. Whichever child is last, the rule above
  holds for the others, so it is enough to try every child as the last one.
- A smaller peak of a child never makes its parent's larger, and residues are fixed, so subtrees are solved
  from the leaves up.

Where nothing is kept all residues are 0, and the peak is that of DFS+.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import ClassVar

from alsatian.planning.orders.base import Shape, depth_first


@dataclass(frozen=True)
class DfsMin:
    """Depth-first search whose peak no other depth-first search undercuts; ties as added."""

    name: ClassVar[str] = "dfs_min"

    def __call__(self, shape: Shape) -> list[int]:
        peak = list(shape.size)
        residue = list(shape.kept)
        children: list[list[int]] = [[] for _ in peak]
        for vertex in reversed(range(len(peak))):
            children[vertex], below = _arranged(shape, vertex, peak, residue)
            peak[vertex] = shape.kept[vertex] + max(shape.size[vertex], below)
            residue[vertex] += sum(residue[child] for child in children[vertex])
        return depth_first(shape, _falling(shape.roots(), peak, residue), children)


def _falling(vertices: Sequence[int], peak: Sequence[int], residue: Sequence[int]) -> list[int]:
    return sorted(vertices, key=lambda v: residue[v] - peak[v])


def _arranged(shape: Shape, vertex: int, peak: Sequence[int], residue: Sequence[int]) -> tuple[list[int], int]:
    """The children of ``vertex`` in their best order, and the largest content while they run."""
    ordered = _falling(shape.children[vertex], peak, residue)
    if not ordered:
        return [], 0
    held = shape.size[vertex]
    below = list(accumulate((residue[child] for child in ordered), initial=0))
    needs = [held + content + peak[child] for content, child in zip(below, ordered, strict=False)]
    before = list(accumulate(needs, max, initial=0))
    after = list(accumulate(reversed(needs), max, initial=0))[::-1]

    def with_last(i: int) -> int:
        child = ordered[i]
        own = below[-1] - residue[child] + max(held + shape.entering(child), peak[child])
        return max(before[i], after[i + 1] - residue[child], own)

    last = min(reversed(range(len(ordered))), key=with_last)
    return [*ordered[:last], *ordered[last + 1 :], ordered[last]], with_last(last)
