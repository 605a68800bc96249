"""Which models there are in a folder: what is passed over is said, with how to include it."""

import os
from pathlib import Path

import pytest
import torch

from alsatian.models.reading.discovery import find
from alsatian.models.sets.folder import FolderSet, add_path
from alsatian.store.store import BlockStore
from tests.models.reading.checkpoint_files import resnet, save_vit, vit


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "models"
    folder.mkdir()
    return folder


def test_checkpoints_of_a_training_belong_to_their_model(root: Path) -> None:
    for name in ("out", "out/checkpoint-10", "out/checkpoint-20"):
        save_vit(vit(), root / name)
    for name in ("optimizer.pt", "scheduler.pt", "rng_state.pth", "training_args.bin", "random_states_0.pkl"):
        (root / "out" / "checkpoint-10" / name).write_bytes(b"x")
    found = find(root)
    assert list(found.models) == ["out"]
    assert found.left_out["out/checkpoint-20"] == (
        f"{root}/out/checkpoint-20: left out, it lies in the model 'out'; include=[out/checkpoint-20] takes it"
    )
    assert any(
        line.endswith("training_args.bin: states of a training, no models") for line in found.left_out.values()
    )
    assert not found.refused
    assert sorted(find(root, ["*/checkpoint-20"]).models) == ["out", "out/checkpoint-20"]


def test_checkpoints_without_a_model_above_are_models(root: Path) -> None:
    for name in ("out/checkpoint-10", "out/checkpoint-20"):
        save_vit(vit(), root / name)
    assert sorted(find(root).models) == ["out/checkpoint-10", "out/checkpoint-20"]


def test_further_weights_of_a_folder_are_named(root: Path) -> None:
    save_vit(vit(), root / "m")
    for name in ("model.fp16.safetensors", "pytorch_model.bin", "tf_model.h5"):
        (root / "m" / name).write_bytes(b"x")
    found = find(root)
    assert list(found.models) == ["m"]
    assert sorted(found.left_out) == ["m/model.fp16.safetensors", "m/pytorch_model.bin", "m/tf_model.h5"]
    assert all("is read from model.safetensors; to include it, move" in line for line in found.left_out.values())


def test_links_to_folders_are_followed_once(root: Path, tmp_path: Path) -> None:
    save_vit(vit(), tmp_path / "elsewhere" / "vit")
    (root / "linked").symlink_to(tmp_path / "elsewhere")
    (root / "again").symlink_to(tmp_path / "elsewhere")
    (root / "linked-up").symlink_to(root)
    save_vit(vit(), root / "z")
    (root / "a").symlink_to(root / "z")
    found = find(root)
    assert sorted(found.models) == ["again/vit", "z"]
    assert sorted(found.left_out) == ["a", "linked", "linked-up"]
    assert "is a link to" in found.left_out["a"]


def test_links_to_files_and_to_nothing(root: Path, tmp_path: Path) -> None:
    torch.save(resnet().state_dict(), tmp_path / "m.pt")
    (root / "m.pt").symlink_to(tmp_path / "m.pt")
    (root / "gone.pt").symlink_to(tmp_path / "gone.pt")
    (root / "folder").symlink_to(tmp_path / "nowhere")
    found = find(root)
    assert list(found.models) == ["m"]
    assert list(found.refused) == ["gone.pt"]


def test_hidden_files_and_folders_are_passed_over(root: Path) -> None:
    save_vit(vit(), root / ".cache" / "m")
    torch.save({}, root / ".m.pt")
    assert not find(root).models


def test_what_is_left_out_is_told_with_the_set(root: Path, tmp_path: Path) -> None:
    for name in ("out", "out/checkpoint-10"):
        save_vit(vit(), root / name)
    store = BlockStore(tmp_path / "store")
    assert FolderSet(path=root).open(store).notes == (
        f"{root}/out/checkpoint-10: left out, it lies in the model 'out'; include=[out/checkpoint-10] takes it",
    )
    lines: list[str] = []
    assert add_path(store, root, left_out=lambda _, line: lines.append(line)) == ["out"]
    assert len(lines) == 1
    assert FolderSet(path=root, include=["out/*"]).open(store).candidates[1].id == "out/checkpoint-10"


def test_a_folder_that_is_not_for_this_user_is_named(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_vit(vit(), root / "m")
    (root / "closed").mkdir()
    listdir = os.listdir

    def closed(path: Path) -> list[str]:
        if path == root / "closed":
            raise PermissionError(13, "Permission denied")
        return listdir(path)

    monkeypatch.setattr(os, "listdir", closed)
    found = find(root)
    assert list(found.models) == ["m"]
    assert found.refused == {"closed": f"{root}/closed: cannot be read (Permission denied)"}


def test_a_store_among_models_is_left_out(tmp_path: Path) -> None:
    """Its blocks are files of weights, but no models."""
    torch.save({}, tmp_path / "a.pt")
    for name in ("blocks/ab", "models"):
        (tmp_path / "store" / name).mkdir(parents=True)
    (tmp_path / "store" / "blocks" / "ab" / "ab12.safetensors").touch()
    assert set(find(tmp_path).models) == {"a", "store/blocks/ab/ab12"}  # a folder of such names may be anything
    (tmp_path / "store" / "models" / "a.json").touch()
    found = find(tmp_path)
    assert set(found.models) == {"a"}
    assert found.left_out == {
        "store": f"{tmp_path / 'store'}: left out, it is a store; store:ID names a model of it"
    }
