"""The study of speed: its cells, its page on made-up rows, and a small run."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pandas as pd
import pytest

from alsatian.errors import AlsatianError, ConfigError
from alsatian.records.limit import Limit
from alsatian.runtime.meter.measurement import Measurement
from experiments.configuration.composition import cells
from experiments.studies import speed
from experiments.studies.speed.cells import AUTO, BEYOND, CELLS, PUBLISHED, USUAL, chosen, entrants
from experiments.studies.speed.measurement import Bench, bench, beyond, turned
from experiments.studies.speed.page import page, with_ratios
from tests.experiments.studies.conftest import Study, Written

TERMS = {"least_reading_s": 1.0, "least_inference_s": 1.0, "least_decoding_s": 0.25, "least_scoring_s": 0.25}


def made_up(cell: str, walls: dict[str, list[float]], **changes: Any) -> list[dict[str, Any]]:
    """A row a search."""
    usual = {
        "over_limit": 1.1, **TERMS, "stalled": 0.05, "scoring": 0.05, "kept": True, "before_s": 0.5, "models": 8,
        "identical": True, "scores": 4, "others": 0.1, "words": f"{cell} words",
    }  # fmt: skip
    return [
        {"strategy": name, "turn": turn, "cell": cell, "wall_s": wall, **usual, **changes}
        for name, own in walls.items()
        for turn, wall in enumerate(own)
    ]


def text(rows: list[dict[str, Any]], load: float = 0.1, **more: Any) -> str:
    return "\n".join(page(pd.DataFrame(rows), load, True, **more).blocks)


GOOD = {PUBLISHED: [4.0, 5.0, 6.0], USUAL: [2.0, 2.0, 3.0], AUTO: [2.0, 2.5, 2.0]}


@pytest.mark.parametrize("name", CELLS)
def test_every_cell_is_one_search_for_every_entrant(name: str) -> None:
    for words in entrants().values():
        assert len(cells([*CELLS[name], *words, "verify=true"])) == 1


def test_cells_are_chosen_by_name_or_kind() -> None:
    assert list(chosen(["quickstart", "fig10"])) == ["quickstart", *(n for n in CELLS if n.startswith("fig10/"))]
    assert chosen(None) == CELLS
    with pytest.raises(ConfigError, match="did you mean 'models/50'"):
        chosen(["models/51"])


def test_all_take_turns_at_being_first() -> None:
    assert [list(turned("abc", turn)) for turn in range(3)] == [list("abc"), list("bca"), list("cab")]


@pytest.mark.parametrize(("wall", "turns"), [(0.1, 10), (0.5, 4), (0.9, 3), (1.0, 2), (9.0, 2)])
def test_short_searches_take_more_turns(wall: float, turns: int) -> None:
    """Until they have taken two seconds each, and at most five times as many."""
    own = SimpleNamespace(search=lambda cell, words, of: {"cell": cell, "wall_s": wall})
    rows = speed.measure(cast(Bench, own), {"one": ()}, dict.fromkeys("abc", ()), 2, references=False)
    assert [row["turn"] for row in rows] == [turn for turn in range(turns) for _ in range(3)]


def test_ratios_are_of_the_same_turn() -> None:
    rows = with_ratios(pd.DataFrame(made_up("quickstart", GOOD)))
    assert rows.loc[rows["strategy"] == AUTO, "faster"].tolist() == [2.0, 2.0, 3.0]
    assert rows.loc[rows["strategy"] == PUBLISHED, "faster"].tolist() == [1.0] * 3


def test_the_page_says_what_is_reached() -> None:
    found = page(pd.DataFrame(made_up("quickstart", GOOD)), 0.1, True)
    told = "\n".join(found.blocks)
    assert found.good
    assert "all of 36 that could be compared equal those of `base` with the same rounds and each other's." in told
    assert "2.00× (2.00–3.00)×" not in told
    assert "| 2.00× (2.00×–3.00×)" in told
    assert "`auto` takes at most 1.15× the limit: reached." in told
    assert "Scoring takes at most 10% of the quickstart: reached." in told
    assert "NOT" not in told
    assert "WARNING" not in told
    assert "among 500" not in told  # which was not measured


def test_the_page_says_what_is_missed_and_where() -> None:
    rows = [
        *made_up("quickstart", {**GOOD, AUTO: [8.0, 8.0, 8.0]}, over_limit=2.0, stalled=0.5, scoring=0.5),
        *made_up("models/50", {PUBLISHED: [1.0], AUTO: [1.0]}, models=50),
        *made_up("models/500", {PUBLISHED: [20.0], AUTO: [20.0]}, models=500, over_limit=2.0),
    ]
    told = text(rows)
    assert "slower than `alsatian_published` by more than 3%: NOT REACHED: quickstart 0.62×." in told
    assert "`auto` takes at most 1.15× the limit: NOT REACHED: quickstart 2.00×." in told
    assert "`auto` waits for under 10% of its time: NOT REACHED: quickstart 50%." in told
    assert "of the quickstart: NOT REACHED: `alsatian` 50%, `auto` 50%." in told
    assert "costs at most 1.2× one among 50: NOT REACHED: `auto` 2.00×." in told


def test_what_a_missed_limit_was_missed_for_is_named() -> None:
    shares = {"waiting for blocks": 0.37, "loading them": 0.01, "scoring above its best": 0.04}
    told = text(made_up("quickstart", GOOD, over_limit=2.0, **{f"{BEYOND}{what}": s for what, s in shares.items()}))
    assert "NOT REACHED: quickstart 2.00× (waiting for blocks 37%, scoring above its best 4%)." in told


def test_what_is_beyond_the_limit_and_the_limit_make_up_the_wall_time() -> None:
    parts = {
        "planning": 0.1, "prepare_model": 2.0, "prepare_data": 0.5, "inference": 4.0, "proxy_scoring": 1.0,
        "cache_io": 0.2, "other": 0.2,
    }  # fmt: skip
    limit = Limit(reading_s=1.0, inference_s=3.0, decoding_s=0.25, scoring_s=0.75)
    measured = Measurement(8.0, parts, {}, {}, stalled_s={"prepare_model": 1.6}, limit=limit)
    found = beyond(measured, limit)
    assert found[f"{BEYOND}waiting for blocks"] == pytest.approx(0.2)
    assert found[f"{BEYOND}loading them"] == pytest.approx(0.05)
    assert sum(found.values()) * 8.0 + limit.seconds == pytest.approx(8.0)


def test_a_busy_machine_is_said() -> None:
    assert "WARNING: the load average was 0.8 before the study" in text(made_up("quickstart", GOOD), load=0.8)
    told = text(made_up("quickstart", GOOD, others=0.7))
    assert "WARNING: other programs kept more than 0.5 cores busy in 9 of 9 searches (quickstart): 0.70" in told


@pytest.mark.parametrize(("what", "said"), [("identical", "NOT all of"), ("kept", "EXCEEDED in quickstart")])
def test_wrong_scores_and_exceeded_budgets_make_a_bad_page(what: str, said: str) -> None:
    found = page(pd.DataFrame(made_up("quickstart", GOOD, **{what: False})), 0.1, False)
    assert not found.good
    assert said in "\n".join(found.blocks)


def test_a_small_run(
    study: Study, written: Written, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speed, "LEAST_S", 0.0)
    words = ("--cells", "models/4", "--repeats", 1, "--store", store, "--set", "scale=ci", "dataset.items=100")
    assert study("speed", *words) == 0
    rows = pd.read_csv(tmp_path / "pages" / "speed.csv")
    assert list(rows["strategy"]) == [PUBLISHED, USUAL, AUTO]
    assert rows["identical"].all()
    assert (rows["scores"] > 0).all()
    assert (rows["over_limit"] >= 1).all()
    assert "Budgets: kept in every search." in written("speed.md")
    # What was just recorded is what is compared with.
    again = ("--recorded", tmp_path / "pages" / "speed.csv", "--no-base", *words)
    assert study("regression", *again) in (0, 1)  # one turn each on a machine that is not quiet
    assert "| models/4 | `auto` | 1, 1 |" in written("regression.md")


def test_scores_that_differ_are_found() -> None:
    own = Bench([])
    assert own._same(("cell", ""), 8, "m", (0.5, "a"))
    assert own._same(("another cell", ""), 8, "m", (0.5, "b"))
    assert own._same(("cell", "bf16"), 8, "m", (0.25, "c"))
    assert not own._same(("cell", ""), 8, "m", (0.5, "b"))


def test_a_cell_that_fails_does_not_stop_the_others(
    study: Study, written: Written, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = CELLS["models/4"]
    two = {"bad": (*small, "cache.budget=1kB"), "good": small}
    monkeypatch.setattr(speed, "chosen", lambda names: two)
    monkeypatch.setattr(speed, "LEAST_S", 0.0)
    assert study("speed", "--no-base", "--repeats", 1, "--store", store, "--set", "scale=ci") == 1
    text = written("speed.md")
    assert "- FAILED: bad: " in text
    assert "is below one batch" in text
    assert "## good" in text
    monkeypatch.setattr(speed, "chosen", lambda names: {"bad": two["bad"]})
    assert study("speed", "--no-base", "--repeats", 1, "--store", store, "--set", "scale=ci") == 1


def test_a_search_is_given_up_when_its_time_is_over(store: Path) -> None:
    own = bench(store, ["scale=ci"])
    own.deadline = 0.0
    with pytest.raises(AlsatianError, match="the time is up"):
        own.search("cell", CELLS["models/4"], ["strategy=alsatian", "dataset.items=100"])


def test_too_few_repeats_are_one_line(study: Study, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("speed", "regression"):
        assert study(name, "--repeats", 0) == 1
        assert capsys.readouterr().err.strip() == "alsatian: --repeats must be at least 1"
