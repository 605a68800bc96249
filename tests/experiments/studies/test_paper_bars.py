"""Predictions of the paper's bars: the cells, the draws, and the page."""

import csv
from pathlib import Path

import pandas as pd
import pytest

from experiments.configuration.hardware import shipped_profile
from experiments.predictions.chains import PUBLISHED, read_chains
from experiments.studies.paper_bars.bars import CELL, FIGURES, compare, judged, published
from experiments.studies.published import MODELS
from tests.experiments.studies.conftest import Study, Written

ROOT = Path(__file__).parents[3]


def test_every_bar_is_there() -> None:
    bars = published()
    with (ROOT / "analysis" / "paper" / "paper.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["figure"] in FIGURES and row["unit"] == "seconds"]
    totals = [float(row["value"]) for row in rows if row["component"] == "total"]
    assert bars["published"].tolist() == totals
    assert len(bars) == 3 * (24 + 4 + 3)
    shown = bars[bars["parts"].map(bool)]
    assert set(shown["figure"]) == {"16a", "16b", "16c"}
    assert shown["parts"].map(lambda parts: sum(parts.values())).tolist() == pytest.approx(
        shown["published"].tolist(), rel=1e-3
    )
    assert set(bars["room"] // 10**9) == {64, 10, 5}


def test_base_is_the_sum_of_its_parts() -> None:
    """Against the profile's own numbers, without the simulator."""
    hardware = shipped_profile("a5000")
    bar = published().query("workload == 'ResNet-18' and approach == 'base' and items == 2000").head(1)
    (found,) = compare(bar, "a5000", seeds=1).to_dict("records")
    parts = found["predicted parts"]
    (candidate,) = read_chains()[PUBLISHED["ResNet-18"]].models(1, "top_layers", 0)
    item_s = sum(hardware.segments[f"resnet18@224/{i}"].seconds(128) / 128 for i in range(len(candidate.blocks)))
    assert parts["inference"] == pytest.approx(MODELS * 2000 * item_s)
    load_s = len(candidate.blocks) * (hardware.load_fixed_s + hardware.store_fixed_s)
    load_s += 46.8e6 * (1 / 200e6 + 1 / hardware.load_bytes_per_s)
    assert parts["prepare_model"] == pytest.approx(MODELS * load_s)
    assert found["predicted"] == pytest.approx(sum(parts.values()))


@pytest.mark.slow
def test_less_memory_takes_longer_to_load() -> None:
    bars = published()
    found = compare(bars[bars["panel"] == "16"], "a5000", seeds=1).to_dict("records")
    times = {(bar["approach"], bar["room"] // 10**9): bar["predicted parts"]["prepare_model"] for bar in found}
    for approach in ("shift", "alsatian"):
        assert times[approach, 64] < times[approach, 10] < times[approach, 5]
    assert times["base", 64] == times["base", 5]  # reads every model once in any case


def test_order_and_errors() -> None:
    def cell(**predicted: float) -> pd.DataFrame:
        seconds = {"base": 100, "shift": 80, "alsatian": 40}
        where = {"panel": "10a", "workload": "ResNet-18", "items": 2000, "distribution": "TOP_LAYERS", "room": 64}
        rows = [
            where | {"approach": name, "predicted": predicted[name], "published": seconds[name]} for name in seconds
        ]
        return pd.DataFrame(rows)

    right = cell(base=90, shift=80, alsatian=50)
    wrong = cell(base=90, shift=95, alsatian=50).assign(panel="10b")
    found = judged(pd.concat([right, wrong], ignore_index=True))
    assert found["right"].tolist() == [True] * 3 + [False] * 3
    assert found["error"][0] == pytest.approx(-0.1)
    assert judged(right)["error"].abs().median() == pytest.approx(0.1)
    assert found.groupby(CELL).ngroups == 2


@pytest.mark.slow
def test_the_command_writes_page_and_figure(study: Study, written: Written, tmp_path: Path) -> None:
    assert study("paper_bars", "--seeds", 1) == 0
    text = written("paper_bars.md")
    assert "Median error over all 93 bars" in text
    assert "in **31 of 31** cells" in text
    assert len([line for line in text.splitlines() if line.endswith("| right |")]) == 93
    assert (tmp_path / "pages" / "paper_bars.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("words", "message"),
    [(["--seeds", "0"], "--seeds must be at least 1"), (["--hardware", "a50"], "there is no such profile")],
)
def test_what_cannot_be_predicted_is_refused(
    study: Study, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert study("paper_bars", *words) == 1
    assert message in capsys.readouterr().err
