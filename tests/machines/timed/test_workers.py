"""A search on several workers, predicted: one is equal to a machine alone, and large sets are told by the cut."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from alsatian.api import Prediction, predict
from alsatian.blocks.candidate import Candidate
from alsatian.costs.keys import keys_for
from alsatian.costs.model import CostModel
from alsatian.data.dataset import batches_of
from alsatian.machines.timed import workers as timed
from alsatian.models.sets.fingerprint_set import GeneratedSet
from alsatian.planning.distribution.distribution import Worker
from alsatian.runtime.loading.settings import LoaderSettings
from alsatian.runtime.storage.regime import Storage
from experiments.configuration.hardware import shipped_profile

COUNT = 30
BATCHES = batches_of(64, 256, 64, COUNT)
LOADER = LoaderSettings(compute_ahead=False)


@pytest.fixture(scope="module")
def candidates() -> list[Candidate]:
    return list(GeneratedSet(count=COUNT, models_per_family=10))


@pytest.fixture(scope="module")
def costs(candidates: Sequence[Candidate]) -> CostModel:
    hardware = shipped_profile("a5000")
    return CostModel.of(hardware, keys_for(hardware, candidates, like="resnet152@224"), Storage(bandwidth="200MB"))


def on(count: int, candidates: Sequence[Candidate], costs: CostModel, **settings: object) -> Prediction:
    some = [Worker(f"worker {number + 1}") for number in range(count)]
    return predict(candidates, BATCHES, costs, workers=some, **{"loader": LOADER, **settings})  # type: ignore[arg-type]


@pytest.mark.parametrize("strategy", ["alsatian", "base"])
def test_one_worker_is_predicted_as_this_process(candidates, costs, strategy) -> None:
    here = predict(candidates, BATCHES, costs, loader=LOADER, strategy=strategy)
    there = on(1, candidates, costs, strategy=strategy)
    assert there.measurement.wall_s == pytest.approx(here.measurement.wall_s)
    assert there.measurement.parts_s == pytest.approx(here.measurement.parts_s, abs=1e-9)
    for name in ("counters", "peaks"):
        assert getattr(there.measurement, name) == getattr(here.measurement, name)
    assert there.ranked == here.ranked
    assert there.rounds == here.rounds
    assert there.measurement.limit == here.measurement.limit


def test_workers_share_the_work(candidates, costs) -> None:
    """Scores and survivors stay; a round takes as long as its slowest worker, and someone reads every block."""
    one, four = (on(count, candidates, costs) for count in (1, 4))
    assert four.ranked == one.ranked
    assert [r.scores for r in four.rounds] == [r.scores for r in one.rounds]
    assert 1 < one.measurement.wall_s / four.measurement.wall_s <= 4
    assert sorted(four.measurement.workers) == [f"worker {number}" for number in (1, 2, 3, 4)]
    first = four.plans[0]
    assert first.distribution is not None
    took = first.after.wall_s - first.before.wall_s
    shares = [first.after.workers[name].wall_s for name in first.distribution.portions]
    assert took == pytest.approx(max(shares))
    distinct = {b.identity: b.parameter_bytes for c in candidates for b in c.blocks}
    assert four.measurement.counters["bytes_read"] >= sum(distinct.values())


def test_a_large_set_is_told_by_the_cut(candidates, costs, monkeypatch) -> None:
    """It adds up the same costs: near the timed machines where blocks are read whenever they are used."""
    plain = LoaderSettings(keep=False, read_ahead=False, compute_ahead=False)
    exact = on(3, candidates, costs, loader=plain)
    monkeypatch.setattr(timed, "MOST", 0)
    told = on(3, candidates, costs, loader=plain)
    assert told.ranked == exact.ranked
    assert told.measurement.wall_s == pytest.approx(exact.measurement.wall_s, rel=0.05)
    assert told.measurement.counters["bytes_read"] <= exact.measurement.counters["bytes_read"]
    events = [event for event in told.measurement.events if event["kind"] == "distribution"]
    assert told.measurement.wall_s == pytest.approx(sum(event["predicted_s"] for event in events))
    assert all(event["note"].endswith("told by the cut itself") for event in events)
    assert sum(told.measurement.parts_s.values()) == pytest.approx(told.measurement.wall_s)


def test_slower_workers_take_longer(candidates, costs) -> None:
    some = [Worker("fast"), Worker("slow", speed=0.25)]
    found = predict(candidates, BATCHES, costs, loader=LOADER, workers=some)
    first = found.plans[0].distribution
    assert first is not None
    models = {name: sum(len(p.models) for p in own) for name, own in first.portions.items()}
    assert models["fast"] > models["slow"] > 0
    alone = predict(candidates, BATCHES, costs, loader=LOADER, workers=[replace(some[1], name="alone")])
    assert found.measurement.wall_s < alone.measurement.wall_s
