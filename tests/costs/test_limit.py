"""The physical limit of a search, by hand and over strategies."""

from collections.abc import Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from alsatian.blocks.candidate import Block, Candidate
from alsatian.costs.limit import Rates, limit_of
from alsatian.data.preprocessing import ImagePreprocessing
from alsatian.records.limit import Limit
from alsatian.runtime.meter.measurement import Measurement

SIZES = (2, 4, 4)
"""Items of a test batch and of two training batches."""
ALL, FIRST = 0b111, 0b011
BEST = {("a", 2): 0.2, ("a", 4): 0.3, ("b", 2): 1.0, ("b", 4): 2.0, ("c", 2): 10.0, ("c", 4): 20.0}
MEASUREMENT = Measurement(
    wall_s=100.0,
    parts_s={"inference": 60.0},
    counters={"block_items": 100, "prepared_items": 40},
    peaks={},
    busy_s={"inference": 50.0, "prepare_data": 8.0, "proxy_scoring": 3.0},
)


def candidates(**chains: str) -> list[Candidate]:
    prepare = ImagePreprocessing(8)
    return [
        Candidate(name, tuple(Block(letter, 1000, 16) for letter in chain), None, prepare)
        for name, chain in chains.items()
    ]


def limit(needed: Mapping[str, int], rates: Rates, measurement: Measurement = MEASUREMENT, **chains: str) -> Any:
    segments: Any = {letter: SimpleNamespace(fingerprint=letter.lower()) for letter in "abcABC"}
    return limit_of(candidates(**chains), needed, SIZES, segments, measurement, rates)


def test_every_block_counts_once_for_all_items_that_any_model_needs() -> None:
    found = limit({"x": ALL, "y": FIRST}, Rates(BEST, 100.0), x="ab", y="ac")
    # a on all three batches, b on all, c on the first two.
    assert found.inference_s == pytest.approx((0.2 + 0.3 + 0.3) + (1 + 2 + 2) + (10 + 20))
    assert found.reading_s == pytest.approx(3000 / 100)
    assert found.decoding_s == pytest.approx(8.0 * 10 / 40)  # of 40 items that were prepared 10 were needed
    assert found.scoring_s == 3.0
    assert found.seconds == pytest.approx(0.8 + 5 + 30 + 2 + 3)
    assert found.over(100.0) == pytest.approx(100 / found.seconds)


def test_items_are_counted_once_where_the_models_need_different_ones() -> None:
    found = limit({"x": 0b011, "y": 0b110}, Rates(BEST), x="a", y="ab")
    assert found.inference_s == pytest.approx((0.2 + 0.3 + 0.3) + (2 + 2))


def test_equal_code_with_other_parameters_is_as_fast_but_is_not_the_same_work() -> None:
    found = limit({"x": ALL, "y": ALL}, Rates(BEST, 100.0), x="a", y="A")
    assert found.inference_s == pytest.approx(2 * 0.8)
    assert found.reading_s == pytest.approx(2000 / 100)


def test_models_without_a_score_add_nothing() -> None:
    assert limit({"x": ALL}, Rates(BEST, 1.0), x="a", y="bc") == limit({"x": ALL}, Rates(BEST, 1.0), x="a")


def test_code_that_was_never_timed_counts_at_the_mean() -> None:
    found = limit({"x": FIRST}, Rates({("a", 2): 0.2}), x="a")
    assert found.inference_s == pytest.approx(0.2 + 4 * 50.0 / 100)


def test_idle_cores_lower_the_limit() -> None:
    whole = limit({"x": ALL}, Rates(BEST, 100.0), x="a")
    half = limit({"x": ALL}, Rates(BEST, 100.0, compute=0.5, host=0.25), x="a")
    assert half.inference_s == whole.inference_s / 2
    assert half.scoring_s == whole.scoring_s / 2
    assert half.decoding_s == whole.decoding_s / 4
    assert half.reading_s == whole.reading_s


def test_this_machine_has_as_many_cores_as_are_said() -> None:
    threads, cpu = torch.get_num_threads(), torch.device("cpu")
    some = Rates.here({}, 1.0, cpu, 4 * threads, False)
    assert (some.compute, some.host) == (0.25, 1 / (4 * threads))
    # Files are decoded on as many threads as computing has, also beside a GPU.
    assert Rates.here({}, 1.0, cpu, 4 * threads, True).host == 0.25
    assert Rates.here({}, 1.0, cpu, 1, False).compute == 1.0
    gpu = Rates.here({}, 1.0, torch.device("meta"), 4 * threads, True)
    assert (gpu.compute, gpu.host) == (1.0, 0.25)


def test_where_nothing_is_known_nothing_is_made_up() -> None:
    assert limit({"x": ALL}, Rates(BEST), replace(MEASUREMENT, level="total"), x="a") is None
    nothing = limit({}, Rates(BEST), replace(MEASUREMENT, busy_s={}), x="a")
    assert nothing.seconds == 0
    assert nothing.over(1.0) is None
    assert limit({"x": ALL}, Rates(BEST), x="a").reading_s == 0


def test_the_line_fits_a_terminal() -> None:
    line = Limit(reading_s=123.456, inference_s=1999.5, decoding_s=12.25, scoring_s=0.001).text(2500.0)
    assert line == "1.24× the limit: max(read 123, infer 2000 + decode 12.2 + score 0.00 s)"
    assert len(f"{line}.") <= 80
    short = Limit(reading_s=3.456, inference_s=2.5, decoding_s=0.25, scoring_s=0.25).text(5.0)
    assert short == "1.45× the limit: max(read 3.46, infer 2.50 + decode 0.25 + score 0.25 s)"
