"""The page that compares orders: its trees are those of the paper's sets, its numbers those of the orders."""

import csv
import re
from pathlib import Path

import pytest

from alsatian.models.reading.architectures import architecture
from alsatian.models.sets.distributions import lineage
from alsatian.models.sets.synthetic import drawn_anew
from alsatian.planning.orders.base import Shape
from alsatian.tree import TaskTree
from experiments.predictions.chains import SETS, preprocessing, read_chains
from experiments.runs.environment import environment
from experiments.studies.orders import MODELS, Case, compare, page, paper_cases, random_cases, summarise
from experiments.studies.study import text
from tests.experiments.studies.conftest import Study


def test_a_chain_is_what_the_splitter_finds() -> None:
    model_set = SETS["ResNet-18"]
    segments = architecture(model_set.spec, preprocessing(model_set)).segments
    chain = read_chains()["ResNet-18"]
    assert chain.output_bytes == tuple(segment.output_bytes for segment in segments)
    assert chain.open_blocks == tuple(i for i, segment in enumerate(segments) if any(drawn_anew(segment)))
    assert list(read_chains()) == list(SETS)


def test_sets_without_parameters_share_what_the_procedure_says() -> None:
    chain = read_chains()["BERT"]
    models = chain.models(20, "top_25", seed=3)
    drawn = list(lineage(20, len(chain.open_blocks), "top_25", seed=3))
    assert len(models) == 20
    for model, (parent, changed) in zip(models[1:], drawn, strict=True):
        new = {i for i, (a, b) in enumerate(zip(model.blocks, models[parent].blocks, strict=True)) if a != b}
        assert new == set(chain.open_blocks[-changed:])
        assert [block.output_bytes for block in model.blocks] == list(chain.output_bytes)


def test_trees_of_the_papers_sets() -> None:
    cases = list(paper_cases({"ResNet-18": read_chains()["ResNet-18"]}, seeds=2))
    first = [case for case in cases if case.table == "first round"]
    assert len(first) == 2 * 3
    assert len([case for case in cases if case.table == "later rounds"]) == 6 * 4  # of 18, 9, 5 and 3 models
    tree = TaskTree.of(read_chains()["ResNet-18"].models(MODELS, "top_layers", 0)).compress()
    assert first[0].row == "ResNet-18, top_layers"
    assert first[0].shape == Shape.of(tree, tree.all_models())
    stay = next(case for case in cases if case.table == "first round, features stay").shape
    assert sum(stay.kept) == len(stay.outputs) * 2048  # float32 features of 512 channels


def test_figures_of_a_tree_known_by_hand() -> None:
    """Figs 18 and 19 of the paper: DFS+ needs 12, the best order 11."""
    shape = Shape([-1, 0, 1, 1, 2, 2, 3, 3], [0, 9, 1, 1, 4, 2, 2, 2], [4, 5, 6, 7])
    star = Shape([-1, 0, 0], [3, 1, 1], [1, 2])
    trees = compare([Case("known", "one", shape), Case("known", "two", star)])
    first = trees.iloc[:2]
    assert (set(first["least"]), list(first["need"]), set(first["proved"])) == ({11}, [12, 12], {True})
    lines = re.sub(" +", " ", text(page(trees), "command", environment())).splitlines()
    assert lines[-3].startswith("| one | 1 | 8 | 100 % | 0 %, 1.091, 1.09 |")
    assert lines[-2].startswith("| two | 1 | 3 | 100 % | 100 %, 1.000, 1.00 |")
    assert lines[-1].startswith("| all | 2 | 5.5 | 100 % | 50 %, 1.045, 1.09 |")
    assert list(summarise(trees)["trees"]) == [1] * 8 + [2] * 4


def test_the_command_writes_page_and_csv(study: Study, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert study("orders", "--seeds", 1, "--random", 1) == 0
    page = tmp_path / "pages" / "orders.md"
    out = capsys.readouterr().out
    assert page.read_text().partition("## First round")[2] in out
    assert out.endswith(f"written: {page}\n")
    rows = list(csv.DictReader(page.with_suffix(".csv").open()))
    assert {row["order"] for row in rows} == {"dfs_plus", "dfs_min", "dfs", "bfs"}
    assert len([row for row in rows if row["table"] == "random trees"]) == 4 * (len(list(random_cases(1))) - 8 + 1)
    assert all(float(row["worst_ratio"]) >= float(row["mean_ratio"]) >= 1 for row in rows)


def test_nothing_to_compare_is_an_error(study: Study, capsys: pytest.CaptureFixture[str]) -> None:
    assert study("orders", "--seeds", 0) == 1
    assert "--seeds and --random must be at least 1" in capsys.readouterr().err
