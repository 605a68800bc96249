"""What comes at once is read when it is needed: no thread begins for it."""

import threading
from pathlib import Path

import pytest

from alsatian.models.model_set import ModelSet
from alsatian.runtime.loading import settings
from alsatian.runtime.loading.block_loader import BlockLoader
from alsatian.runtime.loading.block_source import BlockSource
from alsatian.runtime.loading.settings import LANES
from alsatian.runtime.storage.reader import Reader
from alsatian.runtime.storage.throttle import Throttle
from alsatian.searching.strategy import Strategy
from tests.runtime.loading.test_block_loader import SIZE, Setup
from tests.searching.conftest import family, modules, truth
from tests.searching.tiny_search import Known, by_name, check, search

__all__ = ["family", "modules", "truth"]


def reading_threads() -> int:
    return sum(thread.name == "read-ahead" for thread in threading.enumerate())


@pytest.mark.parametrize(
    ("at_once", "rate", "threads"),
    [(3 * SIZE - 1, None, LANES), (3 * SIZE, None, 0), (3 * SIZE, 10**9, LANES)],
    ids=["more than that", "so little", "held up"],
)
def test_what_comes_at_once_is_not_read_ahead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: int, rate: int | None, threads: int
) -> None:
    monkeypatch.setattr(settings, "AT_ONCE_BYTES", at_once)
    made = Setup(tmp_path, 1000)
    source = BlockSource(made.store, Reader(Throttle(rate)), made.meter)
    made.loader = BlockLoader(source, made.meter, 1000, ahead=True)
    needs = [made.need(value) for value in range(3)]
    made.loader.follow([[need] for need in needs])
    assert reading_threads() == threads
    assert [made.step(need) for need in needs] == [[0.0], [1.0], [2.0]]
    made.loader.stop()
    made.loader.follow([[need] for need in needs])  # all of it is there
    assert reading_threads() == 0
    made.loader.stop()
    made.loader.follow([[need] for need in needs], budget=2 * SIZE)  # not all can stay
    assert reading_threads() == threads
    made.loader.stop()


@by_name
def test_scores_are_the_same_where_everything_comes_at_once(
    family: ModelSet, truth: Known, strategy: Strategy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "AT_ONCE_BYTES", family.distinct_bytes)
    check(search(family, strategy=strategy), truth)
