"""``alsatian store`` prints what there is, and its exit status says whether all is well."""

import argparse
import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from alsatian.blocks.candidate import ArchitectureSpec, Candidate
from alsatian.data.preprocessing import ImagePreprocessing
from alsatian.errors import ConfigError, StoreError
from alsatian.models.sets import folder
from alsatian.store.store import BlockStore
from experiments.commands.models import store as command
from experiments.configuration.console import plain
from tests.stores import share_small_tensors

Call = Callable[..., int]


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """The command with words as on the command line, in a folder with a store of two models."""
    monkeypatch.chdir(tmp_path)
    store = BlockStore("store")
    for name, own in (("org/a", 1.0), ("[b]", 2.0)):
        with store.adding() as adding:
            tensors = ([torch.zeros(1000)], [torch.full((10,), own)])
            blocks = tuple(adding.add_block("code", t, 4) for t in tensors)
            spec = ArchitectureSpec("torchvision", "resnet18") if own == 1 else None
            adding.add_model(Candidate(name, blocks, spec, ImagePreprocessing(8)))
    store.add_set("both", ["org/a", "[b]"], {})

    def run(*words: str) -> int:
        parser = argparse.ArgumentParser()
        command.configure(parser)
        return command.handle(parser.parse_args(words), plain())

    return run


def test_ls(call: Call, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("ls") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines[2:4]] == [
        ["[b]", "-", "2", "4.04", "kB", "40", "B"],
        ["org/a", "resnet18", "2", "4.04", "kB", "40", "B"],
    ]
    assert lines[-1].split() == ["both", "2"]
    assert call("ls", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert [model["bytes"] for model in found["models"]] == [4040, 4040]
    assert found["sets"] == {"both": ["org/a", "[b]"]}


def test_stats(call: Call, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("stats") == 0
    text = capsys.readouterr().out
    assert "4080" in text
    assert "8080" in text
    assert call("stats", "--json", "--store", "store") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["distinct_bytes"], found["total_bytes"]) == (4080, 8080)
    assert found["sharing_factor"] == pytest.approx(8080 / 4080)


def test_stats_name_families_in_a_terminal_of_80_columns(
    call: Call, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    share_small_tensors(monkeypatch)
    store = BlockStore("store")
    for i in range(3):
        with store.adding() as adding:
            blocks = (adding.add_block("code", [torch.ones(500), torch.full((2,), float(i))], 4),)
            spec = ArchitectureSpec("transformers", "ViTModel")
            adding.add_model(Candidate(f"lab/tune-{i}", blocks, spec, ImagePreprocessing(8)))
    assert call("stats") == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert [line.split() for line in lines[-4:] if "─" not in line] == [
        ["family", "first", "model", "models", "as", "files", "as", "blocks", "as", "tensors", "as", "deltas"],
        ["ViTModel", "lab/tune-0", "3", "6.02", "kB", "6.02", "kB", "2.02", "kB", "2.02", "kB"],
        ["others", "-", "2", "8.08", "kB", "8.08", "kB", "8.08", "kB", "8.08", "kB"],
    ]
    assert call("stats", "--json") == 0
    family, *others = json.loads(capsys.readouterr().out)["families"]
    assert (family["first"], family["models"], family["tensor_bytes"]) == ("lab/tune-0", 3, 2024)
    assert [other["models"] for other in others] == [1, 1]


def test_a_store_is_upgraded_to_deltas(call: Call, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("zstandard")
    base, store = torch.linspace(0.1, 1, 100_000), BlockStore("store")
    for i in range(3):
        with store.adding() as adding:
            blocks = (adding.add_block("code", [base * (1 + 1e-6 * i)], 4),)
            spec = ArchitectureSpec("transformers", "EfficientNetModel")
            adding.add_model(Candidate(f"laboratory/fine-tune-{i}", blocks, spec, ImagePreprocessing(8)))
    assert call("upgrade", "--deltas", "1") == 0
    assert "wrote 2 blocks anew: 1.21 MB before" in capsys.readouterr().out
    assert call("stats") == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert call("stats", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["deltas"] == 2
    assert found["families"][0]["tensor_bytes"] == 3 * base.nbytes
    assert found["families"][0]["delta_bytes"] < 0.8 * 3 * base.nbytes
    assert call("verify") == 0
    for action in (["add", "m"], ["upgrade"]):
        with pytest.raises(ConfigError, match="--deltas=much: not a size"):
            call(*action, "--deltas", "much")


def test_verify(call: Call, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("verify") == 0
    assert capsys.readouterr().out == "store: all is well\n"
    store = BlockStore("store")
    damaged = [store.block_path(store.model(m).blocks[1].identity) for m in ("org/a", "[b]")]
    for path in damaged:
        path.write_bytes(path.read_bytes()[:-1])
    assert call("verify") == 1
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    assert all(any(str(path) in line for line in lines) for path in damaged)


def test_gc(call: Call, capsys: pytest.CaptureFixture[str]) -> None:
    store = BlockStore("store")
    path = store.block_path(store.model("org/a").blocks[1].identity)
    store.manifest_path("org/a").unlink()
    assert call("gc") == 0
    assert "kept 1 files" in capsys.readouterr().out
    assert call("gc", "--dry-run", "--grace", "0") == 0
    assert f"{path}\nwould remove 1 files" in capsys.readouterr().out
    assert path.exists()
    assert call("gc", "--grace", "0") == 0
    assert "\nremoved 1 files" in capsys.readouterr().out
    assert not path.exists()
    with pytest.raises(ConfigError, match="--grace -1"):
        call("gc", "--grace", "-1")


def test_add(call: Call, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def add_path(
        store: BlockStore, path: Path, *, refused: Callable[[str, str], None], left_out: Callable[[str, str], None]
    ) -> list[str]:
        assert store.root == Path("new")
        if path.name == "m":
            left_out("m/old", "m/old: left out")
        if path.name == "bad":
            refused(str(path), f"{path}: no")
            return []
        return [f"{path}/x", f"{path}/y"]

    monkeypatch.setattr(folder, "add_path", add_path)
    assert call("add", "m", "n", "--store", "new") == 0
    assert capsys.readouterr().out.splitlines() == [f"added {m}" for m in ("m/x", "m/y", "n/x", "n/y")] + [
        "m/old: left out"
    ]
    assert call("add", "bad", "n", "--store", "new") == 1
    output = capsys.readouterr()
    assert output.err == "alsatian: bad: no\n"
    assert output.out.splitlines() == ["added n/x", "added n/y"]


@pytest.mark.parametrize("action", ["ls", "verify", "gc", "stats"])
def test_a_folder_that_is_no_store_is_an_error(call: Call, tmp_path: Path, action: str) -> None:
    with pytest.raises(StoreError, match="not a store"):
        call(action, "--store", str(tmp_path))
    with pytest.raises(StoreError, match="no such folder"):
        call(action, "--store", "nowhere")


@pytest.mark.parametrize("action", ["ls", "stats", "verify", "add"])
def test_options_name_the_mirror_of_a_store_elsewhere(
    call: Call, tmp_path: Path, action: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("fsspec")
    monkeypatch.setenv("ALSATIAN_MIRRORS", str(tmp_path / "unused"))
    monkeypatch.setattr(folder, "add_path", lambda *_, **__: [])
    words = ["models"] if action == "add" else []
    elsewhere = ("--store", f"file://{tmp_path}/store", "--mirrors", "mirrors")
    assert call(action, *words, *elsewhere) == 0
    assert [path.name for path in Path("mirrors").glob("*/models")] == ["models"]
    assert not Path("unused").exists()
    if action == "verify":
        assert call(action, *elsewhere, "--mirror-size", "1") == 1
        assert "a mirror may hold 1 B" in capsys.readouterr().out
    with pytest.raises(ConfigError, match="--mirror-size=much: not a size"):
        call(action, *words, *elsewhere, "--mirror-size", "much")
