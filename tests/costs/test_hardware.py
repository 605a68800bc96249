"""Hardware profiles as data: what times they say, the trip through JSON, and what is refused."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alsatian.costs.hardware import Hardware, ScoreCost, SegmentCost, StartCost
from alsatian.errors import ConfigError

FULL = Hardware(
    name="full",
    source="made up",
    segments={"a": SegmentCost(((8, 0.1), (64, 0.5))), "net@32/0": SegmentCost(((64, 0.25),))},
    load_fixed_s=0.001,
    load_bytes_per_s=2e9,
    store_bytes_per_s=1e9,
    store_fixed_s=0.002,
    page_cache_bytes=3e9,
    prepare_s={"": 1e-5, "fingerprint": 2e-5},
    prepare_start=StartCost(0.2, 0.004, 128),
    score=ScoreCost(0.01, 128, 0.03, 1e-9, 2e-9, 500, 1e-10, 2e-10, 3e-10, 4e-10, 5e-10, True),
    tier_bytes_per_s={"ssd": (3e8, 1e9)},
    step_s=1e-4,
    read_ahead_loss=((2e8, 0.1), (1e9, 0.3)),
    read_ahead_s=1e-4,
)


def test_a_profile_survives_the_trip_through_json(tmp_path: Path) -> None:
    FULL.write(tmp_path / "full.json")
    assert Hardware.read(tmp_path / "full.json") == FULL
    bare = Hardware("bare", "made up")
    assert Hardware.from_dict(json.loads(json.dumps(bare.as_dict()))) == bare


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"name": None, "source": ...}, "source"),
        ({"segments": {"a": []}}, "segments.a.0: Tuple should have at least 1 item"),
        ({"segments": {"a": [[8, 0.1], [8, 0.2]]}}, "rising numbers of items"),
        ({"segments": {"a": [[8, -0.1]]}}, "greater than or equal to 0"),
        ({"segments": [1]}, "not a hardware profile"),
        ({"load_fixed_s": -1}, "load_fixed_s: Input should be greater than or equal to 0"),
        ({"load_fixed_s": "soon"}, "load_fixed_s: Input should be a valid number"),
        ({"store_bytes_per_s": 0}, "store_bytes_per_s: Input should be greater than 0"),
        ({"prepare_s": {"": float("nan")}}, "finite"),
        ({"tier_bytes_per_s": {"tape": [1, 1]}}, "tier_bytes_per_s.tape.[key]"),
        ({"read_ahead_loss": [[1e8, 1.0]]}, "read_ahead_loss.0.1: Input should be less than 1"),
        ({"page_cache_bytes": -1}, "page_cache_bytes"),
        ({"prepare_start": {"fixed_s": -1}}, "prepare_start"),
        ({"score": {"step_s": -1}}, "score"),
        ({"score": {"speed": 1}}, "speed"),
        ({"colour": 1}, "colour"),
    ],
)
def test_what_is_no_profile_is_refused_in_one_line(change: dict[str, Any], reason: str, tmp_path: Path) -> None:
    values = {key: value for key, value in (FULL.as_dict() | change).items() if value is not ...}
    path = tmp_path / "bad.json"
    path.write_text(json.dumps(values))
    with pytest.raises(ConfigError) as refused:
        Hardware.read(path)
    assert str(path) in str(refused.value)
    assert reason in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("content", ["", "{", "[]", "3"])
def test_a_file_that_holds_no_object_is_refused(content: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.json"
    path.write_text(content)
    with pytest.raises(ConfigError, match=r"bad\.json.* profile"):
        Hardware.read(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.json"):
        Hardware.read(tmp_path / "nowhere.json")


def test_batches_between_measured_ones_are_interpolated() -> None:
    cost = SegmentCost(((8, 1.0), (16, 1.4), (64, 3.8)))
    assert [cost.seconds(items) for items in (8, 12, 16, 40, 64)] == pytest.approx([1.0, 1.2, 1.4, 2.6, 3.8])
    assert cost.seconds(128) == pytest.approx(7.6)  # in proportion to the largest
    assert cost.seconds(4) == pytest.approx(0.8)  # on the line through the first two


def test_one_size_is_taken_in_proportion() -> None:
    cost = SegmentCost(((128, 0.128),))
    assert [cost.seconds(items) for items in (1, 64, 256)] == pytest.approx([0.001, 0.064, 0.256])


@given(
    st.lists(st.tuples(st.integers(1, 200), st.floats(1e-6, 10)), min_size=1, max_size=5, unique_by=lambda t: t[0]),
    st.integers(1, 500),
)
def test_no_batch_is_free(times: list[tuple[int, float]], items: int) -> None:
    rising = list(zip(sorted(n for n, _ in times), sorted(s for _, s in times), strict=True))
    cost = SegmentCost(tuple(rising))
    assert 0 < cost.seconds(items) <= cost.seconds(items + 1) + 1e-12


def test_a_score_costs_steps_and_values() -> None:
    cost = ScoreCost(fixed_s=1.0, step_items=128, step_s=0.5, train_value_s=0.01, test_value_s=0.1)
    assert cost.seconds(129, 3, 10) == pytest.approx(1.0 + 2 * 0.5 + 10 * (129 * 0.01 + 3 * 0.1))
    assert ScoreCost(fixed_s=2.0).seconds(1000, 10, 10) == 2.0


@pytest.mark.parametrize(
    ("cost", "seconds"),
    [
        (ScoreCost(pair_s=0.01), 0.01 * 30**2),
        (ScoreCost(pair_value_s=0.01), 0.01 * 30**2 * 20),
        (ScoreCost(pair_s=0.01, pair_value_s=0.1, pair_items=12), 12**2 * (0.01 + 0.1 * 20)),
        (ScoreCost(pair_s=0.01, pair_items=31), 0.01 * 30**2),
        (ScoreCost(spectrum_s=0.01), 0.01 * 30 * 20 * 20),
        (ScoreCost(covariance_s=0.01), 0.01 * 30 * 20 * 20),
        (ScoreCost(least_s=0.01), 0.01 * 30 * 30),
    ],
)
def test_a_score_may_grow_faster_than_the_items(cost: ScoreCost, seconds: float) -> None:
    assert cost.seconds(30, 5, 20) == pytest.approx(seconds)


def test_products_of_items_are_not_taken_of_many_items() -> None:
    assert ScoreCost(least_s=0.01).seconds(100, 5, 20) == pytest.approx(0.01 * 100 * 2 * 20)


def test_a_spectrum_has_no_more_values_than_items() -> None:
    assert ScoreCost(spectrum_s=0.01).seconds(10, 5, 20) == pytest.approx(0.01 * 10 * 20 * 10)


def test_profiles_of_before_are_read() -> None:
    before = FULL.as_dict() | {"score": {"fixed_s": 0.01, "step_items": 128, "step_s": 0.03, "train_value_s": 1e-9}}
    assert Hardware.from_dict(before).score == ScoreCost(0.01, 128, 0.03, 1e-9)


def test_only_the_first_batch_of_a_reader_is_waited_for() -> None:
    cost = StartCost(fixed_s=0.2, item_s=0.004, items=128)
    assert cost.seconds(50) == pytest.approx(0.4)
    assert cost.seconds(128) == cost.seconds(6400) == pytest.approx(0.712)
