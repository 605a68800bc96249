"""However blocks are loaded, features and scores are those of every model alone, and budgets hold."""

import gc
import re
import shutil
import tempfile
import time
import weakref
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image as Image
import pytest
import torch

import alsatian
from alsatian.api import SearchResult
from alsatian.budgets import Budgets
from alsatian.data.digits import digits
from alsatian.data.images import image_files
from alsatian.errors import BudgetError, ConfigError, LocalDiskError
from alsatian.models.model_set import ModelSet
from alsatian.planning.orders.given import Given
from alsatian.proxies.linear import Linear
from alsatian.runtime.cache.policies.lru import Lru
from alsatian.runtime.cache.policies.none import NoCache
from alsatian.runtime.loading.block_loader import BlockLoader
from alsatian.runtime.loading.block_source import Need
from alsatian.runtime.loading.local_copies import BlockCache
from alsatian.runtime.loading.settings import LoaderSettings
from alsatian.runtime.storage.reader import Fetched, Reader
from alsatian.runtime.storage.regime import Storage
from alsatian.runtime.storage.throttle import Throttle
from alsatian.searching.schedules import Exhaustive
from alsatian.searching.strategy import Strategy
from alsatian.store.files.block_content import Content
from alsatian.store.store import BlockStore
from alsatian.store.verified import LASTING_S
from tests.stores import tiny_set

MODELS = {"first": "aaaa", "second": "aaab", "third": "aacc", "twin": "aaab", "alone": "dddd"}
BASE = Strategy(name="base", schedule=Exhaustive(), sharing="none", order=Given(), cache=NoCache())
SHIFT = Strategy(name="shift", sharing="none", order=Given(), cache=NoCache())
ALSATIAN = Strategy()
SHARING = [
    ALSATIAN,
    Strategy(name="lru", order=Given(), cache=Lru()),
    Strategy(name="recompute", order=Given(), cache=NoCache()),
    Strategy(name="exhaustive", schedule=Exhaustive()),
]
READ_AHEAD = {"keep": True, "read_ahead": True}
ON_DEMAND = {"keep": True, "read_ahead": False}
SEQUENTIAL = {"keep": False, "read_ahead": False}


@pytest.fixture(scope="module")
def family(tmp_path_factory: pytest.TempPathFactory) -> ModelSet:
    return tiny_set(BlockStore(tmp_path_factory.mktemp("store")), MODELS)


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for temporary files of the test's own, which has to be empty in the end."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert list(folder.iterdir()) == []


def search(family: ModelSet, strategy: Strategy = ALSATIAN, data: Any = None, **changes: Any) -> SearchResult:
    settings: dict[str, Any] = {"proxies": Linear(epochs=5), "batch_size": 8, "verify": True, **changes}
    return alsatian.search(family, data or digits(41), strategy=strategy, **settings)


def outcomes(result: SearchResult) -> dict[tuple[int, str], tuple[float, str]]:
    return {
        (finished.train_items, model): (score, finished.fingerprints[model])
        for finished in result.rounds
        for model, score in finished.scores.items()
    }


@pytest.fixture(scope="module")
def truth(family: ModelSet) -> dict[tuple[int, str], tuple[float, str]]:
    """Outcomes of every model on all data, and on the parts that halving takes, with nothing shared."""
    return {**outcomes(search(family, BASE)), **outcomes(search(family, SHIFT))}


def distinct(family: ModelSet) -> dict[Path, int]:
    """Files of all blocks with the bytes of their parameters."""
    return {family.store.block_path(b.identity): b.parameter_bytes for c in family.candidates for b in c.blocks}


def block_budgets(family: ModelSet) -> dict[str, int | None]:
    sizes = sorted(distinct(family).values())
    return {
        "no limit": None,
        "everything": sum(sizes),
        "half": sum(sizes) // 2,
        "the largest": sizes[-1],
        "the smallest": sizes[0],
    }


@pytest.mark.parametrize("strategy", SHARING, ids=lambda s: s.name)
@pytest.mark.parametrize("ssd", ["no copies", "every copy", "half"])
@pytest.mark.parametrize("way", [READ_AHEAD, ON_DEMAND, SEQUENTIAL], ids=["ahead", "on demand", "sequential"])
def test_results_are_preserved_and_budgets_hold(
    family: ModelSet, truth: dict[Any, Any], strategy: Strategy, ssd: str, way: dict[str, bool]
) -> None:
    files = sum(path.stat().st_size for path in distinct(family))
    ssd_budget = {"no copies": None, "every copy": files, "half": files // 2}[ssd]
    for budget in block_budgets(family).values() if way["keep"] else [None]:
        budgets = Budgets(block_budget=budget, block_ssd_budget=ssd_budget)
        result = search(family, strategy, loader=LoaderSettings(**way), budget=budgets)
        assert outcomes(result).items() <= truth.items()
        measured = result.measurement
        assert measured.peaks.get("resident_block_bytes", 0) <= ((budget or 2**62) if way["keep"] else 0)
        assert measured.peaks.get("ssd_block_bytes", 0) <= (ssd_budget or 0)
        if ssd == "every copy" or (way["keep"] and budget in (None, sum(distinct(family).values()))):
            assert measured.counters["blocks_read"] == len(distinct(family))
            assert measured.counters["bytes_read"] == files


def tight_budget(family: ModelSet) -> int:
    """The budget for intermediates that makes every batch a chunk."""
    with pytest.raises(BudgetError) as error:
        search(family, budget=1)
    return int(re.findall(r"cache\.budget=(\d+)", str(error.value))[0])


@pytest.mark.parametrize("ahead", [True, False], ids=["ahead", "on demand"])
def test_chunks_and_rounds_read_a_block_once_while_memory_allows(
    family: ModelSet, truth: dict[Any, Any], ahead: bool
) -> None:
    budget = tight_budget(family)
    result = search(family, budget=budget, loader=LoaderSettings(read_ahead=ahead))
    assert len(result.rounds) > 1
    assert result.rounds[0].chunks > 1
    assert result.measurement.counters["blocks_read"] == len(distinct(family))
    half = block_budgets(family)["half"]
    budgets = Budgets(budget=budget, block_budget=half)
    tight = search(family, budget=budgets, loader=LoaderSettings(read_ahead=ahead))
    once_a_step = search(family, budget=budget, loader=LoaderSettings(**SEQUENTIAL))
    reads = [r.measurement.counters["blocks_read"] for r in (result, tight, once_a_step)]
    assert reads[0] < reads[1] < reads[2]
    assert outcomes(tight) == outcomes(once_a_step) == outcomes(result)
    assert outcomes(result).items() <= truth.items()


def test_sequential_reads_each_block_whenever_a_step_needs_it(family: ModelSet) -> None:
    """Every edge of the tree once a round, and of all rounds: nothing stays for the next."""
    result = search(family, Strategy(schedule=Exhaustive()), loader=LoaderSettings(**SEQUENTIAL))
    edges = {tuple(b.identity for b in c.blocks[: n + 1]) for c in family.candidates for n in range(4)}
    assert result.measurement.counters["blocks_read"] == len(edges)
    assert "resident_block_bytes" not in result.measurement.peaks
    twice = search(family, loader=LoaderSettings(**SEQUENTIAL))
    assert twice.measurement.counters["blocks_read"] > len(edges)


@pytest.mark.parametrize("strategy", [BASE, SHIFT], ids=lambda s: s.name)
def test_strategies_without_sharing_read_as_from_separate_files(
    family: ModelSet, strategy: Strategy, temporary: Path
) -> None:
    reads = set()
    for way in (READ_AHEAD, ON_DEMAND, SEQUENTIAL):
        budgets = Budgets(block_ssd_budget="1GB")
        measured = search(family, strategy, loader=LoaderSettings(**way), budget=budgets).measurement
        reads.add((measured.counters["blocks_read"], measured.counters["bytes_read"]))
        assert not {"resident_block_bytes", "ssd_block_bytes"} & measured.peaks.keys()
        assert "ssd_bytes_written" not in measured.counters
    assert len(reads) == 1
    if strategy is BASE:
        assert reads.pop()[0] == 4 * len(MODELS)


def test_copies_on_a_fast_path_are_counted_and_removed(family: ModelSet, tmp_path: Path) -> None:
    folder = tmp_path / "fast"
    budgets = Budgets(block_ssd_budget="1GB", ssd_dir=folder)
    counters = search(family, loader=LoaderSettings(**SEQUENTIAL), budget=budgets).measurement.counters
    sizes = sum(path.stat().st_size for path in distinct(family))
    assert counters["ssd_bytes_written"] == counters["bytes_read"] == sizes
    assert counters["ssd_hits"] > 0
    assert list(folder.iterdir()) == []


def test_a_full_disk_ends_the_search_with_its_folder(
    family: ModelSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Content, "write", full)
    for way in (READ_AHEAD, SEQUENTIAL):
        budgets = Budgets(block_ssd_budget="1GB", ssd_dir=tmp_path / "fast")
        with pytest.raises(LocalDiskError, match="No space left on device") as error:
            search(family, loader=LoaderSettings(**way), budget=budgets)
        assert str(tmp_path / "fast") in str(error.value)


class Fetches:
    """What was read through readers, by what they do."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.cold: Counter[str] = Counter()
        self.warm: Counter[str] = Counter()
        for name in ("read", "fetch"):
            monkeypatch.setattr(Reader, name, self._noting(getattr(Reader, name)))

    def _noting(self, real: Callable[..., Fetched]) -> Callable[..., Fetched]:
        def noted(reader: Reader, path: Path, *more: Any) -> Fetched:
            (self.cold if reader._cold else self.warm)[str(path)] += 1
            return real(reader, path, *more)

        return noted


@pytest.mark.parametrize("gone", [True, False])
def test_a_cold_search_drops_pages_before_it_and_before_every_read(
    family: ModelSet, monkeypatch: pytest.MonkeyPatch, gone: bool
) -> None:
    dropped: list[Path] = []
    monkeypatch.setattr("alsatian.machines.real.drop", lambda paths: dropped.extend(paths))
    real = Reader.__init__

    def made(self: Reader, throttle: Any, cold: bool = False, **others: Any) -> None:
        real(self, throttle, cold, lambda *_, **__: gone, **others)

    monkeypatch.setattr(Reader, "__init__", made)
    fetches = Fetches(monkeypatch)
    counters = search(family, BASE, storage=Storage(cold=True)).measurement.counters
    assert set(dropped) == set(distinct(family))
    assert sum(fetches.cold.values()) == 20
    assert max(fetches.cold.values()) == 4  # a block of four models is read four times
    assert counters["warm_reads"] == (0 if gone else 20)


@pytest.mark.parametrize("cold", [True, False])
def test_copies_are_read_as_cold_as_the_store(
    family: ModelSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cold: bool
) -> None:
    """Or they would be a cache in memory that no budget knows of."""
    fetches = Fetches(monkeypatch)
    budgets = Budgets(block_ssd_budget="1GB", ssd_dir=tmp_path / "fast")
    result = search(family, loader=LoaderSettings(**SEQUENTIAL), budget=budgets, storage=Storage(cold=cold))
    hits = result.measurement.counters["ssd_hits"]
    reads = {kind: sum(n for path, n in found.items() if path.startswith(str(tmp_path / "fast")))
             for kind, found in ((True, fetches.cold), (False, fetches.warm))}  # fmt: skip
    assert hits > 0
    assert reads == {cold: hits, not cold: 0}


@pytest.mark.parametrize("strategy", [ALSATIAN, SHARING[2]], ids=["planned", "recompute"])
def test_the_plan_foresees_exactly_what_its_steps_load(
    family: ModelSet, strategy: Strategy, monkeypatch: pytest.MonkeyPatch
) -> None:
    foreseen: list[list[str]] = []
    loaded: list[list[str]] = []
    follow, advance, load = BlockLoader.follow, BlockLoader.advance, BlockLoader.load

    def noting_follow(self: BlockLoader, steps: Any, budget: int | None = None) -> None:
        steps = [list(step) for step in steps]
        foreseen.extend([need.block.identity for need in step] for step in steps)
        follow(self, steps, budget)

    def noting_advance(self: BlockLoader) -> None:
        loaded.append([])
        advance(self)

    def noting_load(self: BlockLoader, need: Need, *more: Any) -> Any:
        loaded[-1].append(need.block.identity)
        return load(self, need, *more)

    monkeypatch.setattr(BlockLoader, "follow", noting_follow)
    monkeypatch.setattr(BlockLoader, "advance", noting_advance)
    monkeypatch.setattr(BlockLoader, "load", noting_load)
    budget = tight_budget(family) if strategy is ALSATIAN else None
    foreseen.clear()
    search(family, strategy, budget=budget)
    assert sum(map(len, loaded)) > len(distinct(family))
    assert foreseen == loaded


@pytest.mark.parametrize("way", [READ_AHEAD, SEQUENTIAL], ids=["ahead", "sequential"])
def test_the_memory_of_blocks_is_free_when_the_search_ends(
    family: ModelSet, monkeypatch: pytest.MonkeyPatch, way: dict[str, bool]
) -> None:
    """Or the next repeat starts with the blocks of the last one in memory, beside its own."""
    used: list[weakref.ref[Any]] = []
    load = BlockLoader.load

    def noting(self: BlockLoader, need: Need, *more: Any) -> Any:
        parameters = load(self, need, *more)
        used.extend(weakref.ref(tensor) for tensor in parameters)
        return parameters

    monkeypatch.setattr(BlockLoader, "load", noting)
    gc.disable()
    try:
        search(family, loader=LoaderSettings(**way))
        assert used
        assert not [ref for ref in used if ref() is not None]
    finally:
        gc.enable()


def test_on_a_disk_cold_reads_are_cold(family: ModelSet) -> None:
    """The real thing; a file system in memory keeps its pages, and then every read says so."""
    for strategy in (BASE, ALSATIAN):
        counters = search(family, strategy, storage=Storage(cold=True)).measurement.counters
        assert counters["warm_reads"] in (0, counters["blocks_read"])


def test_image_files_are_read_through_the_data_reader(
    family: ModelSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    random = np.random.default_rng(0)
    for i in range(12):
        folder = tmp_path / "images" / f"class{i % 2}"
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (16, 16, 3), np.uint8)).save(folder / f"{i}.png")
    data = image_files(str(tmp_path / "images"))
    plain = search(family, BASE, data)
    fetches = Fetches(monkeypatch)
    result = search(family, BASE, data, storage=Storage(cold=True, data_bandwidth="1GB"))
    assert outcomes(result) == outcomes(plain)
    images = [str(path) for path in (tmp_path / "images").rglob("*.png")]
    assert [fetches.cold[path] for path in images] == [1] * 12
    assert [fetches.warm[path] for path in images] == [len(MODELS) - 1] * 12
    sizes = len(MODELS) * sum(Path(path).stat().st_size for path in images)
    assert result.measurement.counters["data_bytes"] == plain.measurement.counters["data_bytes"] == sizes


def test_preparing_arrays_is_charged_to_the_bandwidth_of_data(
    family: ModelSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    charged: list[tuple[bool, int]] = []
    monkeypatch.setattr(Throttle, "charge", lambda self, nbytes: charged.append((self.limits, nbytes)))
    counters = search(family, BASE, storage=Storage(data_bandwidth="1MB")).measurement.counters
    assert all(limits for limits, _ in charged)
    assert sum(nbytes for _, nbytes in charged) == counters["data_bytes"] == len(MODELS) * 41 * 64


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"block_budget": 0}, "cache.block_budget=0: must be at least one byte"),
        ({"block_budget": "abc"}, "cache.block_budget=abc: not a size"),
        ({"block_host_budget": "x"}, "cache.block_host_budget=x"),
        ({"block_ssd_budget": -1}, "cache.block_ssd_budget=-1"),
    ],
)
def test_budgets_that_are_none_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)) as error:
        Budgets(**settings)
    assert "\n" not in str(error.value)


def test_reading_ahead_without_keeping_is_refused() -> None:
    with pytest.raises(ConfigError, match="write loader=read_ahead or loader=sequential") as error:
        LoaderSettings(keep=False)
    assert "\n" not in str(error.value)


def test_pinned_copies_need_a_gpu(family: ModelSet) -> None:
    for none in (None, 0, "0"):
        search(family, budget=Budgets(block_host_budget=none, block_ssd_budget=none))
    with pytest.raises(ConfigError, match=r"cache\.block_host_budget=1MB: pinned copies serve a GPU"):
        search(family, budget=Budgets(block_host_budget="1MB"))


def test_a_fast_path_that_is_none_is_refused(family: ModelSet, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LocalDiskError, match=r"cache\.ssd_dir"):
        search(family, budget=Budgets(block_ssd_budget="1MB", ssd_dir=tmp_path / "file"))


def test_copies_are_read_beside_and_while_others_are_made(
    family: ModelSet, truth: dict[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slow copies, so that the thread that reads ahead and the caller really meet."""
    real = BlockCache.keep

    def slow(self: BlockCache, *arguments: Any) -> None:
        time.sleep(0.002)
        real(self, *arguments)

    monkeypatch.setattr(BlockCache, "keep", slow)
    largest = block_budgets(family)["the largest"]
    files = sum(path.stat().st_size for path in distinct(family))
    for _ in range(3):
        budgets = Budgets(budget=tight_budget(family), block_budget=largest, block_ssd_budget=files // 3)
        result = search(family, budget=budgets)
        assert outcomes(result).items() <= truth.items()
        assert result.measurement.peaks["ssd_block_bytes"] <= files // 3
        assert result.measurement.peaks["resident_block_bytes"] <= (largest or 0)


def test_blocks_are_gone_when_the_search_is_over(family: ModelSet) -> None:
    """Not whenever the garbage is collected: over a sweep that would be gigabytes."""
    gc.collect()
    gc.disable()
    try:
        before = live_tensors()
        search(family)
        assert live_tensors() == before
    finally:
        gc.enable()


def live_tensors() -> int:
    return sum(issubclass(type(thing), torch.Tensor) for thing in gc.get_objects())


@pytest.fixture
def copied(family: ModelSet, tmp_path: Path) -> ModelSet:
    """Whose files nobody has verified."""
    shutil.copytree(family.store.root, tmp_path / "copy")
    time.sleep(LASTING_S)
    return replace(family, store=BlockStore(tmp_path / "copy"))


@pytest.mark.parametrize("strategy", [BASE, SHIFT, ALSATIAN], ids=lambda s: s.name)
def test_each_file_is_verified_once_whatever_reads_it(
    copied: ModelSet, truth: dict[Any, Any], strategy: Strategy
) -> None:
    def verified(**settings: Any) -> int:
        later = replace(copied, store=BlockStore(copied.store.root))  # as another process opens it
        result = search(later, strategy, loader=LoaderSettings(**ON_DEMAND), **settings)
        assert outcomes(result).items() <= truth.items()
        return result.measurement.counters["bytes_verified"]

    sizes, first = sum(distinct(copied).values()), verified()
    assert [first, verified(), verified()] == [sizes, 0, 0]
    # Files of models, which are read for each of them and in every round, are verified each time then.
    always = verified(storage=Storage(verify_blocks="always"))
    assert always == sizes if strategy is ALSATIAN else always > sizes
    assert verified() == 0


def test_local_copies_are_verified_once_or_always(copied: ModelSet) -> None:
    def verified(how: str) -> tuple[int, int]:
        result = search(
            copied, loader=LoaderSettings(**SEQUENTIAL), budget=Budgets(block_ssd_budget="1MB"),
            storage=Storage(verify_blocks=how),
        )  # fmt: skip
        return result.measurement.counters["bytes_verified"], result.measurement.counters["ssd_hits"]

    sizes = distinct(copied).values()
    always, hits = verified("always")
    assert hits > len(sizes)
    assert always >= sum(sizes) + hits * min(sizes)
    once, _ = verified("once")
    assert 0 <= once < always
