"""``alsatian overlap`` over a folder and over models of the store."""

import argparse
import json

import pytest
import torch
from safetensors.torch import save_file

from alsatian.errors import ConfigError
from alsatian.models.overlap.differences import BATCH_NORM, DIFFERENT, DTYPE
from alsatian.store.store import BlockStore
from experiments.commands.models import overlap as command
from experiments.configuration.console import plain


@pytest.fixture
def folder(tmp_path):
    """Four ResNets: a base, other batch-norm statistics, a copy in half precision, a fine-tune."""
    from torchvision.models import resnet18

    torch.manual_seed(0)
    base = resnet18(num_classes=5).state_dict()
    kinds = {
        "base": base,
        "statistics": {n: t + 1 if n.endswith("running_mean") else t for n, t in base.items()},
        "half": {n: t.to(torch.bfloat16) if t.is_floating_point() else t for n, t in base.items()},
        "tuned": {n: t + torch.rand_like(t) if n.startswith("layer4.1.conv") else t for n, t in base.items()},
    }
    root = tmp_path / "models"
    root.mkdir()
    for name, state in kinds.items():
        save_file(state, root / f"{name}.safetensors")
    value = {"source": "torchvision", "name": "resnet18", "options": {"num_classes": 5}, "size": 32}
    (root / "alsatian.json").write_text(json.dumps(value))
    return root


def call(monkeypatch, tmp_path, capsys, *words):
    """Run the command in a folder of its own; its status and what it printed."""
    monkeypatch.chdir(tmp_path)
    parser = argparse.ArgumentParser()
    command.configure(parser)
    status = command.handle(parser.parse_args([str(word) for word in words]), plain(width=200))
    return status, capsys.readouterr()


def test_the_command_over_a_folder(monkeypatch, tmp_path, capsys, folder):
    status, printed = call(monkeypatch, tmp_path, capsys, folder)
    assert status == 0
    assert "4 models in 3 families" in printed.out
    assert "batch-norm statistics differ" in printed.out
    assert "equal up to dtype (bfloat16)" in printed.out
    written = sorted(path.name for path in (tmp_path / "results" / "overlap").iterdir())
    assert written == ["overlap.csv", "overlap.json", "overlap.pdf", "overlap.png"]
    found = json.loads((tmp_path / "results" / "overlap" / "overlap.json").read_text())
    reasons = {m["id"]: m["near_miss"] and m["near_miss"]["reason"] for m in found["models"]}
    assert (reasons["statistics"], reasons["half"], reasons["tuned"]) == (BATCH_NORM, DTYPE, DIFFERENT)

    words = (folder, "figure.style=paper", "figure.columns=1", "--out", tmp_path / "drawn")
    status, _ = call(monkeypatch, tmp_path, capsys, *words)
    assert status == 0
    beside = sorted(path.name for path in (tmp_path / "drawn" / "paper").iterdir())
    assert beside == ["overlap.pdf", "overlap.tex", "overlap.txt"]
    with pytest.raises(ConfigError, match="there is no such style"):
        call(monkeypatch, tmp_path, capsys, folder, "figure.style=papr")

    BlockStore(tmp_path / "store").add_set("pair", ["base", "tuned"], {})
    status, printed = call(monkeypatch, tmp_path, capsys, "--set", "pair", "half")
    assert status == 0
    assert "3 models in 2 families" in printed.out

    (folder / "bad.pkl").write_bytes(b"")
    status, printed = call(monkeypatch, tmp_path, capsys, folder)
    assert status == 1
    assert "bad.pkl: is refused" in printed.err
    assert "4 models" in printed.out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "name folders or models"),
        (["nothing"], "nothing: is neither a folder or file nor a model of store"),
        (["--set", "nothing"], "--set=nothing: store has no such model set"),
        (["x", "--length", "1"], "--length=1"),
    ],
)
def test_bad_words_end_in_one_line(monkeypatch, tmp_path, capsys, words, message):
    with pytest.raises(ConfigError) as caught:
        call(monkeypatch, tmp_path, capsys, *words)
    assert message in str(caught.value)
