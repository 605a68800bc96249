"""What a search measures of itself changes nothing about what it finds."""

from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import alsatian
from alsatian.data.digits import digits
from alsatian.data.images import image_files
from alsatian.errors import ConfigError
from alsatian.models.model_set import ModelSet
from alsatian.proxies.linear import Linear
from alsatian.runtime.meter.measurement import NOT_PREDICTED
from alsatian.store.store import BlockStore
from tests.stores import tiny_set

MODELS = {"first": "aaaa", "second": "aaab", "third": "aacc", "alone": "dddd"}


@pytest.fixture(scope="module")
def family(tmp_path_factory: pytest.TempPathFactory) -> ModelSet:
    return tiny_set(BlockStore(tmp_path_factory.mktemp("store")), MODELS)


def search(models: ModelSet, level: str = "parts", timeline: bool = False) -> alsatian.SearchResult:
    return alsatian.search(
        models,
        digits(41),
        proxies=Linear(epochs=5),
        batch_size=8,
        verify=True,
        meter_level=level,
        timeline=timeline,
    )


def test_every_round_says_what_it_took(family: ModelSet) -> None:
    result = search(family)
    measured = result.measurement
    took = [event for event in measured.events if event["kind"] == "round"]
    assert [event["train_items"] for event in took] == [found.train_items for found in result.rounds]
    assert [event["models"] for event in took] == [len(found.scores) for found in result.rounds]
    for part, seconds in measured.parts_s.items():
        # Only choosing the next round lies between them.
        between = seconds - sum(event["parts_s"][part] for event in took)
        assert between == pytest.approx(0, abs=1e-9) or part in ("planning", "other"), part
    assert sum(event["wall_s"] for event in took) <= measured.wall_s
    events = search(family, "total").measurement.events
    assert [event["parts_s"] for event in events if event["kind"] == "round"] == [{}] * len(took)


def test_the_limit_is_below_the_wall_time_and_known_features_are_not_in_it(tmp_path: Path) -> None:
    models = tiny_set(BlockStore(tmp_path), MODELS)
    settings = {"proxies": Linear(epochs=5), "batch_size": 8, "reuse": True}
    new, again = (alsatian.search(models, digits(41), **settings).measurement for _ in range(2))
    assert new.limit is not None
    assert again.limit is not None
    assert 0 < new.limit.seconds <= new.wall_s
    assert new.limit.reading_s > 0
    assert again.limit.reading_s == again.limit.inference_s == again.limit.decoding_s == 0
    assert again.limit.scoring_s > 0
    assert search(models, "total").measurement.limit is None


def test_how_finely_is_measured_changes_no_score_and_no_counter(family: ModelSet) -> None:
    parts, total, traced = search(family), search(family, "total"), search(family, timeline=True)
    assert parts.rounds == total.rounds == traced.rounds
    assert parts.ranked == total.ranked == traced.ranked
    one, two, three = (
        {name: count for name, count in found.measurement.counters.items() if name not in NOT_PREDICTED}
        for found in (parts, total, traced)
    )
    assert one == two == three
    assert total.measurement.parts_s == {}
    assert total.measurement.valid
    assert total.measurement.wall_s > 0
    assert parts.measurement.timeline is total.measurement.timeline is None


def test_a_timeline_adds_up_to_parts_and_busy_time(family: ModelSet) -> None:
    measurement = search(family, timeline=True).measurement
    exclusive: defaultdict[str, float] = defaultdict(float)
    busy: defaultdict[str, float] = defaultdict(float)
    for event in measurement.timeline or []:
        if event["ph"] == "X":
            seconds, part = event["dur"] / 1e6, event["args"]["part"]
            exclusive[part] += seconds if event["tid"] == 1 else 0
            busy[part] += seconds if event["cat"] == "busy" else 0
    for part, seconds in measurement.parts_s.items():
        assert exclusive[part] == pytest.approx(seconds, abs=1e-4)
        assert busy[part] == pytest.approx(measurement.busy_s[part], abs=1e-4)
    names = [e["args"]["name"] for e in measurement.timeline or [] if e["name"] == "thread_name"]
    assert names[0] == "search"


def test_every_slice_says_its_round_its_model_and_its_block(family: ModelSet) -> None:
    result = search(family, timeline=True)
    slices = [event for event in result.measurement.timeline or [] if event["ph"] == "X"]
    blocks = {candidate.id: [block.identity for block in candidate.blocks] for candidate in family.candidates}
    computed = [
        event["args"] for event in slices if event["args"]["part"] == "inference" and "block" in event["args"]
    ]
    assert {args["round"] for args in computed} == set(range(1, len(result.rounds) + 1))
    for args in computed:
        assert blocks[args["model"]][args["depth"] - 1] == args["block"]
    shared = {args["block"]: args["models"] for args in computed if args["round"] == 1}
    assert shared == {b: sum(b in own for own in blocks.values()) for own in blocks.values() for b in own}
    for event in slices:
        args = event["args"]
        if args["part"] in ("prepare_data", "proxy_scoring"):
            assert args["model"] in blocks
            assert "block" not in args
        if args["part"] == "prepare_model" and "block" in args:
            assert args["block"] in blocks[args["model"]]
    read = {event["args"].get("block") for event in slices if event["args"]["part"] == "prepare_model"}
    assert read >= {block for own in blocks.values() for block in own}
    # What is done around the rounds alone belongs to none.
    without = {event["args"]["part"] for event in slices if "round" not in event["args"]}
    assert without <= {"planning", "other"}


def test_data_in_files_counts_as_read(family: ModelSet, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for i in range(20):
        folder = tmp_path / f"class{i % 2}"
        folder.mkdir(exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (8, 8, 3), np.uint8)).save(folder / f"{i}.png")
    in_files = alsatian.search(
        family, image_files(str(tmp_path)), proxies=Linear(epochs=2), batch_size=8
    ).measurement
    counters = in_files.counters
    assert counters["data_bytes"] > 0
    assert in_files.process["counted_read_bytes"] == counters["bytes_read"] + counters["data_bytes"]
    in_memory = search(family).measurement
    assert in_memory.process["counted_read_bytes"] == in_memory.counters["bytes_read"]


def test_an_unknown_level_is_an_error(family: ModelSet) -> None:
    with pytest.raises(ConfigError, match=r"meter\.level=partz: did you mean 'parts'"):
        search(family, "partz")
