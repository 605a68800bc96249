"""Fine-tunes that the store holds in smaller forms: in a smaller type, or as a base and an adapter's factors. They
are read so, once, and no bit of what is computed is another than with whole models."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from alsatian.budgets import Budgets
from alsatian.models.model_set import ModelSet
from alsatian.models.sets.folder import add_path
from alsatian.runtime.loading import block_loader as loaders
from alsatian.runtime.loading.settings import LoaderSettings
from alsatian.runtime.loading.transfer import Transfer
from alsatian.store.maintenance import gc, verify
from alsatian.store.statistics import stats
from alsatian.store.store import BlockStore
from tests.machines.timed.test_prediction import AHEAD, SEQUENTIAL, compare
from tests.models.reading.checkpoint_files import save_vit, vit, write_lora
from tests.searching.tiny_search import ALSATIAN, BASE, by_name, outcomes, search
from tests.stores import share_small_tensors

# Bytes from which on a tensor is shared, and held in a smaller form; weights of the tiny transformer have 4096.
SHARED, LARGE = 1024, 4096
LAYERS = [f"vit.layers.{i}.attention.{name}_proj" for i in (0, 1) for name in "qv"]
ADAPTERS, RANK = 4, 2


def changed(seed: int, names: Sequence[str] | None) -> nn.Module:
    """The base with other values in those parameters whose names end so; in all of them for None."""
    module = vit()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in module.named_parameters():
            if names is None or name.endswith(tuple(names)):
                tensor.add_(0.1 * torch.randn(tensor.shape, generator=generator))
    return module


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("models")
    save_vit(vit(), root / "base")
    save_vit(changed(1, ["bias"]), root / "bias-1")
    save_vit(changed(2, ["bias"]), root / "bias-2")
    save_vit(changed(3, ["classifier.weight"]), root / "head")
    save_vit(changed(4, None), root / "full")
    save_vit(changed(5, None).half(), root / "half")
    bfloat = changed(6, None).to(torch.bfloat16)
    with torch.no_grad():
        for parameter in bfloat.parameters():
            parameter.view(-1)[0] = 1e-30  # which float16 has not
    save_vit(bfloat, root / "bfloat")
    for i in range(ADAPTERS):
        write_lora(root / f"lora-{i}", "../base", LAYERS, RANK)
        tensors = load_file(file := root / f"lora-{i}" / "adapter_model.safetensors")
        save_file({name: tensor * (0.01 + i) for name, tensor in tensors.items()}, file)
    return root


def added(folder: Path, root: Path) -> ModelSet:
    store = BlockStore(root)
    return ModelSet.open(store, add_path(store, folder))


@pytest.fixture(scope="module")
def whole(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> ModelSet:
    """The models in a store that holds every block whole."""
    with pytest.MonkeyPatch.context() as patch:
        share_small_tensors(patch, 10**12)
        return added(folder, tmp_path_factory.mktemp("whole"))


@pytest.fixture(scope="module")
def small() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        share_small_tensors(patch, SHARED)
        patch.setattr("alsatian.store.files.encodings.NARROW_BYTES", LARGE)
        yield


@pytest.fixture(scope="module")
def models(whole: ModelSet, small: None, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> ModelSet:
    return added(folder, tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module", params=["eager", "layout"])
def kernels(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def truth(whole: ModelSet, kernels: str) -> Any:
    """What every model gives alone, by the files of whole blocks."""
    return outcomes(search(whole, strategy=BASE, kernels=kernels))


def held_bytes(models: ModelSet) -> int:
    """Bytes of tensors in all block files."""
    paths = models.store.root.glob("blocks/*/*.safetensors")
    return sum(held.nbytes for path in paths for held in models.store.header(path.stem).held.values())


def least_bytes(models: ModelSet, folder: Path) -> int:
    """Bytes of all distinct tensors that segments read, in the type that they were saved in, and of the adapters'
    factors; small ones, which are not shared, as often as they are."""
    known: set[bytes] = set()
    total = 0
    for candidate in models.candidates:
        if candidate.id.startswith("lora"):
            total += sum(t.nbytes for t in load_file(folder / candidate.id / "adapter_model.safetensors").values())
        adapted = [f"{layer}.weight" for layer in LAYERS] if candidate.id.startswith("lora") else []
        for block in candidate.blocks:
            if (text := block.identity.encode()) in known:
                continue
            known.add(text)
            names = models.segments[block.identity].parameter_names
            tensors = models.store.load_block(block.identity, candidate.id)
            for name, tensor in zip(names, tensors, strict=True):
                key = str(tensor.shape).encode() + tensor.numpy().tobytes()
                if any(name.endswith(other.removeprefix("vit.")) for other in adapted):
                    continue
                if tensor.nbytes < SHARED or key not in known:
                    small = {"half": 2, "bfloat": 2}.get(candidate.id, 4) if tensor.nbytes >= LARGE else 4
                    total += tensor.numel() * small
                known.add(key)
    return total


def test_a_store_holds_distinct_tensors_in_their_types_and_factors(
    models: ModelSet, whole: ModelSet, folder: Path
) -> None:
    assert [c.blocks for c in models.candidates] == [c.blocks for c in whole.candidates]
    assert held_bytes(models) == pytest.approx(least_bytes(models, folder), rel=0.02)
    assert held_bytes(models) < 0.5 * held_bytes(whole)
    headers = [models.store.header(p.stem) for p in models.store.root.glob("blocks/*/*")]
    assert sum(len(header.made) for header in headers) == ADAPTERS * len(LAYERS)
    assert {h.dtype for header in headers for h in header.held.values()} >= {torch.float16, torch.bfloat16}
    found = stats(models.store)
    # Small tensors are held with every block that has them, and counted once.
    sizes = {header.digests[i]: held.nbytes for header in headers for i, held in header.held.items()}
    assert found.tensor_bytes == sum(sizes.values()) <= held_bytes(models)
    assert verify(models.store) == []


@by_name
@pytest.mark.parametrize("budget", [None, "70%"])
def test_scores_are_those_of_whole_models(
    models: ModelSet, whole: ModelSet, truth: Any, strategy: Any, kernels: str, budget: Any
) -> None:
    settings = {} if budget is None else {"budget": budget}
    found = search(models, strategy=strategy, kernels=kernels, **settings)
    known = {key: value for key, value in outcomes(found).items() if key in truth}
    assert known == {key: truth[key] for key in known}
    same = search(whole, strategy=strategy, kernels=kernels, **settings)
    assert outcomes(found) == outcomes(same)


@pytest.mark.parametrize("ahead", [True, False])
def test_what_is_read_is_what_the_store_holds(models: ModelSet, folder: Path, ahead: bool) -> None:
    loader = LoaderSettings(read_ahead=ahead, compute_ahead=ahead)
    found = search(models, strategy=ALSATIAN, loader=loader)
    read = found.measurement.counters["bytes_read"]
    largest = max(models.store.header(b.identity).nbytes for c in models.candidates for b in c.blocks)
    assert read <= 1.02 * least_bytes(models, folder) + largest * found.measurement.counters["blocks_read"]
    assert found.measurement.peaks["resident_block_bytes"] <= models.distinct_bytes


@pytest.mark.parametrize("ahead", [True, False])
@pytest.mark.parametrize("block_budget", [1, 20_000, 60_000, 150_000])
def test_a_budget_of_blocks_holds(models: ModelSet, whole: ModelSet, block_budget: int, ahead: bool) -> None:
    loader = LoaderSettings(read_ahead=ahead, compute_ahead=ahead)
    found = search(models, budget=Budgets(block_budget=block_budget), loader=loader)
    assert outcomes(found) == outcomes(search(whole))
    assert found.measurement.peaks.get("resident_block_bytes", 0) <= block_budget


@pytest.mark.parametrize("size", [30_000, 1_000_000])
def test_local_copies(models: ModelSet, whole: ModelSet, tmp_path: Path, size: int) -> None:
    found = search(models, budget=Budgets(block_budget=60_000, block_ssd_budget=size, ssd_dir=tmp_path))
    assert outcomes(found) == outcomes(search(whole))
    assert found.measurement.peaks["ssd_block_bytes"] <= size
    assert size < 1_000_000 or found.measurement.counters["ssd_hits"]


class Widening(Transfer):
    """Takes tensors in smaller types, as a GPU does."""

    widens = True

    def __init__(self) -> None:
        self.narrow = 0

    def bring(self, staged: Any, narrow: Any = (), make: Any = list) -> Any:
        self.narrow += len(narrow)
        assert all(staged[i].dtype != torch.float32 for i in narrow)
        return super().bring(staged, narrow, make)


@pytest.mark.parametrize("kind", ["eager", "layout"])
@pytest.mark.parametrize("strategy", [ALSATIAN, BASE], ids=lambda s: s.name)
def test_smaller_types_go_to_the_device_and_become_the_same_bits(
    models: ModelSet, whole: ModelSet, monkeypatch: pytest.MonkeyPatch, kind: str, strategy: Any
) -> None:
    transfer = Widening()
    monkeypatch.setattr(loaders, "transfer_to", lambda device: transfer)
    found = search(models, strategy=strategy, budget=Budgets(block_budget=60_000), kernels=kind)
    assert transfer.narrow
    monkeypatch.undo()
    assert outcomes(found) == outcomes(search(whole, strategy=strategy, kernels=kind))


@by_name
@pytest.mark.parametrize("loader", [SEQUENTIAL, AHEAD], ids=["sequential", "read ahead"])
def test_predictions_know_it(models: ModelSet, strategy: Any, loader: LoaderSettings) -> None:
    compare(models, strategy, loader=loader)


def test_what_adapters_were_added_to_stays_when_its_model_goes(
    small: None, folder: Path, whole: ModelSet, tmp_path: Path
) -> None:
    store = BlockStore(tmp_path / "store")
    assert set(add_path(store, folder)) == {c.id for c in whole.candidates}
    for model in store.model_ids():
        if model != "lora-1":
            store.manifest_path(model).unlink()
    removed = gc(store, grace_s=0)
    assert removed.files
    assert verify(store) == []
    again = BlockStore(store.root, "always", kept=False)
    for block in store.model("lora-1").blocks:
        expected = whole.store.load_block(block.identity, "m")
        for one, other in zip(again.load_block(block.identity, "m"), expected, strict=True):
            assert torch.equal(one, other)
