"""The least peak among all orders of a tree whose results are all released.

What a subtree can do next to other content is summed up in its profile: records (need, residue) of rising need
and falling residue. With ``need`` for itself, the subtree gets to a state that holds only ``residue``, and to
no state that holds less. The first record is the root of the subtree computed and held, the last the subtree
done and nothing held. The need of the last record is the least peak.

Why records suffice. The content f(S) after the set S of vertices has been computed is submodular: a vertex
counts if it is in S, less if it and all its children are. So if S can get to a larger S' within a budget and no
set between the two holds less than S', then any way from S to the end has a counterpart by way of S' within the
same budget: take the steps to S' first and then the others. Going to S' is *safe*. And subtrees whose parents
are released, or held in any case, change the content independently. If several of them together get to no more
content than before, the first of them to get there did not need the others. Hence

- from the moment its vertices are released, subtrees advance one at a time, smallest need first;
- while a vertex is held, only the sequence in which its children are computed is open. Each advances as far as
  the budget allows and then waits (the budget left for it only shrinks) until the vertex is released. If the
  result holds no more than the vertex did, that is a safe step, and the least such budget is the next record.

The search for the sequence is exponential only in the children that can advance to different residues. Children
that can get to zero go first. Children that can only be computed and held add the same whenever they come; last,
they leave the others most. Children with equal profiles are interchangeable.
"""

import heapq
import time
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import inf


@dataclass(frozen=True, slots=True)
class Record:
    """A state of a subtree; ``steps`` lead to it from the record before: vertices, and records of children."""

    need: int
    residue: int
    steps: "tuple[int | Record, ...]"


@dataclass(frozen=True)
class Profile:
    """See the module. Contents in the unit of ``Shape.size``, counted for the subtree alone."""

    records: list[Record]
    needs: list[int] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "needs", [record.need for record in self.records])

    def level(self, budget: int) -> int:
        """The last record that ``budget`` suffices for, -1 if it is not enough for any."""
        return bisect_right(self.needs, budget) - 1

    def residue(self, level: int) -> int:
        """What the subtree holds at record ``level``."""
        return self.records[level].residue

    def coarse(self) -> "Profile":
        """With the first and the last record only: once computed, the subtree does not pause."""
        if len(self.records) <= 2:
            return self
        last = self.records[-1]
        steps = tuple(step for record in self.records[1:] for step in record.steps)
        return Profile([self.records[0], Record(last.need, last.residue, steps)])


@dataclass(frozen=True, slots=True)
class Release:
    """How all children of a vertex get computed: in turn, which goes on to which record; and what is held then."""

    steps: tuple[tuple[int, int], ...]
    residue: int


def profile_of(
    held: int, vertex: int, children: Sequence[Profile], allowance: int, deadline: float
) -> tuple[Profile, bool]:
    """The profile of the subtree under ``vertex`` of size ``held``, and whether it is known to be the best.

    It is not if a search has looked at ``allowance`` states, or until ``deadline`` (``time.monotonic``). The
    profile is then still that of an order that exists.
    """
    if not children:
        return Profile([Record(held, 0, (vertex,))]), True
    need, release, exact = _least_release(held, children, allowance, deadline)
    levels = [-1] * len(children)
    steps: list[int | Record] = []
    for child, level in release.steps:
        steps.extend(children[child].records[levels[child] + 1 : level + 1])
        levels[child] = level
    records = [Record(held, held, (vertex,))]
    residue = release.residue
    for least, child, level, left in _advance(children, levels):
        if least > need:
            records.append(Record(need, residue, tuple(steps)))
            need, steps = least, []
        # Steps and not the record: deep trees would hold a record for every pair of a vertex and one above it.
        steps.extend(children[child].records[level].steps)
        residue = left
    records.append(Record(need, residue, tuple(steps)))
    return Profile(records), exact


def flatten(records: Sequence[Record]) -> list[int]:
    """The vertices of ``records`` in turn."""
    order: list[int] = []
    stack: list[int | Record] = list(reversed(records))
    while stack:
        step = stack.pop()
        if isinstance(step, Record):
            stack.extend(reversed(step.steps))
        else:
            order.append(step)
    return order


def _advance(children: Sequence[Profile], levels: Sequence[int]) -> Iterator[tuple[int, int, int, int]]:
    """Independent subtrees from ``levels`` to their ends: ``(need, child, its next level, residue of all)``."""
    levels = list(levels)
    residue = sum(child.residue(level) for child, level in zip(children, levels, strict=True))
    waiting: list[tuple[int, int]] = []

    def enter(i: int) -> None:
        if levels[i] + 1 < len(children[i].records):
            heapq.heappush(waiting, (children[i].needs[levels[i] + 1] - children[i].residue(levels[i]), i))

    for i in range(len(children)):
        enter(i)
    while waiting:
        above, i = heapq.heappop(waiting)
        need = residue + above
        residue += children[i].residue(levels[i] + 1) - children[i].residue(levels[i])
        levels[i] += 1
        yield need, i, levels[i], residue
        enter(i)


def _least_release(
    held: int, children: Sequence[Profile], allowance: int, deadline: float
) -> tuple[int, Release, bool]:
    """The least budget within which the vertex can be released for no more than it holds; how; and if proved."""
    whole = sorted(range(len(children)), key=lambda i: children[i].needs[-1])
    last = children[whole[-1]].needs
    low = held + max(child.needs[0] for child in children)
    high = max(low, last[-1], held + children[whole[-2]].needs[-1] if len(whole) > 1 else 0)
    # All children but the one with the largest need are done when it comes: this succeeds without a search.
    kinds = _kinds(children)
    best, _ = _release(held, children, kinds, high, 2, inf)
    assert best is not None
    exact = True
    while low < high:
        middle = (low + high) // 2
        release, complete = _release(held, children, kinds, middle, allowance, deadline)
        if release is None:
            low = middle + 1
            exact = exact and complete
        else:
            best, high = release, middle
    return high, best, exact


def _kinds(children: Sequence[Profile]) -> list[int]:
    """The same number for children with equal profiles."""
    alike: dict[tuple[tuple[int, int], ...], int] = {}
    return [alike.setdefault(tuple((r.need, r.residue) for r in c.records), i) for i, c in enumerate(children)]


def _release(
    held: int, children: Sequence[Profile], kinds: Sequence[int], budget: int, allowance: int, deadline: float
) -> tuple[Release | None, bool]:
    """Search for a release within ``budget``; None if there is none or, with False, if none was found."""
    start = (-1,) * len(children)
    stack: list[tuple[tuple[int, ...], int, tuple[tuple[int, int], ...]]] = [(start, held, ())]
    seen = {start}
    looked = 0
    while stack:
        looked += 1
        if looked > allowance or (looked % 256 == 1 and time.monotonic() > deadline):
            return None, False
        state, content, steps = stack.pop()
        levels = list(state)
        to = {i: children[i].level(budget - content) for i, level in enumerate(levels) if level < 0}
        if min(to.values(), default=0) < 0:
            continue  # a child that does not fit now never will
        adds = {i: children[i].residue(level) for i, level in to.items()}
        # What the others leave behind at least, with the one that comes last just computed.
        last = min((children[i].needs[0] - adds[i] for i in to), default=0)
        if content + sum(adds.values()) + last > budget:
            continue
        movable = [i for i in to if to[i] > 0 and adds[i] > 0]
        ready = [i for i in to if adds[i] == 0] + ([] if movable else [i for i in to if adds[i] > 0])
        for i in ready:
            levels[i] = to[i]
            content += adds[i]
            steps = (*steps, (i, to[i]))
        if not movable:
            finished = _finished(children, levels, content - held, steps, budget)
            if finished.residue <= held:
                return finished, True
            continue
        tried: set[int] = set()
        # On the stack the best guess comes last: the largest need above what stays, as among subtrees.
        for i in sorted(movable, key=lambda i: children[i].needs[to[i]] - adds[i]):
            following = (*levels[:i], to[i], *levels[i + 1 :])
            if kinds[i] not in tried and following not in seen:
                tried.add(kinds[i])
                seen.add(following)
                stack.append((following, content + adds[i], (*steps, (i, to[i]))))
    return None, True


def _finished(
    children: Sequence[Profile], levels: list[int], residue: int, steps: tuple[tuple[int, int], ...], budget: int
) -> Release:
    """The vertex is released; children advance as far as ``budget`` lets them."""
    after = list(steps)
    for need, child, level, left in _advance(children, levels):
        if need > budget:
            break
        after.append((child, level))
        residue = left
    return Release(tuple(after), residue)
