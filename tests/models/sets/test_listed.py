"""Words become a model set: every entry one model, called as its user would."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf
from safetensors.torch import save_file

from alsatian.errors import AlsatianError, BadModelError, ConfigError, StoreError
from alsatian.models.model_set import ModelSet
from alsatian.models.sets import ingest
from alsatian.models.sets.folder import add_path
from alsatian.models.sets.listed import ListedSet
from alsatian.progress import unheard
from alsatian.store.files.block_content import Content
from alsatian.store.store import BlockStore
from experiments import cli
from experiments.configuration.composition import cells
from experiments.configuration.setup import Parts
from tests.models.reading.checkpoint_files import save_vit, vit, write_lora

OPTIONS = {"image_size": 16, "patch_size": 8, "num_layers": 1, "num_heads": 2, "hidden_dim": 8, "mlp_dim": 16}
STATED = {"source": "torchvision", "name": "VisionTransformer", "options": OPTIONS, "size": 16}


def save_weights(path: Path, seed: int) -> Path:
    """A tiny vision transformer as a file of weights, with its statement."""
    from torchvision.models import VisionTransformer

    torch.manual_seed(seed)
    state = VisionTransformer(**OPTIONS).state_dict()
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(state, path) if path.suffix == ".safetensors" else torch.save(state, path)
    path.with_suffix(".json").write_text(json.dumps(STATED))
    return path


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def store(tmp_path: Path) -> BlockStore:
    return BlockStore(tmp_path / "store")


def ids(models: ModelSet) -> list[str]:
    return [candidate.id for candidate in models.candidates]


def chains(models: ModelSet) -> list[list[str]]:
    return [[block.identity for block in candidate.blocks] for candidate in models.candidates]


LAYOUTS: dict[str, tuple[str, str]] = {  # where a model is saved, and what it is called
    "files": ("run{}/model.safetensors", "run{}/model"),
    "folders": ("run{}", "run{}"),
    "nested": ("{}/x/model", "{}/x/model"),
    "suffixes": ("run{}/model.pt", "run{}/model"),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_checkpoints_of_one_name_in_twelve_folders_are_twelve_models(
    layout: str, here: Path, store: BlockStore, capsys: pytest.CaptureFixture[str]
) -> None:
    """At once, over several calls, in any order, by ``store add``; they are those of a store of their own."""
    place, name = LAYOUTS[layout]
    words = [place.format(i) for i in range(12)]
    for i, word in enumerate(words):
        if layout in ("files", "suffixes"):
            save_weights(Path(word), i)
        else:
            save_vit(vit(seed=i), Path(word))
    first = ListedSet(models=words[3:5]).open(store)
    models = ListedSet(models=words).open(store)
    assert ids(models) == [name.format(i) for i in range(12)]
    assert len({tuple(chain) for chain in chains(models)}) == 12
    assert [c.metadata["source"] for c in models.candidates] == words
    assert chains(first) == chains(models)[3:5]
    alone = ListedSet(models=[words[7]]).open(BlockStore(here / "alone"))
    assert chains(alone) == [chains(models)[7]]
    assert cli.main(["store", "add", *words, "--store", str(store.root)]) == 0
    assert len(store.model_ids()) == 12  # those that were there
    again = ListedSet(models=words[::-1]).open(store)
    assert chains(again) == chains(models)[::-1]
    assert again.digest == models.digest
    for candidate in models.candidates:
        (same,) = ListedSet(models=[candidate.metadata["source"]]).open(store).candidates
        assert same.blocks == candidate.blocks == store.model(candidate.metadata["stored"]).blocks


def test_one_model_named_twice_is_one(here: Path, store: BlockStore) -> None:
    save_vit(vit(), here / "runs" / "a")
    save_vit(vit(seed=1), here / "runs" / "b")
    (here / "link").symlink_to(here / "runs" / "a")
    (here / "list.txt").write_text("runs/b\nstore:a\n")
    add_path(store, here / "runs" / "a")
    words = ["runs", Path("runs/a"), str(here / "runs" / "b"), "link", "a", "list.txt"]
    assert ids(ListedSet(models=words).open(store)) == ["a", "b"]
    assert ids(ListedSet(models="runs").open(store)) == ["a", "b"]


def test_no_name_is_taken_twice(here: Path, store: BlockStore) -> None:
    """Whatever the store and the folders call their models."""
    save_vit(vit(), here / "elsewhere" / "a")
    add_path(store, here / "elsewhere")
    save_vit(vit(seed=1), here / "runs" / "a")
    assert ids(ListedSet(models=["runs/a", "store:a"]).open(store)) == ["runs/a", "store:a"]
    (here / "a").mkdir()
    models = ListedSet(models=["a", "store:a", "runs"], on_bad_model="exclude").open(store)
    assert ids(models) == ["store:a", "runs/a"]
    assert list(models.refused) == [str(here / "a")]


def test_copies_are_models_of_their_own_but_are_read_once(
    here: Path, store: BlockStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_vit(vit(), here / "run1" / "m")
    shutil.copytree(here / "run1", here / "run2")
    shutil.copytree(here / "run1" / "m", here / "n")
    read, reads = ingest._read, []
    monkeypatch.setattr(ingest, "_read", lambda *given: [read(*given), reads.append(given[1])][0])
    models = ListedSet(models=["run1/m", "run2/m", "n"]).open(store)
    assert ids(models) == ["run1/m", "run2/m", "n"]
    assert len(reads) == 1
    assert len({tuple(chain) for chain in chains(models)}) == 1


def test_an_adapter_finds_its_base_among_the_entries(here: Path, store: BlockStore) -> None:
    write_lora(here / "tuned", "someone/base", ["vit.layers.1.attention.v_proj"])
    save_vit(vit(), here / "models" / "base")
    models = ListedSet(models=["tuned", "models/base"]).open(store)
    assert ids(models) == ["tuned", "base"]
    assert models.distinct_bytes < models.total_bytes


def test_models_that_are_left_out(here: Path, store: BlockStore) -> None:
    for name in ("runs/new", "runs/old", "runs/new/checkpoint-1"):
        save_vit(vit(seed=len(name)), here / name)
    models = ListedSet(models=["runs"], exclude=["old*"]).open(store)
    assert ids(models) == ["new"]
    assert any("include=[new/checkpoint-1]" in note for note in models.notes)
    assert ids(ListedSet(models=["runs"], include=["*/checkpoint-*"]).open(store)) == [
        "new",
        "new/checkpoint-1",
        "old",
    ]


def test_bad_models_are_a_line_each_or_ranked_last(here: Path, store: BlockStore) -> None:
    save_vit(vit(), here / "good" / "m")
    for name in ("bad/m", "runs/worse"):
        save_vit(vit(), here / name)
        (here / name / "model.safetensors").write_bytes(b"")
    (here / "old.pkl").touch()
    (here / "empty").mkdir()
    words = ["good/m", "bad/m", "runs", "old.pkl", "empty"]
    with pytest.raises(BadModelError) as caught:
        ListedSet(models=words).open(store)
    lines = str(caught.value).splitlines()
    assert lines[0].startswith("4 of 5 models cannot be used; on_bad_model=exclude")
    assert len(lines) == 5
    models = ListedSet(models=words, on_bad_model="exclude").open(store)
    assert ids(models) == ["good/m"]
    assert list(models.refused) == ["bad/m", "worse", "old.pkl", "empty"]
    with pytest.raises(BadModelError, match=r"old\.pkl: is refused"):
        ListedSet(models=["old.pkl"], on_bad_model="exclude").open(store)


@pytest.mark.parametrize("on_bad_model", ["raise", "exclude"])
def test_a_full_disk_is_no_models_fault(
    here: Path, store: BlockStore, monkeypatch: pytest.MonkeyPatch, on_bad_model: str
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    save_vit(vit(), here / "m")
    save_vit(vit(), here / "n")
    monkeypatch.setattr(Content, "write", full)
    with pytest.raises(StoreError, match="cannot write a block") as caught:
        ListedSet(models=["m", "n"], on_bad_model=on_bad_model).open(store)
    assert "\n" not in str(caught.value)


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"models": []}, "models: none is named; a model is a folder"),
    ({"models": ["nowhere"]}, "nowhere: there is no such path"),
    ({"models": ["x"], "length": 1}, "length=1"),
    ({"models": ["x"], "weights": "best"}, "weights='best'"),
]


@pytest.mark.parametrize(("settings", "message"), WRONG)
def test_bad_settings_end_in_one_line(
    here: Path, store: BlockStore, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        ListedSet(**settings).open(store)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_configuration_of_that_name_opens_it(here: Path) -> None:
    save_vit(vit(), here / "a")
    (cell,) = cells(["model_set=listed", "model_set.models=[a]", "scale=ci"])
    assert ids(Parts().model_set(OmegaConf.to_container(cell.config, resolve=True), unheard)) == ["a"]


def test_features_are_read_under_the_name_that_the_set_gives(here: Path, store: BlockStore) -> None:
    """A damaged block is said of the model by its name in the set; private copies of files work with it."""
    import numpy as np

    from alsatian.api import search
    from experiments.configuration.setup import strategy_named

    for i in range(2):
        save_weights(here / f"run{i}" / "m.pt", i)
    models = ListedSet(models=["run0/m.pt", "run1/m.pt"]).open(store)
    labels = np.arange(24) % 2
    data = np.random.default_rng(0).integers(0, 256, (24, 16, 16, 3), dtype=np.uint8), labels
    results = [
        search(models, data, strategy=strategy_named(name), batch_size=8, verify=True)
        for name in ("base", "alsatian")
    ]
    assert results[0].rounds[0].scores.keys() == {"run0/m", "run1/m"}
    path = store.block_path(models.candidates[1].blocks[-1].identity)
    path.write_bytes(b"")
    with pytest.raises(AlsatianError, match="'run1/m'"):
        search(models, data, strategy=strategy_named("base"), batch_size=8)


class Hub:
    """What the Hub would say of two models: a base of timm, and its fine-tune."""

    REVISION = "0123456789" * 4

    def __init__(self, cache: Path) -> None:
        self.cache, self.asked = cache, list[tuple[Any, ...]]()

    def model_info(self, repo_id: str, **more: Any) -> Any:
        self.asked.append((repo_id, *more.values()))
        return type("Info", (), {"id": repo_id, "sha": self.REVISION, "downloads": 1})()

    def list_models(self, **_: Any) -> Any:
        self.asked.append(("fine-tunes",))
        return [self.model_info("ann/tuned")]

    def snapshot_download(self, repo_id: str, **settings: Any) -> str:
        from huggingface_hub.errors import LocalEntryNotFoundError

        path = self.cache / repo_id / self.REVISION
        if not path.exists():
            raise LocalEntryNotFoundError("not here")
        return str(path)


@pytest.fixture
def hub(here: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    import huggingface_hub
    from huggingface_hub import constants

    found = Hub(here / "cache")
    for seed, name in enumerate(("lab/base", "ann/tuned")):
        save_vit(vit(seed=seed), found.cache / name / Hub.REVISION)
    monkeypatch.setattr(huggingface_hub, "HfApi", lambda: found)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", found.snapshot_download)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    return found


@pytest.mark.parametrize(
    ("words", "expected", "asked"),
    [
        (["hub:lab/base"], ["lab/base"], [("lab/base",)]),
        (["hub:lab/base@main"], ["lab/base"], [("lab/base", "main")]),
        (["hub:lab/base+1"], ["lab/base", "ann/tuned"], [("lab/base",), ("fine-tunes",), ("ann/tuned",)]),
        (["hub:ann/tuned", "hub:lab/base", "hub:ann/tuned"], ["ann/tuned", "lab/base"], None),
    ],
)
def test_models_of_the_hub(
    hub: Hub, store: BlockStore, words: list[str], expected: list[str], asked: list[Any] | None
) -> None:
    models = ListedSet(models=words).open(store)
    assert ids(models) == expected
    assert [c.metadata["source"] for c in models.candidates] == [f"hub:{n}@{Hub.REVISION}" for n in expected]
    if asked is not None:
        assert hub.asked == asked
    hub.asked.clear()
    assert ListedSet(models=words).open(store).digest == models.digest
    assert not hub.asked
    store_words = [f"store:{c.metadata['stored']}" for c in models.candidates]
    assert len(ListedSet(models=[*words, *store_words]).open(store).candidates) == len(expected)


def test_without_network_what_is_in_the_local_cache_is_used(
    hub: Hub, store: BlockStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert ids(ListedSet(models=["hub:lab/base"]).open(store)) == ["lab/base"]
    assert not hub.asked
    for word in ("hub:lab/other", "timm:resnet18"):
        with pytest.raises(ConfigError, match="is not in the local cache of the Hugging Face Hub") as caught:
            ListedSet(models=[word]).open(store)
        assert "\n" not in str(caught.value)
    with pytest.raises(ConfigError, match="it cannot be made offline"):
        ListedSet(models=["hub:lab/base+3"]).open(store)


def test_models_of_timm_are_read_from_what_it_keeps_on_the_hub(hub: Hub, store: BlockStore) -> None:
    import timm
    from timm.models import save_for_hf

    torch.manual_seed(0)
    save_for_hf(
        timm.create_model("test_vit", num_classes=4), hub.cache / "timm" / "test_vit.r160_in1k" / Hub.REVISION
    )
    (candidate,) = ListedSet(models=["timm:test_vit"]).open(store).candidates
    assert candidate.id == "timm/test_vit.r160_in1k"
    assert candidate.metadata["source"] == "timm:test_vit"
    assert candidate.architecture is not None
    assert (candidate.architecture.source, candidate.architecture.name) == ("timm", "test_vit")
