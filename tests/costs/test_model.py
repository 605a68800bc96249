"""The cost model: a machine, a model set and a storage regime, in seconds worked out by hand."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from alsatian.blocks.candidate import ArchitectureSpec, Block, Candidate
from alsatian.costs.hardware import Hardware, ScoreCost, SegmentCost, StartCost
from alsatian.costs.keys import keys_for, shape_key
from alsatian.costs.model import CostModel
from alsatian.data.preprocessing import ImagePreprocessing
from alsatian.data.text import TextPreprocessing
from alsatian.errors import ConfigError
from alsatian.runtime.storage.regime import Storage
from alsatian.store.parts import Part

IMAGES = ImagePreprocessing(32)
BLOCK = Block("block", 50_000_000, 4096)
HARDWARE = Hardware(
    name="test",
    source="made up",
    segments={"net@32/0": SegmentCost(((10, 1.0), (20, 1.5))), "code": SegmentCost(((10, 7.0),))},
    load_fixed_s=0.5,
    load_bytes_per_s=1e8,
    store_bytes_per_s=1e9,
    store_fixed_s=0.01,
    prepare_s={"": 0.002, IMAGES.fingerprint: 0.001},
    prepare_start=StartCost(1.0, 0.1, 4),
    score=ScoreCost(fixed_s=3.0, train_value_s=0.001),
    tier_bytes_per_s={"ssd": (100.0, 400.0)},
    read_ahead_loss=((1e8, 0.1), (3e8, 0.3)),
)


def chain(name: str | None, *identities: str, id: str = "model", preprocessing: Any = IMAGES) -> Candidate:
    spec = None if name is None else ArchitectureSpec("torchvision", name)
    return Candidate(id, tuple(Block(identity, 1, 1) for identity in identities), spec, preprocessing)


def costs(storage: Storage | None = None, **changes: Any) -> CostModel:
    return CostModel.of(replace(HARDWARE, **changes), {"block": "net@32/0"}, storage or Storage(), 100.0)


def test_loading_is_reading_and_bringing() -> None:
    assert costs().read_s(BLOCK) == pytest.approx(0.01 + 0.05)
    assert costs().load_s(BLOCK) == pytest.approx(0.01 + 0.05 + 0.5 + 0.5)


def test_the_storage_regime_limits_the_store_but_does_not_speed_it_up() -> None:
    assert costs(Storage(bandwidth="100MB")).read_s(BLOCK) == pytest.approx(0.51)
    assert costs(Storage(bandwidth="50GB")).read_s(BLOCK) == pytest.approx(0.06)


def test_inference_follows_the_measured_batches() -> None:
    assert costs().infer_s(BLOCK, 15) == pytest.approx(1.25)


def test_preparing_depends_on_the_preprocessing_and_the_data_s_bandwidth() -> None:
    assert costs().prepare_s(IMAGES, 10) == pytest.approx(0.01)
    assert costs().prepare_s(ImagePreprocessing(64), 10) == pytest.approx(0.02)
    assert costs(Storage(data_bandwidth=500)).prepare_s(IMAGES, 10) == pytest.approx(0.01 + 10 * 100 / 500)
    assert costs().start_s(3) == pytest.approx(1.3)


def test_scores_and_tiers() -> None:
    assert costs().score_s(10, 5, 100) == pytest.approx(3.0 + 10 * 100 * 0.001)
    assert costs().cache_s("ssd", 800, write=True) == pytest.approx(8.0)
    assert costs().cache_s("ssd", 800, write=False) == pytest.approx(2.0)
    assert costs().cache_s("device", 800, write=True) == 0.0


def test_what_reading_ahead_costs_is_interpolated_by_bandwidth() -> None:
    assert costs(Storage(bandwidth="200MB")).read_ahead_loss == pytest.approx(0.2)
    assert costs().read_ahead_loss == pytest.approx(0.3)
    assert costs(read_ahead_loss=()).read_ahead_loss == 0.0


def test_an_architecture_without_times_is_named() -> None:
    keys = keys_for(HARDWARE, [chain("net", "a"), chain("other_net", "b", "c")])
    with pytest.raises(ConfigError) as refused:
        CostModel.of(HARDWARE, keys, Storage())
    message = str(refused.value)
    assert "hardware test: has no times for othernet@32" in message
    assert "net@32" in message.split(";")[1]
    assert "\n" not in message


def test_names_of_architectures_ignore_how_they_are_written() -> None:
    assert shape_key("EfficientNetV2-L", ImagePreprocessing(480)) == "efficientnetv2l@480"
    assert shape_key("efficientnet_v2_l", ImagePreprocessing(480)) == "efficientnetv2l@480"
    assert shape_key("BertModel", TextPreprocessing("", 128)) == "bertmodel@128"


def test_options_make_another_architecture() -> None:
    bare, small, large = (ArchitectureSpec("transformers", "BertModel", o) for o in ({}, {"n": 1}, {"n": 2}))
    assert shape_key(bare, IMAGES) == "bertmodel@32"
    assert len({shape_key(spec, IMAGES) for spec in (bare, small, large)}) == 3
    assert shape_key(small, IMAGES).startswith("bertmodel-")


def test_known_code_goes_before_positions() -> None:
    names = {"a": ("code", "code"), "b": ("unknown", "unknown"), "c": ("by other kernels", "code")}
    code: Any = {b: SimpleNamespace(fingerprint=own, stored_for=eager) for b, (own, eager) in names.items()}
    keys = keys_for(HARDWARE, [chain("net", "a", "b", "c")], code)
    assert keys == {"a": "code", "b": "net@32/1", "c": "code"}


def test_chains_without_an_architecture_are_like_one_by_share_of_the_depth() -> None:
    times = {f"like@8/{i}": SegmentCost(((1, 1.0),)) for i in range(4)}
    hardware = replace(HARDWARE, segments=times)
    two, eight = chain(None, "a", "b"), chain(None, *"stuvwxyz", id="deep")
    assert list(keys_for(hardware, [two], like="like@8").values()) == ["like@8/0", "like@8/2"]
    assert [key[-1] for key in keys_for(hardware, [eight], like="like@8").values()] == list("00112233")
    assert keys_for(hardware, [two]) == {"a": "model@32/0", "b": "model@32/1"}


def test_parts_are_read_as_they_are_held_and_made_of_others() -> None:
    part = Part("part", BLOCK.parameter_bytes, 30_000_000, (0,), (0,), unpacked_bytes=40_000_000, products=10**8)
    known = replace(costs(delta_bytes_per_s=1e8, products_per_s=1e9), parts={BLOCK.identity: (part,)})
    for unit in (part.unit, BLOCK):  # the block's only one
        assert known.read_s(unit) == pytest.approx(0.01 + 0.03)
        assert known.load_s(unit) == pytest.approx(0.01 + 0.03 + 0.5 + 0.5 + 0.4 + 0.1)
