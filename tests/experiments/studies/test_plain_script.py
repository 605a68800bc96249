"""The comparison with a plain script: both rank the same files, and the page says what their times are."""

import runpy
import sys
from argparse import Namespace
from pathlib import Path

import pandas as pd
import pytest
import torch

from experiments.studies import plain_script
from experiments.studies.plain_script.material import TRAINED, checkpoints, images


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    root = tmp_path_factory.mktemp("material")
    pictures = images(root / "images", 50, 32)
    return checkpoints(root / "models", pictures, 3, 32), pictures


def test_fine_tunes_share_what_was_not_trained(material: tuple[Path, Path]) -> None:
    states = [torch.load(path, weights_only=True) for path in sorted(material[0].iterdir())]
    for stage, state in zip(TRAINED, states, strict=False):
        names = list(state)
        first = next(i for i, name in enumerate(names) if name.startswith(stage))
        assert all(torch.equal(state[name], states[0][name]) for name in names[:first])
    assert not torch.equal(states[0]["fc.weight"], states[2]["fc.weight"])
    assert not torch.equal(states[0]["layer4.1.conv1.weight"], states[2]["layer4.1.conv1.weight"])


def test_the_script_ranks_what_it_is_given(
    material: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (material[0] / "resnet18-02.pth").unlink()  # two are enough
    monkeypatch.setattr(sys, "argv", ["script.py", *map(str, material)])
    runpy.run_path(str(plain_script.SCRIPT), run_name="__main__")
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert sorted(name for name, _ in lines) == ["resnet18-00", "resnet18-01"]
    assert [float(score) for _, score in lines] == sorted((float(score) for _, score in lines), reverse=True)


@pytest.mark.parametrize(
    ("first", "second", "good"), [(14.0, 12.0, True), (14.0, 14.0, False), (14.0, 26.0, False), (16.0, 12.0, False)]
)
def test_the_page_says_whether_the_aims_are_reached(first: float, second: float, good: bool) -> None:
    parts = {"inference": 8.0, "prepare_data": 1.0, "proxy_scoring": 1.0, "needed_s": 10.0}
    parts |= {"load": 0.1, "file_bytes": 500e6, "wall_s": 10.0, "predicted_s": 9.0}
    rows = pd.DataFrame(
        [
            {
                "turn": turn,
                "way": way,
                "seconds": seconds + turn,
                "load": 0.1,
                "wall_s": 10.0,
                "predicted_s": 9.0,
                **parts,
            }
            for turn in range(2)
            for way, seconds in (("plain script", 100.0), ("first call", first), ("second call", second))
        ]
    )
    page = plain_script.page(rows, Namespace(models=3, items=24, side=32))
    assert page.good is good
    text = "\n".join(page.blocks)
    assert f"**{(second + second + 1) / 20:.2f} ({second / 10:.2f}–{(second + 1) / 10:.2f})**" in text
    assert "100.5 (100.0–101.0)" in text
