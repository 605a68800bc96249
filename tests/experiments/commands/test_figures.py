"""``alsatian figures`` with words about what is drawn."""

from pathlib import Path

import pandas as pd
import pytest

from experiments.cli import main
from tests.analysis.conftest import EXECUTIONS, made_up_sweep, write_records

ONE_RUN = ("run", "experiment=baselines", "scale=ci", "strategy=auto", "cache.budget=50%")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    lines = {name: EXECUTIONS[name] for name in ("lru", "planned")}
    return write_records(
        tmp_path / "made_up", *made_up_sweep(lines, config__figure={"x": "cache.budget", "y": "hits"})
    )


def drawn(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "figures" / "sweep.csv", keep_default_na=False)


def test_words_replace_those_of_the_experiment_key_by_key(folder: Path) -> None:
    assert main(["figures", str(folder)]) == 0
    assert {"hits", "hits_min", "hits_max"} < set(drawn(folder))
    words = ["figure.y=[wall_s,bytes_read]", "figure.where.strategy=lru", "figure.where.cache.budget=[2%,10%]"]
    assert main(["figures", str(folder), *words]) == 0
    found = drawn(folder)
    assert {"wall_s", "bytes_read"} < set(found)
    assert list(zip(found["curve"], found["x"], strict=True)) == [("lru", "2%"), ("lru", "10%")]
    assert main(["figures", str(folder), "figure.where={strategy:[planned]}"]) == 0
    assert set(drawn(folder)["curve"]) == {"planned"}


def test_a_style_draws_for_a_paper_too_and_leaves_what_is_drawn(folder: Path) -> None:
    assert main(["figures", str(folder)]) == 0
    before = {path.name: path.read_bytes() for path in (folder / "figures").iterdir()}
    assert main(["figures", str(folder), "figure.style=paper", "figure.columns=1"]) == 0
    now = {path.name: path.read_bytes() for path in (folder / "figures").iterdir() if path.is_file()}
    assert now == before
    paper = folder / "figures" / "paper"
    stems = {Path(name).stem for name in before}
    assert {path.name for path in paper.iterdir()} == {f"{s}.{end}" for s in stems for end in ("pdf", "tex", "txt")}
    (paper / "speedup-9.tex").touch()  # of what is no longer among the records
    assert main(["figures", str(folder)]) == 0
    assert not (paper / "speedup-9.tex").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["figure.x=cache.budge"], "figure.x=cache.budge: no run has such a column; did you mean 'cache.budget'?"),
        (["figure.colum=seed"], "figure.colum: there is no such key; did you mean 'column'?"),
        (["figure.style=papr"], "figure.style=papr: there is no such style; did you mean 'paper'?"),
        (["figure.style=paper", "figure.columns=3"], "figure.columns=3: a figure takes 1 or 2 columns of a paper"),
        (["seed=3"], "'seed=3': runs have been made; only what is drawn can be set, as in figure.x=seed"),
        (["figure=3"], "'figure=3': runs have been made"),
        (["figure.x=seed", "figure.x=order"], "figure.x: is set twice in one line; write it once"),
        (["figure.x"], "cannot read 'figure.x'"),
    ],
)
def test_bad_words_are_one_line_and_nothing_is_written(
    folder: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    before = sorted(folder.rglob("*"))
    assert main(["figures", str(folder), *words]) == 1
    error = capsys.readouterr().err
    assert " ".join(error.split()).startswith(f"alsatian: {said}")
    assert sorted(path for path in folder.rglob("*") if path.is_file()) == [p for p in before if p.is_file()]


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("figure.x=cache.budge", "figure.x=cache.budge: no run has such a column; did you mean 'cache.budget'?"),
        ("figure.y=[wal_s]", "figure.y=wal_s: there is no such metric; did you mean 'wall_s'?"),
        ("figure.curve=wall_s", "figure.curve=wall_s: is measured, not set"),
        ("figure.style=papr", "figure.style=papr: there is no such style; did you mean 'paper'?"),
        ("figure.columns=2", "figure.columns=2: only figure.style=paper has columns"),
    ],
)
def test_a_run_refuses_them_before_it_measures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], word: str, said: str
) -> None:
    assert main([*ONE_RUN, f"results_dir={tmp_path}", word]) == 1
    assert " ".join(capsys.readouterr().err.split()).startswith(f"alsatian: {said}")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "word", ["figure.x=strategy", "figure.where.cache.budget=[20%,50%]", "figure.where={seed:0}"]
)
def test_words_that_can_be_followed_are_not_what_is_wrong(capsys: pytest.CaptureFixture[str], word: str) -> None:
    assert main([*ONE_RUN, word, "batch_size=0"]) == 1
    assert capsys.readouterr().err.startswith("alsatian: batch_size=0")
