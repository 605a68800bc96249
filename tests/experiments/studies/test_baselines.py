"""The page about the field of baselines, from made-up records."""

from pathlib import Path

import pytest

from experiments.studies.freshness import entries
from tests.analysis.conftest import made_up_record, write_records
from tests.experiments.studies.conftest import Study, Written

WALLS = {"base": 8.0, "alsatian": 2.0, "auto": 3.0}
CONTROL = {"train_items": 0, "chunks": 0, "scores": {"m0": 4.0, "m1": 3.0, "m2": 2.0, "m3": 1.0}}


@pytest.fixture
def results(tmp_path: Path) -> Path:
    made = [made_up_record(name, (seconds,)) for name, seconds in WALLS.items()]
    made += [made_up_record("control", (0.001,), rounds=[CONTROL], ranking=["m0", "m1", "m2", "m3"], winner="m0")]
    return write_records(tmp_path / "results", *made)


def test_the_page_says_who_wins_and_where_ours_does_not(study: Study, written: Written, results: Path) -> None:
    assert study("baselines", results) == 0
    page = written("baselines.md")
    assert "- alsatian is the fastest in 1 of 1 cell (digits_finetunes at 16MiB); most clearly" in page
    assert "- auto is more than 5% slower than the best other strategy in 1 of 1 cells" in page
    assert "- control computes nothing; on digits_finetunes base ranks its choice 3 of 4." in page
    assert "| digits_finetunes | 16MiB | `alsatian` | `auto`: " in page
    assert "| 1.50× |" in page
    assert "| control | nothing computed |" in page
    assert (results.parent / "pages" / "baselines.csv").read_text().count("\n") == 5
    (entry,) = entries(results.parent / "pages").values()
    assert (entry.command, entry.made) == ("alsatian run experiment=made_up", "2026-01-02")
    assert entry.changed() == list(entry.code)  # the records are of another commit


def test_scores_that_differ_make_a_bad_page(study: Study, results: Path) -> None:
    wrong = made_up_record("auto", run_id="wrong", config__strategy__name="other")
    wrong["rounds"][-1]["scores"]["m2"] = 0.8
    write_records(results, wrong)
    assert study("baselines", results) == 1


@pytest.mark.parametrize("what", ["twice", "alone", "nothing"])
def test_what_makes_no_page_is_said_in_one_line(
    study: Study, tmp_path: Path, results: Path, what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if what == "twice":
        write_records(results, made_up_record("base", run_id="again", config__batch_size=8))
        said = "holds runs of a strategy under several configurations"
    elif what == "alone":
        results = write_records(tmp_path / "alone", made_up_record("base"))
        said = "no two strategies were measured on the same models and data"
    else:
        results, said = tmp_path / "none", "alsatian run experiment=baselines makes them"
    assert study("baselines", results) == 1
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert said in line
