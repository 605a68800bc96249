"""A store behind a web server, which is read from the links of its folders and in parts."""

import dataclasses
import functools
import http.server
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from alsatian.errors import RemoteError
from alsatian.store.maintenance import verify
from alsatian.store.store import BlockStore
from tests.searching.tiny_search import MODELS, outcomes, search
from tests.stores import add_block, tiny_set

pytest.importorskip("aiohttp")


class Ranges(http.server.SimpleHTTPRequestHandler):
    """Serves a folder, and parts of its files."""

    def do_GET(self) -> None:
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        file = Path(self.translate_path(self.path))
        if asked is None or not file.is_file():
            super().do_GET()
            return
        content = file.read_bytes()
        part = content[int(asked[1]) : int(asked[2]) + 1 if asked[2] else None]
        self.send_response(206)
        self.send_header("Content-Range", f"bytes {asked[1]}-{int(asked[1]) + len(part) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        self.wfile.write(part)

    def log_message(self, *_: object) -> None:
        pass


class Plain(http.server.SimpleHTTPRequestHandler):
    """Python's own server, which knows no parts."""

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def served(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of the folder ``there``."""
    monkeypatch.setenv("ALSATIAN_MIRRORS", str(tmp_path / "mirrors"))
    monkeypatch.setattr("alsatian.runtime.storage.remote.PAUSES_S", ())
    (tmp_path / "web" / "there").mkdir(parents=True)
    handler = functools.partial(request.param, directory=str(tmp_path / "web"))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/there"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("served", [Ranges], indirect=True)
def test_a_store_is_searched_over_the_web(served: str, tmp_path: Path) -> None:
    models = {f"some/{name}": letters for name, letters in MODELS.items()}  # whose names are quoted
    family = tiny_set(BlockStore(tmp_path / "web" / "there"), models)
    store = BlockStore(served)
    assert store.model_ids() == sorted(models)
    assert all(store.model(name) == family.store.model(name) for name in models)
    found, here = search(dataclasses.replace(family, store=store)), search(family)
    assert outcomes(found) == outcomes(here)
    assert verify(store) == []


@pytest.mark.parametrize("served", [Ranges], indirect=True)
def test_nothing_can_be_added_there(served: str) -> None:
    with pytest.raises(RemoteError, match=rf"^{served}: cannot write blocks/"):
        tiny_set(BlockStore(served), {"first": "aaaa"})


@pytest.mark.parametrize("served", [Plain], indirect=True)
def test_a_server_without_ranges_is_said(served: str, tmp_path: Path) -> None:
    block = add_block(BlockStore(tmp_path / "web" / "there"), "code", [torch.full([10_000], 0.1)], 4)
    with pytest.raises(RemoteError, match="which the server does not support"):
        BlockStore(served).load_block(block.identity, "m")
