"""Only what a fine-tune changed is downloaded, and a file counts only with the SHA-256 that the Hub gives."""

import hashlib
import json
import re
import shutil
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import huggingface_hub
import pytest
import torch
from huggingface_hub import constants, file_download
from safetensors.torch import load_file, save_file

from alsatian.errors import ConfigError
from alsatian.models.reading.parameters import hub_files
from alsatian.models.sets.hub import HubSet
from alsatian.models.sets.hub_lock import Entry, Filters, Lock
from alsatian.store.store import BlockStore
from tests.models.reading.checkpoint_files import save_vit, vit

WEIGHTS = "model.safetensors"
BASE, TUNED = "lab/base", "ann/tuned"
REVISIONS = {BASE: "a" * 40, TUNED: "b" * 40}


class Hub:
    """A server on this machine with the models below ``root``, as the Hub answers the library.

    Attributes:
        sent: bytes of files by path.
        ranged: whether it sends parts of files.
    """

    def __init__(self, root: Path) -> None:
        self.root, self.sent, self.ranged = root, Counter[str](), True
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                pass

            def do_HEAD(self) -> None:
                hub.answer(self, body=False)

            def do_GET(self) -> None:
                hub.answer(self, body=True)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def answer(self, request: BaseHTTPRequestHandler, body: bool) -> None:
        path = request.path.partition("?")[0]
        status, headers, content = 404, {}, b""
        if match := re.fullmatch(r"/api/models/(.+)/tree/\w+", path):
            status, content = 200, json.dumps([*map(self.described, self.files(match[1]))]).encode()
            headers["Content-Type"] = "application/json"
        elif match := re.fullmatch(r"/(.+?/.+?)/resolve/\w+/(.+)", path):
            file = self.root / match[1] / match[2]
            if file.exists():
                status, content = 200, file.read_bytes()
                headers = {"ETag": f'"{self.digest(file)}"', "X-Repo-Commit": REVISIONS[match[1]]}
                headers |= {"X-Linked-Size": str(len(content)), "Accept-Ranges": "bytes"}
                if self.ranged and (asked := re.fullmatch(r"bytes=(\d+)-(\d*)", request.headers.get("Range", ""))):
                    status, total = 206, len(content)
                    first, last = int(asked[1]), int(asked[2] or total - 1)
                    content = content[first : last + 1]
                    headers["Content-Range"] = f"bytes {first}-{last}/{total}"
                if body:
                    self.sent[f"{match[1]}/{match[2]}"] += len(content)
        request.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            request.send_header(name, value)
        request.end_headers()
        if body:
            request.wfile.write(content)

    def files(self, model: str) -> list[Path]:
        return sorted((self.root / model).iterdir())

    def described(self, file: Path) -> dict[str, object]:
        size, digest = file.stat().st_size, self.digest(file)
        lfs = {"lfs": {"oid": digest, "size": size, "pointerSize": 100}} if file.suffix == ".safetensors" else {}
        return {"type": "file", "path": file.name, "size": size, "oid": digest[:40], **lfs}

    def digest(self, file: Path) -> str:
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        return digest if file.suffix == ".safetensors" else digest[:40]


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A model and a fine-tune of its biases."""
    made = Hub(tmp_path / "hub")
    for model in REVISIONS:
        save_vit(vit(0), made.root / model)
    change(made, lambda name, t: t + 1 if name.endswith("bias") else t)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "ENDPOINT", made.url)
    template = constants.HUGGINGFACE_CO_URL_TEMPLATE
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", made.url + template[template.index("/{repo") :])
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    # Tensors of tests are small.
    monkeypatch.setattr(hub_files, "_LARGE", 2048)
    monkeypatch.setattr(hub_files, "_SAMPLE", 64)
    monkeypatch.setattr(hub_files, "_GAP", 16)
    threading.Thread(target=made.server.serve_forever, daemon=True).start()
    yield made
    made.server.shutdown()
    made.server.server_close()


def change(hub: Hub, how: Callable[[str, torch.Tensor], torch.Tensor]) -> None:
    """Make the fine-tune of the base."""
    tensors = load_file(hub.root / BASE / WEIGHTS)
    save_file({name: how(name, t).contiguous() for name, t in tensors.items()}, hub.root / TUNED / WEIGHTS)


def opened(hub: Hub, root: Path) -> dict[str, list[str]]:
    """The blocks of the models of a set that is downloaded from ``hub``."""
    lock = root / "lock.json"
    entries = tuple(Entry(id=name, revision=revision, downloads=1) for name, revision in REVISIONS.items())
    Lock(base=BASE, filters=Filters(), models=entries, schema=1).write(lock)
    store = BlockStore(root / "store")
    models = HubSet(base=BASE, lock=str(lock)).open(store)
    return {c.metadata["hub"]["id"]: [b.identity for b in c.blocks] for c in models.candidates}


def whole(hub: Hub, root: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    """The same from files that the library downloads."""
    with monkeypatch.context() as patch:
        patch.setattr(constants, "HF_HUB_CACHE", str(root / "other cache"))
        patch.setattr(hub_files, "_file", lambda *_: None)
        found = opened(hub, root / "whole")
    assert hub.sent[f"{TUNED}/{WEIGHTS}"] == (hub.root / TUNED / WEIGHTS).stat().st_size
    hub.sent.clear()
    return found


def cached(root: Path) -> bytes:
    (path,) = (root / "cache").glob(f"models--*tuned/snapshots/*/{WEIGHTS}")
    return path.read_bytes()


def test_only_what_a_fine_tune_changed_is_downloaded(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = whole(hub, tmp_path, monkeypatch)
    assert opened(hub, tmp_path) == expected
    size = (hub.root / TUNED / WEIGHTS).stat().st_size
    assert hub.sent[f"{BASE}/{WEIGHTS}"] == (hub.root / BASE / WEIGHTS).stat().st_size
    assert 0 < hub.sent[f"{TUNED}/{WEIGHTS}"] < size / 3
    assert cached(tmp_path) == (hub.root / TUNED / WEIGHTS).read_bytes()


def test_a_file_that_is_here_already_is_not_downloaded(hub: Hub, tmp_path: Path) -> None:
    shutil.copyfile(hub.root / BASE / WEIGHTS, hub.root / TUNED / WEIGHTS)
    found = opened(hub, tmp_path)
    assert found[BASE] == found[TUNED]
    assert hub.sent[f"{TUNED}/{WEIGHTS}"] == 0


def test_what_only_seemed_equal_is_downloaded_too(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tensors that differ in their first value alone."""

    def first(name: str, tensor: torch.Tensor) -> torch.Tensor:
        tensor = tensor.clone()
        if "query.weight" in name:
            tensor.view(-1)[0] += 1
        return tensor

    change(hub, first)
    expected = whole(hub, tmp_path, monkeypatch)
    assert expected[BASE] != expected[TUNED]
    assert opened(hub, tmp_path) == expected
    size = (hub.root / TUNED / WEIGHTS).stat().st_size
    assert size < hub.sent[f"{TUNED}/{WEIGHTS}"] < 1.5 * size  # the header and what was compared came twice
    assert cached(tmp_path) == (hub.root / TUNED / WEIGHTS).read_bytes()


@pytest.mark.parametrize("trouble", ["another model", "no ranges", "not what the Hub says", "no such file"])
def test_otherwise_the_library_downloads_the_file(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    if trouble == "another model":
        change(hub, lambda _, t: t + 1)
    elif trouble == "no such file":
        (hub.root / TUNED / WEIGHTS).rename(hub.root / TUNED / "renamed")
        torch.save(load_file(hub.root / BASE / WEIGHTS), hub.root / TUNED / "pytorch_model.bin")
        (hub.root / TUNED / "renamed").unlink()
        assert len(opened(hub, tmp_path)) == 2
        return
    hub.ranged = trouble != "no ranges"
    expected = whole(hub, tmp_path, monkeypatch)
    if trouble == "not what the Hub says":
        monkeypatch.setattr(hub_files, "_sha256", lambda _: "0" * 64)
    assert opened(hub, tmp_path) == expected
    assert hub.sent[f"{TUNED}/{WEIGHTS}"] >= (hub.root / TUNED / WEIGHTS).stat().st_size
    assert not list((tmp_path / "cache").rglob("*.tmp"))


def test_what_is_in_the_cache_is_not_asked_for_and_nothing_is_offline(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = opened(hub, tmp_path)
    asked: list[object] = []
    monkeypatch.setattr(hub_files, "_file", lambda *given: asked.append(given))
    (tmp_path / "again").mkdir()
    assert opened(hub, tmp_path / "again") == expected
    assert asked == []
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "empty"))
    with pytest.raises(ConfigError, match="none of 2 models"):
        HubSet(base=BASE, lock=str(tmp_path / "lock.json"), offline=True).open(BlockStore(tmp_path / "offline"))
    assert asked == []


def test_the_library_has_what_is_used_of_it() -> None:
    assert file_download.repo_folder_name(repo_id=BASE, repo_type="model") == "models--lab--base"
    assert huggingface_hub.hf_hub_url(BASE, "x", revision="y").endswith("/lab/base/resolve/y/x")
