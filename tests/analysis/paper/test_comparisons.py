"""Claims about times, of a few cells whose numbers are easy to see through: the cases, and their order."""

import math

import pytest

from analysis.comparing.measurements import Spread
from analysis.paper import CLOSE, FAILS, HOLDS, UNTESTABLE
from analysis.paper.evidence import claims, comparisons
from analysis.paper.evidence.cells import Cell

DISTRIBUTIONS = ("FIFTY_PERCENT", "TWENTY_FIVE_PERCENT", "TOP_LAYERS")
Times = float | tuple[float, ...]


def cell(
    approach: str,
    times: Times,
    workload: str = "A",
    distribution: str = "TOP_LAYERS",
    items: int | None = 2000,
    component: str = "total",
    published: float = math.nan,
    conditions: str = "the same",
) -> Cell:
    """One number stands for three repeats that agree."""
    took = Spread.of((times,) * 3 if isinstance(times, float | int) else times)
    return Cell(
        panel="a", workload=workload, items=items, distribution=distribution, approach=approach,
        component=component, status="ok", seconds=took.median, seconds_min=took.low, seconds_max=took.high,
        repeats=took.count, speedup=math.nan, percent=math.nan, published_seconds=published,
        published_speedup=math.nan, published_percent=math.nan, models=None, train_items=None, test_items=None,
        run_id="id", disturbed=False, conditions=conditions,
    )  # fmt: skip


def both(times: dict[str, tuple[Times, Times]], published: tuple[float, float] = (1, 9), **labels) -> list[Cell]:
    """Alsatian and SHiFT by workload; the published times are those of every workload."""
    return [
        cell(approach, own, workload, published=paper, **labels)
        for workload, pair in times.items()
        for approach, own, paper in zip(("alsatian", "shift"), pair, published, strict=True)
    ]


def series(times: dict[str, tuple[Times, ...]], approach: str = "alsatian", **labels) -> list[Cell]:
    """One strategy by workload, from Top 50% to Top Layers."""
    return [
        cell(approach, own, workload, distribution, **labels)
        for workload, three in times.items()
        for distribution, own in zip(DISTRIBUTIONS, three, strict=True)
    ]


def verdict(tested: claims.Tested) -> tuple[str, list[str]]:
    """The result, and the workloads in the order in which they are named."""
    found = claims.judge("10", "a claim", *tested)
    named = found.numbers.partition("the least clear are ")[2] or found.numbers
    return found.result, [part[0] for part in named.split("; ") if part[1:2] == ","]


def test_who_is_ahead_by_least_comes_first():
    found = both({"A": (0.1, 0.3), "B": (0.4, 0.8), "C": (4, 16), "D": (0.01, 0.05)})
    assert verdict(comparisons.ahead(found, "alsatian", "shift")) == (HOLDS, ["B", "A", "C"])


def test_a_part_that_takes_no_time_is_ahead_by_most():
    found = both({"A": (0, 0.01), "B": (0.4, 0.8), "C": (4, 16), "D": (0.01, 0.05)})
    assert verdict(comparisons.ahead(found, "alsatian", "shift")) == (HOLDS, ["B", "C", "D"])


def test_where_the_papers_times_are_equal_nobody_is_ahead():
    assert comparisons.ahead(both({"A": (1, 2)}, (5, 5)), "alsatian", "shift") == ([], 0)
    assert comparisons.ahead(both({"A": (1, 2)}, (6, 5)), "alsatian", "shift") == ([], 0)


def test_what_is_least_alike_comes_first():
    wide = (0.955, 1.02, 1.02)
    times = {"A": (wide, 1), "B": (0.96, 1), "C": (1.03, 1), "D": (1, 1)}
    found = both(times, component="inference")
    assert verdict(comparisons.same(found, "alsatian", "shift", "inference", 0.2)) == (HOLDS, ["B", "C", "A"])
    assert verdict(comparisons.same(found, "alsatian", "shift", "inference", 0.035)) == (FAILS, ["B"])
    longer = both({"A": (1.2, 1)}, component="inference")
    assert verdict(comparisons.same(longer, "alsatian", "shift", "inference", 0.1)) == (FAILS, ["A"])


def test_the_share_of_a_published_factor_orders_cells():
    found = [
        *both({"A": (1, 3)}, (1, 3)),
        *both({"B": (1, 18)}, (1, 20)),
        *both({"C": (1, 2)}, (1, 1)),
        *both({"D": (1, (8.8, 12, 12))}, (1, 10)),
    ]
    assert verdict(comparisons.factors(found, "alsatian", "shift", 0.84)) == (HOLDS, ["B", "A", "D"])
    assert verdict(comparisons.factors(found, "alsatian", "shift", 0.95)) == (FAILS, ["B"])


@pytest.mark.parametrize("published", [(math.nan, math.nan), (1, math.nan), (math.nan, 9)])
def test_a_cell_that_the_paper_has_not_has_no_factor(published):
    assert comparisons.factors(both({"A": (1, 3)}, published), "alsatian", "shift", 0.84) == ([], 0)


def test_the_gain_that_grows_least_comes_first():
    gains = {"A": ((0.4, 1, 1), 3, 18), "B": (1, 2, 4), "C": (1, (1.5, 4, 4), 64), "D": (0.1, 0.5, 5)}
    own = {
        name: tuple(tuple(10 / one for one in gain) if isinstance(gain, tuple) else 10 / gain for gain in three)
        for name, three in gains.items()
    }
    found = series(own) + series(dict.fromkeys(own, (10, 10, 10)), "base")
    assert verdict(comparisons.gain_grows(found)) == (HOLDS, ["B", "A", "C"])


def test_the_part_that_shrinks_least_comes_first():
    times = {
        "A": (0.9, 0.3, 0.1),
        "B": (0.4, (0.06, 0.2, 0.2), 0.05),
        "C": ((0.3, 0.64, 0.64), 0.16, 0.01),
        "D": (5, 1, 0.1),
    }
    found = comparisons.shrinks(series(times, component="inference"), "alsatian", "inference")
    assert verdict(found) == (HOLDS, ["B", "A", "C"])
    gone = comparisons.shrinks(series(times | {"B": (1, 0.1, 0)}, component="inference"), "alsatian", "inference")
    assert verdict(gone) == (HOLDS, ["A", "C", "D"])


def test_how_far_times_are_apart_is_that_of_the_medians():
    found = comparisons.flat(series({"A": ((1, 1.04, 1.04), 1, (1.1, 1.2, 1.2))}), "alsatian", 0.1)
    assert [case.numbers for case in found.cases] == [
        "1.0 s (1.0–1.0), 1.0 s (1.0–1.0), 1.2 s (1.1–1.2), 20.0% apart"
    ]
    assert found.cases[0].margin == pytest.approx(-0.2)


def test_the_fewest_repeats_count():
    for pair in (((1, 1), 2), (1, (2, 2))):
        found = comparisons.ahead(both({"A": pair}), "alsatian", "shift")
        assert [case.repeats for case in found.cases] == [2]
        assert claims.judge("10", "a claim", *found).result == UNTESTABLE
    three = comparisons.flat(series({"A": (1, (1, 1), 1)}), "alsatian", 0.05)
    assert [case.repeats for case in three.cases] == [2]


def test_what_was_not_measured_or_elsewhere_is_missing():
    found = both({"A": (1, ()), "B": ((), 2), "C": (1, 2)})
    found += both({"D": (1, 2)}, conditions="others")[:1] + both({"D": (1, 2)})[1:]
    cases, missing = comparisons.ahead(found, "alsatian", "shift")
    assert ([case.where for case in cases], missing) == (["C, Top Layers, 2,000 items"], 3)
    for three in ((1, (), 1), ((), (), ())):
        assert comparisons.flat(series({"A": three}), "alsatian", 0.05) == ([], 1)
    assert comparisons.flat(series({"A": (1, 1, 1)})[:2], "alsatian", 0.05) == ([], 0)


def test_other_strategies_and_parts_are_no_part_of_it():
    found = series({"A": (1, 1, 1)}) + series({"A": (1, 5, 9)}, "shift")
    found += series({"A": (1, 5, 9)}, component="inference")
    assert [case.ok for case in comparisons.flat(found, "alsatian", 0.05).cases] == [True]
    assert verdict(comparisons.flat(series({"A": (1, 1, (0.5, 1, 2))}), "alsatian", 0.05))[0] == CLOSE


def test_a_cell_is_told_by_what_it_has():
    assert comparisons.where(cell("base", 1, "A@5GB")) == "A, 5 GB, Top Layers, 2,000 items"
    assert comparisons.where(cell("base", 1, items=None, component="inference")) == "A, Top Layers, inference"
    assert comparisons.where(cell("base", 1, distribution="hf")) == "A, 2,000 items"
