"""What a small test part cannot tell apart is said beside the ranking."""

import math

import pytest

from alsatian.records import Run
from analysis.comparing import ties
from analysis.report import build, sections


def scored(record, test_items, scores, classes=10, summary=None, **changes):
    """A run of one round with these scores, the best first."""
    ranking = sorted(scores, key=lambda model: -scores[model])
    rounds = [{"train_items": 960, "chunks": 1, "scores": scores, "fingerprints": {}}]
    made = record("base", (16.0,), rounds=rounds, ranking=ranking, winner=ranking[0], **changes)
    made["dataset"] |= {"test_items": test_items, "classes": classes, "summary": summary}
    return made


def run_of(*args, **settings):
    return Run.of(scored(*args, **settings))


def test_the_standard_error_is_that_of_a_share():
    assert ties.standard_error(0.5, 100) == 0.05
    assert ties.standard_error(1.0, 7) == 0
    assert ties.standard_error(0.9, 240) == pytest.approx(math.sqrt(0.9 * 0.1 / 240))


# With 100 items the standard error of 0.5 is 0.05, with 10,000 items 0.005.
@pytest.mark.parametrize(
    ("test_items", "scores", "said"),
    [
        (100, {"a": 0.5, "b": 0.46, "c": 0.44}, {"b": ties.CLOSE}),
        (10_000, {"a": 0.5, "b": 0.496, "c": 0.49}, {"b": ties.CLOSE}),
        (10_000, {"a": 0.5, "b": 0.45, "c": 0.44}, {}),
        (10_000, {"a": 0.5, "b": 0.5, "c": 0.3}, {"b": ties.EQUAL}),
        (10_000, {"a": 0.5, "b": 0.3, "c": 0.3}, {"c": ties.EQUAL}),
        (100, {"a": 1.0, "b": 0.99}, {}),
        (100, {"a": 0.5, "b": 0.48, "c": 0.48}, {"b": ties.CLOSE, "c": f"{ties.EQUAL}, {ties.CLOSE}"}),
        (100, {"a": 0.5}, {}),
    ],
)
def test_scores_that_cannot_be_told_apart_are_marked(record, test_items, scores, said):
    assert ties.notes(run_of(record, test_items, scores)) == said


def test_another_proxys_scores_are_no_accuracies(record):
    other = {"_target_": "mine.LogME"}
    scores = {"a": 0.05, "b": 0.05, "c": 0.04}
    run = run_of(record, 10, scores, config__proxy=other)
    assert ties.notes(run) == {"b": ties.EQUAL}
    assert ties.lines([run]) == ["Ranking: b has the same score as the best, a: 0.0500"]


def test_scores_of_different_rounds_are_not_compared(record):
    rounds = [
        {"train_items": 480, "chunks": 1, "scores": {"m0": 0.75, "m1": 0.7, "m2": 0.7}},
        {"train_items": 960, "chunks": 1, "scores": {"m1": 0.6, "m2": 0.75}},
    ]
    run = Run.of(record(rounds=rounds, ranking=["m2", "m1", "m0"], winner="m2"))
    assert ties.notes(run) == {}
    assert ties.lines([run]) == []


def test_lines_say_what_is_close_and_with_how_many_items(record):
    run = run_of(record, 100, {"a": 0.5, "b": 0.5, "c": 0.46, "d": 0.46, "e": 0.2})
    assert ties.lines([run]) == [
        "Ranking: b has the same score as the best, a: 0.5000",
        "Ranking: c, d are within the standard error of the best, a (0.0500 with 100 test items)",
    ]


def of_classes(*test_items):
    classes = [{"name": f"k{i}", "train_items": 9, "test_items": count} for i, count in enumerate(test_items)]
    return {"source": "own", "classes": classes}


# Chance of 4 classes is 0.25, with a standard error of 0.0433 with 100 items.
@pytest.mark.parametrize(
    ("score", "summary", "said"),
    [
        (0.29, None, "0.2900, where one of 4 classes at random gives 0.2500"),
        (0.2, None, "0.2000, where one of 4 classes at random gives 0.2500"),
        (0.3, None, None),
        (0.3, of_classes(10, 70, 10, 10), "0.3000, where the largest class, k1, for every item gives 0.7000"),
        (0.74, of_classes(10, 70, 10, 10), "0.7400, where the largest class, k1, for every item gives 0.7000"),
        (0.75, of_classes(10, 70, 10, 10), None),
        (0.3, of_classes(25, 25, 25, 25), None),
    ],
)
def test_a_winner_at_chance_is_said_to_be(record, score, summary, said):
    run = run_of(record, 100, {"a": score, "b": 0.1}, classes=4, summary=summary)
    assert ties.lines([run]) == ([f"Ranking: the best, a, is at chance: {said}"] if said else [])


def test_runs_that_agree_share_a_line(load_runs, record):
    close = scored(record, 100, {"a": 0.5, "b": 0.48})
    runs = load_runs(close, record())
    assert ties.lines(runs) == [
        "Ranking in base: b is within the standard error of the best, a (0.0500 with 100 test items)"
    ]


def test_the_terminal_and_the_page_show_it(tmp_path, write, record):
    folder = write(tmp_path, scored(record, 100, {"a": 0.5, "b": 0.48}, summary=of_classes(60, 40)))
    built = build.build(folder)
    page = (folder / "report.html").read_text()
    for line in (
        "Ranking: b is within the standard error of the best, a (0.0500 with 100 test items)",
        "Ranking: the best, a, is at chance: 0.5000, where the largest class, k0, for every item gives 0.6000",
    ):
        assert line in built.text
        assert line in page
        assert line in (folder / "summary.md").read_text()
    assert "0.4800 (within the best one&#39;s standard error)" in page


def test_the_page_shows_the_summary_of_the_data(record):
    run = run_of(record, 100, {"a": 0.9}, summary=of_classes(60, 40) | {"warnings": ["odd <b>"], "notes": ["said"]})
    (facts,) = sections.facts([run])
    assert ("classes", "2: k0 (69), k1 (49)") in facts.rows
    assert ("assumed", "said") in facts.rows
    assert ("warning", "odd <b>") in facts.rows
