"""What a search will take, from a few items."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from alsatian.blocks.store import BlockStore
from alsatian.costs.profiling import quick
from alsatian.data.preprocessing import ImagePreprocessing
from alsatian.models.model_set import ModelSet
from alsatian.proxies.logistic import Logistic
from tests.ranking.conftest import pictures


def test_what_is_imported_for_the_first_items_is_not_counted_for_all(
    tiny: Callable[[str], torch.nn.Module], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]
    prepare = ImagePreprocessing.__call__

    def first_slow(own: ImagePreprocessing, items: object) -> object:
        now[0] += 0.8 if now[0] else 800.0
        return prepare(own, items)  # type: ignore[arg-type]

    models = ModelSet.from_modules(BlockStore(tmp_path / "store"), {"a": tiny("aaaa")}, ImagePreprocessing(8))
    monkeypatch.setattr(ImagePreprocessing, "__call__", first_slow)
    monkeypatch.setattr(quick, "time", SimpleNamespace(perf_counter=lambda: now[0]))
    found = quick.quick_profile(models, pictures(20), [Logistic()], torch.device("cpu"), None)
    assert list(found.prepare_s.values()) == pytest.approx([0.8 / 8])
