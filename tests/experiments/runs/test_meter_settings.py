"""What a run measures of itself, from the command line."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

# One worker trains the shared models, once.
pytestmark = pytest.mark.xdist_group("cli")

Alsatian = Callable[..., int]


def only_record(folder: Path) -> tuple[Path, dict[str, Any]]:
    (path,) = folder.rglob("run.json")
    return path, json.loads(path.read_text())


def test_a_timeline_lies_beside_the_record_and_in_the_report(alsatian: Alsatian, tmp_path: Path) -> None:
    assert alsatian("run", "strategy=alsatian", "meter.timeline=true", "repeats=2") == 0
    path, record = only_record(tmp_path)
    events = json.loads(path.with_name("timeline.json").read_text())["traceEvents"]
    assert {event["args"]["name"] for event in events if event["name"] == "thread_name"} >= {"search"}
    inference = sum(e["dur"] for e in events if e["ph"] == "X" and e["args"]["part"] == "inference") / 1e6
    assert inference == pytest.approx(record["repeats"][0]["parts_s"]["inference"], abs=1e-3)
    assert not any(repeat.get("timeline") for repeat in record["repeats"])
    assert all(repeat["busy_s"].keys() == repeat["parts_s"].keys() for repeat in record["repeats"])
    report = path.parents[1] / "report.html"
    assert "Timeline: alsatian" in report.read_text()
    assert list(report.parent.glob("figures/timeline-*.png"))


def test_a_run_may_measure_nothing_but_its_wall_time(alsatian: Alsatian, tmp_path: Path) -> None:
    assert alsatian("run", "strategy=alsatian", "meter.level=total") == 0
    path, record = only_record(tmp_path)
    assert record["status"] == "ok"
    (repeat,) = record["repeats"]
    assert (repeat["level"], repeat["parts_s"], repeat["valid"]) == ("total", {}, True)
    assert repeat["wall_s"] > 0
    assert repeat["counters"]["block_executions"] > 0
    assert not path.with_name("timeline.json").exists()


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("meter.level=all", "meter.level=all: "),
        ("meter.timeline=2", "meter.timeline=2: true or false is expected"),
        ("meter.levels=total", "did you mean 'meter.level'"),
    ],
)
def test_unusable_settings_end_before_anything_is_measured(
    alsatian: Alsatian, tmp_path: Path, capsys: pytest.CaptureFixture[str], word: str, message: str
) -> None:
    assert alsatian("run", word) == 1
    assert message in capsys.readouterr().err
    assert not list(tmp_path.rglob("run.json"))
