"""``alsatian explain``: words, text, JSON, pictures, and predicted beside actual."""

import dataclasses
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from alsatian.costs.hardware import SegmentCost
from alsatian.errors import ConfigError
from alsatian.explanation import explain as explain_search
from analysis.figures.task_tree import ROWS
from experiments.commands.explain import ExplainOptions, read_options
from experiments.configuration.composition import cells
from experiments.predictions.case import Predictor
from experiments.predictions.explanation_text import comparison, lines
from experiments.runs.progress import Progress

# One worker trains the shared models, once.
pytestmark = pytest.mark.xdist_group("paper")

Alsatian = Callable[..., int]
STRATEGIES = ("base", "shift", "shared_prefix", "alsatian", "auto")


@pytest.fixture
def explain(alsatian: Alsatian, store: Path) -> Alsatian:
    """Call with words as behind ``alsatian explain``."""
    return lambda *words: alsatian("explain", *words, "scale=ci", f"store_dir={store}")


@pytest.fixture
def slow(store: Path, tmp_path: Path) -> Path:
    """A profile of a machine that computes a hundred times slower than this one."""
    (cell,) = cells(["strategy=alsatian", "scale=ci", f"store_dir={store}"])
    here = Predictor().case(cell.config, Progress(Console(quiet=True))).costs.hardware
    segments = {
        key: SegmentCost(tuple((items, 100 * seconds) for items, seconds in cost.times))
        for key, cost in here.segments.items()
    }
    path = tmp_path / "slow.json"
    dataclasses.replace(here, name="slow", segments=segments).write(path)
    return path


def test_words() -> None:
    assert read_options([]) == ExplainOptions()
    words = ["analyze=true", "steps=all", "format=json", "json=a.json", "drawing=b.svg"]
    assert read_options([f"explain.{word}" for word in words]) == ExplainOptions(
        True, "all", "json", Path("a.json"), Path("b.svg")
    )


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("explain.stps=all", "explain.stps: there is no such key; did you mean 'steps'?"),
        ("explain.steps=al", "explain.steps=al: did you mean 'all'?"),
        ("explain.analyze=yes", "explain.analyze=yes: valid are: false, true"),
        ("explain.analyze", "explain.analyze: valid are: false, true"),
        ("explain.format=yaml", "explain.format=yaml: valid are: json, text"),
        ("explain.drawing=tree.gif", "explain.drawing=tree.gif: the file's name must end in .svg or .png or .pdf"),
        ("explain.json=tree", "explain.json=tree: the file's name must end in .json"),
    ],
)
def test_other_words_end_in_one_line(
    alsatian: Alsatian, word: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ConfigError) as error:
        read_options([word])
    assert str(error.value) == said
    assert alsatian("explain", word) == 1
    assert capsys.readouterr() == ("", f"alsatian: {said}\n")


def test_unknown_settings_and_unwritable_files_end_in_one_line(
    alsatian: Alsatian, explain: Alsatian, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert alsatian("explain", "strategy=alsation") == 1
    assert "did you mean 'alsatian'?" in capsys.readouterr().err
    (tmp_path / "file").write_text("")
    assert explain("explain.json=file/plan.json") == 1
    assert capsys.readouterr().err.startswith("alsatian: file")


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_text(explain: Alsatian, strategy: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert explain(f"strategy={strategy}") == 0
    text = capsys.readouterr().out
    assert "on measured hardware" in text
    assert "round 1 of " in text
    assert "predicted in all: " in text
    first = text.partition("round 2 of ")[0]
    for part in ("sharing: ", "chunking: ", "tree, by order of computing:", "infer ", "score "):
        assert part in first
    planned = strategy in ("alsatian", "auto")
    assert ("peak of the cache, by tier: " in first) == planned
    assert ("the memory for intermediates" if strategy == "auto" else "cache.budget") in first
    assert ("C_min is" in first) == planned  # with room for all, auto plans as usual
    assert ("why: " in first) == (strategy == "auto")
    assert ("offered to the cache" in first) == (strategy == "shared_prefix")
    assert first.count("features") == 4
    assert not list(tmp_path.rglob("run.json"))  # nothing was run


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_json_is_alone_on_the_output(
    explain: Alsatian, strategy: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    words = ["explain.format=json", "explain.json=out/plan.json", "explain.drawing=out/tree.svg"]
    assert explain(f"strategy={strategy}", *words) == 0
    out, err = capsys.readouterr()
    (found,) = json.loads(out)
    assert json.loads((tmp_path / "out" / "plan.json").read_bytes()) == [found]
    assert "written: out/plan.json" in err
    assert "written: out/tree.svg" in err
    assert (found["experiment"], found["run"], found["hardware"]) == ("single", [], "measured")
    assert len(found["rounds"]) == (1 if strategy == "base" else 2)
    walls = [entry["predicted"]["wall_s"] for entry in found["rounds"]]
    assert 0 < sum(walls) <= found["predicted"]["wall_s"] * (1 + 1e-9)
    assert sum(found["predicted"]["parts_s"].values()) == pytest.approx(found["predicted"]["wall_s"])
    first = found["rounds"][0]
    models = [model for vertex in first["tree"] for model in vertex["models"]]
    assert len(set(models)) == len(models) == first["models"] == 4
    shares = strategy in ("shared_prefix", "alsatian", "auto")
    assert (first["sharing"]["block_executions"] < first["sharing"]["without_sharing"]) == shares
    assert sum(vertex["parent"] is None for vertex in first["tree"]) == (1 if shares else 4)
    assert (tmp_path / "out" / "tree.svg").read_bytes().startswith(b"<?xml")


def test_several_runs_have_numbered_pictures(
    explain: Alsatian, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    words = ["explain.format=json", "explain.drawing=tree.png"]
    assert explain("-m", "strategy=shift,alsatian", *words) == 0
    found = json.loads(capsys.readouterr().out)
    assert [entry["run"] for entry in found] == [["strategy=shift"], ["strategy=alsatian"]]
    assert sorted(path.name for path in tmp_path.glob("*.png")) == ["tree-1.png", "tree-2.png"]


@pytest.mark.pictures
def test_a_published_machine_and_a_set_without_parameters(
    alsatian: Alsatian, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The paper's 35 models on its machine: nothing is made, measured or run."""
    words = ["model_set=synthetic_resnet152", "model_set.count=35", "hardware=a5000", "cache.budget=1GiB"]
    assert alsatian("explain", *words, f"store_dir={tmp_path / 'none'}", "explain.drawing=tree.png") == 0
    text = capsys.readouterr().out
    assert "round 1 of" in text
    assert "35 models on" in text
    assert "explain.steps=all shows them" in text
    assert (tmp_path / "tree.png").stat().st_size > 10_000
    assert not (tmp_path / "none" / "blocks").exists()
    assert alsatian("explain", *words, "explain.steps=all", "explain.format=text") == 0
    whole = capsys.readouterr().out
    assert "shows them" not in whole
    assert len(whole.splitlines()) > len(text.splitlines()) + ROWS


def test_analyze_marks_what_was_predicted_wrongly(
    explain: Alsatian, slow: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["strategy=alsatian", "loader=sequential", f"hardware.file={slow}", "explain.analyze=true"]
    assert explain(*words, "explain.json=plan.json") == 0
    text = capsys.readouterr().out
    assert "on slow hardware" in text
    rows = {re.split(r"\s{2,}", line)[0]: line for line in text.splitlines()}
    assert rows["wall time"].endswith("<- miss")
    assert rows["inference"].endswith("<- miss")
    assert not rows["bytes read"].endswith("<- miss")
    assert not rows["block executions"].endswith("<- miss")
    assert "<- miss, most in inference" in rows["round 1"]
    (found,) = json.loads(Path("plan.json").read_bytes())
    assert found["actual"]["counters"]["block_executions"] == found["predicted"]["counters"]["block_executions"]
    assert found["actual"]["peaks"] == found["predicted"]["peaks"]
    assert max(entry["peaks"][0] for entry in found["rounds"]) == found["actual"]["peaks"]["cache_bytes"]
    for side in ("predicted", "actual"):
        took = found[side]["rounds"]
        assert [one["models"] for one in took] == [entry["models"] for entry in found["rounds"]]
        # Between rounds only the next one is chosen.
        assert 0.5 * found[side]["wall_s"] < sum(one["wall_s"] for one in took) <= found[side]["wall_s"]
        for one in took:
            assert sum(one["parts_s"].values()) == pytest.approx(one["wall_s"], rel=0.05, abs=0.03)


MEASURED: dict[str, Any] = {
    "wall_s": 10.0,
    "parts_s": {"inference": 6.0, "prepare_model": 3.0, "other": 1.0},
    "counters": {"bytes_read": 2_000_000, "hits": 3, "warm_reads": 1, "bytes_verified": 5},
    "peaks": {"cache_bytes": 1000},
    "rounds": [
        {"wall_s": 6.0, "parts_s": {"inference": 4.0, "prepare_model": 2.0, "other": 0.0}},
        {"wall_s": 4.0, "parts_s": {"inference": 2.0, "prepare_model": 1.0, "other": 1.0}},
    ],
}


def test_misses_are_marked_and_the_largest_come_first() -> None:
    predicted = {
        "wall_s": 8.5,
        "parts_s": {"inference": 6.1, "prepare_model": 1.9, "other": 0.5},
        "counters": {"bytes_read": 2_000_000, "hits": 4},
        "peaks": {"cache_bytes": 1000},
        "rounds": [
            {"wall_s": 4.7, "parts_s": {"inference": 4.1, "prepare_model": 0.6, "other": 0.0}},
            {"wall_s": 3.8, "parts_s": {"inference": 2.0, "prepare_model": 1.3, "other": 0.5}},
        ],
    }
    rows = comparison(predicted, MEASURED).rows
    marked = {name: mark for name, *_, mark in rows if mark}
    assert list(marked) == ["round 1", "wall time", "prepare model", "hits"]
    assert marked["round 1"] == "<- miss, most in prepare model (-1.400 s)"
    assert [row[0] for row in rows[3:6]] == ["prepare model", "other", "inference"]
    assert rows[2][1:] == ("8.500 s", "10.000 s", "-15%", "<- miss")
    assert not {"warm reads", "bytes verified"} & {row[0] for row in rows}
    assert not any(row[-1] for row in comparison(MEASURED, MEASURED).rows)


def test_long_plans_are_shortened() -> None:
    vertex = {"blocks": 1, "parameter_bytes": 1, "output_bytes": 1, "way": "features", "times": 1, "seconds": 0.5}
    parent = vertex | {"vertex": 0, "parent": None, "order": 1, "models": [], "way": "kept", "times": 3}
    leaves = [
        vertex | {"vertex": i, "parent": 0, "order": i + 1, "models": [f"m{i}", *"abc"]} for i in range(1, 100)
    ]
    entry = {
        "models": 99, "train_items": 8, "new_items": 8, "batches": 1, "chunks": 2, "chunk_items": 4,
        "note": "a reason", "memory": [3, 4], "peaks": [4], "distribution": None,
        "chunking": {"c_min_bytes_per_item": 1, "whole_pass_bytes": 8},
        "sharing": {
            "block_executions": 100, "without_sharing": 198, "blocks": 100, "blocks_without_sharing": 198,
            "blocks_read": 100,
        },
        "tree": [parent, *leaves], "steps": [{"step": "infer", "vertex": i} for i in range(100)],
        "predicted": {"wall_s": 1.0, "parts_s": {"inference": 1.0}},
    }  # fmt: skip
    explanation = {"rounds": [entry], "budgets": {"cache.budget": 4}, "predicted": MEASURED | {"events": []}}
    some, whole = (list(lines(explanation, whole)) for whole in (False, True))
    assert len(whole) == len(some) + 2 * (100 - 30) - 2
    text = "\n".join(some)
    for part in (
        "99 models on 8 training items, 8 items new; predicted 1 s (inference 1 s)",
        "sharing: 100 block executions of 198 (51%); 100 distinct blocks of 198, 100 read",
        "chunking: 2 chunks of up to 4 items: C_min is 1 B an item, so a whole pass needs 8 B, which exceeds "
        "the memory for intermediates (3 B)",
        "memory: 3 B for intermediates, 4 B for blocks",
        "why: a reason",
        "#0 1 block (1 B) -> 1 B/item, kept, 3 times a chunk, 0.5 s",
        "#1 1 block (1 B) -> 1 B/item, features, 0.5 s  m1, a, b and 1 more",
        "… 70 more vertices; explain.steps=all shows them …",
        "… 70 more steps; explain.steps=all shows them …",
        "steps of every chunk, scores in the last:",
    ):
        assert part in text


@pytest.mark.parametrize(("workers", "whole", "rows"), [(3, False, 3), (20, False, 12), (20, True, 20)])
def test_workers_are_told_with_what_they_do_and_why(workers: int, whole: bool, rows: int) -> None:
    """Of many workers some, and the least and most of the others; all lines fit a terminal of 80 columns."""
    words = ["machine=ray", f"machine.workers={workers}", "model_set=generated", "dataset=counted", "scale=ci"]
    (cell,) = cells([*words, "hardware=a5000", "dataset.items=300"])
    case = Predictor().case(cell.config, Progress(Console(quiet=True)))
    explanation = explain_search(case.predict(), case.models.candidates, case.costs)
    cut = explanation["rounds"][0]["distribution"]
    assert sum(worker["models"] for worker in cut["workers"]) == explanation["rounds"][0]["models"]
    told = list(lines(explanation, whole))
    start = next(number for number, line in enumerate(told) if line.startswith("  worker "))
    table = told[start + 1 : told.index("", start)]
    assert len(table) == rows
    assert max(map(len, table)) <= 80
    assert "whole subtrees" in "".join(table)
    assert not [line for line in told if line.startswith("  steps")]
