"""Predictions of the paper's bars: the cells, the draws, and the page."""

import csv
import os
import re
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console

from alsatian.data.generated_images import GeneratedImages
from experiments.configuration.composition import cells
from experiments.configuration.hardware import shipped_profile
from experiments.predictions.case import Predictor
from experiments.predictions.chains import PUBLISHED, read_chains
from experiments.runs.progress import Progress
from experiments.studies.paper_bars import sums
from experiments.studies.paper_bars.bars import CELL, FIGURES, compare, judged, published, search, speedups
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


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with the photographs of the paper's scale, which take half a minute to draw: no prediction looks at
    them, so there is one by all their names."""
    root = tmp_path_factory.mktemp("store")
    images = GeneratedImages(root=str(root / "images"))
    one = root / "one.jpg"
    one.write_bytes(images.content(0))
    for number in range(2000):
        path = images.place / f"class-{number % images.classes:02d}" / f"{number:06d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        os.link(one, path)
    return root


@pytest.mark.parametrize(
    ("network", "workload", "approach", "words"),
    [
        ("efficientnet_v2_l", "EffNetV2-L", "base", ["strategy=base"]),
        ("resnet18", "ResNet-18", "shift", ["strategy=shift", "schedule=paper_halving"]),
        ("vit_l_32", "ViT-L-32", "alsatian", ["strategy=alsatian_published", "model_set.seed=0"]),
    ],
)
def test_the_command_says_what_the_page_says(
    network: str, workload: str, approach: str, words: list[str], store: Path
) -> None:
    asked = ["experiment=fig10", "scale=paper", "hardware=a5000", f"network={network}", "paper.items=2000"]
    asked += ["model_set.distribution=top_50", f"store_dir={store}", *words]
    (cell,) = cells(asked)
    found = Predictor().case(cell.plain, Progress(Console())).predict().measurement
    of_page = search("a5000", workload, 2000, approach, 64 * 10**9, "FIFTY_PERCENT", 0)
    assert found.wall_s == pytest.approx(of_page.wall_s, rel=1e-6)


def test_base_is_the_sum_of_its_parts() -> None:
    """Against the profile's own numbers, without the simulator."""
    hardware = shipped_profile("a5000")
    bar = published().query("workload == 'ResNet-18' and approach == 'base' and items == 2000").head(1)
    (found,) = compare(bar, "a5000", seeds=1).to_dict("records")
    parts = found["predicted parts"]
    (candidate,) = read_chains()[PUBLISHED["ResNet-18"]].models(1, "top_layers", 0)
    item_s = sum(hardware.segments[f"resnet18@224/{i}"].seconds(128) / 128 for i in range(len(candidate.blocks)))
    assert parts["inference"] == pytest.approx(MODELS * 2000 * item_s)
    whole = hardware.whole_models
    assert whole is not None
    load_s = len(candidate.blocks) * (whole.load_fixed_s + whole.store_fixed_s)
    load_s += candidate.parameter_bytes * (1 / whole.store_bytes_per_s + 1 / whole.load_bytes_per_s)
    assert parts["prepare_model"] == pytest.approx(MODELS * load_s)
    assert found["predicted"] == pytest.approx(sum(parts.values()))


@pytest.mark.slow
def test_less_memory_takes_longer_to_load() -> None:
    bars = published()
    found = compare(bars[bars["panel"] == "16"], "a5000", seeds=1).to_dict("records")
    times = {(bar["approach"], bar["room"] // 10**9): bar["predicted parts"]["prepare_model"] for bar in found}
    for approach in ("shift", "alsatian"):
        assert times[approach, 64] < times[approach, 10] <= times[approach, 5]
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


def test_bars_that_were_calibrated_on_are_summed_apart() -> None:
    bars = published()
    found = compare(bars[(bars["workload"] == "ResNet-18") & (bars["figure"] == "10a")], "a5000", seeds=1)
    assert not found["calibrated"].any()
    cell = {"panel": "10a", "workload": "ResNet-18", "items": 2000, "distribution": "TOP_LAYERS", "room": 64}
    rows = [
        {"approach": "base", "predicted": 90.0, "published": 100.0, "calibrated": True},
        {"approach": "shift", "predicted": 45.0, "published": 50.0, "calibrated": True},
        {"approach": "alsatian", "predicted": 30.0, "published": 20.0, "calibrated": False},
    ]
    made = judged(pd.DataFrame([cell | row for row in rows]))
    lead = speedups(made).set_index("approach")
    assert lead["error"]["shift"] == pytest.approx(0.0)
    assert lead["error"]["alsatian"] == pytest.approx((90 / 30) / (100 / 20) - 1)
    unseen, seen = sums(made)
    assert (unseen["bars"], unseen["too low"], unseen["above 25%"], unseen["largest"]) == ("1", "0", "1", "50.0%")
    assert (seen["bars"], seen["too low"], seen["median error"]) == ("2", "2", "10.0% (-10.0%)")
    assert (unseen["speed-ups over Base"], seen["speed-ups over Base"]) == ("1", "1")


def test_in_sample_are_the_searches_that_were_calibrated_on() -> None:
    bars = published().assign(predicted=1.0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("experiments.studies.paper_bars.bars._predict", lambda *_: {"predicted": 1.0})
        found = compare(bars.drop(columns="predicted"), "a5000", seeds=1)
    used = found[found["calibrated"]]
    assert set(used["workload"]) == {"ResNet-152", "ViT-L-32"}
    vit = used[used["workload"] == "ViT-L-32"]
    assert "shift" not in set(vit["approach"])
    assert set(vit[vit["approach"] == "base"]["items"]) == {8000}
    assert set(used[used["panel"] == "16"]["room"]) == {64 * 10**9}
    alsatian = used[(used["workload"] == "ResNet-152") & (used["approach"] == "alsatian")]
    assert sorted(zip(alsatian["figure"], alsatian["items"], strict=True)) == [
        ("10b", 8000),
        ("10d", 8000),
        ("10e", 2000),
        ("10f", 8000),
    ]


@pytest.mark.slow
def test_the_command_writes_page_and_figure(study: Study, written: Written, tmp_path: Path) -> None:
    assert study("paper_bars", "--seeds", 1) == 0
    text = written("paper_bars.md")
    assert re.search(r"Median error of \d+ bars of Figs 10, 13 and 16 that nothing was calibrated on", text)
    assert "in **31 of 31** cells" in text
    assert len([line for line in text.splitlines() if re.search(r"\| right +\|$", line)]) == 93
    assert (tmp_path / "pages" / "paper_bars.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--seeds", "0"], "--seeds must be at least 1"),
        (["--hardware", "a50"], "there is no such profile"),
        (["--before", "missing.csv"], "not a table of predicted bars"),
    ],
)
def test_what_cannot_be_predicted_is_refused(
    study: Study, words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert study("paper_bars", *words) == 1
    assert message in capsys.readouterr().err
