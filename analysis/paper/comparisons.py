"""Claims about end-to-end times and their parts, as cases: which strategy is ahead, what grows, what stays."""

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

from alsatian.units import factor_text, seconds_text
from analysis.paper.arrangement import COMPONENTS, DISTRIBUTIONS
from analysis.paper.cells import Cell
from analysis.paper.claims import Case

# Times that are said to be the same differ by no more than this share.
FLAT = 0.10
# A published factor counts as reached from this share of it on.
REACHED = 0.90
# Seconds: a part that takes no time at all is not divided by.
TINY = 1e-9


class Tested(NamedTuple):
    """Cases, and the number of places that were not measured."""

    cases: list[Case]
    missing: int


def ahead(found: Sequence[Cell], fast: str, slow: str, component: str = "total") -> Tested:
    """Whether ``fast`` takes less time than ``slow`` wherever it does in the paper."""
    cases, missing = [], 0
    for a, b in _pairs(found, fast, slow, component):
        if not a.published_seconds < b.published_seconds:
            continue
        if not _comparable(a, b):
            missing += 1
            continue
        numbers = f"{fast} {seconds_text(a.seconds)}, {slow} {seconds_text(b.seconds)}"
        cases.append(Case(where(a), a.seconds < b.seconds, numbers, b.seconds / max(a.seconds, TINY)))
    return Tested(cases, missing)


def same(found: Sequence[Cell], one: str, other: str, component: str, tolerance: float) -> Tested:
    """Whether ``component`` of ``one`` is that of ``other`` within ``tolerance``."""
    cases, missing = [], 0
    for a, b in _pairs(found, one, other, component):
        if not _comparable(a, b):
            missing += 1
            continue
        numbers = f"{one} {seconds_text(a.seconds)}, {other} {seconds_text(b.seconds)}"
        off = abs(a.seconds - b.seconds) / max(b.seconds, TINY)
        cases.append(Case(where(a), off <= tolerance, numbers, -off))
    return Tested(cases, missing)


def gain_grows(found: Sequence[Cell], approach: str = "alsatian") -> Tested:
    """Whether the speed-up over base grows from Top 50% to Top Layers."""
    series = [
        (_series(own), [cell.speedup for cell in own if cell.ok and not math.isnan(cell.speedup)])
        for own in _over_distributions(found, approach, "total")
    ]
    cases = [
        Case(name, least > 1, ", ".join(map(factor_text, values)), least)
        for name, values in series
        if len(values) > 1
        for least in [min(b / a for a, b in pairwise(values))]
    ]
    return Tested(cases, len(series) - len(cases))


def shrinks(found: Sequence[Cell], approach: str, component: str) -> Tested:
    """Whether ``component`` takes less and less from Top 50% to Top Layers."""
    series = _seconds_over_distributions(found, approach, component)
    cases = [
        Case(name, least > 1, ", ".join(map(seconds_text, values)), least)
        for name, values in series
        if len(values) > 1
        for least in [min(a / max(b, TINY) for a, b in pairwise(values))]
    ]
    return Tested(cases, len(series) - len(cases))


def flat(found: Sequence[Cell], approach: str) -> Tested:
    """Whether end-to-end times are the same over the distributions, within ``FLAT``."""
    series = _seconds_over_distributions(found, approach, "total")
    cases = [
        Case(name, spread <= FLAT, f"{', '.join(map(seconds_text, values))} (spread {100 * spread:.1f}%)", -spread)
        for name, values in series
        if len(values) > 1
        for spread in [max(values) / min(values) - 1]
    ]
    return Tested(cases, len(series) - len(cases))


def factors(found: Sequence[Cell], fast: str, slow: str) -> tuple[Tested, list[float]]:
    """Whether ``fast`` is as much faster than ``slow`` as published, or more, in every cell; and all factors."""
    cases: list[Case] = []
    measured: list[float] = []
    missing = 0
    for a, b in _pairs(found, fast, slow, "total"):
        if math.isnan(a.published_seconds + b.published_seconds):
            continue
        if not _comparable(a, b):
            missing += 1
            continue
        factor, paper = b.seconds / a.seconds, b.published_seconds / a.published_seconds
        measured.append(factor)
        numbers = f"{factor_text(factor)} (published {factor_text(paper)})"
        cases.append(Case(where(a), factor >= REACHED * paper, numbers, factor / paper))
    return Tested(cases, missing), measured


def where(cell: Cell) -> str:
    """The cell for people, e.g. ``"ResNet-18, Top 50%, 2,000 items"``."""
    words = [cell.workload.replace("@", " "), DISTRIBUTIONS.get(cell.distribution, "")]
    if cell.items is not None:
        words.append(f"{cell.items:,} items")
    if cell.component != "total":
        words.append(COMPONENTS[cell.component])
    return ", ".join(word for word in words if word)


def _comparable(a: Cell, b: Cell) -> bool:
    return a.ok and b.ok and a.conditions == b.conditions


def _pairs(found: Sequence[Cell], one: str, other: str, component: str) -> Iterable[tuple[Cell, Cell]]:
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


def _over_distributions(found: Sequence[Cell], approach: str, component: str) -> list[list[Cell]]:
    """Cells that differ in nothing but the distribution, from Top 50% to Top Layers."""
    groups: dict[tuple[str, int | None], dict[str, Cell]] = {}
    for cell in found:
        if (cell.approach, cell.component) == (approach, component) and cell.distribution in DISTRIBUTIONS:
            groups.setdefault((cell.workload, cell.items), {})[cell.distribution] = cell
    ordered = [[own[name] for name in DISTRIBUTIONS if name in own] for own in groups.values()]
    return [own for own in ordered if len(own) == len(DISTRIBUTIONS)]


def _seconds_over_distributions(
    found: Sequence[Cell], approach: str, component: str
) -> list[tuple[str, list[float]]]:
    """Name and measured seconds of each such series."""
    return [
        (_series(own), [cell.seconds for cell in own if cell.ok])
        for own in _over_distributions(found, approach, component)
    ]


def _series(own: Sequence[Cell]) -> str:
    items = f", {own[0].items:,} items" if own[0].items is not None else ""
    part = "" if own[0].component == "total" else f", {COMPONENTS[own[0].component]}"
    return f"{own[0].workload}{items}{part}"
