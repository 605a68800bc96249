"""Claims about end-to-end times and their parts, as cases: which strategy is ahead, what grows, what stays."""

import math
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise

from alsatian.units import factor_text, seconds_text
from analysis.comparing.labels import DISTRIBUTIONS
from analysis.comparing.measurements import PAPER_PARTS
from analysis.paper.evidence.cells import Cell
from analysis.paper.evidence.claims import Case, Tested

COMPONENTS = {name: name.replace("_", " ") for name in (*PAPER_PARTS, "total")}
# Times that are said to be the same differ by no more than this share.
FLAT = 0.10
# A published factor counts as reached from this share of it on.
REACHED = 0.90
# Seconds: a part that takes no time at all is not divided by.
TINY = 1e-9
# Whether a claim is true, and how clearly: see :class:`Case`.
Outcome = tuple[bool, str, float]


def ahead(found: Sequence[Cell], fast: str, slow: str, component: str = "total") -> Tested:
    """Whether ``fast`` takes less time than ``slow`` wherever it does in the paper."""
    both = [(a, b) for a, b in pairs(found, fast, slow, component) if a.published_seconds < b.published_seconds]
    return _in_pairs(both, lambda a, b: (a.seconds < b.seconds, _times(a, b), b.seconds / max(a.seconds, TINY)))


def same(found: Sequence[Cell], one: str, other: str, component: str, tolerance: float) -> Tested:
    """Whether ``component`` of ``one`` is that of ``other`` within ``tolerance``."""

    def outcome(a: Cell, b: Cell) -> Outcome:
        off = abs(a.seconds - b.seconds) / max(b.seconds, TINY)
        return off <= tolerance, _times(a, b), -off

    return _in_pairs(pairs(found, one, other, component), outcome)


def factors(found: Sequence[Cell], fast: str, slow: str) -> Tested:
    """Whether ``fast`` is as much faster than ``slow`` as published, or more, in every cell."""

    def outcome(a: Cell, b: Cell) -> Outcome:
        factor, paper = b.seconds / a.seconds, b.published_seconds / a.published_seconds
        return factor >= REACHED * paper, f"{factor_text(factor)} (published {factor_text(paper)})", factor / paper

    known = [(a, b) for a, b in pairs(found, fast, slow) if a.published_seconds + b.published_seconds > 0]
    return _in_pairs(known, outcome)


def gain_grows(found: Sequence[Cell], approach: str = "alsatian") -> Tested:
    """Whether the speed-up over base grows from Top 50% to Top Layers."""

    def outcome(values: list[float]) -> Outcome:
        least = min(b / a for a, b in pairwise(values))
        return least > 1, ", ".join(map(factor_text, values)), least

    return _over_distributions(found, approach, "total", lambda cell: cell.speedup, outcome)


def shrinks(found: Sequence[Cell], approach: str, component: str) -> Tested:
    """Whether ``component`` takes less and less from Top 50% to Top Layers."""

    def outcome(values: list[float]) -> Outcome:
        least = min(a / max(b, TINY) for a, b in pairwise(values))
        return least > 1, ", ".join(map(seconds_text, values)), least

    return _over_distributions(found, approach, component, lambda cell: cell.seconds, outcome)


def flat(found: Sequence[Cell], approach: str) -> Tested:
    """Whether end-to-end times are the same over the distributions, within ``FLAT``."""

    def outcome(values: list[float]) -> Outcome:
        spread = max(values) / min(values) - 1
        return spread <= FLAT, f"{', '.join(map(seconds_text, values))} (spread {100 * spread:.1f}%)", -spread

    return _over_distributions(found, approach, "total", lambda cell: cell.seconds, outcome)


def pairs(found: Sequence[Cell], one: str, other: str, component: str = "total") -> Iterable[tuple[Cell, Cell]]:
    """Both strategies in every cell that has them, each cell once however many panels show it."""
    keyed = {
        (cell.workload, cell.items, cell.distribution, cell.approach): cell
        for cell in found
        if cell.component == component
    }
    for (*place, approach), cell in keyed.items():
        partner = keyed.get((*place, other))  # type: ignore[arg-type]
        if approach == one and partner is not None:
            yield cell, partner


def comparable(a: Cell, b: Cell) -> bool:
    """Whether both were measured, under the same conditions."""
    return a.ok and b.ok and a.conditions == b.conditions


def _in_pairs(both: Iterable[tuple[Cell, Cell]], outcome: Callable[[Cell, Cell], Outcome]) -> Tested:
    return Tested.of(Case(_where(a), *outcome(a, b)) if comparable(a, b) else None for a, b in both)


def _over_distributions(
    found: Sequence[Cell],
    approach: str,
    component: str,
    value: Callable[[Cell], float],
    outcome: Callable[[list[float]], Outcome],
) -> Tested:
    """``outcome`` of cells that differ in nothing but the distribution, from Top 50% to Top Layers."""
    series: dict[tuple[str, int | None], dict[str, Cell]] = {}
    for cell in found:
        if (cell.approach, cell.component) == (approach, component) and cell.distribution in DISTRIBUTIONS:
            series.setdefault((cell.workload, cell.items), {})[cell.distribution] = cell
    cases = []
    for own in series.values():
        if len(own) < len(DISTRIBUTIONS):
            continue  # the paper does not have all of them
        values = [value(own[name]) for name in DISTRIBUTIONS if own[name].ok and not math.isnan(value(own[name]))]
        first = next(iter(own.values()))
        cases.append(Case(_name(first.workload, "", first), *outcome(values)) if len(values) > 1 else None)
    return Tested.of(cases)


def _where(cell: Cell) -> str:
    """The cell for people, e.g. ``"ResNet-18, Top 50%, 2,000 items"``."""
    return _name(cell.workload.replace("@", " "), DISTRIBUTIONS.get(cell.distribution, ""), cell)


def _name(workload: str, distribution: str, cell: Cell) -> str:
    items = "" if cell.items is None else f"{cell.items:,} items"
    part = "" if cell.component == "total" else COMPONENTS[cell.component]
    return ", ".join(word for word in (workload, distribution, items, part) if word)


def _times(a: Cell, b: Cell) -> str:
    return f"{a.approach} {seconds_text(a.seconds)}, {b.approach} {seconds_text(b.seconds)}"
