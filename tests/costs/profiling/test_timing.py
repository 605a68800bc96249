"""What is measured is what a search does, by whatever kernels."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from alsatian.blocks.kernels import computed_by
from alsatian.costs.profiling import loading, timing
from alsatian.data.digits import digits
from alsatian.data.preprocessing import ImagePreprocessing
from alsatian.models.model_set import ModelSet
from alsatian.store.store import BlockStore

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> ModelSet:
    module = nn.Sequential(
        nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 5)
    )
    store = BlockStore(tmp_path_factory.mktemp("store"))
    return ModelSet.from_modules(store, {"net": module.eval()}, ImagePreprocessing(8))


@pytest.mark.parametrize("numerics", ["fp32", "bf16"])
@pytest.mark.parametrize("kernels", ["eager", "layout"])
def test_every_choice_of_kernels_and_numbers_is_measured(
    network: ModelSet, kernels: str, numerics: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "_PACE_S", 0.01)
    models, data = replace(network, segments=computed_by(network.segments, kernels, numerics)), digits(20)
    own = {segment.fingerprint for segment in models.segments.values()}
    eager = {segment.fingerprint for segment in network.segments.values()}
    assert own.isdisjoint(eager) == ((kernels, numerics) != ("eager", "fp32"))
    times = timing.segment_times(models, models.candidates[0], data, [2, 4], CPU)
    assert times.keys() == own
    load = loading.load_times(models, CPU)
    found = loading.read_ahead_times(models, data, 2, CPU, load)
    assert len(found["read_ahead_loss"]) == 2


def test_on_a_busy_machine_the_fastest_of_more_turns_count() -> None:
    quiet = [1.0, 2.0, 3.0, 9.0]
    assert timing.usual(quiet) == 2.0
    assert timing.usual([*quiet, *[50.0] * 8], longer=3) == 2.0
    assert timing.usual([4.0]) == 4.0
    calls: list[int] = []
    for longer in (1, 3):
        calls.clear()
        timing.timed(lambda: calls.append(1), CPU, 4, longer)
        assert len(calls) == 1 + 4 * longer
