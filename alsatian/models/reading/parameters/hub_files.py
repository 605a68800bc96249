"""Files of weights of the Hub, of which only those tensors are downloaded that a model fetched before lacks.

The Hub gives the SHA-256 of a file, and none of its tensors. So a few bytes of each large tensor are compared with
those of the tensor of the same name, type and shape in the other model's file. Where they are equal all of it is
taken from there, and the file that is put together has to have the SHA-256 that the Hub gives: that is the proof.
If it has not, what was taken is downloaded as well. A whole file goes to the cache of ``huggingface_hub``, which
finds it there; what fails here is left to the library, which downloads the file and says what is wrong.
"""

import hashlib
import json
import logging
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from alsatian.errors import first_line
from alsatian.files import atomic_write

# Bytes of a tensor from which on it is worth a question, and those in its middle that are compared.
_LARGE, _SAMPLE = 262_144, 4096
# Bytes between two ranges up to which they are read as one.
_GAP = 65_536
# Bytes of one request, requests at once, and the share of a file that has to be saved.
_PIECE, _THREADS, _WORTH = 32 * 1024 * 1024, 8, 0.2
_SHA256 = re.compile("[0-9a-f]{64}")

_log = logging.getLogger(__name__)


class Commit(NamedTuple):
    """A model of the Hub, by owner and name, and the commit, 40 hexadecimal digits."""

    id: str
    revision: str


class Span(NamedTuple):
    """Bytes of a file, from ``start`` to before ``end``."""

    start: int
    end: int


class _Taken(NamedTuple):
    """Bytes of the wanted file that are to be found in another one, from ``source`` on."""

    span: Span
    source: int


Read = Callable[[Span], bytes]


def prepare(model: Commit, *others: Commit) -> None:
    """Put weights of ``model`` into the library's cache, as far as those of ``others``, in the order of preference,
    are there and have most of them."""
    try:
        there = {name: path for other in reversed(others) for name, path in _weights(other).items()}
        same = {path.resolve().name: path for other in others for path in _weights(other).values()}
        for name in there.keys() - _weights(model).keys():
            _file(model, name, there[name], same)
    except Exception as error:  # of the library, its HTTP client, the disk, and odd files
        _log.debug("%s: not downloaded by ranges (%s)", model.id, first_line(error))


def _cache(model: Commit) -> Path:
    from huggingface_hub import constants
    from huggingface_hub.file_download import repo_folder_name

    return Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=model.id, repo_type="model")


def _weights(model: Commit) -> dict[str, Path]:
    folder = _cache(model) / "snapshots" / model.revision
    return {path.name: path for path in sorted(folder.glob("*.safetensors"))}


def _file(model: Commit, name: str, other: Path, same: Mapping[str, Path]) -> None:
    """Put file ``name`` of ``model`` into the cache, made of ``other``, or of one of the ``same`` SHA-256."""
    import huggingface_hub
    from huggingface_hub import errors, get_hf_file_metadata, hf_hub_url

    library: Any = huggingface_hub.utils  # which does not say that it exports what it documents
    url = hf_hub_url(model.id, name, revision=model.revision)
    try:
        found = get_hf_file_metadata(url)
    except errors.EntryNotFoundError:
        return
    if found.etag is None or found.size is None or not _SHA256.fullmatch(found.etag):
        return  # a small file, of which the Hub has no such digest
    target = _cache(model) / "blobs" / found.etag
    if target.exists() or target.with_name(f"{found.etag}.incomplete").exists():
        return
    received = [0]

    def read(span: Span) -> bytes:
        """A part of the remote file."""
        headers = {
            **library.build_hf_headers(),
            "Range": f"bytes={span.start}-{span.end - 1}",
            "Accept-Encoding": "identity",
        }
        response = library.http_backoff("GET", url, headers=headers)
        library.hf_raise_for_status(response)
        content: bytes = response.content
        if response.status_code != 206 or len(content) != span.end - span.start:
            raise OSError(f"{name}: the server sends no parts of files")
        received[0] += len(content)
        return content

    target.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(target) as temporary:
        if found.etag in same:
            shutil.copyfile(same[found.etag], temporary)
        else:
            _put_together(temporary, found.size, other, read, found.etag)
        if _sha256(temporary) != found.etag:
            raise OSError(f"{name}: is not what the Hub says")
    _log.info("%s: %d of %d bytes of %s downloaded", model.id, received[0], found.size, name)


def _put_together(file: Path, size: int, other: Path, read: Read, digest: str) -> None:
    """Fill ``file`` with what has ``size`` bytes and this SHA-256: of ``other`` what seems equal, the rest by
    ``read``.

    Raises:
        OSError: little is saved, or nothing can be read.
        ValueError, KeyError, TypeError: a file is no safetensors file.
    """
    with other.open("rb") as local, file.open("r+b") as out, ThreadPoolExecutor(_THREADS) as pool:

        def here(span: Span) -> bytes:
            return os.pread(local.fileno(), span.end - span.start, span.start)

        ours, theirs = _tensors(here), _tensors(read)
        known = [_Taken(span, ours[key].start) for key, span in theirs.items() if key in ours]
        asked = [one for one in known if one.span.end - one.span.start >= _LARGE and one.span.end <= size]

        def seems_equal(one: _Taken) -> bool:
            middle = (one.span.end - one.span.start - _SAMPLE) // 2
            first, start = one.span.start + middle, one.source + middle
            return read(Span(first, first + _SAMPLE)) == here(Span(start, start + _SAMPLE))

        if sum(one.span.end - one.span.start for one in asked) < _WORTH * size:
            raise OSError("another model")
        taken = [one for one, equal in zip(asked, pool.map(seems_equal, asked), strict=True) if equal]
        if sum(one.span.end - one.span.start for one in taken) < _WORTH * size:
            raise OSError("most of it differs")
        out.truncate(size)
        for one in taken:
            for span in _pieces([one.span]):
                start = one.source + span.start - one.span.start
                os.pwrite(out.fileno(), here(Span(start, start + span.end - span.start)), span.start)

        def fetch(spans: Sequence[Span]) -> None:
            for _ in pool.map(lambda span: os.pwrite(out.fileno(), read(span), span.start), _pieces(spans)):
                pass

        fetch(_between([one.span for one in taken], size))
        if _sha256(file) != digest:
            fetch([one.span for one in taken])


def _tensors(read: Read) -> dict[tuple[str, str, tuple[int, ...]], Span]:
    """Where the tensors of a safetensors file lie, by name, type and shape."""
    length = int.from_bytes(read(Span(0, 8)), "little")
    if length > 100_000_000:
        raise ValueError("no safetensors file")
    entries = json.loads(read(Span(8, 8 + length)))
    found = {}
    for name, entry in entries.items():
        if name != "__metadata__":
            start, end = (8 + length + int(offset) for offset in entry["data_offsets"])
            found[name, str(entry["dtype"]), tuple(map(int, entry["shape"]))] = Span(start, end)
    return found


def _between(spans: Sequence[Span], size: int) -> list[Span]:
    """What lies between ``spans`` of a file, and around them, with little that lies between that."""
    rest: list[Span] = []
    end = 0
    for span in [*sorted(spans), Span(size, size)]:
        if span.start > end:
            if rest and end - rest[-1].end <= _GAP:
                rest[-1] = Span(rest[-1].start, span.start)
            else:
                rest.append(Span(end, span.start))
        end = max(end, span.end)
    return rest


def _pieces(spans: Sequence[Span]) -> Iterator[Span]:
    for span in spans:
        for start in range(span.start, span.end, _PIECE):
            yield Span(start, min(start + _PIECE, span.end))


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
