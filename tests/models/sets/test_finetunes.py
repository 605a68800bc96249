"""Trained model sets: what is shared, what is repeated, what resumes."""

import dataclasses
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from alsatian.errors import ConfigError
from alsatian.fingerprint import digest_json
from alsatian.models.candidate_modules import module_of
from alsatian.models.model_set import ModelSet
from alsatian.models.sets import finetunes, tasks
from alsatian.models.sets.distributions import changed_blocks
from alsatian.models.sets.finetunes import TrainedSet
from alsatian.models.sets.starts import PretrainedStart, RandomStart
from alsatian.models.sets.tasks import DigitTasks, DocstringTasks, ImageTasks
from alsatian.models.sets.training import Recipe, using_threads
from alsatian.models.source_heads import source_heads
from alsatian.store.store import BlockStore
from tests.models.reading.checkpoint_files import save_vit, vit

SMALL = TrainedSet(
    name="small",
    start=RandomStart(architecture="resnet18", size=32),
    pool=DigitTasks(),
    recipe=Recipe(),
    count=3,
    distribution="top_50",
    items=60,
    base_epochs=1,
    epochs=1,
)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> ModelSet:
    return SMALL.open(BlockStore(tmp_path_factory.mktemp("small")))


def test_frozen_blocks_are_shared_with_the_parent_and_trained_ones_are_not(small: ModelSet) -> None:
    assert len(small.candidates) == 3
    for model in small.candidates:
        parent = small.store.model(model.metadata["parent"])
        frozen = model.metadata["frozen_blocks"]
        assert 0 <= frozen < len(model.blocks)
        same = [a.identity == b.identity for a, b in zip(model.blocks, parent.blocks, strict=True)]
        assert same == [True] * frozen + [False] * (len(same) - frozen)


def test_a_second_opening_trains_nothing(small: ModelSet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finetunes, "fit", lambda *_: pytest.fail("trained again"))
    assert SMALL.open(small.store).digest == small.digest


def test_an_interrupted_training_resumes_to_the_same_models(
    small: ModelSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    real = finetunes.fit

    def failing(*arguments: object) -> torch.nn.Linear:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(*arguments)  # type: ignore[arg-type]

    store = BlockStore(tmp_path)
    monkeypatch.setattr(finetunes, "fit", failing)
    with pytest.raises(KeyboardInterrupt):
        SMALL.open(store)
    resumed = SMALL.open(store)
    assert len(calls) == 3 + 2  # the base and one fine-tune were there
    assert resumed.digest == small.digest


def test_the_classifier_of_its_task_is_kept_with_a_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It gives what the layer gave that was trained; a base that learnt nothing says so."""
    layers = []
    real = finetunes.fit
    monkeypatch.setattr(finetunes, "fit", lambda *arguments: layers.append(real(*arguments)) or layers[-1])
    models = dataclasses.replace(SMALL, count=1, base_epochs=0).open(BlockStore(tmp_path))
    (model,), (layer,) = models.candidates, layers
    items, labels = DigitTasks().items(tasks.Task(**model.metadata["task"]), 60, seed=1)
    features = module_of(models, model.id)(*model.preprocessing(items)).detach()
    found = source_heads(models.store, [model])[model.id](features)
    assert found.shape == (len(items), labels.max() + 1)
    torch.testing.assert_close(found, torch.softmax(layer(features).double(), dim=1))
    with pytest.raises(ConfigError, match="it was trained on no task here"):
        source_heads(models.store, [models.store.model(model.metadata["parent"])])


def test_a_task_of_one_class_leaves_no_classifier(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DigitTasks, "random_task", lambda *_: tasks.Task((3,)))
    models = dataclasses.replace(SMALL, count=1, base_epochs=0, items=400).open(BlockStore(tmp_path))
    with pytest.raises(ConfigError, match="has one output, and so no classes"):
        source_heads(models.store, models.candidates)


def test_what_an_early_version_stored_is_made_again_and_said(
    small: ModelSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Its sets and manifests hold no digest, so nobody knows whether they are whole."""
    store = BlockStore(tmp_path / "store")
    shutil.copytree(small.store.root, store.root)
    last = small.candidates[-1].id
    (described,) = (store.root / "sets").iterdir()
    for path in (described, store.manifest_path(last)):
        value = json.loads(path.read_text())
        del value["digest"]
        path.write_text(json.dumps(value))
    calls: list[object] = []
    real = finetunes.fit
    monkeypatch.setattr(finetunes, "fit", lambda *arguments: (calls.append(1), real(*arguments))[1])
    assert SMALL.open(store).digest == small.digest
    assert calls == [1]
    assert [message.partition(": ")[0] for message in caplog.messages] == [
        str(described),
        str(store.manifest_path(last)),
    ]
    SMALL.open(store)
    assert (calls, len(caplog.messages)) == ([1], 2)


@pytest.mark.parametrize("threads", [1, 2])
def test_the_threads_of_the_process_change_nothing(
    small: ModelSet, tmp_path: Path, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained_with = []
    real = finetunes.fit

    def fit(*arguments: object) -> torch.nn.Linear:
        trained_with.append(torch.get_num_threads())
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(finetunes, "fit", fit)
    with using_threads(threads):
        models = SMALL.open(BlockStore(tmp_path))
        assert torch.get_num_threads() == threads
    assert models.digest == small.digest
    assert trained_with == [1] * 4


def test_the_threads_of_the_recipe_are_part_of_it(small: ModelSet) -> None:
    two = dataclasses.replace(SMALL, recipe=Recipe(threads=2)).description()
    assert digest_json(two) != digest_json(SMALL.description())
    with pytest.raises(ConfigError, match="threads=0: must be at least 1"):
        Recipe(threads=0)


def test_a_start_whose_files_were_replaced_is_another_set(tmp_path: Path) -> None:
    folder = save_vit(vit(), tmp_path / "start")
    kind = dataclasses.replace(SMALL, start=PretrainedStart(path=str(folder)))
    before = kind.description()
    os.utime(folder / "model.safetensors")
    assert kind.description() == before
    for name, change in (
        ("model.safetensors", lambda content: content[:-1] + bytes([content[-1] ^ 1])),
        ("preprocessor_config.json", lambda content: content.replace(b"0.25", b"0.75", 1)),
    ):
        path, status = folder / name, (folder / name).stat()
        path.write_bytes(change(path.read_bytes()))
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
        assert kind.description() != before
        before = kind.description()


def test_a_pool_whose_images_were_replaced_is_another_set(tmp_path: Path) -> None:
    for kind in ("cat", "dog"):
        (tmp_path / kind).mkdir()
        (tmp_path / kind / "a.png").write_bytes(b"one")
    pool = dataclasses.replace(SMALL, pool=ImageTasks(datasets=(str(tmp_path), "imagenette")))
    before = pool.description()
    assert pool.description() == before
    (tmp_path / "dog" / "a.png").write_bytes(b"two")
    assert pool.description() != before


@pytest.mark.parametrize("pool", [DigitTasks(), DocstringTasks()], ids=["digits", "docstrings"])
def test_items_of_other_versions_of_a_library_are_another_set(
    pool: DigitTasks | DocstringTasks, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = pool.contents()
    images, labels = tasks.digit_pool(target=False)
    monkeypatch.setattr(tasks, "digit_pool", lambda target: (images + 1, labels))
    monkeypatch.setattr(tasks, "docstring_files", lambda: [Path(__file__)])
    assert pool.contents() != before


def test_another_recipe_is_another_set_beside_the_first(small: ModelSet) -> None:
    other = dataclasses.replace(SMALL, count=1, recipe=Recipe(learning_rate=1e-2)).open(small.store)
    assert not {c.id for c in other.candidates} & {c.id for c in small.candidates}
    assert SMALL.open(small.store).digest == small.digest


def test_drifting_statistics_end_sharing(small: ModelSet) -> None:
    drifting = dataclasses.replace(SMALL, count=1, recipe=Recipe(freeze_statistics=False)).open(small.store)
    (model,) = drifting.candidates
    parent = small.store.model(model.metadata["parent"])
    assert model.metadata["frozen_blocks"] >= 1
    assert model.blocks[0].identity != parent.blocks[0].identity
    ours = small.store.load_block(model.blocks[0].identity, model.id)
    theirs = small.store.load_block(parent.blocks[0].identity, parent.id)
    # The stem: convolution and batch norm's weight and bias are frozen, only mean and variance moved.
    assert [torch.equal(a, b) for a, b in zip(ours, theirs, strict=True)].count(False) == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"count": 0}, "the model set is empty"),
        ({"items": 3}, "at least 40"),
        ({"epochs": 0}, "epochs"),
        ({"distribution": "top25"}, "did you mean 'top_25'?"),
    ],
)
def test_bad_settings(change: dict[str, object], message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        dataclasses.replace(SMALL, base_epochs=0, **change).open(BlockStore(tmp_path))
    assert message in str(caught.value)


@pytest.mark.parametrize("rate", [0, -0.1, float("nan"), float("inf")])
def test_bad_learning_rates(rate: float) -> None:
    with pytest.raises(ConfigError, match="learning_rate must be positive"):
        Recipe(learning_rate=rate)


def test_a_missing_package_is_named() -> None:
    with pytest.raises(ConfigError, match="pip install no-such-model"):
        PretrainedStart(path="package:no_such_model/model").resolve(BlockStore("unused"))


def test_starts_from_folders_of_one_name_do_not_meet(tmp_path: Path) -> None:
    store = BlockStore(tmp_path / "store")
    blocks = []
    for seed, place in enumerate(("a", "b")):
        folder = save_vit(vit(seed), tmp_path / "models" / place / "model")
        _, _, name = PretrainedStart(path=str(folder)).resolve(store)
        assert name is not None
        blocks.append(store.model(name).blocks)
    assert blocks[0] != blocks[1]
    assert len(store.model_ids()) == 2
    with pytest.raises(ConfigError, match="holds 2 models where one is expected"):
        PretrainedStart(path=str(tmp_path / "models")).resolve(store)


@pytest.mark.parametrize("pool", [DigitTasks(), DocstringTasks()])
def test_tasks_are_seeded_and_labelled_from_zero(pool: DigitTasks | DocstringTasks) -> None:
    rng = np.random.default_rng(3)
    changes = set()
    for _ in range(12):
        task = pool.random_task(rng)
        items, labels = pool.items(task, 200, 5)
        again, _ = pool.items(task, 200, 5)
        assert (items == again).all()
        assert 0 < len(items) == len(labels) <= 200
        assert labels.min() >= 0
        assert labels.max() < len(task.classes)
        changes.add(task.change)
    assert len(changes) > 2


def test_image_tasks_draw_classes_of_folders(tmp_path: Path) -> None:
    from PIL import Image

    for kind in ("a", "b", "c"):
        (tmp_path / kind).mkdir()
        for i in range(4):
            Image.new("RGB", (9, 7), (40 * i, 10, 99)).save(tmp_path / kind / f"{i}.png")
    pool = ImageTasks(datasets=(str(tmp_path),))
    task = pool.random_task(np.random.default_rng(0))
    paths, labels = pool.items(task, 100, 0)
    assert len(paths) == 4 * len(task.classes)
    assert set(labels) == set(range(len(task.classes)))
    few = ImageTasks(datasets=(str(tmp_path),), largest=2)
    drawn = {few.random_task(np.random.default_rng(seed)).classes for seed in range(40)}
    assert drawn == {(0, 1), (0, 2), (1, 2)}  # never more, and not only the first ones
    with pytest.raises(ConfigError, match="datasets is empty"):
        ImageTasks(datasets=())


def test_distributions_have_the_papers_means() -> None:
    rng = np.random.default_rng(0)
    for name, share in (("top_layers", 0.1), ("top_25", 0.25), ("top_50", 0.5)):
        drawn = [changed_blocks(name, 100, rng) for _ in range(4000)]
        assert np.mean(drawn) == pytest.approx(100 * share, rel=0.1)
        assert min(drawn) >= 1
        assert max(drawn) <= 100
