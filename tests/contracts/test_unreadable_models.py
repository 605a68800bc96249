"""A folder with models that cannot be read: all problems at once, or a ranking that ends with them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

import alsatian
from alsatian.data.digits import digits
from alsatian.errors import ConfigError
from alsatian.models.model_set import ModelSet
from alsatian.models.sets.folder import FolderSet
from alsatian.models.sets.union import JoinedSet
from alsatian.records import Run
from alsatian.store.store import BlockStore
from experiments.cli import main
from tests.models.reading.checkpoint_files import RESNET, resnet, save_vit, vit

DATA = digits(41)

WAY_OUT = "on_bad_model=exclude leaves out what cannot be used"


def no_weights(folder: Path) -> None:
    save_vit(vit(), folder)
    (folder / "model.safetensors").unlink()


def truncated(folder: Path) -> None:
    save_vit(vit(), folder)
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:200])


def no_json(folder: Path) -> None:
    save_vit(vit(), folder)
    (folder / "config.json").write_text("{")


def other_class(folder: Path) -> None:
    save_vit(vit(), folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "architectures": ["ViTModle"]}))


def own_code(folder: Path) -> None:
    save_vit(vit(), folder)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "auto_map": {"AutoModel": "x.Y"}}))


def lacks_a_layer(folder: Path) -> None:
    folder.mkdir(parents=True)
    state = {name: t for name, t in resnet().state_dict().items() if name != "layer1.0.conv1.weight"}
    save_file(state, folder / "model.safetensors")
    (folder / "model.json").write_text(json.dumps({**RESNET, "options": {"num_classes": 5}}))


def pickled(folder: Path) -> None:
    folder.mkdir(parents=True)
    torch.save(resnet(), folder / "model.pt")
    (folder / "model.json").write_text(json.dumps({**RESNET, "options": {"num_classes": 5}}))


BAD: dict[str, Callable[[Path], None]] = {
    "no weights": no_weights,
    "truncated": truncated,
    "no JSON": no_json,
    "another class": other_class,
    "code of its own": own_code,
    "a layer is missing": lacks_a_layer,
    "pickled": pickled,
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder of two good models."""
    for seed in (0, 1):
        save_vit(vit(seed), tmp_path / "models" / f"good-{seed}")
    return tmp_path / "models"


def opened(root: Path, tmp_path: Path, **settings: Any) -> ModelSet:
    return FolderSet(path=root, **settings).open(BlockStore(tmp_path / "store"))


@pytest.mark.parametrize("kind", BAD)
def test_one_that_cannot_be_read_is_ranked_last_with_its_reason(root: Path, tmp_path: Path, kind: str) -> None:
    BAD[kind](root / "bad")
    with pytest.raises(ConfigError) as error:
        opened(root, tmp_path)
    assert "\n" not in str(error.value)
    models = opened(root, tmp_path, on_bad_model="exclude")
    result = alsatian.search(models, DATA, on_bad_model="exclude", verify=True)
    assert len(result.ranked) == 3
    (left_out,) = result.excluded
    assert left_out.startswith("bad")
    assert result.ranked[-1] == left_out
    assert f"{result.excluded[left_out]}; {WAY_OUT}" == str(error.value)


def test_the_rest_is_what_it_would_be_alone(root: Path, tmp_path: Path) -> None:
    alone = alsatian.search(opened(root, tmp_path), DATA, verify=True)
    for kind, make in BAD.items():
        make(root / kind.replace(" ", "-"))
    models = opened(root, tmp_path, on_bad_model="exclude")
    result = alsatian.search(models, DATA, on_bad_model="exclude", verify=True)
    assert result.rounds == alone.rounds
    assert result.ranked[:2] == alone.ranked
    assert len(result.excluded) == len(BAD)
    assert models.digest == opened(root, tmp_path, on_bad_model="exclude").digest


def test_all_problems_are_said_at_once(root: Path, tmp_path: Path) -> None:
    for kind, make in BAD.items():
        make(root / kind.replace(" ", "-"))
    with pytest.raises(ConfigError) as error:
        opened(root, tmp_path)
    first, *lines = str(error.value).splitlines()
    assert f"{len(BAD)} of {len(BAD) + 2} models cannot be used" in first
    assert len(lines) == len(BAD)


def test_nothing_but_bad_models_is_an_error(tmp_path: Path) -> None:
    no_json(tmp_path / "models" / "a")
    no_weights(tmp_path / "models" / "b")
    with pytest.raises(ConfigError, match=r"no model can be used:\n.*a.*\n.*b") as error:
        opened(tmp_path / "models", tmp_path, on_bad_model="exclude")
    assert len(str(error.value).splitlines()) == 3


def test_a_union_of_sets_ranks_them_last_too(root: Path, tmp_path: Path) -> None:
    no_json(root / "bad")
    sets = {"one": FolderSet(path=root, on_bad_model="exclude")}
    models = JoinedSet(name="all", sets=sets).open(BlockStore(tmp_path / "store"))
    assert list(models.refused) == ["bad"]


@pytest.fixture
def words(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """``alsatian run`` over that folder and a folder of images."""
    monkeypatch.chdir(tmp_path)
    for label in ("dark", "light"):
        (tmp_path / "images" / label).mkdir(parents=True)
        for i in range(8):
            Image.new("L", (32, 32), i + 100 * (label == "light")).save(tmp_path / "images" / label / f"{i}.png")
    data = ["dataset=image_files", "dataset.source=images"]
    return ["run", "scale=ci", "repeats=1", "model_set=folder", "model_set.path=models", *data, "batch_size=4"]


def test_run_goes_on_past_them(
    words: list[str], root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    no_json(root / "bad")
    no_weights(root / "worse")
    assert main([*words, "on_bad_model=exclude"]) == 0
    out = capsys.readouterr().out
    for name in ("bad", "worse"):
        assert out.count(f"warning: left out, ranked last: models/{name}") == 1
    assert "Left out, ranked last: worse in alsatian: models/worse: has config.json but no weights" in " ".join(
        out.split()
    )
    (path,) = (tmp_path / "results").rglob("run.json")
    record = Run.of(json.loads(path.read_text()))
    assert record.ok
    assert list(record.excluded) == list(record.ranking[2:]) == ["bad", "worse"]
    assert record.model_set.models == 2


def test_a_record_without_them_is_as_it_was(words: list[str], tmp_path: Path) -> None:
    assert main([*words, "on_bad_model=exclude"]) == 0
    (path,) = (tmp_path / "results").rglob("run.json")
    assert Run.of(json.loads(path.read_text())).excluded == {}


def test_run_ends_with_all_problems(
    words: list[str], root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    no_json(root / "bad")
    no_weights(root / "worse")
    capsys.readouterr()  # what saving said
    assert main(words) == 1
    first, *lines = capsys.readouterr().err.splitlines()
    assert first == f"alsatian: models: 2 of 4 models cannot be used; {WAY_OUT}:"
    assert [line.split(":")[0] for line in lines] == ["models/bad/config.json", "models/worse"]
    assert not list(tmp_path.rglob("run.json"))


def test_run_says_how_to_go_on_without_the_only_bad_model(
    words: list[str], root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    no_weights(root / "worse")
    capsys.readouterr()  # what saving said
    assert main(words) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("alsatian: models/worse: ")
    assert line.endswith(f"; {WAY_OUT}")


def test_a_process_of_its_own_finds_the_same(words: list[str], root: Path, tmp_path: Path) -> None:
    no_json(root / "bad")
    assert main([*words, "on_bad_model=exclude", "fresh_process=true"]) == 0
    (path,) = (tmp_path / "results").rglob("run.json")
    assert list(json.loads(path.read_text())["excluded"]) == ["bad"]


def test_an_unknown_choice_is_refused_first(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert main([*words, "on_bad_model=exclde"]) == 1
    assert capsys.readouterr().err == "alsatian: on_bad_model=exclde: did you mean 'exclude'?\n"
