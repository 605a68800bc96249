"""The page on whole hubs."""

from pathlib import Path

import pytest

from alsatian.errors import AlsatianError
from experiments.studies import internet_scale
from experiments.studies.internet_scale import APPROACHES, SHARED, WORKERS, cuts, duration, forecast
from experiments.studies.internet_scale.cuts import cuts_page
from experiments.studies.internet_scale.figure import HALVED
from experiments.studies.study import apart
from tests.experiments.studies.conftest import Study, Written


def test_what_a_set_takes() -> None:
    found = {shared: forecast(60, shared) for shared in SHARED}
    for one in found.values():
        assert all(ratio == pytest.approx(1, rel=1e-9) for ratio in one.simulator.values())
        times = [one.seconds[name] for name in APPROACHES]
        # Of so few models, halving may cost more reading than it saves computing: each round reads again.
        assert times[0] > times[2]
        assert times[1] > times[3]
        assert one.distinct_bytes < one.whole_bytes == one.read_bytes["all data, nothing shared"]
        for name in APPROACHES:
            assert one.workers_s[name][1] == pytest.approx(one.seconds[name])
            assert tuple(one.workers_s[name]) == WORKERS
    more, less = found.values()
    assert more.distinct_bytes < less.distinct_bytes
    assert more.seconds["halving, shared"] < less.seconds["halving, shared"]


def test_the_command_writes_page_and_figure(
    study: Study, written: Written, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(internet_scale, "CHECKED", 40)
    # So few models need no processes of their own, each of which imports for seconds.
    monkeypatch.setattr(internet_scale, "apart", lambda what, function, *arguments: function(*arguments))
    assert study("internet_scale", "--models", 300, "--cut", 0) == 0
    text = written("internet_scale.md")
    assert text.count("\n| 300 |") == len(SHARED)
    assert text.count("\n| 1,024 |") == len(SHARED)
    assert (tmp_path / "pages" / "internet_scale.png").read_bytes().startswith(b"\x89PNG")


def test_failures_are_one_line(study: Study, capsys: pytest.CaptureFixture[str]) -> None:
    assert study("internet_scale", "--models", 1) == 1
    assert "--models and --cut must be at least 2" in capsys.readouterr().err
    with pytest.raises(AlsatianError, match=r"5 models failed: .*nobody"):
        apart("5 models", forecast, 5, "nobody")


def test_durations() -> None:
    assert [duration(s) for s in (3, 119, 120, 7200, 86400 * 2, 86400 * 365.25 * 3)] == [
        "3 s", "119 s", "2.0 min", "2.0 h", "2.0 d", "3.0 y",
    ]  # fmt: skip


def test_three_ways_to_cut(study: Study, written: Written, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The times on one worker are the closed form's, and a search cut by blocks reads nothing twice."""
    monkeypatch.setattr(internet_scale, "apart", lambda what, function, *arguments: function(*arguments))
    monkeypatch.setattr(cuts, "WORKERS", (1, 4))
    found: dict[str, cuts.Cuts] = {}
    monkeypatch.setattr(internet_scale, "cuts_page", lambda cut, count: found.update(cut) or cuts_page(cut, count))
    assert study("internet_scale", "--models", "--cut", 80) == 0
    text = written("internet_scale_cuts.md")
    assert text.count("\n| 4 | data") == len(SHARED)
    assert (tmp_path / "pages" / "internet_scale_cuts.png").read_bytes().startswith(b"\x89PNG")
    closed = forecast(80, next(iter(SHARED)))
    ways = found[next(iter(SHARED))]
    for way in ways.values():
        assert way[1].seconds == pytest.approx(closed.seconds[HALVED], rel=1e-6)
        assert way[1].read_most == pytest.approx(closed.read_bytes[HALVED])
        assert way[1].again == way[1].moved_bytes == 0
        assert way[4].seconds < way[1].seconds
    assert ways["subtrees"][4].seconds <= 1.01 * ways["blocks"][4].seconds
    assert ways["blocks"][4].read_mean * 4 == pytest.approx(ways["blocks"][1].read_most)
