"""When a number is below another, what becomes of a claim, and where its thresholds come from."""

import math

import numpy as np
import pytest

from analysis.comparing.measurements import Spread
from analysis.paper import CLOSE, FAILS, GIVEN, HOLDS, UNTESTABLE
from analysis.paper.evidence import claims, published, thresholds
from analysis.paper.evidence.claims import Case, judge
from analysis.paper.evidence.comparisons import factor_range, seconds_range
from analysis.paper.evidence.spreads import below, every, exactly, within


def case(ok: bool | None, name: str = "here", margin: float = 1.0, repeats: int | None = 3) -> Case:
    return Case(name, ok, f"{name}'s number", margin, repeats)


@pytest.mark.parametrize(
    ("a", "b", "answer"),
    [
        ((1.0, 0.9, 1.1), (2.0, 1.9, 2.1), True),
        ((2.0, 1.9, 2.1), (1.0, 0.9, 1.1), False),
        ((1.0, 0.9, 1.95), (2.0, 1.9, 2.1), None),  # ranges overlap
        ((1.0, 0.9, 1.9), (2.0, 1.9, 2.1), None),  # or touch
        ((2.0, 1.9, 2.1), (1.0, 0.9, 1.9), None),
        ((1.0, 0.9, 1.2), (1.25, 1.25, 1.6), None),  # apart, but by less than a range is wide
        ((1.25, 1.25, 1.6), (1.0, 0.9, 1.2), None),
        ((1.0, 0.5, 1.0), (1.25, 1.25, 1.25), None),  # whichever of the two
        ((1.0, 1.0, 1.0), (1.25, 1.25, 1.75), None),
        ((1.0, 0.9, 1.2), (1.5, 1.25, 1.6), True),
        ((1.0, 0.5, 1.0), (1.5, 1.5, 1.5), True),  # by just as much
        ((1.0, 1.0, 1.0), (1.0, 1.0, 1.0), None),
    ],
)
def test_below(a, b, answer):
    assert below(Spread(*a, 3), Spread(*b, 3)) is answer


def test_within():
    assert within(Spread(1.0, 0.99, 1.01, 3), 0.9, 1.1) is True
    assert within(Spread(1.2, 1.19, 1.21, 3), 0.9, 1.1) is False
    assert within(Spread(0.8, 0.79, 0.81, 3), 0.9, 1.1) is False
    assert within(Spread(1.09, 1.08, 1.11, 3), 0.9, 1.1) is None
    assert within(Spread(0.91, 0.89, 0.92, 3), 0.9, 1.1) is None
    assert exactly(2.0) == Spread(2.0, 2.0, 2.0, 1)


def test_every():
    assert every([True, True]) is True
    assert every([]) is True
    assert every([True, None]) is None
    assert every([None, False, True]) is False


@pytest.mark.parametrize(
    ("cases", "settings", "result", "numbers"),
    [
        ([case(True)], {}, HOLDS, "N=3; here: here's number"),
        ([case(True), case(True, "there")], {}, HOLDS, "in all 2; N=3; here: here's number; there: there's number"),
        ([case(False)], {}, FAILS, "N=3; here: here's number"),
        ([case(True), case(False, "there"), case(None)], {}, FAILS, "not in 1 of 3; N=3; there: there's number"),
        ([case(None)], {}, CLOSE, "N=3; here: here's number"),
        ([case(True), case(None, "there", repeats=5)], {}, CLOSE, "in 1 of 2; N=5; there: there's number"),
        ([case(True, repeats=2)], {}, UNTESTABLE, "fewer than 3 repeats; N=2; here: here's number"),
        ([case(False, repeats=2)], {}, UNTESTABLE, "fewer than 3 repeats; N=2; here: here's number"),
        ([case(None), case(True, repeats=1)], {}, UNTESTABLE,
         "fewer than 3 repeats in 1 of 2; N=1; here: here's number"),
        ([case(False), case(True, "there", repeats=1)], {}, FAILS, "not in 1 of 2; N=3; here: here's number"),
        ([case(True)], {"missing": 1}, UNTESTABLE, "1 of 2 not measured; N=3; here: here's number"),
        ([case(False)], {"missing": 2}, FAILS, "2 of 3 not measured; N=3; here: here's number"),
        ([], {"missing": 2}, UNTESTABLE, "nothing of it was measured"),
        ([], {"missing": 2, "construction": "so made"}, UNTESTABLE, "nothing of it was measured"),
        ([case(True)], {"untestable": "too small"}, UNTESTABLE, "too small; N=3; here: here's number"),
        ([case(False)], {"untestable": "too small"}, UNTESTABLE, "too small; N=3; here: here's number"),
        ([case(True, repeats=None)], {"construction": "so made"}, GIVEN, "so made; here: here's number"),
        ([case(None, repeats=None)], {"construction": "so made"}, GIVEN, "so made; here: here's number"),
        ([case(False, repeats=None)], {"construction": "so made"}, FAILS, "here: here's number"),
        ([case(True, repeats=None)], {"construction": "so made", "missing": 1}, UNTESTABLE,
         "1 of 2 not measured; here: here's number"),
        ([case(True), case(True, "", repeats=20)], {}, HOLDS,
         "in all 2; N=3 to 20; here: here's number; 's number"),
    ],
)  # fmt: skip
def test_what_becomes_of_a_claim(cases, settings, result, numbers):
    verdict = judge("10", "a claim", cases, **settings)
    assert (verdict.figure, verdict.claim) == ("10", "a claim")
    assert (verdict.result, verdict.numbers) == (result, numbers)


def test_the_least_clear_cases_are_named():
    cases = [Case(f"case {i}", True, str(i), float(i), 3) for i in (5, 1, 4, 2)]
    assert judge("10", "claim", cases).numbers == (
        "in all 4; N=3; the least clear are case 1: 1; case 2: 2; case 4: 4"
    )
    assert judge("10", "claim", cases[:3]).numbers == "in all 3; N=3; case 5: 5; case 1: 1; case 4: 4"
    wrong = [Case(one.where, False, one.numbers, one.margin, 3) for one in cases]
    assert judge("10", "claim", wrong).numbers.startswith("not in 4 of 4; N=3; the worst are case 1: 1;")


def test_places_without_a_case_are_counted():
    assert claims.Tested.of([case(True), None, None]) == ([case(True)], 2)


def test_median_and_range_are_told():
    assert seconds_range(Spread(1.234, 1.1, 1.36, 3)) == "1.2 s (1.1–1.4)"
    assert factor_range(Spread(3.94, 3.6, 4.2, 3)) == "3.9× (3.6–4.2)"


def test_thresholds_are_the_papers_own_differences():
    """Each from the numbers that its docstring names, worked out by hand, and rounded to the next whole percent."""
    assert thresholds.flat() == 0.05 >= 132.883 / 127.071 - 1 == pytest.approx(0.0457, abs=1e-4)
    assert thresholds.scored_alike() == 0.04 >= 1 - 12.514 / 12.904 == pytest.approx(0.0302, abs=1e-4)
    trained, synthetic = 129.879 / 32.234, 131.809 / 23.240
    assert thresholds.trained_alike() == 0.29 >= 1 - trained / synthetic == pytest.approx(0.2896, abs=1e-4)
    once, twice = 730.692 / 84.689, 716.692 / 70.392
    assert thresholds.reached() == 0.84 <= once / twice == pytest.approx(0.8474, abs=1e-4)
    assert thresholds.family_apart() == (90 - 87) / 2
    inference = thresholds.depth("ViT-L-32", "inference")
    assert (
        thresholds.even() == 0.03 >= 0.25 - inference[:6].sum() / inference.sum() == pytest.approx(0.0258, abs=1e-4)
    )
    assert thresholds.skewed("inference") == 0.58
    assert thresholds.skewed("params") == 0.68


def test_shares_of_the_depth():
    assert list(thresholds.shares(np.array([1.0, 1, 4]), 3)) == pytest.approx([1 / 6, 1 / 6, 4 / 6])
    assert list(thresholds.shares(np.array([2.0, 4]), 4)) == pytest.approx([1 / 6, 1 / 6, 2 / 6, 2 / 6])
    assert list(thresholds.shares(np.array([0.0, 0]), 2)) == [1 / 2, 1 / 2]
    assert len(thresholds.depth("ResNet-152", "params")) == 51
    assert (
        thresholds.depth("ResNet-152", "params").sum()
        == published.values("12").query("component == 'params' and panel == 'b'")["value"].sum()
    )
    assert thresholds.depth("nothing", "params").size == 0


def test_a_factor_has_the_range_of_the_extremes():
    gain = Spread(10.0, 9.0, 11.0, 3).over(Spread(2.0, 1.8, 2.2, 4))
    assert gain == Spread(5.0, 9.0 / 2.2, 11.0 / 1.8, 3)
    assert math.isnan(gain.over(Spread(0.0, 0.0, 0.0, 3)).median)
    assert math.isnan(gain.over(Spread(1.0, 0.0, 2.0, 3)).median)
    for none in (Spread.of([]), Spread.of([1.0, math.nan]), Spread.of([]).over(gain)):
        assert math.isnan(none.median + none.low + none.high)
        assert none.count == 0
