"""Materialise or recompute, by an integer programme under a storage budget (Nautilus)."""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import lil_array

from alsatian.errors import ConfigError
from alsatian.planning.limits import Limits
from baselines.selection import Choice, Selection, Work

# The solver stops at gaps that are absolute: seconds are scaled, so that computing all again counts as much.
_SCALE = 1e4


@dataclass(frozen=True, kw_only=True)
class Materialise(Selection):
    """Keeps the intermediates that make the round's computing, reading and writing shortest, of all that fit.

    As Nautilus does for the layers of models in transfer learning (Nakandala and Kumar, SIGMOD 2022). A model
    starts from the nearest layer that is kept; a layer lies in one tier, and all that are kept in a tier fit its
    budget at once. Simplified: seconds are measured instead of derived from FLOPs, a model never reads a layer
    further from its output than the nearest one, models are not fused for training (a prefix that is not kept is
    computed once for each), and the choice is made anew for each round's new items.

    Attributes:
        time_limit: seconds, after which the best choice so far is taken, with a note.
    """

    time_limit: float = 10.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.time_limit > 0:
            raise ConfigError(f"strategy.time_limit={self.time_limit}: must be more than 0 seconds")

    def choose(self, work: Work, limits: Limits) -> Choice:
        return materialised(work, limits, self.time_limit)


def materialised(work: Work, limits: Limits, time_limit: float) -> Choice:
    """The best choice for ``work``, found within ``time_limit`` seconds.

    Variables are, of every vertex v that several computations lead through if nothing is kept: the number of times
    n(v) it is computed, and for each tier t whether it lies there, z(v, t), and how often it is read, r(v, t). With
    d(v), the sum of n over its children (1 for one without children), and m(v), its largest value:

        minimise    sum of seconds(v) n(v) + write(v, t) z(v, t) + read(v, t) r(v, t)
        subject to  n(v) >= 1,  n(v) >= d(v) - (m(v) - 1) (z(v, 1) + z(v, 2) + ...)
                    r(v, t) >= d(v) - m(v) (1 - z(v, t))
                    the z(v, t) of v add up to at most 1, and bytes(v) z(v, t) over all v to the budget of t
    """
    tree, most = work.tree, work.starts(())
    shared = [v for v in range(len(tree)) if most[v] > 1]
    if not shared:
        return Choice(frozenset())
    place, tiers, count = {v: i for i, v in enumerate(shared)}, range(len(limits.cache)), len(shared)

    def z(i: int, tier: int) -> int:
        return count * (1 + 2 * tier) + i

    variables = count * (1 + 2 * len(tiers))
    cost, upper = np.zeros(variables), np.full(variables, np.inf)
    rows = lil_array((count * (2 + len(tiers)) + len(tiers), variables))
    least, highest = np.full(rows.shape[0], -np.inf), np.full(rows.shape[0], np.inf)
    scale = _SCALE / (work.total_s(()) or 1.0)
    for i, v in enumerate(shared):
        below = [place[c] for c in tree.children[v] if c in place]
        alone = len(tree.children[v]) - len(below)  # children that are computed once whatever is kept
        cost[i] = scale * work.seconds[v]
        rows[i, i] = 1.0
        rows[i, below] = -1.0
        least[i], highest[count + i] = alone, 1.0
        for t in tiers:
            at, reads, line = z(i, t), z(i, t) + count, count * (2 + t) + i
            write, read = (_tier_s(work, limits, t, v, writes) for writes in (True, False))
            cost[at], cost[reads] = scale * write, scale * read
            rows[i, at] = most[v] - 1
            rows[count + i, at] = 1.0
            rows[line, reads] = 1.0
            rows[line, below] = -1.0
            rows[line, at] = -most[v]
            least[line] = alone - most[v]
            budget = limits.cache[t]
            upper[at] = 1.0 if budget is None or work.nbytes[v] <= budget else 0.0
            if budget:
                rows[count * (2 + len(tiers)) + t, at] = work.nbytes[v] / budget
                highest[count * (2 + len(tiers)) + t] = 1.0
    whole, lower = np.zeros(variables), np.zeros(variables)
    lower[:count] = 1.0
    for t in tiers:
        whole[z(0, t) : z(0, t) + count] = 1
    found = milp(
        cost,
        integrality=whole,
        bounds=Bounds(lower, upper),
        constraints=LinearConstraint(rows.tocsr(), least, highest),
        options={"time_limit": time_limit, "mip_rel_gap": 0.0},
    )
    note = None if found.status == 0 else f"the best within {time_limit:g} s, not proved to be the least"
    if found.x is None:
        return Choice(frozenset(), note=note)
    tier_of = {v: t for i, v in enumerate(shared) for t in tiers if found.x[z(i, t)] > 0.5}
    return Choice(frozenset(tier_of), frozenset(v for v, t in tier_of.items() if t), note)


def _tier_s(work: Work, limits: Limits, tier: int, vertex: int, writes: bool) -> float:
    """Seconds to write a vertex to a tier, or to read it there; none where that is not known."""
    return work.costs.cache_s(limits.tiers[tier], work.nbytes[vertex], writes) if work.costs else 0.0
