"""Searches over a store in S3: the same bits as over one here, whatever happens on the way."""

import dataclasses
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from alsatian.blocks.candidate import Candidate
from alsatian.errors import RemoteError, StoreError
from alsatian.models.model_set import ModelSet
from alsatian.runtime.storage.regime import Storage
from alsatian.runtime.storage.remote import Remote
from alsatian.store.maintenance import open_store, verify
from alsatian.store.remote.folders import local_folder
from alsatian.store.store import BlockStore
from experiments.cli import main
from tests.searching.tiny_search import ALSATIAN, BASE, MODELS, STRATEGIES, outcomes, search
from tests.store.remote.s3 import BUCKET, Server, serving
from tests.stores import share_small_tensors, tiny_set

pytest.importorskip("s3fs")
pytest.importorskip("moto")
URL = f"s3://{BUCKET}/some/store"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with pytest.MonkeyPatch.context() as patch:
        share_small_tensors(patch, 64)
        with serving(patch, tmp_path_factory.mktemp("s3")) as made:
            yield made


@pytest.fixture(scope="module")
def family(server: Server, tmp_path_factory: pytest.TempPathFactory) -> ModelSet:
    """Tiny models in a store here, which were also added to one in S3."""
    made = tiny_set(BlockStore(tmp_path_factory.mktemp("store")), MODELS)
    tiny_set(BlockStore(URL), MODELS)
    server.save()
    return made


@pytest.fixture
def far(family: ModelSet, fresh: Path) -> ModelSet:
    """The same models of the store in S3, of which nothing is here."""
    return dataclasses.replace(family, store=BlockStore(URL))


@pytest.fixture
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of mirrors, where there are none."""
    monkeypatch.setenv("ALSATIAN_MIRRORS", str(tmp_path / "mirrors"))
    return tmp_path / "mirrors"


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("alsatian.runtime.storage.remote.PAUSES_S", (0.05,))


def on_call(monkeypatch: pytest.MonkeyPatch, number: int, act: Callable[[], Any]) -> None:
    """Have something happen before what is asked for as the ``number``-th of the store's blocks."""
    part, calls, lock = Remote.part, iter(range(1, 1000)), threading.Lock()

    def watched(self: Remote, name: str, start: int = 0, end: int | None = None) -> bytes:
        with lock:
            if name.startswith("blocks/") and next(calls) == number:
                act()
        return part(self, name, start, end)

    monkeypatch.setattr(Remote, "part", watched)


def block_files(models: ModelSet) -> int:
    """Bytes of the files of all blocks."""
    return sum(path.stat().st_size for path in models.store.root.glob("blocks/*/*.safetensors"))


def test_what_is_listed_is_complete(family: ModelSet, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    put, there = Remote.put, list[str]()
    monkeypatch.setattr(Remote, "put", lambda self, file, name: (there.append(name), put(self, file, name))[1])
    store = BlockStore(f"s3://{BUCKET}/complete")
    tiny_set(store, {"one": "aaaa", "two": "aabb"})
    store.add_set("both", ["one", "two"], {})
    blocks = {b.identity for c in candidates(store) for b in c.blocks}
    manifests = [name for name in there if name.startswith("models/")]
    assert manifests == ["models/one.json", "models/two.json"]
    assert there[-1] == "sets/both.json"
    for model, manifest in zip(candidates(store), manifests, strict=True):
        before = {Path(name).stem for name in there[: there.index(manifest)]}
        assert {block.identity for block in model.blocks} <= before
    assert len([name for name in there if name.startswith("blocks/")]) == len(blocks)


def candidates(store: BlockStore) -> list[Candidate]:
    return [store.model(model) for model in store.model_ids()]


@pytest.mark.parametrize("strategy", STRATEGIES, ids=lambda s: s.name)
def test_scores_and_bytes_are_those_of_a_store_here(family: ModelSet, far: ModelSet, strategy: Any) -> None:
    here, there = search(family, strategy=strategy), search(far, strategy=strategy)
    assert outcomes(there) == outcomes(here)
    counted = [found.measurement.counters["bytes_read"] for found in (here, there)]
    if strategy.name == "shift":  # which reads its models again in every round: then they are here
        counted[0] = search(family, strategy=BASE).measurement.counters["bytes_read"]
    assert counted[0] == counted[1] > 0
    assert block_files(far) == block_files(family)
    again = search(far, strategy=strategy)
    assert outcomes(again) == outcomes(here)
    assert again.measurement.counters["bytes_read"] == 0


@pytest.mark.parametrize("strategy", [BASE, ALSATIAN], ids=lambda s: s.name)
def test_a_cold_search_pays_for_what_is_here(family: ModelSet, far: ModelSet, strategy: Any) -> None:
    cold = Storage(bandwidth="1GB", cold=True)
    found = [search(models, strategy=strategy, storage=cold) for models in (family, far, far)]
    assert len({found.measurement.counters["bytes_read"] for found in found}) == 1
    assert outcomes(found[0]) == outcomes(found[1]) == outcomes(found[2])
    assert not any(found.measurement.counters["warm_reads"] for found in found[1:])


def test_models_are_opened_and_read_by_url_and_by_path(family: ModelSet, fresh: Path) -> None:
    assert Path(URL) != URL
    store = open_store(Path(URL))
    assert store.root == local_folder(URL)
    assert store.model_ids() == sorted(MODELS)
    assert verify(store) == []
    assert all(family.store.model(i) == store.model(i) for i in MODELS)


def test_a_server_that_comes_back_is_waited_for(
    family: ModelSet, far: ModelSet, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alsatian.runtime.storage.remote.PAUSES_S", (0.1,) * 300)
    back = threading.Timer(1.0, server.start)
    on_call(monkeypatch, 4, lambda: (server.kill(), back.start()))
    found = search(far)
    back.join()
    assert outcomes(found) == outcomes(search(family))


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("bad", ["raise", "exclude"])
def test_a_search_goes_on_from_what_is_here(
    family: ModelSet, far: ModelSet, server: Server, monkeypatch: pytest.MonkeyPatch, bad: str
) -> None:
    with monkeypatch.context() as patch:
        on_call(patch, 4, server.kill)
        with pytest.raises(RemoteError, match=rf"^{URL}: cannot read blocks/.*\(.*\); what is here .*$") as stopped:
            search(far, on_bad_model=bad)
    assert "\n" not in str(stopped.value)
    came = block_files(far)
    server.start()
    found = search(dataclasses.replace(family, store=BlockStore(URL)))
    assert outcomes(found) == outcomes(search(family))
    assert came > 0
    assert found.measurement.counters["bytes_read"] + came == block_files(family)


def flip(key: str, server: Server, change: Callable[[bytes], bytes]) -> Callable[[], None]:
    """Change an object; call what is returned to undo that."""
    name = f"{BUCKET}/{key}"
    before = server.system.cat_file(name)
    server.system.pipe_file(name, change(before))
    return lambda: server.system.pipe_file(name, before)


CHANGES: dict[str, Callable[[bytes], bytes]] = {
    "flipped": lambda content: content[:-3] + bytes([content[-3] ^ 4]) + content[-2:],
    "flipped header": lambda content: content[:40] + bytes([content[40] ^ 1]) + content[41:],
    "truncated": lambda content: content[:-5],
    "empty": lambda content: b"",
    "longer": lambda content: content + b"12345678",
}


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_damaged_objects_are_found(
    family: ModelSet, fresh: Path, server: Server, change: Callable[[bytes], bytes]
) -> None:
    block = family.store.model("alone").blocks[1].identity
    undo = flip(f"some/store/blocks/{block[:2]}/{block}.safetensors", server, change)
    try:
        store = BlockStore(URL)
        with pytest.raises(StoreError, match=rf"^{URL}: .*{block}") as found:
            search(dataclasses.replace(family, store=store))
        assert "\n" not in str(found.value)
        assert any(block in line for line in verify(store))
        tiny_set(BlockStore(URL), {"alone": MODELS["alone"]})  # which mends it
        mended = dataclasses.replace(family, store=BlockStore(URL))
        assert outcomes(search(mended)) == outcomes(search(family))
        assert verify(mended.store) == []
    finally:
        undo()


@pytest.mark.usefixtures("impatient")
def test_damage_here_is_mended_from_there(family: ModelSet, far: ModelSet) -> None:
    search(far)
    block = family.store.model("alone").blocks[1].identity
    path = far.store.block_path(block)
    path.write_bytes(CHANGES["flipped"](path.read_bytes()))
    assert outcomes(search(far)) == outcomes(search(family))
    assert path.read_bytes() == family.store.block_path(block).read_bytes()


@pytest.mark.usefixtures("impatient")
def test_an_interrupted_upload_is_done_again(
    server: Server, family: ModelSet, fresh: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"s3://{BUCKET}/interrupted"
    put, calls = Remote.put, iter(range(100))

    def failing(self: Remote, file: Path, name: str) -> None:
        if next(calls) >= 3:
            raise RemoteError("the network ends")
        put(self, file, name)

    with monkeypatch.context() as patch:
        patch.setattr(Remote, "put", failing)
        with pytest.raises(RemoteError, match="the network ends"):
            tiny_set(BlockStore(url), {"alone": MODELS["alone"]})
    assert not server.system.find(f"{BUCKET}/interrupted/models")
    assert BlockStore(url).model_ids() == ["alone"]  # from here, and now it goes there
    monkeypatch.setenv("ALSATIAN_MIRRORS", str(fresh / "another"))
    there = BlockStore(url)
    assert there.model_ids() == ["alone"]
    assert verify(there) == []


def test_two_machines_add_to_one_store(server: Server, fresh: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url, stores = f"s3://{BUCKET}/two", []
    for name in ("here", "there"):
        monkeypatch.setenv("ALSATIAN_MIRRORS", str(fresh / name))
        stores.append(BlockStore(url))
    tiny_set(stores[0], {"first": "aaaa"})
    tiny_set(stores[1], {"second": "aaab"})
    assert stores[0].model_ids() == ["first"]
    for name in ("here", "there"):
        monkeypatch.setenv("ALSATIAN_MIRRORS", str(fresh / name))
        opened = BlockStore(url)
        assert opened.model_ids() == ["first", "second"]
        assert verify(opened) == []


def test_what_is_removed_there_goes_here(server: Server, fresh: Path) -> None:
    url = f"s3://{BUCKET}/removed"
    tiny_set(BlockStore(url), {"first": "aaaa", "second": "aaab"})
    server.system.rm(f"{BUCKET}/removed/models/first.json")
    assert BlockStore(url).model_ids() == ["second"]


def alsatian(*words: str, code: int | None = None, **more: str) -> str:
    """What the command prints, to both streams."""
    command = [sys.executable, "-m", "alsatian", *words]
    done = subprocess.run(command, env={**os.environ, **more}, capture_output=True, text=True, timeout=250)
    assert code is None or done.returncode == code, done.stderr
    return done.stdout + done.stderr


@pytest.mark.usefixtures("fresh")
@pytest.mark.parametrize(
    ("url", "more", "line"),
    [
        ("s3://nowhere/store", {}, "s3://nowhere/store: cannot list .*bucket does not exist.*make it first"),
        (URL, {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, "credentials"),
        ("smb2://host/store", {}, "unknown protocol 'smb2://'"),
        ("s3://key:secret@models/store", {}, "must not hold credentials"),
        ("gs://bucket/store", {}, r"gs:// needs a package that is missing: .*gcsfs"),
        (f"s3://{BUCKET}/empty", {}, f"s3://{BUCKET}/empty: not a store of models"),
        (URL, {"ALSATIAN_MIRROR_SIZE": "much"}, "ALSATIAN_MIRROR_SIZE=much"),
        (URL, {"ALSATIAN_MIRRORS": "/dev/null/mirrors"}, "no mirror of .* can be made there"),
        (URL, {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, f"{URL}: cannot list .*127.0.0.1:9"),
    ],
)
def test_one_line_says_what_is_wrong(server: Server, url: str, more: dict[str, str], line: str) -> None:
    if "gcsfs" in line and find_spec("gcsfs"):
        pytest.skip("gcsfs is installed")
    said = alsatian("store", "ls", "--store", url, code=1, **more)
    (only,) = said.strip().splitlines()
    assert re.search(line, only), only
    assert "secret" not in only


@pytest.mark.slow
def test_the_command_adds_searches_and_resumes(
    server: Server, tmp_path: Path, fresh: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from transformers import ResNetConfig, ResNetForImageClassification

    def alsatian(*words: str, code: int) -> str:
        assert main(list(words)) == code
        said = capsys.readouterr()
        return said.out + said.err

    for seed in range(3):
        torch.manual_seed(seed)
        config = ResNetConfig(
            embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic", num_labels=3
        )
        folder = tmp_path / "models" / f"model-{seed}"
        ResNetForImageClassification(config).save_pretrained(folder)
        (folder / "alsatian.json").write_text('{"size": 32, "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}')
    rng = np.random.default_rng(0)
    for label in ("cat", "dog"):
        (tmp_path / "data" / label).mkdir(parents=True)
        for i in range(12):
            Image.fromarray(rng.integers(0, 255, (32, 32, 3), np.uint8)).save(
                tmp_path / "data" / label / f"{i}.png"
            )
    url, places = f"s3://{BUCKET}/command", {}
    said = alsatian("store", "add", str(tmp_path / "models"), "--store", url, code=0)
    assert said.count("added") == 3
    for name, store in (("far", url), ("here", str(tmp_path / "here"))):
        places[name] = tmp_path / name / "out"
        if name == "here":
            alsatian("store", "add", str(tmp_path / "models"), "--store", store, code=0)
        ids = alsatian("store", "ls", "--json", "--store", store, code=0)
        assert ids.count('"id"') == 3
        models = [f"model-{seed}" for seed in range(3)]
        words = ["--data", str(tmp_path / "data"), "--out", str(places[name]), "--store", store]
        with monkeypatch.context() as elsewhere:
            elsewhere.setenv("ALSATIAN_MIRRORS", str(tmp_path / "others"))
            alsatian("search", *models, *words, code=0)
    far, here = ((place / "ranking.csv").read_text() for place in places.values())
    columns = [[line.split(",")[:3] for line in text.splitlines()] for text in (far, here)]
    assert columns[0] == columns[1]
    assert "all is well" in alsatian("store", "verify", "--store", url, code=0)
    assert "distinct bytes" in alsatian("store", "stats", "--store", url, code=0)
    assert "cannot collect its garbage" in alsatian("store", "gc", "--store", url, code=1)
    assert "cannot upgrade it" in alsatian("store", "upgrade", "--store", url, code=1)


_ADD = """
import sys
from alsatian.store.store import BlockStore
from experiments.cli import main
from tests.stores import _tiny_architecture, tiny_set
store = BlockStore(sys.argv[1])
_tiny_architecture()
print("begin", flush=True)
tiny_set(store, {f"m{i}": "aab" + chr(97 + i) for i in range(12)})
"""
_READ = """
import sys
from alsatian.runtime.storage.reader import Reader
from alsatian.runtime.storage.throttle import Throttle
from alsatian.store.store import BlockStore
store, reader = BlockStore(sys.argv[1]), Reader(Throttle(100_000))
print("begin", flush=True)
for model in store.model_ids():
    for block in store.model(model).blocks:
        store.read_block(block.identity, model, reader=reader)
"""


def killed(script: str, after_s: float | None) -> bool:
    """Whether a process that runs ``script`` was killed so long after it had begun, before it came to its end."""
    command = [sys.executable, "-c", script, f"s3://{BUCKET}/killed"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"begin\n"
        try:
            assert process.wait(after_s) == 0
        except subprocess.TimeoutExpired:
            process.kill()
            return True
    return False


@pytest.mark.slow
def test_kills_lose_nothing(
    server: Server, fresh: Path, monkeypatch: pytest.MonkeyPatch, pytestconfig: pytest.Config
) -> None:
    count = pytestconfig.getoption("--kills")

    def opened(name: str) -> BlockStore:
        monkeypatch.setenv("ALSATIAN_MIRRORS", str(fresh / name))
        return BlockStore(f"s3://{BUCKET}/killed")

    rng, listed = np.random.default_rng(0), list[str]()
    for kill in range(count):
        opened("writing")
        assert killed(_ADD, rng.uniform(0.02, 0.5))
        seen = opened(f"seen-{kill}")
        assert set(listed) <= set(seen.model_ids())
        listed = seen.model_ids()
        assert verify(seen) == []
    opened("writing")
    assert not killed(_ADD, None)
    assert len(opened("whole").model_ids()) == 12
    opened("reading")
    kills = sum(killed(_READ, rng.uniform(0.02, 0.3)) for _ in range(count))
    assert kills
    came = [path.stem for path in opened("reading").root.glob("blocks/*/*.safetensors")]
    assert not killed(_READ, None)
    store = opened("reading")
    assert set(came) <= set(store.mirror.blocks)
    assert not list(store.root.glob("far/*/*.part"))
    assert verify(store) == []


def test_a_block_that_a_manifest_names_is_missed(
    server: Server, fresh: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"s3://{BUCKET}/lacking"
    models = tiny_set(BlockStore(url), {"first": "aaaa"})
    block = models.candidates[0].blocks[0].identity
    server.system.rm(f"{BUCKET}/lacking/blocks/{block[:2]}/{block}.safetensors")
    monkeypatch.setenv("ALSATIAN_MIRRORS", str(fresh / "another"))
    store = BlockStore(url)
    assert not store.holds_all(store.model("first"))
    with pytest.raises(StoreError, match=rf"{block}.*is not there"):
        store.load_block(block, "first")
