"""The page that compares this machine with its predictions."""

from pathlib import Path

import pytest

from tests.experiments.studies.conftest import Study, Written


@pytest.mark.slow
def test_a_page_compares_this_machine_with_its_predictions(
    study: Study,
    written: Written,
    store: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["scale=ci", f"store_dir={store}", "loader=sequential", "--experiments"]
    assert study("prediction_error", *words, "quickstart") == 0
    text = written("prediction_error.md")
    assert "All counters are as predicted in 4 of 4 runs, all peaks in 4." in text
    rows = [line for line in text.splitlines() if line.startswith("| quickstart | strategy=")]
    assert [row.split("|")[2].strip() for row in rows] == [
        f"strategy={name}" for name in ("base", "shift", "shared_prefix", "alsatian")
    ]
    assert all(row.endswith("| equal | equal |") for row in rows)
    assert study("prediction_error", *words, "nothing") == 1
    assert "there is no such experiment" in capsys.readouterr().err
