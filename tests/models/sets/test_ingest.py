"""Adding models: what threads do beside each other changes nothing but the time."""

import shutil
import threading

import pytest

from alsatian.errors import AlsatianError, StoreWriteError
from alsatian.models.reading.discovery import find
from alsatian.models.reading.inputs.settings import Reading
from alsatian.models.sets import ingest
from alsatian.models.storing import add_module
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


def test_after_a_full_disk_nothing_is_written_that_was_waiting(models, store, writing, monkeypatch):
    waiting, read = threading.Event(), ingest._read

    def reading(store, model, *given):
        if model.id == "c":
            waiting.set()
        return read(store, model, *given)

    def fail(model_id):
        if model_id == "a":
            assert waiting.wait(60)  # b has been read by now
            raise StoreWriteError("the disk is full")

    monkeypatch.setattr(ingest, "_read", reading)
    writing(fail)
    with pytest.raises(StoreWriteError, match="the disk is full"):
        add(store, models)
    assert store.model_ids() == []


@pytest.fixture
def held(monkeypatch, writing):
    """Counts bytes of models in memory: the most, and which models are written when each one begins to be read."""
    now, most, before, lock, read = {}, [0], {}, threading.Lock(), ingest._read

    def hold(what, nbytes):
        with lock:
            now[what] = nbytes
            most[0] = max(most[0], sum(now.values()))

    def reading(store, model, *given):
        before[model.id] = list(written)
        hold(model.id, ingest._READING * sum(file.stat().st_size for file in model.files()))
        size, write = read(store, model, *given)
        hold(model.id, size)
        return size, lambda: [write(), hold(model.id, 0)][0]

    monkeypatch.setattr(ingest, "_read", reading)
    written = writing()
    return most, before, written


def test_models_in_memory_stay_below_a_bound(models, store, held, monkeypatch):
    """A model that is read beside one that is written counts as what reading it takes at most."""
    most, before, written = held
    files = [sum(file.stat().st_size for file in model.files()) for model in models]
    one = ingest._READING * max(files)
    for room, alone in ((0, True), (one, True), (one + 2 * max(files), False)):
        monkeypatch.setattr(ingest, "_MEMORY", room)
        shutil.rmtree(store.root, ignore_errors=True)
        most[0] = 0
        written.clear()
        add(BlockStore(store.root), models)
        assert one <= most[0] <= max(room, one)
        if alone:
            assert [before[name] for name in NAMES] == [[], ["a"], ["a", "b"]]


def test_one_is_read_while_those_before_are_written(models, store, writing, monkeypatch):
    reading, read = threading.Event(), ingest._read

    def noted(store, model, *given):
        if model.id == "c":
            reading.set()
        return read(store, model, *given)

    monkeypatch.setattr(ingest, "_read", noted)
    beside = []
    writing(lambda model_id: beside.append(reading.wait(60)) if model_id == "a" else None)
    add(store, models)
    assert beside == [True]


@pytest.mark.parametrize("settings", [{"_WRITING": 0}, {"_MEMORY": 0}, {"_WRITING": 9, "_AHEAD": 1}])
def test_results_are_those_of_one_after_the_other(models, store, monkeypatch, tmp_path, settings):
    """The same ids, files and lines in the same order, whatever is done beside each other."""
    shutil.copytree(models[0].path, tmp_path / "models" / "copy")
    (models[1].path / "model.safetensors").write_bytes(b"broken")
    found = find(tmp_path / "models").models
    some = [found[name] for name in ("a", "b", "copy", "c")]

    def outcome(root):
        told = []
        given = (BlockStore(root), some, Reading(), "reading", lambda *step: told.append(step))
        added, bad = ingest.add_models(*given)
        kept = ("blocks", "models", "assets", "architectures")
        files = {p.relative_to(root): p.read_bytes() for name in kept for p in (root / name).rglob("*.*")}
        return list(added.items()), list(bad.items()), told, files

    usual = outcome(store.root)
    assert [model.id for model, _ in usual[1]] == ["b"]
    for name, value in settings.items():
        monkeypatch.setattr(ingest, name, value)
    assert outcome(tmp_path / "other") == usual
