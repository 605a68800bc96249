"""A folder of twelve checkpoints of twelve kinds and one of images as people have them: one command, a ranking.

Every model's features and score are, bit by bit, those of a plain script with the library that made it.
"""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from alsatian.data.images import image_files
from alsatian.fingerprint import features_fingerprint
from alsatian.proxies.base import Evaluation
from alsatian.proxies.linear import Linear
from alsatian.records import read_run
from tests.contracts.mixed_checkpoints import Extract, saved

BATCH = 8


def odd_images(root: Path) -> Path:
    """Two classes with all kinds of images and of other files."""
    rng = np.random.default_rng(0)
    for label, kind in enumerate(("cat", "dog")):
        (root / kind).mkdir(parents=True)
        for i in range(6):
            pixels = rng.integers(60 * label, 196 + 60 * label, (60 + 3 * i, 70, 3), np.uint8)
            Image.fromarray(pixels).save(root / kind / f"{i}.{('png', 'jpg', 'tif', 'gif', 'webp', 'avif')[i % 6]}")
    Image.fromarray(rng.integers(0, 65536, (50, 50)).astype(np.uint16)).save(root / "cat" / "deep.png")
    Image.fromarray(rng.integers(0, 256, (50, 50, 4), np.uint8)).save(root / "dog" / "clear.png")
    Image.fromarray(rng.integers(0, 256, (50, 50, 4), np.uint8), "CMYK").save(root / "dog" / "print.jpg")
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.fromarray(rng.integers(0, 256, (40, 60, 3), np.uint8)).save(root / "cat" / "turned.jpg", exif=turned)
    (root / "cat" / "cut.jpg").write_bytes((root / "cat" / "1.jpg").read_bytes()[:900])
    (root / "cat" / "notes.txt").write_text("x")
    (root / ".hidden").mkdir()
    (root / "dog" / "up").symlink_to("..")
    return root


def shown(path: Path) -> Image.Image:
    """The image as Pillow shows it: upright, 16 bits by their range, on white."""
    with Image.open(path) as image:
        upright = ImageOps.exif_transpose(image)
        if upright.mode.startswith("I;16"):
            grey = np.asarray(upright).astype(np.float64) * 255 / 65535
            return Image.fromarray(np.round(grey).astype(np.uint8)).convert("RGB")
        if upright.mode == "RGBA":
            white = Image.new("RGBA", upright.size, "white")
            return Image.alpha_composite(white, upright).convert("RGB")
        return upright.convert("RGB")


def test_one_command_ranks_twelve_kinds_as_plain_scripts_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from experiments.cli import main

    monkeypatch.chdir(tmp_path)
    scripts = saved(tmp_path / "models")
    assert len(scripts) == 12
    odd_images(tmp_path / "images")
    words = ["model_set=folder", "model_set.path=models", "dataset=image_files", "dataset.source=images"]
    more = [
        "dataset.on_bad_item=skip",
        "dataset.bad_share=0.1",
        f"batch_size={BATCH}",
        "schedule=exhaustive",
        "storage=local",
        "repeats=1",
    ]
    assert main(["run", *words, *more, "strategy=alsatian"]) == 0
    output = capsys.readouterr().out
    assert all(
        len(line) <= 80 for line in output[output.index("Data images") : output.index("alsatian: ")].splitlines()
    )
    output = " ".join(output.split())
    for line in ("cut.jpg", "notes.txt", "checkpoint-10: left out", "torchvision's resnet18", "averaged weights"):
        assert line in output
    (path,) = (tmp_path / "results").rglob("run.json")
    run = read_run(path)
    assert run.status == "ok"
    result = json.loads(path.read_text())
    (only,) = run.rounds
    assert sorted(only.scores) == sorted(scripts)
    data = image_files("images", on_bad_item="skip", bad_share=0.1, seed=0)
    labels = [torch.from_numpy(data.train_labels), torch.from_numpy(data.test_labels)]
    for model, extract in scripts.items():
        train, test = (extracted(extract, items) for items in (data.train_items, data.test_items))
        assert only.fingerprints[model] == features_fingerprint([train, test]), model
        scored = Evaluation.of(Linear().score(train, labels[0], test, labels[1], 2))
        assert only.scores[model] == scored.score
    best = max(only.scores.values())
    assert only.scores[run.ranking[0]] == best
    assert result["dataset"]["summary"]["skipped"]


def extracted(extract: Extract, items: np.ndarray) -> torch.Tensor:
    batches = [items[i : i + BATCH] for i in range(0, len(items), BATCH)]
    with torch.no_grad():
        return torch.cat([extract([shown(path) for path in batch]).flatten(1) for batch in batches])
