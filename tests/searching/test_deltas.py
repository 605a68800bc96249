"""Fine-tunes that the store holds as deltas of their base: fewer bytes are read, and no bit of what is computed is
another than with whole models."""

import contextlib
import itertools
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from alsatian.budgets import Budgets
from alsatian.errors import ConfigError, StoreError
from alsatian.models.model_set import ModelSet
from alsatian.models.sets.folder import add_path
from alsatian.runtime.loading import block_loader as loaders
from alsatian.runtime.loading.settings import LoaderSettings
from alsatian.runtime.loading.transfer import Transfer
from alsatian.store.files.block_file import Header
from alsatian.store.files.tensor_index import FILE
from alsatian.store.maintenance import block_files, gc, verify
from alsatian.store.statistics import stats
from alsatian.store.store import BlockStore
from alsatian.store.upgrade import upgrade
from tests.machines.timed.test_prediction import AHEAD, SEQUENTIAL, compare
from tests.models.reading.checkpoint_files import save_vit, vit
from tests.searching.tiny_search import ALSATIAN, BASE, SHIFT, first, outcomes, search
from tests.stores import share_small_tensors

pytest.importorskip("zstandard")

# Bytes from which on a tensor is shared, and a delta of it looked for; weights of the tiny transformer have 4096.
SHARED = 1024
TUNED = 4
# Bytes per second: so few that whatever saves enough is worth it.
SLOW = 1.0


def tuned(seed: int) -> nn.Module:
    """The base with all values a little other, as after few steps of training."""
    module = vit()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for tensor in module.parameters():
            tensor.mul_(1 + 1e-4 * torch.randn(tensor.shape, generator=generator))
    return module


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("models")
    save_vit(vit(), root / "0-base")
    for i in range(TUNED):
        save_vit(tuned(i), root / f"tuned-{i}")
    frozen = tuned(0)  # a fine-tune of a fine-tune, which has the rest in common with that
    with torch.no_grad():
        for name, tensor in frozen.named_parameters():
            if "layers.1.mlp.fc1" in name:
                tensor.mul_(1 + 1e-4 * torch.rand(tensor.shape, generator=torch.Generator().manual_seed(9)))
    save_vit(frozen, root / "twice")
    return root


@pytest.fixture(scope="module", autouse=True)
def small() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        share_small_tensors(patch, SHARED)
        yield


def added(folder: Path, root: Path, deltas: float | None) -> ModelSet:
    store = BlockStore(root, deltas=deltas)
    return ModelSet.open(store, add_path(store, folder))


@pytest.fixture(scope="module")
def whole(folder: Path, small: None, tmp_path_factory: pytest.TempPathFactory) -> ModelSet:
    """The models in a store without deltas."""
    return added(folder, tmp_path_factory.mktemp("whole"), None)


@pytest.fixture(scope="module")
def models(folder: Path, small: None, tmp_path_factory: pytest.TempPathFactory) -> ModelSet:
    return added(folder, tmp_path_factory.mktemp("store"), SLOW)


@pytest.fixture(scope="module", params=["eager", "layout"])
def kernels(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def truth(whole: ModelSet, kernels: str) -> Any:
    return outcomes(search(whole, strategy=BASE, kernels=kernels))


def headers(store: BlockStore) -> dict[str, Header]:
    return {path.stem: store.header(path.stem) for path in block_files(store)}


def deltas_of(store: BlockStore) -> dict[tuple[str, int], tuple[str, int]]:
    """What each tensor that is a delta, by block and place, is one of."""
    return {
        (identity, i): tuple(header.elsewhere[made.base])
        for identity, header in headers(store).items()
        for i, made in header.made.items()
    }


def check_hops(store: BlockStore) -> None:
    """Whatever a delta is of is held as it is, and deltas are those of the model added first."""
    known, first_blocks = headers(store), {block.identity for block in store.model("0-base").blocks}
    for block, number in deltas_of(store).values():
        assert number in known[block].held
        assert block in first_blocks


def same_tensors(models: ModelSet, whole: ModelSet) -> None:
    again = BlockStore(models.store.root, "always", kept=False)
    for candidate in models.candidates:
        for block in candidate.blocks:
            pairs = zip(
                again.load_block(block.identity, "m"), whole.store.load_block(block.identity, "m"), strict=True
            )
            assert all(torch.equal(a, b) for a, b in pairs)


def test_fine_tunes_are_held_as_deltas_of_the_base(models: ModelSet, whole: ModelSet) -> None:
    assert [c.blocks for c in models.candidates] == [c.blocks for c in whole.candidates]
    same_tensors(models, whole)
    check_hops(models.store)
    found, plain = stats(models.store), stats(whole.store)
    assert found.tensor_bytes == pytest.approx(plain.tensor_bytes, rel=0.02)
    assert (plain.deltas, plain.delta_bytes) == (0, plain.tensor_bytes)
    assert found.deltas == len({headers(models.store)[b].digests[i] for b, i in deltas_of(models.store)}) > 0
    assert found.delta_bytes < 0.8 * found.tensor_bytes
    assert found.delta_bytes == sum(family.delta_bytes for family in found.families)
    assert len(found.families) == 1
    assert verify(models.store) == []


@pytest.mark.parametrize("strategy", [ALSATIAN, BASE, SHIFT], ids=lambda s: s.name)
def test_scores_are_those_of_whole_models(
    models: ModelSet, whole: ModelSet, truth: Any, strategy: Any, kernels: str
) -> None:
    found = outcomes(search(models, strategy=strategy, kernels=kernels))
    known = found.keys() & truth.keys()
    assert known
    assert {key: found[key] for key in known} == {key: truth[key] for key in known}
    assert found == outcomes(search(whole, strategy=strategy, kernels=kernels))


@pytest.mark.parametrize("ahead", [True, False])
def test_fewer_bytes_are_read_and_no_more_is_resident(models: ModelSet, whole: ModelSet, ahead: bool) -> None:
    loader = LoaderSettings(read_ahead=ahead, compute_ahead=ahead)
    few, many = (search(one, strategy=ALSATIAN, loader=loader).measurement for one in (models, whole))
    store = stats(models.store)
    assert few.counters["bytes_read"] < 0.85 * many.counters["bytes_read"]
    assert few.counters["bytes_read"] < store.file_bytes
    assert few.peaks["resident_block_bytes"] == many.peaks["resident_block_bytes"]


@pytest.mark.parametrize("ahead", [True, False])
@pytest.mark.parametrize("block_budget", [1, 20_000, 60_000])
def test_a_budget_of_blocks_holds(models: ModelSet, whole: ModelSet, block_budget: int, ahead: bool) -> None:
    loader = LoaderSettings(read_ahead=ahead, compute_ahead=ahead)
    found = search(models, budget=Budgets(block_budget=block_budget), loader=loader)
    assert outcomes(found) == outcomes(search(whole))
    assert found.measurement.peaks.get("resident_block_bytes", 0) <= block_budget


def test_local_copies(models: ModelSet, whole: ModelSet, tmp_path: Path) -> None:
    budget = Budgets(block_budget=60_000, block_ssd_budget=1_000_000, ssd_dir=tmp_path)
    found = search(models, budget=budget)
    assert outcomes(found) == outcomes(search(whole))
    assert found.measurement.counters["ssd_hits"]


@pytest.mark.parametrize("strategy", [ALSATIAN, BASE], ids=lambda s: s.name)
@pytest.mark.parametrize("loader", [SEQUENTIAL, AHEAD], ids=["sequential", "read ahead"])
def test_predictions_know_it(models: ModelSet, strategy: Any, loader: LoaderSettings) -> None:
    compare(models, strategy, loader=loader)


def test_a_search_without_the_base_reads_it_once(models: ModelSet, whole: ModelSet) -> None:
    some, same = (ModelSet(m.candidates[1:4], m.store, m.segments) for m in (models, whole))
    found, plain = (search(one, strategy=ALSATIAN) for one in (some, same))
    assert outcomes(found) == outcomes(plain)
    assert found.measurement.counters["bytes_read"] < plain.measurement.counters["bytes_read"]
    compare(some, ALSATIAN, loader=AHEAD)
    one = ModelSet(models.candidates[1:2], models.store, models.segments)
    compare(one, ALSATIAN, loader=AHEAD)
    alone, whole_one = search(one), search(first(same, 1))
    assert outcomes(alone) == outcomes(whole_one)
    # The base that no other needs is paid for, too.
    assert alone.measurement.counters["bytes_read"] > whole_one.measurement.counters["bytes_read"]


class Copying(Transfer):
    """Keeps what is brought as it was, as memory beside a GPU does."""

    def bring(self, staged: Any, narrow: Any = (), make: Any = list) -> Any:
        return super().bring([tensor.clone() for tensor in staged], narrow, make)


def test_pinned_copies_have_room_for_what_deltas_become(
    models: ModelSet, whole: ModelSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[loaders.BlockLoader] = []

    class Pinning(loaders.BlockLoader):
        def __init__(self, *args: Any, **settings: Any) -> None:
            super().__init__(*args, **{**settings, "host_budget": 2_000_000, "transfer": Copying()})
            made.append(self)

        def close(self) -> None:
            held = self._residency.host._blocks.values()
            assert all(sum(t.nbytes for t in b.content.parameters) <= b.nbytes for b in held if b.content)
            super().close()

    monkeypatch.setattr("alsatian.machines.real.BlockLoader", Pinning)
    found = search(models, budget=Budgets(block_budget=60_000))
    assert made
    assert found.measurement.counters["host_block_hits"]
    monkeypatch.undo()
    assert outcomes(found) == outcomes(search(whole))


def test_what_deltas_are_of_stays_when_its_model_goes(folder: Path, whole: ModelSet, tmp_path: Path) -> None:
    models = added(folder, tmp_path / "store", SLOW)
    store = models.store
    for model in store.model_ids():
        if model != "tuned-1":
            store.manifest_path(model).unlink()
    assert gc(store, grace_s=0).files
    assert verify(store) == []
    same_tensors(ModelSet(tuple(c for c in models.candidates if c.id == "tuned-1"), store, models.segments), whole)


def test_a_store_is_upgraded_to_deltas_and_that_once(folder: Path, whole: ModelSet, tmp_path: Path) -> None:
    plain = added(folder, tmp_path / "store", None).store
    store = BlockStore(plain.root, deltas=SLOW)
    done = upgrade(store, lambda *_: None)
    assert done.files
    assert done.after < done.before
    models = ModelSet.open(store, store.model_ids())
    check_hops(store)
    same_tensors(models, whole)
    assert verify(store) == []
    assert outcomes(search(models)) == outcomes(search(whole))
    assert upgrade(store, lambda *_: None).files == 0


def test_what_was_entered_and_got_no_name_becomes_deltas_again(folder: Path, tmp_path: Path) -> None:
    """As after a kill between the two."""
    store = added(folder, tmp_path / "store", SLOW).store
    before, known = deltas_of(store), headers(store)
    lost = next(
        block for block, _ in before
        if not any(one.full_bytes >= SHARED for i, one in known[block].held.items() if i < known[block].count)
    )  # fmt: skip
    store.block_path(lost).unlink()
    again = added(folder, store.root, SLOW).store
    assert deltas_of(again) == before
    assert verify(again) == []


def test_a_fine_tune_of_a_fine_tune_shares_its_deltas(folder: Path, whole: ModelSet, tmp_path: Path) -> None:
    """Also one that is added when none are asked for, and when the index has to be made again."""
    for deltas in (SLOW, None):
        store = added(folder, tmp_path / f"store-{deltas}", SLOW).store
        store.manifest_path("twice").unlink()
        gc(store, grace_s=0)
        (store.root / FILE).unlink()
        before, own = set(block_files(store)), {block.identity for block in store.model("tuned-0").blocks}
        models = added(folder, store.root, deltas)
        same_tensors(models, whole)
        check_hops(store)
        (new,) = set(block_files(store)) - before
        header = store.header(new.stem)
        shared = [one for one in header.made.values() if header.elsewhere[one.base].block not in own]
        assert shared
        assert {header.elsewhere[one.added[0]].block for one in shared if one.added[0] in header.elsewhere} <= own
        assert any(one.added[0] in header.elsewhere for one in shared)


def test_an_upgrade_that_is_interrupted_anywhere_is_done_again(
    folder: Path, whole: ModelSet, tmp_path: Path
) -> None:
    plain = added(folder, tmp_path / "plain", None).store.root
    ready = added(folder, tmp_path / "ready", None).store.root
    files = upgrade(BlockStore(ready, deltas=SLOW), lambda *_: None)
    for left in (0, 1, files.files // 2, files.files):
        root = tmp_path / f"store-{left}"
        shutil.copytree(plain, root, copy_function=shutil.copy2)
        renamed = itertools.count()

        def replace(source: Path, target: Path, left: int = left, renamed: Any = renamed) -> None:
            if next(renamed) == left:
                raise KeyboardInterrupt
            os.rename(source, target)

        with pytest.MonkeyPatch.context() as patch, contextlib.suppress(KeyboardInterrupt):
            patch.setattr("alsatian.files.os.replace", replace)
            upgrade(BlockStore(root, deltas=SLOW), lambda *_: None)
        store = BlockStore(root, deltas=SLOW)
        assert verify(store) == []
        check_hops(store)
        assert upgrade(store, lambda *_: None).after == pytest.approx(files.after, rel=0.01)
        same_tensors(ModelSet(whole.candidates, store, whole.segments), whole)


def test_a_store_elsewhere(folder: Path, whole: ModelSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("fsspec")
    monkeypatch.setenv("ALSATIAN_MIRRORS", str(tmp_path / "first"))
    url = f"file://{tmp_path}/there"
    far = BlockStore(url, deltas=SLOW)
    assert set(add_path(far, folder)) == {c.id for c in whole.candidates}
    assert deltas_of(BlockStore(tmp_path / "there"))
    monkeypatch.setenv("ALSATIAN_MIRRORS", str(tmp_path / "second"))
    store = BlockStore(url)
    models = ModelSet.open(store, ["tuned-1"])
    found = search(models)
    assert outcomes(found) == outcomes(search(ModelSet.open(whole.store, ["tuned-1"])))
    # The files of its blocks, and of those that they are deltas of.
    here = store.files_of(block.identity for block in models.candidates[0].blocks)
    assert found.measurement.counters["bytes_read"] == sum(path.stat().st_size for path in here)
    assert verify(store) == []


def test_what_saves_too_little_stays_as_it_is(folder: Path, whole: ModelSet, tmp_path: Path) -> None:
    fast = added(folder, tmp_path / "fast", 1e15)
    assert not deltas_of(fast.store)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("alsatian.store.deltas.SAVES", 0.9)
        assert not deltas_of(added(folder, tmp_path / "large", SLOW).store)


def test_a_damaged_delta_is_named_with_its_file(folder: Path, whole: ModelSet, tmp_path: Path) -> None:
    store = added(folder, tmp_path / "store", SLOW).store
    (block, number), _ = next(iter(deltas_of(store).items()))
    packed = headers(store)[block].held[headers(store)[block].made[number].added[0]]
    path = store.block_path(block)
    content = bytearray(path.read_bytes())
    for at in (packed.offset + 2, packed.offset + packed.nbytes // 2, packed.offset + packed.nbytes - 1):
        content[at] ^= 8
        path.write_bytes(content)
        assert [line for line in verify(BlockStore(store.root)) if str(path) in line]
        content[at] ^= 8
    path.write_bytes(content)
    assert verify(BlockStore(store.root)) == []
    # What others have in common with it is damaged in its file, whoever reads it.
    places = {
        (block, tuple(header.elsewhere[made.added[0]]))
        for block, header in headers(store).items()
        for made in header.made.values()
        if made.added[0] in header.elsewhere
    }
    user, (holder, number) = min(places)
    packed, path = store.header(holder).held[number], store.block_path(holder)
    content = bytearray(path.read_bytes())
    for at in (packed.offset, packed.offset + packed.nbytes // 2):
        content[at] ^= 8
        path.write_bytes(content)
        with pytest.raises(StoreError, match=holder):
            BlockStore(store.root).load_block(user, "m")
        content[at] ^= 8
    # Adding it again gives the same file, so that nobody misses what it held.
    code, tensors = store.header(holder).architecture, whole.store.load_block(holder, "m")
    with BlockStore(store.root).adding() as adding:
        adding.add_block(code, tensors, 4)
    assert path.read_bytes() == content
    assert verify(BlockStore(store.root)) == []


def test_reading_without_the_package_says_what_to_install(
    models: ModelSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = first(models, 1)
    monkeypatch.setitem(sys.modules, "zstandard", None)
    assert outcomes(search(base))  # of which nothing is a delta
    with pytest.raises(ConfigError, match=r"alsatian\[deltas\]"):
        search(models)
