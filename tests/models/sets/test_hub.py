"""Hub sets against a hub in memory: lock files, downloads, models that are gone, and work without a network."""

import ast
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import huggingface_hub
import numpy as np
import pytest
import torch
from huggingface_hub import constants, errors

from alsatian.api import search
from alsatian.data.dataset import make_dataset
from alsatian.errors import ConfigError, StoreWriteError
from alsatian.models.sets.hub import HubSet
from alsatian.models.sets.hub_lock import Filters, read_lock, resolve
from alsatian.searching.schedules import Exhaustive
from alsatian.searching.strategy import Strategy
from alsatian.store.store import BlockStore
from experiments.configuration.composition import cells
from experiments.configuration.menu import choices
from experiments.configuration.setup import strategy_named
from tests.contracts.text_models import language_model, two_towers, vocab_txt

ROOT = Path(__file__).parents[3]
BASE = "lab/base"


def revision(name: str) -> str:
    """A commit of 40 hexadecimal digits."""
    return name.encode().hex().ljust(40, "0")[:40]


def gone(kind: type[errors.HfHubHTTPError]) -> errors.HfHubHTTPError:
    """An error as the library raises it, for an answer of the hub."""
    return kind("no\nrequest id", response=SimpleNamespace(headers={}, request=None))  # type: ignore[arg-type]


class Hub:
    """What ``HfApi`` and ``snapshot_download`` would say. ``models``: tags, task and downloads by id."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.models: dict[str, dict[str, Any]] = {}
        self.failing: dict[str, Exception] = {}
        self.asked: list[dict[str, Any]] = []
        self.downloads: list[tuple[str, dict[str, Any]]] = []

    def add(self, model_id: str, downloads: int, **more: Any) -> Path:
        """A repository; its folder, still empty."""
        self.models[model_id] = {"downloads": downloads, "licence": "mit", "task": "image-classification", **more}
        path = self.root / model_id.replace("/", "--") / "snapshots" / revision(model_id)
        path.mkdir(parents=True)
        return path

    def _info(self, model_id: str) -> SimpleNamespace:
        return SimpleNamespace(id=model_id, sha=revision(model_id), downloads=self.models[model_id]["downloads"])

    def model_info(self, repo_id: str) -> Any:
        if repo_id not in self.models:
            raise gone(errors.RepositoryNotFoundError)
        return self._info(repo_id)

    def list_models(self, *, filter: list[str], pipeline_tag: str | None, expand: list[str]) -> Any:
        self.asked.append({"filter": filter, "pipeline_tag": pipeline_tag, "expand": expand})
        for model_id, model in self.models.items():
            tags = [f"base_model:finetune:{BASE}", f"license:{model['licence']}"]
            if model_id != BASE and set(filter) <= set(tags) and pipeline_tag in (None, model["task"]):
                yield self._info(model_id)

    def snapshot_download(self, repo_id: str, **settings: Any) -> str:
        self.downloads.append((repo_id, settings))
        if repo_id in self.failing:
            raise self.failing[repo_id]
        assert settings["revision"] == revision(repo_id)
        return str(self.root / repo_id.replace("/", "--") / "snapshots" / revision(repo_id))


def save(path: Path, seed: int, changed: int = 4) -> None:
    """Save a tiny image model of four layers, of which the last ``changed`` depend on ``seed``."""
    from transformers import ViTConfig, ViTForImageClassification

    config = ViTConfig(
        hidden_size=16, num_hidden_layers=4, num_attention_heads=2, intermediate_size=32,
        image_size=16, patch_size=8,
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = ViTForImageClassification(config)
        torch.manual_seed(seed)
        for name, parameter in model.named_parameters():
            layer = next((int(part) for part in name.split(".") if part.isdigit()), 4 if "norm" in name else -1)
            if layer >= 4 - changed:
                torch.nn.init.normal_(parameter, std=0.1)
    model.save_pretrained(path)
    (path / "preprocessor_config.json").write_text(json.dumps({"size": {"height": 16, "width": 16}}))


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    """A base and two fine-tunes."""
    found = Hub(tmp_path / "cache")
    for seed, (model_id, downloads) in enumerate([(BASE, 50), ("zoe/less", 10), ("ann/more", 90)]):
        save(found.add(model_id, downloads), seed, changed=2)
    monkeypatch.setattr(huggingface_hub, "HfApi", lambda: found)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", found.snapshot_download)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    return found


@pytest.fixture
def store(tmp_path: Path) -> BlockStore:
    return BlockStore(tmp_path / "store")


def left_out(store: BlockStore) -> dict[str, str]:
    (path,) = (store.root / "sets").glob("*.json")
    found: dict[str, str] = json.loads(path.read_text())["metadata"]["left_out"]
    return found


def repositories(ids: Any) -> list[str]:
    return [model.partition("@")[0] for model in ids]


def test_a_lock_holds_the_base_then_fine_tunes_by_downloads(hub: Hub, tmp_path: Path) -> None:
    hub.add("bob/tie", 90)
    lock = resolve(BASE, Filters(), hub)
    assert [entry.id for entry in lock.models] == [BASE, "ann/more", "bob/tie", "zoe/less"]
    assert [entry.revision for entry in lock.models] == [revision(entry.id) for entry in lock.models]
    hub.models = dict(reversed(hub.models.items()))
    assert resolve(BASE, Filters(), hub) == lock
    lock.write(tmp_path / "new" / "a.lock.json")
    resolve(BASE, Filters(), hub).write(tmp_path / "b.lock.json")
    assert (tmp_path / "new" / "a.lock.json").read_bytes() == (tmp_path / "b.lock.json").read_bytes()
    assert read_lock(tmp_path / "b.lock.json") == lock
    assert json.loads((tmp_path / "b.lock.json").read_text())["schema"] == 1


def test_filters_are_passed_on(hub: Hub) -> None:
    hub.add("bob/other-task", 70, task="image-segmentation")
    hub.add("cat/other-licence", 60, licence="apache-2.0")
    lock = resolve(BASE, Filters(task="image-classification", licence="mit", min_downloads=20), hub)
    assert [entry.id for entry in lock.models] == [BASE, "ann/more"]
    assert hub.asked == [
        {
            "filter": [f"base_model:finetune:{BASE}", "license:mit"],
            "pipeline_tag": "image-classification",
            "expand": ["sha", "downloads"],
        }
    ]
    assert len(resolve(BASE, Filters(limit=3), hub).models) == 4


def test_the_calls_fit_the_installed_library() -> None:
    import inspect

    listing = inspect.signature(huggingface_hub.HfApi.list_models).parameters
    assert {"filter", "pipeline_tag", "expand"} <= set(listing)
    download = inspect.signature(huggingface_hub.snapshot_download).parameters
    assert {"revision", "allow_patterns", "ignore_patterns", "local_files_only"} <= set(download)
    assert "repo_id" in inspect.signature(huggingface_hub.HfApi.model_info).parameters


def test_the_library_sends_the_filters_as_the_hub_expects_them(monkeypatch: pytest.MonkeyPatch) -> None:
    sent = []

    def paginate(path: str, params: dict[str, Any], headers: Any) -> Any:
        sent.append((path.rpartition("/api/")[2], params))
        yield {"id": "ann/more", "sha": revision("ann/more"), "downloads": 9}

    monkeypatch.setattr(huggingface_hub.hf_api, "paginate", paginate)
    base = SimpleNamespace(id=BASE, sha=revision(BASE), downloads=1)
    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", lambda *_: base)
    lock = resolve(BASE, Filters(task="object-detection", licence="mit"))
    assert [entry.id for entry in lock.models] == [BASE, "ann/more"]
    expected = {
        "filter": [f"base_model:finetune:{BASE}", "license:mit"],
        "pipeline_tag": "object-detection",
        "expand": ["sha", "downloads"],
    }
    assert sent == [("models", expected)]


def test_models_are_downloaded_once(hub: Hub, store: BlockStore) -> None:
    models = HubSet(base=BASE, name="lab").open(store)
    assert repositories(c.id for c in models.candidates) == [BASE, "ann/more", "zoe/less"]
    assert [repo for repo, _ in hub.downloads] == [BASE, "ann/more", "zoe/less"]
    assert all("*.safetensors" in settings["allow_patterns"] for _, settings in hub.downloads)
    assert all(not settings["local_files_only"] for _, settings in hub.downloads)
    assert (store.root / "locks" / "lab.lock.json").exists()
    assert models.distinct_bytes < models.total_bytes
    assert models.candidates[1].metadata["hub"] == {
        "id": "ann/more",
        "revision": revision("ann/more"),
        "base": BASE,
    }
    # Nothing else is in the store: it would count twice in its totals.
    assert store.model_ids() == sorted(c.id for c in models.candidates)
    hub.downloads.clear()
    hub.asked.clear()
    assert HubSet(base=BASE, name="lab").open(store).digest == models.digest
    assert HubSet(base=BASE, name="lab", offline=True).open(store).digest == models.digest
    assert not hub.downloads
    assert not hub.asked


def test_a_download_that_broke_off_is_no_property_of_the_model(hub: Hub, store: BlockStore) -> None:
    hub.failing["zoe/less"] = errors.LocalEntryNotFoundError("Got: ConnectError")
    with pytest.raises(ConfigError, match=r"zoe/less: the download broke off .*run again"):
        HubSet(base=BASE).open(store)
    assert not store.set_names()
    hub.failing.clear()
    hub.downloads.clear()
    assert len(HubSet(base=BASE).open(store).candidates) == 3
    assert [repo for repo, _ in hub.downloads] == ["zoe/less"]


VANISHED: list[tuple[Exception, str]] = [
    (gone(errors.RepositoryNotFoundError), "no longer on the Hub"),
    (gone(errors.RevisionNotFoundError), "revision"),
    (gone(errors.GatedRepoError), "gated"),
    (gone(errors.RemoteEntryNotFoundError), "lacks a file"),
]


@pytest.mark.parametrize(("error", "reason"), VANISHED, ids=["repository", "revision", "gated", "entry"])
def test_a_model_that_vanished_is_left_out_and_reported(
    hub: Hub, store: BlockStore, error: Exception, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    hub.failing["ann/more"] = error
    models = HubSet(base=BASE).open(store)
    assert repositories(c.id for c in models.candidates) == [BASE, "zoe/less"]
    ((model_id, why),) = left_out(store).items()
    assert model_id.startswith("ann/more@")
    assert reason in why
    assert [record.getMessage().startswith("left out ann/more@") for record in caplog.records] == [True]
    assert HubSet(base=BASE).open(store).digest == models.digest


def corrupt(path: Path) -> None:
    (path / "model.safetensors").write_bytes(b"garbage")


def without_weights(path: Path) -> None:
    (path / "model.safetensors").unlink()


def with_code(path: Path) -> None:
    value = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(json.dumps({**value, "auto_map": {"AutoModel": "model.Model"}}))


def unknown(path: Path) -> None:
    value = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(json.dumps({**value, "architectures": ["Nothing"]}))


@pytest.mark.parametrize("damage", [corrupt, without_weights, with_code, unknown], ids=lambda f: f.__name__)
def test_a_model_that_cannot_be_read_is_left_out_of_every_strategy(
    hub: Hub, store: BlockStore, damage: Callable[[Path], None], tmp_path: Path
) -> None:
    damage(Path(hub.snapshot_download("ann/more", revision=revision("ann/more"))))
    models = HubSet(base=BASE).open(store)
    ((model_id, why),) = left_out(store).items()
    assert model_id.startswith("ann/more@")
    assert str(tmp_path) not in why
    rng = np.random.default_rng(0)
    data = make_dataset("noise", rng.integers(0, 256, (24, 16, 16), dtype=np.uint8), np.arange(24) % 2)
    results = [
        search(models, data, strategy=s, batch_size=8)
        for s in (Strategy(schedule=Exhaustive()), strategy_named("base"))
    ]
    assert results[0].rounds[-1].scores == results[1].rounds[-1].scores
    assert repositories(results[0].rounds[-1].scores) == [BASE, "zoe/less"]


def test_weights_of_pytorch_are_fetched_where_there_are_no_safetensors(hub: Hub, store: BlockStore) -> None:
    from safetensors.torch import load_file

    path = Path(hub.snapshot_download("ann/more", revision=revision("ann/more")))
    torch.save(load_file(path / "model.safetensors"), path / "pytorch_model.bin")
    (path / "model.safetensors").unlink()
    hub.downloads.clear()
    assert len(HubSet(base=BASE).open(store).candidates) == 3
    patterns = [settings["allow_patterns"] for repo, settings in hub.downloads if repo == "ann/more"]
    assert ["pytorch_model*.bin" in each for each in patterns] == [False, True]


def test_with_nothing_left_there_is_one_error(hub: Hub, store: BlockStore) -> None:
    hub.failing = {model: gone(errors.RepositoryNotFoundError) for model in hub.models}
    with pytest.raises(
        ConfigError, match=r"lab/base: none of 3 models can be used; lab/base@.*no longer"
    ) as caught:
        HubSet(base=BASE).open(store)
    assert "\n" not in str(caught.value)


def test_trouble_with_the_store_is_not_blamed_on_models(
    hub: Hub, store: BlockStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise StoreWriteError(f"{store.root}: cannot write a block (No space left on device)")

    monkeypatch.setattr("alsatian.models.sets.hub.add_one", full)
    with pytest.raises(StoreWriteError, match="No space left"):
        HubSet(base=BASE).open(store)


def test_offline_without_a_lock_says_what_to_do(
    hub: Hub, store: BlockStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigError, match=r"there is no lock file.*model_set\.lock.*model_set\.folder"):
        HubSet(base=BASE, offline=True).open(store)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(ConfigError, match="there is no lock file"):
        HubSet(base=BASE).open(store)
    assert not hub.asked


def test_offline_reads_the_cache_and_never_shrinks_the_set_for_good(
    hub: Hub, store: BlockStore, tmp_path: Path
) -> None:
    lock = str(tmp_path / "given.lock.json")
    resolve(BASE, Filters(), hub).write(Path(lock))
    hub.failing["ann/more"] = errors.LocalEntryNotFoundError("not cached")
    models = HubSet(base=BASE, lock=lock, offline=True).open(store)
    assert repositories(c.id for c in models.candidates) == [BASE, "zoe/less"]
    assert all(settings["local_files_only"] for _, settings in hub.downloads)
    assert "not in the local cache" in next(iter(left_out(store).values()))
    hub.failing.clear()
    assert len(HubSet(base=BASE, lock=lock).open(store).candidates) == 3


def test_offline_reads_the_librarys_own_cache(
    store: BlockStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "hf"
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    save(cache / "models--lab--base" / "snapshots" / revision(BASE), 0)
    lock = {
        "schema": 1,
        "base": BASE,
        "filters": {},
        "models": [{"id": each, "revision": revision(each), "downloads": 1} for each in (BASE, "ann/more")],
    }
    (tmp_path / "lab.lock.json").write_text(json.dumps(lock))
    models = HubSet(base=BASE, lock=str(tmp_path / "lab.lock.json"), offline=True).open(store)
    assert [c.id for c in models.candidates] == [f"{BASE}@{revision(BASE)[:8]}"]
    assert left_out(store) == {
        f"ann/more@{revision('ann/more')[:8]}": "is not in the local cache, or not whole there"
    }


def test_the_papers_twelve_bases_have_configurations() -> None:
    names = [name for name in choices("model_set") if name.startswith("hub_")]
    found = {name: cells([f"model_set={name}"])[0].config.model_set for name in names}
    assert {config.base for config in found.values()} == {
        "google/vit-base-patch16-224-in21k", "facebook/detr-resnet-50", "facebook/detr-resnet-50-dc5",
        "facebook/detr-resnet-101", "microsoft/conditional-detr-resnet-50",
        "microsoft/table-transformer-detection", "microsoft/table-transformer-structure-recognition",
        "SenseTime/deformable-detr", "microsoft/resnet-18", "microsoft/resnet-152", "facebook/dinov2-base",
        "facebook/dinov2-large",
    }  # fmt: skip
    # Each has a lock file of its own, whatever the scale.
    assert all(config.name == name and config.lock is None for name, config in found.items())
    assert cells(["model_set=hub", "scale=ci"])[0].config.model_set.limit == 35


def test_a_folder_of_models_needs_no_hub(
    store: BlockStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *_, **__: pytest.fail("asked the hub"))
    for i, name in enumerate(("team/one", "team/two", "broken")):
        save(tmp_path / "models" / name, i, changed=1)
    corrupt(tmp_path / "models" / "broken")
    models = HubSet(folder=str(tmp_path / "models")).open(store)
    assert [c.id for c in models.candidates] == ["team/one", "team/two"]
    assert list(left_out(store)) == ["broken"]
    assert HubSet(folder=str(tmp_path / "models")).open(store).digest == models.digest


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "model_set.base"),
        ({"base": BASE, "limit": -1}, "limit=-1"),
        ({"base": BASE, "min_downloads": -1}, "min_downloads=-1"),
        ({"base": "lab/bose"}, "lab/bose: cannot be looked up"),
        ({"folder": "nowhere"}, "there is no such folder"),
    ],
)
def test_bad_settings_end_in_one_line(hub: Hub, store: BlockStore, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        HubSet(**settings).open(store)
    assert "\n" not in str(caught.value)


def test_a_lock_for_other_filters_is_refused(hub: Hub, store: BlockStore) -> None:
    HubSet(base=BASE).open(store)
    with pytest.raises(ConfigError, match=r"was made for .*; delete it"):
        HubSet(base=BASE, limit=1).open(store)


@pytest.mark.parametrize("content", ["", "[]", '{"schema": 9}', '{"schema": 1, "base": "a"}'])
def test_a_damaged_lock_is_one_line(hub: Hub, store: BlockStore, tmp_path: Path, content: str) -> None:
    path = tmp_path / "bad.lock.json"
    path.write_text(content)
    with pytest.raises(ConfigError, match="is not a lock file") as caught:
        HubSet(base=BASE, lock=str(path)).open(store)
    assert "\n" not in str(caught.value)


def test_code_from_a_repository_is_never_trusted() -> None:
    for path in (ROOT / "alsatian").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                assert "trust_remote_code" not in {keyword.arg for keyword in node.keywords}, path
                assert not any(isinstance(a, ast.Constant) and a.value == "trust_remote_code" for a in node.args), (
                    path
                )
            if isinstance(node, ast.Dict):
                assert not any(isinstance(k, ast.Constant) and k.value == "trust_remote_code" for k in node.keys), (
                    path
                )


def test_the_parts_of_sentence_transformers_are_downloaded_too(hub: Hub, store: BlockStore) -> None:
    folder = hub.add("eve/sentences", 80)
    language_model(folder, "BertModel", vocab_txt)
    parts = [("", "Transformer"), ("1_Pooling", "Pooling")]
    (folder / "modules.json").write_text(
        json.dumps([{"path": path, "type": f"sentence_transformers.models.{kind}"} for path, kind in parts])
    )
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_cls_token": True}))
    ids = HubSet(base="eve/sentences").open(store).candidates
    assert ids[0].architecture is not None
    assert ids[0].architecture.pooling == "class_token"
    asked = [settings["allow_patterns"] for model, settings in hub.downloads if model == "eve/sentences"]
    assert "[0-9]_*/*.json" in asked[-1]
    assert hub.downloads[-1][1]["ignore_patterns"] == []


def test_how_models_are_read_is_asked_for_as_for_a_folder(hub: Hub, store: BlockStore) -> None:
    language_model(hub.add("eve/words", 80), "BertModel", vocab_txt)
    for pooling in (None, "class_token", "class_token+max_tokens"):
        (model,) = HubSet(base="eve/words", pooling=pooling).open(store).candidates
        assert model.architecture is not None
        assert model.architecture.pooling == (pooling or "mean_tokens")
    with pytest.raises(ConfigError, match="weights='emma': did you mean 'ema'"):
        HubSet(base="eve/words", weights="emma")


def test_a_model_with_two_towers_is_read_again_for_the_other(hub: Hub, store: BlockStore) -> None:
    two_towers(hub.add("eve/both", 80), "CLIPModel")
    downloads = []
    for modality in ("image", "text", "text", "image"):
        (model,) = HubSet(base="eve/both", modality=modality).open(store).candidates
        assert model.preprocessing.modality == modality
        downloads.append(len(hub.downloads))
    assert downloads[0] < downloads[1] == downloads[2] < downloads[3]
