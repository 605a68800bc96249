"""Runs that decide by what was measured here: noise decides neither identity nor whether repeats agree."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from alsatian.costs.profiling import quick
from experiments.runs import execution
from experiments.runs.repeat import Measured

pytestmark = pytest.mark.xdist_group("cli")

TIGHT = ("run", "strategy=auto", "cache.budget=50%", "cache.block_budget=20%", "batch_size=16")


def record(folder: Path) -> dict[str, Any]:
    (path,) = folder.rglob("run.json")
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def test_the_record_says_how_long_measuring_took_and_its_identity_does_not_hang_on_it(
    alsatian: Callable[..., int], store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quick, "SHARE", 1.0)
    found, enter = [], quick._Quick._enter
    for factor in (1, 1000):
        shutil.rmtree(store / "profiles", ignore_errors=True)
        shutil.rmtree(tmp_path / "results", ignore_errors=True)
        monkeypatch.setattr(
            quick._Quick,
            "_enter",
            lambda own, section, key, value, factor=factor: enter(
                own, section, key, [[1, 1e-5 * factor]] if section == "segments" else value
            ),
        )
        assert alsatian(*TIGHT) == 0
        found.append(record(tmp_path))
    for one in found:
        (event,) = [event for event in one["repeats"][0]["events"] if event["kind"] == "profile"]
        assert event["wall_s"] > 0
        assert event["source"].startswith("a few items")
    a, b = found
    assert a["run_id"] == b["run_id"]
    assert [one["scores"] for one in a["rounds"]] == [one["scores"] for one in b["rounds"]]


@pytest.mark.parametrize("change", ["chunks", "train_items"])
def test_repeats_may_differ_in_how_rounds_were_carried_out_but_not_in_what_was_found(
    alsatian: Callable[..., int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    real, count = execution.measure, [0]

    def other(*args: Any) -> Measured:
        found, count[0] = real(*args), count[0] + 1
        rounds = [one.model_copy(update={change: 1000 + count[0]}) for one in found.findings.rounds]
        return found.model_copy(update={"findings": found.findings.model_copy(update={"rounds": tuple(rounds)})})

    monkeypatch.setattr(execution, "measure", other)
    agree = change == "chunks"
    assert alsatian("run", "strategy=alsatian", "repeats=2") == (0 if agree else 1)
    assert count == [2]
    assert record(tmp_path)["status"] == ("ok" if agree else "failed")
