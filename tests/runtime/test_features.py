"""Features are kept by model and batch, and dropped with the model."""

import torch

from alsatian.data.dataset import Batch
from alsatian.runtime.features import FeatureStore
from alsatian.runtime.meter.meter import Meter

BATCHES = [Batch(0, 0, 2, True), Batch(1, 0, 2, False), Batch(2, 2, 3, False)]


def test_features_come_back_flat_and_in_the_order_asked_for() -> None:
    store = FeatureStore(Meter(torch.device("cpu")))
    states = [torch.randn(batch.items, 2, 3) for batch in BATCHES]
    for batch, state in reversed(list(zip(BATCHES, states, strict=True))):
        store.add(["m"], batch, (state, torch.zeros(1)))
    assert torch.equal(store.get("m", BATCHES[1:]), torch.cat(states[1:]).flatten(1))
    assert store.get("m", BATCHES[:1]).shape == (2, 6)


def test_what_is_missing_is_told_per_model() -> None:
    store = FeatureStore(Meter(torch.device("cpu")))
    store.add(["m", "twin"], BATCHES[1], (torch.zeros(2, 3),))
    store.add(["n"], BATCHES[0], (torch.zeros(2, 3),))
    assert store.missing("m", BATCHES) == store.missing("twin", BATCHES) == (BATCHES[0], BATCHES[2])
    assert store.missing("n", BATCHES) == (BATCHES[1], BATCHES[2])
    assert store.missing("unknown", BATCHES) == tuple(BATCHES)
    store.keep_only(["n"])
    assert store.missing("m", BATCHES) == tuple(BATCHES)
    assert store.missing("n", BATCHES) == (BATCHES[1], BATCHES[2])


def test_the_peak_counts_shared_features_once() -> None:
    meter = Meter(torch.device("cpu"))
    store = FeatureStore(meter)
    store.add(["m", "twin"], BATCHES[0], (torch.zeros(2, 3),))
    store.add(["n"], BATCHES[0], (torch.zeros(2, 5),))
    store.keep_only(["m"])
    store.keep_only([])
    assert meter.peaks["feature_bytes"] == 2 * 3 * 4 + 2 * 5 * 4


def test_what_is_restored_counts_beside_what_is_held() -> None:
    """Features of an earlier search, and those of finished rounds of this one."""
    store = FeatureStore(Meter(torch.device("cpu")))
    first, second, other = torch.ones(2, 3), torch.ones(1, 3) * 2, torch.ones(2, 3) * 3
    store.restore({"m": {1: first, 2: second}, "twin": {1: first}}, torch.device("cpu"))
    store.restore({"m": {0: other}, "n": {0: other}}, torch.device("cpu"))
    assert store.missing("m", BATCHES) == ()
    assert store.missing("twin", BATCHES) == (BATCHES[0], BATCHES[2])
    assert torch.equal(store.get("m", BATCHES), torch.cat([other, first, second]))
    assert store.held["m"][1] is store.held["twin"][1]
    assert store.held["m"][0] is store.held["n"][0]
