"""The comparison with the recorded speed, on made-up rows."""

from pathlib import Path

import pandas as pd
import pytest

from alsatian.errors import AlsatianError
from experiments.studies.regression import AS_BEFORE, FASTER, OTHER, SLOWER, compare, page, recorded
from experiments.studies.speed.cells import AUTO, PUBLISHED, USUAL
from experiments.studies.speed.page import with_ratios
from tests.experiments.studies.conftest import Study
from tests.experiments.studies.test_speed import made_up

BEFORE = {PUBLISHED: [4.0, 4.0, 4.0], USUAL: [2.0, 2.0, 1.6], AUTO: [2.0, 2.5, 2.0]}


def frame(walls: dict[str, list[float]], cell: str = "quickstart", **changes: object) -> pd.DataFrame:
    return with_ratios(pd.DataFrame(made_up(cell, walls, **changes)))


def verdicts(now: pd.DataFrame) -> list[str]:
    return list(compare(frame(BEFORE), now)["verdict"])


def test_slower_is_what_lies_below_all_that_was_recorded() -> None:
    # Recorded were 2.0 to 2.5 times (alsatian) and 1.6 to 2.0 times (auto); both machines differ in speed.
    assert verdicts(frame({PUBLISHED: [8.0], USUAL: [4.0], AUTO: [5.0]})) == [AS_BEFORE, AS_BEFORE]
    assert verdicts(frame({PUBLISHED: [8.0], USUAL: [4.1], AUTO: [3.0]})) == [SLOWER, FASTER]
    assert verdicts(frame({PUBLISHED: [8.0] * 3, USUAL: [9.0, 4.0, 4.0], AUTO: [5.1] * 3})) == [AS_BEFORE, SLOWER]


def test_other_words_are_not_compared_and_other_cells_not_shown() -> None:
    assert verdicts(frame({PUBLISHED: [8.0], AUTO: [80.0]}, words="others")) == [OTHER]
    assert verdicts(frame({PUBLISHED: [8.0], AUTO: [80.0]}, cell="models/4")) == []


def test_the_page_names_what_is_slower() -> None:
    good = page(frame(BEFORE), frame({PUBLISHED: [8.0], USUAL: [4.0], AUTO: [5.0]}), Path("speed.csv"), 0.1)
    assert good.good
    assert "**Nothing is slower than the recorded spread allows.**" in good.blocks[1]
    busy = page(frame(BEFORE), frame(BEFORE, others=0.9), Path("speed.csv"), 0.1)
    assert "WARNING: other programs kept more than 0.5 cores busy in 9 of 9 searches" in busy.blocks[2]
    bad = page(frame(BEFORE), frame({PUBLISHED: [8.0], USUAL: [8.0], AUTO: [5.0]}), Path("speed.csv"), 0.1)
    assert not bad.good
    assert "**Slower: `alsatian` in quickstart.**" in bad.blocks[1]
    wrong = frame({PUBLISHED: [8.0], USUAL: [4.0], AUTO: [5.0]}, identical=False)
    assert not page(frame(BEFORE), wrong, Path("speed.csv"), 0.1).good
    with pytest.raises(AlsatianError, match="none of these cells was recorded"):
        page(frame(BEFORE, cell="models/4"), frame(BEFORE), Path("speed.csv"), 0.1)


@pytest.mark.parametrize("content", [None, "", "a,b\n1,2\n"])
def test_a_file_that_is_no_record_is_one_line(
    study: Study, tmp_path: Path, content: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "speed.csv"
    if content is not None:
        path.write_text(content)
    assert study("regression", "--recorded", path) == 1
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert f"{path}: " in line
    assert "alsatian study speed" in line


def test_what_was_recorded_is_read_with_its_ratios(tmp_path: Path) -> None:
    frame(BEFORE).drop(columns="faster").to_csv(tmp_path / "speed.csv", index=False)
    rows = recorded(tmp_path / "speed.csv")
    assert rows.loc[rows["strategy"] == USUAL, "faster"].tolist() == [2.0, 2.0, 2.5]
