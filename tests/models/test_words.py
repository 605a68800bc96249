"""Words for models say what is meant, or one line says what would be right."""

import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from alsatian.errors import ConfigError
from alsatian.models.words import HUB, PATH, STORE, Word, words_of

STORED = ["base", "team/a", "team/b", "models"]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three models, a list of them, and what is none; the current folder."""
    for name in ("run1", "run2", "models"):
        (tmp_path / name).mkdir()
    (tmp_path / "run1" / "m.pt").touch()
    (tmp_path / "run1" / "config.json").touch()
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "all.txt").write_text(
        "# mine\n\n../run1/m.pt  # the first\n../run*\nhub:a/b\nstore:base\n"
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


def path(text: str) -> Word:
    return Word(text, PATH, text)


CASES = [
    pytest.param(["run1"], [path("run1")], id="folder"),
    pytest.param([Path("run1/m.pt")], [path("run1/m.pt")], id="file"),
    pytest.param(["run*"], [path("run1"), path("run2")], id="glob"),
    pytest.param(["**/*.pt"], [path("run1/m.pt")], id="glob at any depth"),
    pytest.param(["base"], [Word("base", STORE, "base")], id="id"),
    pytest.param(["models"], [path("models")], id="path before id"),
    pytest.param(["store:models"], [Word("store:models", STORE, "models")], id="id that is a path"),
    pytest.param(["store:team/*"], [Word(f"store:team/{n}", STORE, f"team/{n}") for n in "ab"], id="ids"),
    pytest.param(["hub:a/b"], [Word("hub:a/b", HUB, "a/b")], id="hub"),
    pytest.param(["hub:gpt2"], [Word("hub:gpt2", HUB, "gpt2")], id="hub without owner"),
    pytest.param(["hub:a/b@refs/pr/1"], [Word("hub:a/b@refs/pr/1", HUB, "a/b", "refs/pr/1")], id="revision"),
    pytest.param(["hub:a/b-1.5+20"], [Word("hub:a/b-1.5+20", HUB, "a/b-1.5", None, 20)], id="fine-tunes"),
    pytest.param(
        ["lists/all.txt"],
        [
            path("lists/../run1/m.pt"), path("lists/../run1"), path("lists/../run2"), Word("hub:a/b", HUB, "a/b"),
            Word("store:base", STORE, "base"),
        ],
        id="list",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("given", "expected"), CASES)
def test_words_say_what_is_meant(here: Path, given: list[Any], expected: list[Word]) -> None:
    assert words_of(given, STORED) == expected


WRONG = [
    pytest.param(
        "run3", "run3: there is no such path, and no such model in the store; did you mean 'run", id="path"
    ),
    pytest.param("run1/n.pt", "did you mean 'run1/m.pt'?", id="file"),
    pytest.param("basic", "did you mean 'base'?", id="id"),
    pytest.param("qqqqqqqqqq", "a model is a folder, a file of weights, a list (.txt), store:ID, hub:", id="all"),
    pytest.param("nothing/*", "nothing/*: there is no such path", id="glob"),
    pytest.param("store:bas", "store:bas: the store has no such model; did you mean 'base'?", id="store"),
    pytest.param("hubs:a/b", "hubs:a/b: there is no such kind of model; did you mean 'hub:'?", id="scheme"),
    pytest.param("hub:a/b/c", "write hub:OWNER/NAME, hub:OWNER/NAME@REVISION, or hub:OWNER/NAME+20", id="hub"),
    pytest.param("hub:a/b+20@main", "hub:OWNER/NAME+20 for it and its 20 most", id="revision of fine-tunes"),
    pytest.param("run1/config.json", "of a model in a folder, give the folder", id="file of a model"),
    pytest.param("timm:resnet17", "timm:resnet17: timm has no model 'resnet17'; did you mean 'resnet1", id="timm"),
    pytest.param("timm:resnet18.x", "timm has no model 'resnet18.x'; did you mean 'resnet18", id="timm's weights"),
    pytest.param("torchvision:resnet17", "torchvision has no model 'resnet17'; did you mean", id="torchvision"),
]


@pytest.mark.parametrize(("word", "message"), WRONG)
def test_a_word_that_means_nothing_ends_in_one_line(here: Path, word: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        words_of([word], STORED)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_line_of_a_list_is_named(here: Path) -> None:
    (here / "one.txt").write_text("run1\n\nrun9\n")
    with pytest.raises(ConfigError, match=r"^one\.txt, line 3: run9: there is no such path"):
        words_of(["one.txt"], STORED)
    (here / "self.txt").write_text("self.txt")
    with pytest.raises(ConfigError, match=r"self\.txt, line 1: self\.txt: is a list that contains itself"):
        words_of(["self.txt"], STORED)
    (here / "odd.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match=r"odd\.txt: cannot be read as a list"):
        words_of(["odd.txt"], STORED)


def test_a_store_is_no_folder_of_models(here: Path) -> None:
    for name in ("blocks", "models"):
        (here / "store" / name).mkdir(parents=True)
    (here / "store" / "models" / "a.json").touch()
    with pytest.raises(ConfigError, match=r"store: is a store; .*store:\*"):
        words_of(["store"], STORED)


def test_models_of_timm_are_those_that_it_keeps_on_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    from timm.models import get_pretrained_cfg

    for name in ("resnet18", "vit_tiny_patch16_224.augreg_in21k"):
        (word,) = words_of([f"timm:{name}"], ())
        assert (word.kind, word.value) == (HUB, get_pretrained_cfg(name).hf_hub_id)
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(ConfigError, match="timm:resnet18: timm is not installed; pip install"):
        words_of(["timm:resnet18"], ())


def test_models_of_torchvision_are_those_in_the_local_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from torchvision.models import ResNet50_Weights

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(ConfigError, match="checkpoints holds none of its weights"):
        words_of(["torchvision:resnet50"], ())
    (tmp_path / "checkpoints").mkdir()
    for weights in (ResNet50_Weights.IMAGENET1K_V1, ResNet50_Weights.IMAGENET1K_V2):
        file = tmp_path / "checkpoints" / Path(weights.url).name
        file.touch()
        assert words_of(["torchvision:resnet50"], ()) == [Word("torchvision:resnet50", PATH, str(file))]
