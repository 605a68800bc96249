"""Adding models: what threads do beside each other changes nothing but the time."""

import shutil

import pytest

from alsatian.errors import AlsatianError, StoreWriteError
from alsatian.models.model_set import add_module
from alsatian.models.reading.discovery import find
from alsatian.models.reading.inputs.settings import Reading
from alsatian.models.sets import ingest
from alsatian.progress import unheard
from alsatian.store.store import BlockStore
from tests.models.reading.checkpoint_files import identities, save_vit, vit

NAMES = ["a", "b", "c"]


@pytest.fixture
def models(tmp_path):
    for seed, name in enumerate(NAMES):
        save_vit(vit(seed), tmp_path / "models" / name)
    found = find(tmp_path / "models").models
    return [found[name] for name in NAMES]


@pytest.fixture
def store(tmp_path):
    return BlockStore(tmp_path / "store")


def add(store, models):
    return ingest.add_models(store, models, Reading(), "", unheard)


@pytest.fixture
def writing(monkeypatch):
    """Has every write of a model call ``fail`` with its id first; gives the ids that were written."""
    written = []

    def install(fail=lambda _: None):
        def write(store, model_id, *given):
            fail(model_id)
            written.append(model_id)
            return add_module(store, model_id, *given)

        monkeypatch.setattr(ingest, "add_module", write)
        return written

    return install


def test_a_copy_within_one_call_is_not_read_again(models, store, writing, tmp_path):
    """Though the first one is still being written when the second one's turn comes."""
    written = writing()
    shutil.copytree(tmp_path / "models" / "a", tmp_path / "copies" / "z")
    copy = find(tmp_path / "copies").models["z"]
    added, bad = add(store, [models[0], copy, *models[1:]])
    assert (list(added.values()), bad) == (["a", "z", "b", "c"], {})
    assert identities(store, "a") == identities(store, "z") != identities(store, "b")
    assert written == NAMES


def test_what_goes_wrong_in_writing_is_said_of_the_model_that_was_written(models, store, writing):
    def fail(model_id):
        if model_id == "b":
            raise AlsatianError("b is odd")

    writing(fail)
    added, bad = add(store, models)
    assert ({m.id: i for m, i in added.items()}, {m.id: line for m, line in bad.items()}) == (
        {"a": "a", "c": "c"},
        {"b": "b is odd"},
    )
    assert store.model_ids() == ["a", "c"]


def test_a_full_disk_is_nobody_s_fault_and_what_was_written_before_stays(models, store, writing):
    def fail(model_id):
        if model_id == "b":
            raise StoreWriteError("the disk is full")

    writing(fail)
    with pytest.raises(StoreWriteError, match="the disk is full"):
        add(store, models)
    assert store.model_ids() == ["a"]
    assert store.holds_all(store.model("a"))


def test_a_file_that_cannot_be_hashed_concerns_its_model_alone(models, store):
    (models[1].path / "model.safetensors").unlink()
    (models[1].path / "model.safetensors").mkdir()
    added, bad = add(store, models)
    assert list(added) == [models[0], models[2]]
    assert list(bad) == [models[1]]


def test_parameters_of_large_models_are_written_before_the_next_is_read(models, store, writing, monkeypatch):
    monkeypatch.setattr(ingest, "_BESIDE", 0)
    written = writing()
    read, before = ingest._read, []
    monkeypatch.setattr(ingest, "_read", lambda *given: [before.append(list(written)), read(*given)][1])
    add(store, models)
    assert before == [[], ["a"], ["a", "b"]]
