"""``kill -9`` at any moment, then the same command: the tables of a sweep that was left alone."""

import json
from pathlib import Path

import pytest

from experiments.studies import kill_comparison, kills


@pytest.mark.slow
@pytest.mark.xdist_group("kills")
def test_three_kills_change_nothing(tmp_path: Path) -> None:
    words = ("strategy=alsatian,shared_prefix",)
    alone, troubled = tmp_path / "alone", tmp_path / "troubled"
    moments = kills.undisturbed(alone, words)
    made = list(kills.disturbed(troubled, words, 3, moments, seed=4))
    assert len(made) == 3
    assert kill_comparison.differences(alone, troubled) == []
    _differences_are_found(alone, troubled)


def _differences_are_found(alone: Path, troubled: Path) -> None:
    """A comparison that finds nothing proves nothing unless it finds what is there."""
    path = kill_comparison.records(troubled / "results")[0]
    record = json.loads(path.read_text())
    model = record["ranking"][-1]
    record["rounds"][0]["scores"][model] += 1e-12
    path.write_text(json.dumps(record))
    table = troubled / "results" / "kills" / "summary.csv"
    table.write_text(table.read_text().replace(record["winner"], "another"))
    path.with_name(".run.json.abc.tmp").touch()
    found = "\n".join(kill_comparison.differences(alone, troubled))
    assert f"{record['run_id']}: another rounds" in found
    assert "column winner differs" in found
    assert "left behind" in found
