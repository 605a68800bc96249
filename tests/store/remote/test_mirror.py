"""What a mirror holds of a store elsewhere: the budget, what goes and what stays, and going on where it was."""

import dataclasses
import pickle
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from alsatian.budgets import Budgets
from alsatian.errors import ConfigError, RemoteError, StoreError
from alsatian.models.model_set import ModelSet
from alsatian.runtime.storage.reader import Fetched, Reader
from alsatian.runtime.storage.regime import Storage
from alsatian.runtime.storage.remote import Remote
from alsatian.runtime.storage.throttle import Throttle
from alsatian.store.files.block_file import block_path
from alsatian.store.remote.exchange import mirror_of
from alsatian.store.remote.folders import local_folder, with_local_paths
from alsatian.store.remote.mirror import Mirror
from alsatian.store.store import BlockStore
from tests.conftest import tiny_model
from tests.searching.test_shared_tensors import bias_only
from tests.searching.tiny_search import ALSATIAN, MODELS, PREPROCESSING, outcomes, search
from tests.stores import add_block, share_small_tensors, tiny_set

NUMBERS = 50_000
HEADER = 448
FILE = 4 * NUMBERS + HEADER
"""Bytes of the file of a block below."""


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., BlockStore]:
    """A store at a URL, with an empty mirror of so many bytes."""
    pytest.importorskip("fsspec")
    made = iter(range(100))

    def open_it(size: int | None = None) -> BlockStore:
        monkeypatch.setenv("ALSATIAN_MIRRORS", str(tmp_path / f"mirrors-{next(made)}"))
        if size is not None:
            monkeypatch.setenv("ALSATIAN_MIRROR_SIZE", str(size))
        return BlockStore(f"file://{tmp_path}/there")

    return open_it


@pytest.fixture
def blocks(tmp_path: Path) -> list[str]:
    """Blocks that are there, all of one size."""
    store = BlockStore(tmp_path / "there")
    (store.root / "models").mkdir(parents=True)
    return [add_block(store, "code", [torch.full([NUMBERS], i + 0.1)], 4).identity for i in range(5)]


def here(store: BlockStore) -> set[str]:
    return {path.stem for path in store.root.glob("blocks/*/*.safetensors")}


def nbytes(store: BlockStore) -> int:
    """That a mirror holds of block files, whole ones and others."""
    files = (*store.root.glob("blocks/*/*.safetensors"), *store.root.glob("far/*/*.part"))
    return sum(path.stat().st_size for path in files)


def read(store: BlockStore, identity: str, reader: Reader | None = None, owner: str | None = None) -> int:
    """Read a block; the bytes that count as read."""
    came: list[Fetched] = []
    found = store.read_block(identity, "m", reader=reader or Reader(Throttle(None)), owner=owner, came=came.append)
    assert len(found.in_order[0]) == NUMBERS
    return sum(fetched.size for fetched in came)


def test_the_file_of_a_block_has_the_size_that_is_reckoned_with(
    opened: Callable[..., BlockStore], blocks: list[str]
) -> None:
    assert opened().mirror.blocks == dict.fromkeys(blocks, FILE)


def test_what_was_read_longest_ago_goes(opened: Callable[..., BlockStore], blocks: list[str]) -> None:
    store = opened(3 * FILE)
    for identity in blocks[:3]:
        assert read(store, identity) == FILE
    assert read(store, blocks[0]) == 0
    assert read(store, blocks[3]) == FILE
    assert here(store) == {blocks[0], blocks[2], blocks[3]}
    assert read(store, blocks[1]) == FILE
    assert here(store) == {blocks[0], blocks[1], blocks[3]}
    assert nbytes(store) == 3 * FILE


def test_the_budget_holds_at_every_moment(
    opened: Callable[..., BlockStore], blocks: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    store, part, most = opened(2 * FILE + 100), Remote.part, []

    def watched(self: Remote, *what: object) -> bytes:
        most.append(nbytes(store))
        return part(self, *what)

    monkeypatch.setattr(Remote, "part", watched)
    threads = [threading.Thread(target=lambda: [read(store, i) for i in blocks * 3]) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(most) == 2 * FILE


def test_what_is_being_read_stays(opened: Callable[..., BlockStore], blocks: list[str]) -> None:
    store = opened(2 * FILE)
    plain = Reader(Throttle(None))
    with store.mirror.holding(blocks[0], plain, None), store.mirror.holding(blocks[1], plain, None):
        waiting = threading.Thread(target=read, args=(store, blocks[2]))
        waiting.start()
        waiting.join(0.3)
        assert waiting.is_alive()
        assert here(store) == set(blocks[:2])
    waiting.join()
    assert here(store) == {blocks[1], blocks[2]}


def test_a_block_that_is_larger_than_the_budget_is_said(
    opened: Callable[..., BlockStore], blocks: list[str]
) -> None:
    with pytest.raises(RemoteError, match=r"no room for a block of .*storage\.mirror_size or ALSATIAN_MIRROR_SIZE"):
        read(opened(FILE - 1), blocks[0])


def test_a_smaller_budget_is_kept_when_the_store_is_opened_again(
    opened: Callable[..., BlockStore], blocks: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = opened(5 * FILE)
    for identity in blocks:
        read(store, identity)
    monkeypatch.setenv("ALSATIAN_MIRROR_SIZE", str(2 * FILE))
    assert here(BlockStore(store.root)) == set(blocks[3:])


def test_what_a_regime_says_of_mirrors_comes_before_the_environment(
    tmp_path: Path, blocks: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALSATIAN_MIRRORS", str(tmp_path / "usual"))
    monkeypatch.setenv("ALSATIAN_MIRROR_SIZE", str(5 * FILE))
    chosen = Storage(mirrors=tmp_path / "chosen", mirror_size=2 * FILE)
    for storage, folder, kept in ((chosen, "chosen", 2), (Storage(), "usual", 5)):
        store = BlockStore.under(f"file://{tmp_path}/there", storage)
        for identity in blocks:
            read(store, identity)
        assert store.root.parent == tmp_path / folder
        assert here(store) == set(blocks[-kept:])
        assert here(pickle.loads(pickle.dumps(store))) == here(store)


def test_what_came_before_an_interruption_stays(
    opened: Callable[..., BlockStore], blocks: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alsatian.store.remote.mirror._PIECE", 50_000)
    store, part, asked = opened(FILE), Remote.part, []

    def failing(self: Remote, name: str, start: int, end: int) -> bytes:
        if start >= 100_000:
            raise RemoteError("the network ends")
        return part(self, name, start, end)

    with monkeypatch.context() as patch:
        patch.setattr(Remote, "part", failing)
        with pytest.raises(RemoteError, match="the network ends"):
            read(store, blocks[0])
    assert here(store) == set()
    assert nbytes(store) == FILE

    def noted(self: Remote, name: str, start: int, end: int) -> bytes:
        asked.append((start, end))
        return part(self, name, start, end)

    monkeypatch.setattr(Remote, "part", noted)
    assert read(BlockStore(store.root), blocks[0]) == FILE - 100_000
    assert sorted(asked) == [(100_000, 150_000), (150_000, 200_000), (200_000, FILE)]
    assert nbytes(store) == FILE


def test_a_part_that_is_of_no_use_is_brought_anew(
    opened: Callable[..., BlockStore], blocks: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = opened(FILE)
    for name, size in (("part", FILE), ("lock", 0)):
        place = store.root / "far" / blocks[0][:2] / f"{blocks[0]}.{name}"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(bytes(size) or b"%20d" % 100_000)
    assert read(store, blocks[0]) == FILE
    assert nbytes(store) == FILE


def test_every_owner_pays_for_a_file_of_its_own(opened: Callable[..., BlockStore], blocks: list[str]) -> None:
    store = opened(5 * FILE)
    first, second = Reader(Throttle(None)), Reader(Throttle(None))
    assert [read(store, blocks[0], first, owner) for owner in ("a", "b", "a", "b")] == [FILE, FILE, 0, 0]
    assert [read(store, blocks[0], second, owner) for owner in ("a", "b")] == [0, 0]


def test_cold_reads_find_an_empty_mirror_first(opened: Callable[..., BlockStore], blocks: list[str]) -> None:
    store = opened(5 * FILE)
    for _ in range(2):
        cold = Reader(Throttle(None), cold=True)
        assert [read(store, blocks[0], cold), read(store, blocks[0], cold)] == [FILE, 0]


@pytest.mark.parametrize("rate", [1_000_000, 10_000_000])
def test_the_bandwidth_is_kept(opened: Callable[..., BlockStore], blocks: list[str], rate: int) -> None:
    now, lock = [0.0], threading.Lock()

    def sleep(seconds: float) -> None:
        with lock:
            now[0] += seconds

    throttle = Throttle(rate, clock=lambda: now[0], sleep=sleep)
    store = opened()
    came = sum(read(store, identity, Reader(throttle)) for identity in blocks)
    assert came == len(blocks) * FILE
    assert now[0] == pytest.approx(came / rate, rel=0.03)


def test_headers_come_alone(opened: Callable[..., BlockStore], blocks: list[str]) -> None:
    store = opened()
    assert store.bytes_to_read(blocks[0]) == FILE
    assert store.tensors(blocks[0])[0][1].nbytes == 4 * NUMBERS
    assert here(store) == set()
    store.mirror.heads(blocks)
    heads = list(store.root.glob("far/*/*.head"))
    assert {path.stem for path in heads} == set(blocks)
    assert sum(512 * path.stat().st_blocks for path in heads) < FILE


def test_tiny_searches_with_little_room(opened: Callable[..., BlockStore], tmp_path: Path) -> None:
    family = tiny_set(BlockStore(tmp_path / "there"), MODELS)
    whole = search(family)
    sizes = sorted(path.stat().st_size for path in family.store.root.glob("blocks/*/*.safetensors"))
    far = dataclasses.replace(family, store=opened(2 * sizes[-1]))
    found = search(far, strategy=ALSATIAN)
    assert outcomes(found) == outcomes(whole)
    assert nbytes(far.store) <= 2 * sizes[-1]


@pytest.mark.parametrize("url", ["file", "memory"])
def test_other_file_systems(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, opened: Callable[..., BlockStore]
) -> None:
    opened()
    place = f"file://{tmp_path}/new/store" if url == "file" else "memory://new/store"
    added = tiny_set(BlockStore(place), MODELS)
    monkeypatch.setenv("ALSATIAN_MIRRORS", str(tmp_path / "others"))
    store = BlockStore(place)
    assert store.model_ids() == sorted(MODELS)
    assert outcomes(search(dataclasses.replace(added, store=store))) == outcomes(search(added))


def test_tensors_that_blocks_share_come_once(
    opened: Callable[..., BlockStore], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    share_small_tensors(monkeypatch, 64)
    names = ("base", *(f"tune-{seed}" for seed in range(3)))
    modules = {name: bias_only(tiny_model("aaaa"), seed) for seed, name in enumerate(names)}
    family = ModelSet.from_modules(BlockStore(tmp_path / "there"), modules, PREPROCESSING)
    assert family.parts
    far = dataclasses.replace(family, store=opened())
    for blocks in (None, 2_000):
        known = search(family, budget=Budgets(block_budget=blocks))
        found = search(far, budget=Budgets(block_budget=blocks))
        assert outcomes(found) == outcomes(known)
    assert far.parts == family.parts
    assert found.measurement.counters["bytes_read"] == found.measurement.counters["blocks_read"] == 0
    files = sum(path.stat().st_size for path in family.store.root.glob("blocks/*/*.safetensors"))
    assert search(dataclasses.replace(family, store=opened())).measurement.counters["bytes_read"] == files


def test_bit_flips_there_are_found(
    opened: Callable[..., BlockStore], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    share_small_tensors(monkeypatch, 64)
    modules = {"base": tiny_model("aaaa"), "tune": bias_only(tiny_model("aaaa"), 1)}
    family = ModelSet.from_modules(BlockStore(tmp_path / "there"), modules, PREPROCESSING)
    files = sorted(family.store.root.glob("blocks/*/*.safetensors"))
    rng = np.random.default_rng(0)
    store = opened()
    for _ in range(100):
        file = files[rng.integers(len(files))]
        content = file.read_bytes()
        position, bit = int(rng.integers(len(content))), int(rng.integers(8))
        flipped = bytes([content[position] ^ 1 << bit])
        file.write_bytes(content[:position] + flipped + content[position + 1 :])
        with pytest.raises(StoreError, match=r"damaged|does not match its name"):
            store.load_block(file.stem, "m")
        file.write_bytes(content)
        store.load_block(file.stem, "m")
        for came in here(store):  # those with which it shares tensors, too
            block_path(store.root, came).unlink()


def test_names_that_lead_elsewhere_are_passed_over(
    opened: Callable[..., BlockStore], blocks: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    files = Remote.files

    def more(self: Remote, folder: str) -> dict:
        found = files(self, folder)
        assert set(found) <= {f"{folder}/{name.partition('/')[2]}" for name in found} | {folder}
        return found | {f"{folder}/../../../evil": (1, "x"), f"{folder}/../evil": (1, "x"), "/etc/evil": (1, "x")}

    monkeypatch.setattr(Remote, "files", more)
    store = opened()
    assert set(store.mirror.blocks) == set(blocks)
    assert not list(store.root.parents[1].rglob("evil"))


def test_a_mirror_is_one_folder_for_each_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALSATIAN_MIRRORS", str(tmp_path))
    places = [local_folder(url) for url in ("s3://a/b", "s3://a-b", Path("s3://a/b"), "s3://a/b/", "hf://a/b")]
    assert places[0] == places[2] == places[3]
    assert len({*places}) == 3
    assert all(place.parent == tmp_path for place in places)
    assert local_folder("some/store") == local_folder(Path("some/store")) == Path("some/store")
    assert mirror_of(tmp_path) is None
    assert isinstance(mirror_of(places[0]), Mirror)
    (places[0] / "remote.json").write_text("{}")
    with pytest.raises(ConfigError, match="does not say of which URL"):
        mirror_of(places[0])


def test_what_is_generated_beside_a_store_elsewhere_is_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALSATIAN_MIRRORS", str(tmp_path))
    value = {"root": "s3://a/b/images", "more": [{"root": "s3://a/bc"}, 3, None]}
    root = str(local_folder("s3://a/b") / "images")
    assert with_local_paths(value, "s3://a/b", local_folder("s3://a/b")) == value | {"root": root}
    assert with_local_paths({"root": "store/images"}, "store", Path("store")) == {"root": "store/images"}


def test_model_sets_of_a_store_elsewhere_go_to_other_processes(
    opened: Callable[..., BlockStore], blocks: list[str]
) -> None:
    store = opened()
    copy = pickle.loads(pickle.dumps(store))
    assert copy.mirror.blocks == store.mirror.blocks
    assert read(copy, blocks[0]) == FILE
