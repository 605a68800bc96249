"""``kill -9`` at any moment, then the same command: the tables of a sweep that was left alone.

With ``--kills 30 --seed 0 --pages docs/results`` the sweep has 12 runs and the outcome is written as a page.
"""

import json
from pathlib import Path

import pytest

from alsatian.files import write_bytes
from experiments.studies import freshness
from tests.experiments.runs.kills import comparison, sweep
from tests.experiments.runs.kills.sweep import SWEEP, disturbed, page, undisturbed

FEW = 2  # one in training, one in a run


@pytest.mark.slow
@pytest.mark.xdist_group("kills")
def test_kills_change_nothing(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    count, seed, pages = (pytestconfig.getoption(name) for name in ("--kills", "--seed", "--pages"))
    words = SWEEP if count > FEW else ("strategy=alsatian,shared_prefix",)
    alone, troubled = tmp_path / "alone", tmp_path / "troubled"
    moments = undisturbed(alone, words, again=count > FEW)  # few kills come before anything is there to be skipped
    made = list(disturbed(troubled, words, count, moments, seed))
    assert len(made) == count
    differences = comparison.differences(alone, troubled)
    text = page(made, differences, moments.runs, seed, words)
    assert f"ended with SIGKILL {count} times" in text
    if pages:
        write_bytes(pages / "kills.md", text.encode())
        options = f"--kills {count} --seed {seed} --pages docs/results"
        command = f"python -m pytest tests/experiments/runs/test_kills.py {options}"
        freshness.note(pages, "kills.md", freshness.entry("kills", sweep, command))
    assert differences == []
    _differences_are_found(alone, troubled)


def _differences_are_found(alone: Path, troubled: Path) -> None:
    """A comparison that finds nothing proves nothing unless it finds what is there."""
    path = comparison.records(troubled / "results")[0]
    record = json.loads(path.read_text())
    model = record["ranking"][-1]
    record["rounds"][0]["scores"][model] += 1e-12
    path.write_text(json.dumps(record))
    table = troubled / "results" / "kills" / "summary.csv"
    table.write_text(table.read_text().replace(record["winner"], "another"))
    path.with_name(".run.json.abc.tmp").touch()
    found = "\n".join(comparison.differences(alone, troubled))
    assert f"{record['run_id']}: another rounds" in found
    assert "column winner differs" in found
    assert "left behind" in found
