"""Intermediates to keep, chosen one after another by what keeping one more saves."""

from dataclasses import dataclass

from alsatian.planning.limits import Limits
from alsatian.tree import NO_VERTEX
from baselines.selection import Choice, Selection, Work


@dataclass(frozen=True, kw_only=True)
class Greedy(Selection):
    """Keeps, as long as one fits and saves time, the intermediate that saves most beside those chosen before.

    By seconds it is the greedy materialisation of KeystoneML (Sparks et al., ICDE 2017). Simplified: seconds are
    those of this machine's profile and not of a sampled run, the lists of operators that KeystoneML also chooses
    are fixed, and all data is resident for the choice. ``per_byte`` weighs what is saved by size, as MISTIQUE
    (Vartak et al., SIGMOD 2018) weighs intermediates. Simplified: MISTIQUE stores what passes a threshold, for
    queries that are not known before; here all uses are known and the budget decides.

    Both look at the fastest tier alone, from which reading is free; reading blocks again does not count.
    """

    per_byte: bool = False

    def choose(self, work: Work, limits: Limits) -> Choice:
        left, kept = limits.cache[0], set[int]()
        while True:
            saved = savings(work, kept)
            if self.per_byte:
                saved = {vertex: seconds / work.nbytes[vertex] for vertex, seconds in saved.items()}
            fitting = [v for v in saved if saved[v] > 0 and (left is None or work.nbytes[v] <= left)]
            if not fitting:
                return Choice(frozenset(kept))
            best = max(fitting, key=lambda v: saved[v])  # of equal ones the first
            kept.add(best)
            left = None if left is None else left - work.nbytes[best]


def savings(work: Work, kept: set[int]) -> dict[int, float]:
    """Seconds that keeping one vertex more, beside ``kept``, saves; of every vertex with children that is not kept.

    All but the first of the computations that lead through it no longer begin at what is kept above.
    """
    tree, starts = work.tree, work.starts(kept)
    path_s: list[float] = []  # to compute each vertex from what is kept above it
    for vertex, parent in enumerate(tree.parent):
        above = 0.0 if parent == NO_VERTEX or parent in kept else path_s[parent]
        path_s.append(above + work.seconds[vertex])
    inner = (v for v in range(len(tree)) if tree.children[v] and v not in kept)
    return {v: (starts[v] - 1) * path_s[v] for v in inner}
