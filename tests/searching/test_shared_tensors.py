"""Fine-tunes that change few tensors of every block: what they share is read once, held once and changes no bit."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from alsatian.api import SearchResult
from alsatian.budgets import Budgets
from alsatian.errors import BudgetError
from alsatian.models.model_set import ModelSet
from alsatian.runtime.loading.settings import LoaderSettings
from alsatian.store.store import BlockStore
from tests.machines.timed.test_prediction import AHEAD, SEQUENTIAL, compare
from tests.searching.tiny_search import (
    ALSATIAN,
    AUTO,
    BASE,
    PREPROCESSING,
    Modules,
    by_name,
    check,
    eager,
    few,
    search,
)
from tests.stores import share_small_tensors

TUNES = 4
NAMES = ("base", *(f"tune-{i}" for i in range(TUNES)), "other", "other-tune")


def bias_only(module: nn.Module, seed: int) -> nn.Module:
    """Another module with other biases: those of convolutions and normalisations."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in module.named_parameters():
            if name.endswith("bias"):
                tensor.uniform_(-1, 1, generator=generator)
    return module


@pytest.fixture(scope="module")
def patch() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as made:
        share_small_tensors(made, 64)
        yield made


@pytest.fixture(scope="module")
def modules(tiny: Callable[[str], nn.Module]) -> Modules:
    made = {"base": tiny("aaaa"), "other": tiny("bbbb"), "other-tune": bias_only(tiny("bbbb"), 99)}
    made |= {f"tune-{i}": bias_only(tiny("aaaa"), i) for i in range(TUNES)}
    return {name: made[name] for name in NAMES}


@pytest.fixture(scope="module")
def family(patch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory, modules: Modules) -> ModelSet:
    store = BlockStore(tmp_path_factory.mktemp("store"))
    return ModelSet.from_modules(store, modules, PREPROCESSING)


@pytest.fixture(scope="module")
def truth(modules: Modules) -> Any:
    return eager(modules, few())


def distinct_bytes(modules: Mapping[str, nn.Module]) -> int:
    """Bytes of the tensors of all modules, each once; small ones, which are not shared, as often as they are."""
    seen, total = set(), 0
    for module in modules.values():
        for name, tensor in (*module.named_parameters(), *module.named_buffers()):
            if name.endswith("num_batches_tracked"):  # which nothing computes with
                continue
            key = (tensor.shape, tensor.detach().numpy().tobytes())
            total += 0 if key in seen and tensor.nbytes >= 64 else tensor.nbytes
            seen.add(key)
    return total


def header_bytes(models: ModelSet, result: SearchResult) -> int:
    """At most, of the headers that were read: one each time that something was."""
    largest = max(models.store.header(b.identity).nbytes for c in models.candidates for b in c.blocks)
    return largest * result.measurement.counters["blocks_read"]


def test_the_family_shares_tensors_and_no_block(family: ModelSet) -> None:
    identities = [
        block.identity for candidate in family.candidates for block in candidate.blocks if block.parameter_bytes
    ]
    assert len(set(identities)) == len(identities)
    assert family.parts


@by_name
@pytest.mark.parametrize("kernels", ["eager", "layout"])
@pytest.mark.parametrize("budget", [None, 20_000, "30%"])
def test_scores_are_those_of_every_model_alone(
    family: ModelSet, truth: Any, strategy: Any, kernels: str, budget: Any
) -> None:
    try:
        found = search(family, strategy=strategy, kernels=kernels, **({} if budget is None else {"budget": budget}))
    except BudgetError:
        assert budget is not None
        return
    if kernels == "eager":
        check(found, truth)
    else:
        alone = search(family, strategy=BASE, kernels=kernels)
        same = {(r.train_items, m): s for r in found.rounds for m, s in r.scores.items()}
        known = alone.rounds[-1].scores
        assert all(known[m] == s for (items, m), s in same.items() if items == alone.rounds[-1].train_items)


@pytest.mark.parametrize("ahead", [True, False])
@pytest.mark.parametrize("strategy", [ALSATIAN, AUTO], ids=lambda s: s.name)
def test_every_tensor_is_read_once(family: ModelSet, modules: Modules, strategy: Any, ahead: bool) -> None:
    loader = LoaderSettings(read_ahead=ahead, compute_ahead=ahead)
    found = search(family, strategy=strategy, loader=loader)
    read = found.measurement.counters["bytes_read"]
    least = distinct_bytes(modules)
    assert least <= read <= least + header_bytes(family, found)
    # What a block has twice is read once, but has memory twice.
    assert found.measurement.peaks["resident_block_bytes"] <= family.distinct_bytes
    assert least <= family.distinct_bytes < 0.8 * sum(candidate.parameter_bytes for candidate in family.candidates)


def test_those_that_do_not_share_read_models_whole(family: ModelSet) -> None:
    found = search(family, strategy=BASE)
    assert found.measurement.counters["bytes_read"] >= sum(c.parameter_bytes for c in family.candidates)


@pytest.mark.parametrize("block_budget", [1, 2_000, 5_000])
def test_a_budget_of_blocks_holds(family: ModelSet, truth: Any, block_budget: int) -> None:
    found = search(family, budget=Budgets(block_budget=block_budget))
    check(found, truth)
    assert found.measurement.peaks.get("resident_block_bytes", 0) <= block_budget


@pytest.mark.parametrize("size", [3_000, 100_000])
def test_local_copies(family: ModelSet, truth: Any, tmp_path: Any, size: int) -> None:
    found = search(family, budget=Budgets(block_budget=2_000, block_ssd_budget=size, ssd_dir=tmp_path))
    check(found, truth)
    assert found.measurement.peaks["ssd_block_bytes"] <= size
    if size == 100_000:
        assert found.measurement.counters["ssd_hits"]


@by_name
@pytest.mark.parametrize("loader", [SEQUENTIAL, AHEAD], ids=["sequential", "read ahead"])
def test_predictions_know_it(family: ModelSet, strategy: Any, loader: LoaderSettings) -> None:
    compare(family, strategy, loader=loader)


def test_equal_small_tensors_do_not_part_what_is_shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new normalisation has zeros and ones several times, of which a fine-tune changes some."""
    share_small_tensors(monkeypatch, 64)
    for module in ("writer", "store_files", "parts"):
        monkeypatch.setattr(f"alsatian.store.{module}.WORTH_BYTES", 500)

    def network() -> nn.Module:
        torch.manual_seed(0)
        layers = nn.Conv2d(3, 16, 3), nn.BatchNorm2d(16), nn.ReLU(), nn.BatchNorm2d(16), nn.AdaptiveAvgPool2d(1)
        return nn.Sequential(*layers, nn.Flatten()).eval()

    made = {"base": network(), **{f"tune-{i}": bias_only(network(), i) for i in range(3)}}
    models = ModelSet.from_modules(BlockStore(tmp_path), made, PREPROCESSING)
    large = [part for parts in models.parts.values() for part in parts if part.nbytes >= 500]
    assert len(large) == len(made)
    assert len({part.identity for part in large}) == 1
