"""Packs whole pieces of work, the longest first, onto who is done first."""

from collections.abc import Sequence
from heapq import heapify, heapreplace

import numpy as np

from alsatian.planning.distribution.ranges import Lane
from alsatian.planning.distribution.work import Line, Time, Work
from alsatian.tree import NO_VERTEX

_MOST_PIECES = 16


def packed_order(work: Work, line: Line, seconds: Time, bins: int) -> np.ndarray | None:
    """All units, so that cutting them into ``bins`` ranges can be packing subtrees into bins, the longest first.

    The subtrees are the largest of which none takes longer than the mean of the bins; ``line`` has the units in
    depth-first order. None where there are so many of them that any order will do.
    """
    mean = seconds(line.cost(0, len(work))) / bins
    pieces: list[tuple[float, int, int]] = []
    stack = work.tree.roots()
    while stack:
        vertex = stack.pop()
        low, high = work.low[vertex], work.high[vertex]
        took = seconds(line.cost(low, high))
        below = work.tree.children[vertex]
        if took <= mean or not below:
            pieces.append((took, low, high))
        else:
            stack.extend(below)
            if work.vertex[low] == vertex:
                pieces.append((seconds(line.cost(low, low + 1)), low, low + 1))
        if len(pieces) + len(stack) > _MOST_PIECES * bins:
            return None
    loads: list[tuple[float, int]] = [(0.0, number) for number in range(bins)]
    packed: list[list[tuple[int, int]]] = [[] for _ in range(bins)]
    for took, low, high in sorted(pieces, reverse=True):
        load, number = loads[0]
        packed[number].append((low, high))
        heapreplace(loads, (load + took, number))
    ranges = [piece for _, number in sorted(loads, reverse=True) for piece in sorted(packed[number])]
    return np.concatenate([np.arange(low, high) for low, high in ranges])


def pack_blocks(work: Work, lanes: Sequence[Lane]) -> list[np.ndarray]:
    """The units of every lane if all with any block in common stay together, so that no block is read twice."""
    lines = [Line(work, units) for units in _components(work)]
    costs = sorted(((line.cost(0, len(line)), line) for line in lines), key=lambda found: found[0], reverse=True)
    packed: list[list[np.ndarray]] = [[] for _ in lanes]
    kinds: dict[tuple[float, float], list[tuple[float, int]]] = {}  # equal lanes wait in a heap
    for number, lane in enumerate(lanes):
        kinds.setdefault((lane.rate, lane.bandwidth), []).append((0.0, number))
    for heap in kinds.values():
        heapify(heap)
    for cost, line in costs:
        ends = [(heap[0][0] + lanes[heap[0][1]].seconds(cost), heap) for heap in kinds.values()]
        end, heap = min(ends, key=lambda found: found[0])
        number = heap[0][1]
        packed[number].append(line.units)
        heapreplace(heap, (end, number))
    return [np.sort(np.concatenate(parts)) if parts else np.empty(0, np.int64) for parts in packed]


def _components(work: Work) -> list[np.ndarray]:
    """The units that are connected by blocks, in one or several steps."""
    tree = work.tree
    above = list(range(len(tree)))

    def top(vertex: int) -> int:
        while above[vertex] != vertex:
            above[vertex] = vertex = above[above[vertex]]
        return vertex

    sizes = tree.blocks.sizes.tolist()
    for vertex, parent in enumerate(tree.parent):
        if parent != NO_VERTEX and sizes[parent]:  # data is no block
            above[top(vertex)] = top(parent)
    owner = np.repeat(np.arange(len(tree)), tree.blocks.sizes)
    order = np.argsort(work.numbers, kind="stable")  # blocks of one identity one after another
    same = np.flatnonzero(np.diff(work.numbers[order]) == 0)
    for one, other in zip(owner[order[same]].tolist(), owner[order[same + 1]].tolist(), strict=True):
        above[top(one)] = top(other)
    groups: dict[int, list[int]] = {}
    for unit, vertex in enumerate(work.vertex):
        groups.setdefault(top(vertex), []).append(unit)
    return [np.array(units) for units in groups.values()]
