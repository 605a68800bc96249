"""A folder as people have it, from the command line: first the summary, then the ranking, record and report."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from alsatian.records import read_run

# One worker trains the shared models, once.
pytestmark = pytest.mark.xdist_group("cli")

Alsatian = Callable[..., int]


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """Two classes, with most that a folder can have beside plain images."""
    rng = np.random.default_rng(0)
    root = tmp_path / "own"
    for label, kind in enumerate(("cat", "dog")):
        (root / kind).mkdir(parents=True)
        for i in range(12):
            pixels = rng.integers(100 * label, 156 + 100 * label, (8 + i, 12, 3), np.uint8)
            Image.fromarray(pixels).save(root / kind / f"{i}.{('png', 'jpg', 'tif', 'gif', 'webp')[i % 5]}")
    Image.fromarray(rng.integers(0, 65536, (9, 9)).astype(np.uint16)).save(root / "cat" / "deep.png")
    Image.fromarray(rng.integers(0, 256, (9, 9, 4), np.uint8)).save(root / "dog" / "clear.png")
    (root / "cat" / "notes.txt").write_text("x")
    (root / "dog" / "up").symlink_to("..")
    (root / ".hidden").mkdir()
    return root


def test_the_summary_comes_before_the_clock_and_stays(
    alsatian: Alsatian, own: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["dataset=image_files", "dataset.source=own", "batch_size=8"]
    assert alsatian("run", "-m", "strategy=base,alsatian", *words) == 0
    printed = capsys.readouterr().out
    assert printed.count("Data own") == 1
    assert printed.index("Data own") < printed.index("median of")
    summary = printed[printed.index("Data own") : printed.index("[1/2 done")].splitlines()
    assert all(len(line) <= 80 for line in summary)
    for said in ("classes  2: cat (13), dog (13)", "16 bits: 0 to 65535", "1 hidden: .hidden", "dog/up"):
        assert any(said in line for line in summary), said
    paths = list(tmp_path.rglob("run.json"))
    assert len(paths) == 2
    one, other = (json.loads(path.read_text())["rounds"][-1] for path in paths)
    shared = one["scores"].keys() & other["scores"].keys()
    assert shared  # neither sharing nor odd files beside an image change its features
    assert all(one["fingerprints"][model] == other["fingerprints"][model] for model in shared)
    for path in paths:
        known = read_run(path).dataset.summary
        assert known is not None
        assert (known.train_items, known.test_items) == (21, 5)
        assert {one.name: one.items for one in known.classes} == {"cat": 13, "dog": 13}
    page = next(tmp_path.rglob("report.html")).read_text()
    assert "cat (13), dog (13)" in page
    assert "transparency is composed on rgb(255, 255, 255) (1 image)" in page
    assert alsatian("validate", "results") == 0


def test_bad_files_are_one_line_and_nothing_runs(
    alsatian: Alsatian, own: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for kind in ("cat", "dog"):
        (own / kind / "bad.jpg").write_bytes((own / kind / "1.jpg").read_bytes()[:-100])
    assert alsatian("run", "strategy=alsatian", "dataset=image_files", "dataset.source=own") == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("alsatian: 2 of 28 files cannot be read as an image")
    assert "own/cat/bad.jpg (" in line
    assert "own/dog/bad.jpg (" in line
    assert not list(tmp_path.rglob("run.json"))
    skip = ["dataset.on_bad_item=skip", "dataset.bad_share=0.1"]
    assert alsatian("run", "strategy=alsatian", "dataset=image_files", "dataset.source=own", *skip) == 0
    assert "2 cannot be read as an image: cat/bad.jpg (" in " ".join(capsys.readouterr().out.split())
