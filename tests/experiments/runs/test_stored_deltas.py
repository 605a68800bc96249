"""Runs whose models the store holds as deltas: fewer bytes, the same bits, and an identity that says so."""

import json
from pathlib import Path
from typing import Any

import pytest

from alsatian.store.store import BlockStore
from alsatian.store.upgrade import upgrade
from tests.experiments.conftest import Alsatian
from tests.models.reading.checkpoint_files import save_vit, vit
from tests.searching.test_deltas import SHARED, tuned
from tests.stores import share_small_tensors

pytest.importorskip("zstandard")
pytestmark = pytest.mark.xdist_group("cli")


def test_a_run_stores_deltas_and_says_which(
    alsatian: Alsatian,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    share_small_tensors(monkeypatch, SHARED)
    save_vit(vit(), tmp_path / "models" / "0-base")
    for seed in range(2):
        save_vit(tuned(seed), tmp_path / "models" / f"tuned-{seed}")

    def run(store: str, *words: str) -> str:
        own = ("strategy=alsatian", "repeats=1", "warm_up=false", "model_set=folder", "model_set.path=models")
        assert alsatian("run", *own, f"store_dir={store}", *words) == 0
        return capsys.readouterr().out

    def found() -> dict[str, Any]:
        """The records by what was chosen and the digest of what the store holds."""
        records = [json.loads(path.read_bytes()) for path in tmp_path.rglob("run.json")]
        return {str(r["sources"].get("storage.deltas")): r for r in records}

    asked = "storage.deltas=1"
    run("plain")
    run("packed", asked)
    assert BlockStore("packed").delta_places(path.stem for path in Path("packed").glob("blocks/*/*.safetensors"))
    plain, packed = (record for _, record in sorted(found().items(), key=lambda one: one[0] != "None"))
    assert "deltas" not in plain["sources"]
    assert packed["rounds"] == plain["rounds"]  # scores, and digests of features
    read = [record["repeats"][0]["counters"]["bytes_read"] for record in (plain, packed)]
    assert read[1] < 0.9 * read[0]
    assert "finished before, skipped" in run("packed", asked)

    # Models that are there already stay as they are, which is another run, and said.
    assert "storage.deltas=1: nothing is a delta" in " ".join(run("plain", asked).split())
    assert len(found()) == 3
    assert "finished before, skipped" in run("plain", asked)
    upgrade(BlockStore("plain", deltas=1.0), lambda *_: None)
    said = run("plain", asked)
    assert "measured anew: content of storage.deltas" in said or "finished before, skipped" in said
    assert "nothing is a delta" not in said
