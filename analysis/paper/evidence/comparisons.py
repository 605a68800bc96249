"""Claims about end-to-end times and their parts, as cases: which strategy is ahead, what grows, what stays."""

import math
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise, permutations

from alsatian.units import factor_text, seconds_text
from analysis.comparing.labels import DISTRIBUTIONS, named
from analysis.comparing.measurements import PAPER_PARTS, Spread
from analysis.paper.evidence.cells import Cell
from analysis.paper.evidence.claims import Case, Tested
from analysis.paper.evidence.spreads import Answer, below, every, exactly, within

COMPONENTS = {name: name.replace("_", " ") for name in (*PAPER_PARTS, "total")}
# Seconds: a part that takes no time at all is not divided by.
TINY = 1e-9
# Whether a claim is true, what was measured, and how clearly: see :class:`Case`.
Outcome = tuple[Answer, str, float]
Paired = Callable[[Cell, Cell], Outcome | None]


def ahead(found: Sequence[Cell], fast: str, slow: str, component: str = "total") -> Tested:
    """Whether ``fast`` takes less time than ``slow`` wherever it does in the paper."""
    both = [(a, b) for a, b in pairs(found, fast, slow, component) if a.published_seconds < b.published_seconds]
    return _in_pairs(both, lambda a, b: (below(a.time, b.time), _times(a, b), b.seconds / max(a.seconds, TINY)))


def same(found: Sequence[Cell], one: str, other: str, component: str, tolerance: float) -> Tested:
    """Whether ``component`` of ``one`` is that of ``other`` within ``tolerance``."""

    def outcome(a: Cell, b: Cell) -> Outcome | None:
        ratio = a.time.over(b.time)
        if math.isnan(ratio.median):  # of a part that took no time
            return None
        return within(ratio, 1 - tolerance, 1 + tolerance), _times(a, b), -abs(ratio.median - 1)

    return _in_pairs(pairs(found, one, other, component), outcome)


def factors(found: Sequence[Cell], fast: str, slow: str, reached: float) -> Tested:
    """Whether ``fast`` is, in every cell, faster than ``slow`` by the share ``reached`` of the published factor."""

    def outcome(a: Cell, b: Cell) -> Outcome:
        factor, paper = b.time.over(a.time), b.published_seconds / a.published_seconds
        numbers = f"{factor_range(factor)}, published {factor_text(paper)}"
        return below(exactly(reached * paper), factor), numbers, factor.median / paper

    return _in_pairs(published(found, fast, slow), outcome)


def gain_grows(found: Sequence[Cell], approach: str = "alsatian") -> Tested:
    """Whether the speed-up over base grows from Top 50% to Top Layers."""

    def outcome(values: list[Spread]) -> Outcome:
        least = min(b.median / a.median for a, b in pairwise(values))
        return every(below(a, b) for a, b in pairwise(values)), ", ".join(map(factor_range, values)), least

    both = [(cell, gain(cell, base)) for cell, base in pairs(found, approach, "base")]
    return _over_distributions(both, outcome)


def shrinks(found: Sequence[Cell], approach: str, component: str) -> Tested:
    """Whether ``component`` takes less and less from Top 50% to Top Layers."""

    def outcome(values: list[Spread]) -> Outcome:
        least = min(a.median / max(b.median, TINY) for a, b in pairwise(values))
        return every(below(b, a) for a, b in pairwise(values)), ", ".join(map(seconds_range, values)), least

    return _over_distributions([(cell, cell.time) for cell in _of(found, approach, component)], outcome)


def flat(found: Sequence[Cell], approach: str, tolerance: float) -> Tested:
    """Whether end-to-end times are the same over the distributions, within ``tolerance``."""

    def outcome(values: list[Spread]) -> Outcome:
        ratios = [a.over(b) for a, b in permutations(values, 2)]
        most = max(ratio.median for ratio in ratios) - 1
        numbers = f"{', '.join(map(seconds_range, values))}, {100 * most:.1f}% apart"
        return every(below(ratio, exactly(1 + tolerance)) for ratio in ratios), numbers, -most

    return _over_distributions([(cell, cell.time) for cell in _of(found, approach, "total")], outcome)


def gain(cell: Cell, base: Cell) -> Spread:
    """The speed-up over ``base``; NaN where the two cannot be compared."""
    known = comparable(cell, base)
    return base.time.over(cell.time) if known else Spread.of([])


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


def published(found: Sequence[Cell], one: str, other: str) -> list[tuple[Cell, Cell]]:
    """Both strategies in every cell that the paper has with them."""
    both = pairs(found, one, other)
    return [(a, b) for a, b in both if not any(map(math.isnan, (a.published_seconds, b.published_seconds)))]


def comparable(a: Cell, b: Cell) -> bool:
    """Whether both were measured, under the same conditions."""
    return a.ok and b.ok and a.conditions == b.conditions


def _in_pairs(both: Iterable[tuple[Cell, Cell]], outcome: Paired) -> Tested:
    known = [(a, b, outcome(a, b) if comparable(a, b) else None) for a, b in both]
    return Tested.of(
        Case(where(a), *found, min(a.time.count, b.time.count)) if found else None for a, b, found in known
    )


def _of(found: Sequence[Cell], approach: str, component: str) -> Iterable[Cell]:
    return (cell for cell in found if (cell.approach, cell.component) == (approach, component))


def _over_distributions(
    measured: Iterable[tuple[Cell, Spread]], outcome: Callable[[list[Spread]], Outcome]
) -> Tested:
    """``outcome`` of cells that differ in nothing but the distribution, from Top 50% to Top Layers.

    Workloads and items that the paper has not with all of them are no part of it.
    """
    series: dict[tuple[str, int | None], dict[str, tuple[Cell, Spread]]] = {}
    for cell, value in measured:
        if cell.distribution in DISTRIBUTIONS:
            series.setdefault((cell.workload, cell.items), {})[cell.distribution] = (cell, value)
    cases = []
    for own in series.values():
        if len(own) < len(DISTRIBUTIONS):
            continue
        cells, values = zip(*(own[name] for name in DISTRIBUTIONS), strict=True)
        first, *_ = cells
        known = not any(math.isnan(value.median) for value in values)
        few = min(value.count for value in values)
        cases.append(Case(_name(first.workload, "", first), *outcome(list(values)), few) if known else None)
    return Tested.of(cases)


def where(cell: Cell) -> str:
    """The cell for people, e.g. ``"ResNet-18, Top 50%, 2,000 items"``."""
    return _name(named(cell.workload), DISTRIBUTIONS.get(cell.distribution, ""), cell)


def _name(workload: str, distribution: str, cell: Cell) -> str:
    items = "" if cell.items is None else f"{cell.items:,} items"
    part = "" if cell.component == "total" else COMPONENTS[cell.component]
    return ", ".join(word for word in (workload, distribution, items, part) if word)


def _times(a: Cell, b: Cell) -> str:
    return f"{a.approach} {seconds_range(a.time)}, {b.approach} {seconds_range(b.time)}"


def seconds_range(value: Spread) -> str:
    """Median and range, e.g. ``"1.2 s (1.1–1.3)"``."""
    low, high = (seconds_text(end).removesuffix(" s") for end in (value.low, value.high))
    return f"{seconds_text(value.median)} ({low}–{high})"


def factor_range(value: Spread) -> str:
    """Median and range, e.g. ``"3.9× (3.7–4.0)"``."""
    low, high = (factor_text(end).removesuffix("×") for end in (value.low, value.high))
    return f"{factor_text(value.median)} ({low}–{high})"
