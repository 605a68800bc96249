"""``alsatian profile`` and the group ``hardware``, end to end."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from alsatian.costs.hardware import Hardware
from alsatian.costs.keys import keys_for
from alsatian.costs.model import CostModel
from alsatian.costs.profiling.busy import Watch
from alsatian.errors import ConfigError
from alsatian.runtime.storage.regime import Storage
from experiments.cli import main
from experiments.configuration.hardware import MEASURED, chosen_profile, shipped_profile
from experiments.configuration.menu import choices
from experiments.predictions.chains import PUBLISHED, read_chains
from experiments.studies import a5000
from experiments.studies import published as paper

Alsatian = Callable[..., int]


@pytest.mark.xdist_group("cli")
def test_a_profile_is_printed_kept_and_written(
    alsatian: Alsatian, store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = (
        "profile",
        "model_set=synthetic",
        "scale=ci",
        f"store_dir={store}",
        "--out",
        "mine.json",
        "--name",
        "mine",
    )
    assert alsatian(*words) == 0
    printed = capsys.readouterr().out
    assert "resnet18" in printed
    assert "inference ms/item" in printed
    assert list((store / "profiles").glob("*.json"))
    found = Hardware.read(tmp_path / "mine.json")
    assert found.name == "mine"
    assert {key.rpartition("/")[0] for key in found.segments} == {"resnet18@64"}


@pytest.mark.xdist_group("cli")
def test_a_busy_machine_is_warned_of_until_a_quiet_one_has_measured(
    alsatian: Alsatian, store: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("profile", "model_set=synthetic", "scale=ci", f"store_dir={store}")
    monkeypatch.setattr(Watch, "load", 1.7)
    assert alsatian(*words, "--again") == 0
    assert "warning: other processes kept 1.7 cores busy" in capsys.readouterr().out
    assert alsatian(*words) == 0
    assert "warning: other processes kept 1.7 cores busy" in capsys.readouterr().out
    monkeypatch.setattr(Watch, "load", 0.0)
    assert alsatian(*words) == 0
    assert "busy" not in capsys.readouterr().out


def test_a_wrong_word_ends_in_one_line(alsatian: Alsatian, capsys: pytest.CaptureFixture[str]) -> None:
    assert alsatian("profile", "hardware=a500") == 1
    assert "did you mean 'a5000'?" in capsys.readouterr().err


@pytest.mark.parametrize("name", choices("hardware"))
def test_every_hardware_can_be_chosen(name: str) -> None:
    found = chosen_profile({"hardware": {"name": name, "file": None}})
    if name == MEASURED:
        assert found is None
    else:
        assert found is not None
        assert found.name == name
        assert found.segments
        assert found.source


def test_a_file_goes_before_a_name(tmp_path: Path) -> None:
    Hardware("mine", "made up").write(tmp_path / "mine.json")
    found = chosen_profile({"hardware": {"name": MEASURED, "file": str(tmp_path / "mine.json")}})
    assert found == Hardware("mine", "made up")
    with pytest.raises(ConfigError, match="did you mean 'h200'"):
        shipped_profile("h20")


@pytest.mark.parametrize("name", ["a5000", "h200"])
@pytest.mark.parametrize("workload", PUBLISHED)
def test_published_profiles_know_the_paper_s_architectures(name: str, workload: str) -> None:
    chain = read_chains()[PUBLISHED[workload]]
    models = chain.models(3, "top_25", 0)
    hardware = shipped_profile(name)
    costs = CostModel.of(hardware, keys_for(hardware, models), Storage(bandwidth="200MB"))
    if name == "a5000" and workload in paper.FILE_BYTES:
        # What an item takes is Fig 5's slope, a few per cent more as Fig 11 has it.
        seconds = sum(costs.infer_s(block, 1) for block in models[0].blocks)
        assert seconds == pytest.approx(paper.item_seconds(workload), rel=0.05)


def test_the_profiles_are_what_the_published_figures_give() -> None:
    chains = read_chains()
    fits = a5000.calibrate(chains)
    hardware = a5000.a5000(chains, fits)
    for made, name in ((hardware, "a5000"), (a5000.h200(chains, hardware), "h200")):
        kept = shipped_profile(name)
        assert made.source == kept.source
        assert made.segments.keys() == kept.segments.keys()
        for key, cost in made.segments.items():
            assert cost.seconds(1) == pytest.approx(kept.segments[key].seconds(1), rel=1e-6)
    for fit in fits.values():
        for bar, seconds in fit.said:
            assert seconds == pytest.approx(bar.seconds, rel=0.2)


def test_of_fig_16_one_bar_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    chains, rows = read_chains(), paper.rows
    kept = a5000.calibrate(chains)

    def scaled(one: float, others: float) -> Callable[..., pd.DataFrame]:
        def changed(*figures: str) -> pd.DataFrame:
            found = rows(*figures).copy()
            of_16 = found["figure"] == "16"
            is_one = of_16 & (found["workload"] == "ViT-L-32@64GB") & (found["approach"] == "base")
            is_one &= found["component"] == "prepare_model"
            found.loc[of_16 & ~is_one, "value"] *= others
            found.loc[is_one, "value"] *= one
            return found

        return changed

    monkeypatch.setattr(paper, "rows", scaled(1, 3))
    assert a5000.calibrate(chains) == kept
    monkeypatch.setattr(paper, "rows", scaled(1.1, 1))
    assert a5000.calibrate(chains)["whole"].values[1] > 1.1 * kept["whole"].values[1]


def test_only_these_figures_are_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: set[str] = set()
    rows = paper.rows
    monkeypatch.setattr(paper, "rows", lambda *figures: asked.update(figures) or rows(*figures))
    words = ["--profiles", str(tmp_path), "--out", str(tmp_path)]
    assert main(["study", "a5000", *words]) == 0
    assert asked == {*paper.CALIBRATION, "16"}
    assert (tmp_path / "a5000.md").read_text().count("| proxy_scoring |") == 13 + 1  # bars, and the parameter


def test_rounds_of_the_published_halving() -> None:
    assert paper.left() == [35, 17, 8, 4, 2, 1]
    assert paper.seen_items(6400) == [200, 400, 800, 1600, 3200, 6400]
    assert paper.new_items(6400) == [200, 200, 400, 800, 1600, 3200]
