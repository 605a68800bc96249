"""The experiments of the paper's figures: every published cell has its run, and studies leave their files."""

import json
from pathlib import Path
from typing import Any

import pytest

from alsatian.errors import ConfigError
from alsatian.records.settings import measured
from analysis.paper.evidence import published
from experiments.configuration.composition import Cell, cells
from experiments.configuration.menu import choices
from experiments.runs.environment import environment

pytestmark = pytest.mark.xdist_group("paper")

SEARCHES = ("05", "10", "11", "13", "14", "15", "16", "17")
EXPERIMENTS = {**{f"fig{number}": number.lstrip("0") for number in (*SEARCHES, "12")}, "overlap": "overlap"}


def place(cell: Cell) -> tuple[Any, ...]:
    written = cell.config.paper
    return (
        written.workload,
        written["items"],
        written.distribution,
        cell.config.strategy.name.removesuffix("_published"),
    )


@pytest.fixture(scope="session")
def composed() -> dict[str, list[Cell]]:
    """Every run at the paper's scale; composing them takes long enough for once."""
    return {name: cells([f"experiment={name}", "scale=paper"]) for name in EXPERIMENTS}


def test_every_published_bar_is_a_run(composed: dict[str, list[Cell]]) -> None:
    for number in SEARCHES:
        rows = published.values(number.lstrip("0")).to_dict("records")
        wanted = {(r["workload"], r["items"], r["distribution"], r["approach"] or "base") for r in rows}
        found = [place(cell) for cell in composed[f"fig{number}"]]
        assert len(set(found)) == len(found)
        missing = wanted - {one for one in found if one[3] != "auto"}
        assert not missing, number
        assert {one for one in found if one[3] != "auto"} == wanted, number


def test_every_experiment_says_which_figure_and_what_was_scaled(composed: dict[str, list[Cell]]) -> None:
    for name, number in EXPERIMENTS.items():
        for cell in composed[name]:
            assert cell.config.figure.number == number
            assert cell.config.name == name
            lines = list(cell.config.scaled)
            assert all(isinstance(line, str) for line in lines)
            assert bool(lines) == (cell.config.scale != "paper" or name == "fig17")


def test_strategies_of_a_cell_are_searched_under_the_same_conditions(composed: dict[str, list[Cell]]) -> None:
    for number in SEARCHES:
        by_place: dict[tuple[Any, ...], list[Any]] = {}
        for cell in composed[f"fig{number}"]:
            config = cell.config
            same = [config[key] for key in ("model_set", "dataset", "storage", "proxy", "batch_size", "cache")]
            by_place.setdefault(place(cell)[:3], []).append([*same[:-1], same[-1].budget, same[-1].block_budget])
        assert all(one == found[0] for found in by_place.values() for one in found)


def test_the_papers_scale_is_the_papers() -> None:
    (cell,) = cells(["experiment=fig10", "scale=paper", "network=vit_l_32", "strategy=alsatian_published",
                     "paper.items=8000", "model_set.distribution=top_layers"])  # fmt: skip
    config = cell.config
    assert (config.model_set.architecture, config.model_set["count"], config.model_set.seed) == ("vit_l_32", 35, 11)
    assert (config.dataset["items"], config.batch_size, config.repeats) == (8000, 128, 3)
    assert (config.storage.bandwidth, config.storage.cold, config.storage.page_cache) == ("200MB", True, True)
    assert config.device.name == "cuda"
    assert config.fresh_process
    assert config.schedule._target_.endswith("PaperHalving")
    assert list(config.scaled) == []


# Of which the paper's number of models is the scale's, too.
COUNTED = ("10", "11", "13", "16", "17")


@pytest.fixture(scope="session")
def desktop() -> dict[str, list[Cell]]:
    return {name: cells([f"experiment={name}", "scale=desktop"]) for name in EXPERIMENTS}


def test_the_desktops_scale_has_the_papers_runs_and_counts(
    composed: dict[str, list[Cell]], desktop: dict[str, list[Cell]]
) -> None:
    for name, found in desktop.items():
        assert [place(cell) for cell in found] == [place(cell) for cell in composed[name]], name
        for cell in found:
            assert (cell.config.interleaved, cell.config.repeats >= 3) == (True, True)
            assert all(isinstance(line, str) for line in cell.config.scaled)
            assert list(cell.config.scaled)
    for number in COUNTED:
        assert {cell.config.model_set["count"] for cell in desktop[f"fig{number}"]} == {35}
        strategies = {cell.config.strategy.name for cell in desktop[f"fig{number}"]}
        assert strategies == {"base", "shift", "alsatian_published", "auto"}
    for cell in desktop["fig14"]:
        counts = [one.config.model_set["count"] for one in composed["fig14"] if place(one) == place(cell)]
        assert cell.config.model_set["count"] == min(35, *counts)


def test_the_desktops_parts_are_calibrated_on_one_size_and_nothing_else(desktop: dict[str, list[Cell]]) -> None:
    """One bandwidth and one size of photographs for each network, whatever the figure, size and distribution."""
    for number in ("05", "10", "11", "13", "16"):
        for cell in desktop[f"fig{number}"]:
            config, chosen = cell.config, cell.config.network.desktop
            images = config.dataset.images
            assert config.storage.bandwidth == chosen.bandwidth
            assert (images.width, images.height) == (chosen.width, chosen.height)
            said = config.scaled[-1]
            assert f"{chosen.bandwidth}/s" in said
            assert f"{chosen.width} by {chosen.height} pixels" in said
            assert "Fig 5 with 1,024 items" in said
    scored, searched = (
        {
            cell.config.paper.workload: cell.config.dataset["items"]
            for cell in desktop[name]
            if cell.config.paper["items"] == items
        }
        for name, items in (("fig05", 1024), ("fig10", 8000))
    )
    for workload, items in scored.items():
        assert items / 1024 == pytest.approx(searched[workload] / 8000, rel=0.03)


def test_what_the_desktop_adds_makes_no_run_of_the_laptop_another_one() -> None:
    (cell,) = cells(["experiment=fig10", "scale=laptop", "network=vit_l_32", "paper.items=8000",
                     "model_set.distribution=top_50", "strategy=base"])  # fmt: skip
    config = measured(cell.plain)
    assert "desktop" not in json.dumps(config)
    assert "shares of Fig 5" not in json.dumps(cell.plain)
    assert not {"interleaved", "repeat_disturbed"} & config.keys()
    assert config["storage"]["bandwidth"] == "55MB"
    assert (config["dataset"]["items"], config["dataset"]["images"]["width"]) == (256, 200)
    assert config["model_set"]["count"] == 8


def test_a_list_of_sweeps_is_one_after_the_other_and_no_run_comes_twice() -> None:
    found = cells(["experiment=fig11"])
    labels = [cell.overrides for cell in found]
    assert len(set(labels)) == len(labels) == 16
    chosen = cells(["experiment=fig11", "network=resnet152", "strategy=base", "paper.items=2000"])
    assert len({cell.overrides for cell in chosen}) == len(chosen) == 3


def test_a_value_that_nothing_picks_is_named() -> None:
    with pytest.raises(ConfigError, match="3 is not among 2000, 8000 here"):
        cells(["experiment=fig15", "paper.items=3"])
    with pytest.raises(ConfigError, match=r"missing|network"):
        cells(["model_set=synthetic_network"])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["measure=serch"], "measure=serch: did you mean 'search'?"),
        (["last_layers=0"], "last_layers=0: must be a whole number of at least 1"),
        (["last_layers=2", "model_set=synthetic"], "last_layers=2: the set has 4 models"),
    ],
)
def test_settings_that_cannot_be_end_in_one_line(
    alsatian: Any, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert alsatian("run", *words) == 1
    error = capsys.readouterr().err.strip()
    assert message in error
    assert len(error.splitlines()) == 1


def test_a_study_leaves_its_file_and_is_not_made_twice(
    alsatian: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("run", "experiment=fig12", "network=vit_l_32")
    assert alsatian(*words) == 0
    (path,) = (tmp_path / "results" / "fig12").glob("*/blocks.json")
    found = json.loads(path.read_text())
    assert found["config"]["paper"]["workload"] == "ViT-L-32"
    assert found["environment"]["cpu"] == environment().cpu
    assert [len(block["inference_s"]) for block in found["blocks"]] == [1] * 5
    parameters = [block["parameters"] for block in found["blocks"]]
    assert parameters[1] == parameters[2] == parameters[3]
    assert not list(path.parent.glob("run.json"))
    capsys.readouterr()
    assert alsatian(*words) == 0
    assert "finished before, skipped" in capsys.readouterr().out


def test_a_study_of_a_model_that_is_damaged_fails_in_one_line(
    alsatian: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("run", "experiment=fig12", "network=vit_l_32", f"store_dir={tmp_path / 'store'}")
    assert alsatian(*words) == 0
    for block in (tmp_path / "store" / "blocks").rglob("*.safetensors"):
        block.write_bytes(b"damaged")
    assert alsatian(*words, "force=true") == 1
    lines = capsys.readouterr().err.strip().splitlines()
    assert any("failed:" in line and "damaged" in line for line in lines)


def test_the_overlap_that_was_generated_is_found(alsatian: Any, tmp_path: Path) -> None:
    assert alsatian("run", "experiment=overlap", "model_set=family_resnet_18") == 0
    (path,) = (tmp_path / "results" / "overlap").glob("*/overlap.json")
    found = json.loads(path.read_text())
    assert found["config"]["paper"]["workload"] == "ResNet-18"
    assert found["share_with_common_blocks"] == pytest.approx(2 / 3)


def test_every_network_and_family_can_be_chosen() -> None:
    for name in choices("network"):
        (cell,) = cells([f"network={name}", "model_set=synthetic_network", "scale=ci"])
        assert cell.config.model_set["count"] == 4
    for name in choices("model_set"):
        if name.startswith("family_") and name != "family_detr":
            (cell,) = cells([f"model_set={name}"])
            assert cell.config.model_set.name == name
            assert 0.5 < cell.config.model_set.sharing < 1
