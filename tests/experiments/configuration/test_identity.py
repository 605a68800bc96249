"""Code from outside the package is part of what a run is."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from alsatian.records.settings import measured
from experiments.configuration.composition import cells
from experiments.configuration.identity import sources
from tests.models.reading.checkpoint_files import save_vit, vit

pytestmark = pytest.mark.xdist_group("cli")

ORDER = "from alsatian.planning.orders.given import Given\n\n\nclass Own(Given):\n    pass\n"


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module of a user's own with an order."""
    path = tmp_path / "own_order_of_a_user.py"
    path.write_text(ORDER)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(sys.modules, path.stem, sys)  # so that it is taken out again
    del sys.modules[path.stem]
    return path


def test_only_code_outside_the_package_has_a_digest(own: Path) -> None:
    config = {
        "order": {"_target_": f"{own.stem}.Own"},
        "strategy": {"_target_": "fractions.Fraction"},
        "proxy": {"_target_": "alsatian.proxies.linear.Linear"},
        "tracker": {"_target_": "experiments.trackers.base.Tracker"},
        "list": [{"_target_": f"{own.stem}.Own"}],
    }
    found = sources(config)
    assert found.keys() == {"order", "strategy", "list.0"}
    own.write_text(ORDER + "# another\n")
    again = sources(config)
    assert (again["strategy"], again["order"] == found["order"]) == (found["strategy"], False)


def test_the_machine_is_part_of_what_a_run_is_but_where_it_is_this_process() -> None:
    """Runs of before there was a choice keep their identities; where a cluster is changes nothing."""
    words = ([], ["machine=ray"], ["machine=ray", "machine.workers=3"], ["machine=ray", "machine.address=auto"])
    here, two, three, there = (measured(cells(chosen)[0].plain) for chosen in words)
    assert "machine" not in here
    assert {**two, "machine": None} == {**here, "machine": None}
    assert two == there != three


def test_a_run_whose_code_was_edited_is_measured_again(
    own: Path, alsatian: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("run", "strategy=alsatian", f"order._target_={own.stem}.Own", "repeats=1")
    assert alsatian(*words) == 0
    assert "measured anew" not in capsys.readouterr().out
    assert alsatian(*words) == 0
    assert "finished before, skipped" in capsys.readouterr().out
    own.write_text(ORDER + "# another\n")
    assert alsatian(*words) == 0
    assert "alsatian: measured anew: code of order" in capsys.readouterr().out
    assert alsatian(*words, "batch_size=8") == 0
    assert "measured anew: batch_size" in capsys.readouterr().out
    assert len(list(tmp_path.rglob("run.json"))) == 3


def bitmap(path: Path, shade: int) -> None:
    """An image whose size does not tell its content, and with the same times."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((8, 8), shade, np.uint8)).save(path, "BMP")
    os.utime(path, (1e9, 1e9))


def test_a_run_whose_data_were_replaced_under_their_names_is_measured_again(
    alsatian: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for i in range(40):
        bitmap(tmp_path / "images" / ("dark", "light")[i % 2] / f"{i:02d}.bmp", 5 * i)
    words = ("run", "dataset=image_files", f"dataset.source={tmp_path / 'images'}", "repeats=1")
    assert alsatian(*words) == 0
    assert alsatian(*words) == 0
    assert "finished before, skipped" in capsys.readouterr().out
    bitmap(tmp_path / "images" / "dark" / "04.bmp", 255)
    assert alsatian(*words) == 0
    assert "measured anew: data" in capsys.readouterr().out
    bitmap(tmp_path / "images" / "dark" / "04.bmp", 20)
    assert alsatian(*words) == 0
    assert "finished before, skipped" in capsys.readouterr().out
    assert len(list(tmp_path.rglob("run.json"))) == 2


@pytest.mark.parametrize(
    ("name", "old", "new"), [("preprocessor_config.json", b"0.25", b"0.75"), ("model.safetensors", None, b"\0")]
)
def test_a_run_whose_models_were_replaced_under_their_names_is_measured_again(
    alsatian: Callable[..., int],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    name: str,
    old: bytes | None,
    new: bytes,
) -> None:
    for seed in range(2):
        save_vit(vit(seed), tmp_path / "models" / f"m{seed}")
    words = ("run", "model_set=folder", f"model_set.path={tmp_path / 'models'}", "repeats=1", "scale=ci")
    words = (*words, f"store_dir={tmp_path / 'store'}")
    assert alsatian(*words) == 0
    assert alsatian(*words) == 0
    assert "finished before, skipped" in capsys.readouterr().out
    path = tmp_path / "models" / "m1" / name
    content, status = path.read_bytes(), path.stat()
    middle = len(content) // 2  # among the weights of a layer
    path.write_bytes(content.replace(old, new, 1) if old else content[:middle] + new + content[middle + 1 :])
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert path.read_bytes() != content
    assert path.stat().st_size == status.st_size
    assert alsatian(*words) == 0
    assert "measured anew: models" in capsys.readouterr().out


def test_a_profile_of_a_machine_counts_by_content(tmp_path: Path) -> None:
    path = tmp_path / "profile.json"
    path.write_text("one")
    first = sources({"hardware": {"file": str(path)}})
    path.write_text("two")
    assert first.keys() == {"hardware.file"}
    assert sources({"hardware": {"file": str(path)}}) != first
    assert sources({"hardware": {"file": None}}) == {}
