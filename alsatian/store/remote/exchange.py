"""A store elsewhere and its mirror here: which folder it is, and what is small going to and fro.

Manifests, sets, files that models need besides blocks, exported architectures and the index of tensors are brought,
as far as they are new or changed, when the store is opened. What is added here goes there, and what refers to other
files after these, so that what is listed there is complete. ``far/synced.json`` says of each file how it looked on
both sides when it was the same.
"""

import contextlib
import json
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from functools import cache
from pathlib import Path, PurePosixPath

from blake3 import blake3

from alsatian.errors import ConfigError, StoreError
from alsatian.files import locked, make_folder, write_bytes, write_json
from alsatian.fingerprint import DIGEST
from alsatian.runtime.storage.remote import Listed, url_of
from alsatian.store.files.block_file import block_path
from alsatian.store.files.tensor_index import FILE as INDEX
from alsatian.store.remote.folders import REMOTE, SIZE
from alsatian.store.remote.mirror import FAR, Mirror
from alsatian.units import parse_bytes

_SIZE = "50GB"
# In the order in which they go there; what is left out belongs to a machine.
_SMALL = ("assets", "architectures", INDEX, "models", "sets")
# Files that are asked for one by one, and not with all others of their folders.
_FEW = 32
_Synced = dict[str, list[str | int]]


def mirror_of(folder: Path, size: int | None = None) -> Mirror | None:
    """The mirror in ``folder``, if it is one, of ``size`` bytes or what the environment says; the same for all.

    Raises:
        ConfigError: its URL or its size is not valid.
    """
    place = folder / REMOTE
    if not place.exists():
        return None
    try:
        url = url_of(str(json.loads(place.read_bytes())["url"]))
    except (OSError, ValueError, TypeError, KeyError):
        url = None
    if url is None:
        raise ConfigError(f"{place}: does not say of which URL this is a mirror; remove the folder")
    return _mirror(folder.absolute(), url, size or parse_bytes(os.environ.get(SIZE) or _SIZE, SIZE) or 0)


@cache
def _mirror(folder: Path, url: str, budget: int) -> Mirror:
    return Mirror(folder, url, budget)


def refresh(mirror: Mirror) -> None:
    """Bring what is small and has changed elsewhere, and learn which blocks are there.

    Raises:
        RemoteError: it cannot be reached.
        StoreError: a file there is damaged.
    """
    with _synced(mirror) as synced:
        listed = _listed(mirror, _SMALL)
        # After what refers to them: whatever is listed is there.
        blocks = mirror.remote.files("blocks")
        mirror.blocks = {Path(name).stem: one.size for name, one in blocks.items() if _is_block(mirror, name)}
        for name in synced.keys() - listed.keys():
            if _looks(mirror, name) == synced.pop(name)[1:]:
                (mirror.folder / name).unlink(missing_ok=True)
        for folder in _SMALL:
            changed = [name for name in listed if _within(name, folder) and _is_due(mirror, name, listed, synced)]
            for name, future in [
                (name, mirror.pool.submit(_bring, mirror, name, name in synced)) for name in changed
            ]:
                if (looks := future.result()) is not None:
                    synced[name] = [listed[name].tag, *looks]
    mirror.room.recount()


def push(mirror: Mirror, needed: Callable[[Path], Iterable[Path]]) -> None:
    """Bring what was added here there; ``needed`` are the block files and others that a manifest needs.

    Raises:
        RemoteError: it cannot be reached or written to; what is left goes there the next time.
    """
    with _synced(mirror) as synced:
        names = _pending(mirror, synced)
        files: set[Path] = set()
        for name in [name for name in names if _within(name, "models")]:
            try:
                files.update(needed(mirror.folder / name))
            except StoreError:
                names.remove(name)  # which is not valid, so it is made again
        blocks = {path.stem: path.stat().st_size for path in files if path.suffix == ".safetensors"}
        missing = [i for i, nbytes in blocks.items() if mirror.blocks.get(i) != nbytes or not mirror.has(i)]
        _put(mirror, [block_path(mirror.folder, identity) for identity in missing])
        for identity in missing:
            mirror.blocks[identity] = blocks[identity]
        mirror.trust(missing)
        for folder in _SMALL:
            _put(mirror, [mirror.folder / name for name in names if _within(name, folder)])
        folders = {name.partition("/")[0] for name in names}
        listed = _listed(mirror, folders if len(names) > _FEW else names)
        for name in names:
            if name in listed and (looks := _looks(mirror, name)) is not None:
                synced[name] = [listed[name].tag, *looks]
    mirror.room.recount()


def is_pending(mirror: Mirror) -> bool:
    """Whether a model or a set was added here that is not elsewhere yet."""
    with _synced(mirror) as synced:
        return any(_within(name, "models") or _within(name, "sets") for name in _pending(mirror, synced))


def _listed(mirror: Mirror, folders: Iterable[str]) -> dict[str, Listed]:
    asked = [mirror.pool.submit(mirror.remote.files, folder) for folder in folders]
    return {name: one for future in asked for name, one in future.result().items() if _is_small(name)}


def _is_small(name: str) -> bool:
    """Whether a file of this name belongs to a store, and lies within it."""
    parts = PurePosixPath(name).parts
    return name == INDEX or (len(parts) == 2 and parts[0] in _SMALL and not parts[1].startswith("."))


def _is_block(mirror: Mirror, name: str) -> bool:
    stem = Path(name).stem
    return bool(DIGEST.fullmatch(stem)) and mirror.folder / name == block_path(mirror.folder, stem)


def _within(name: str, folder: str) -> bool:
    return name.partition("/")[0] == folder


def _looks(mirror: Mirror, name: str) -> list[str | int] | None:
    try:
        status = (mirror.folder / name).stat()
    except OSError:
        return None
    return [status.st_size, status.st_mtime_ns]


def _is_due(mirror: Mirror, name: str, listed: dict[str, Listed], synced: _Synced) -> bool:
    """Whether the file there is new, or changed while that here did not."""
    looks, known = _looks(mirror, name), synced.get(name)
    if looks is None or known is None:
        return True
    return looks == known[1:] and not (listed[name].tag and listed[name].tag == known[0])


def _bring(mirror: Mirror, name: str, known: bool) -> list[str | int] | None:
    """Have a file as it is there, and say how it looks; None if there is another one here that is new."""
    content, place = mirror.remote.part(name), mirror.folder / name
    if _within(name, "assets") and blake3(content).hexdigest() != place.name:
        raise StoreError(f"{mirror.remote.url}/{name}: content does not match its name; add its model again")
    if known or not place.exists():
        write_bytes(place, content)
    elif place.read_bytes() != content:
        return None
    return _looks(mirror, name)


def _pending(mirror: Mirror, synced: _Synced) -> list[str]:
    """What is small and new here."""
    found = [path for folder in _SMALL for path in [mirror.folder / folder, *(mirror.folder / folder).glob("*")]]
    names = [str(path.relative_to(mirror.folder)) for path in sorted(found) if path.is_file()]
    return [n for n in names if _is_small(n) and (n not in synced or _looks(mirror, n) != synced[n][1:])]


def _put(mirror: Mirror, files: Iterable[Path]) -> None:
    puts: list[Future[None]] = [
        mirror.pool.submit(mirror.remote.put, path, str(path.relative_to(mirror.folder))) for path in files
    ]
    try:
        for future in puts:
            future.result()
    finally:
        for future in puts:
            future.cancel()


def _state(mirror: Mirror) -> Path:
    return mirror.folder / FAR / "synced.json"


@contextlib.contextmanager
def _synced(mirror: Mirror) -> Iterator[_Synced]:
    """What is known to be the same on both sides, for one at a time; kept afterwards, whatever happened."""
    make_folder(mirror.folder / FAR)
    with locked(mirror.folder / FAR, alone=True):
        try:
            synced: _Synced = dict(json.loads(_state(mirror).read_bytes()))
        except (OSError, ValueError, TypeError):
            synced = {}
        before = dict(synced)
        try:
            yield synced
        finally:
            if synced != before:
                write_json(_state(mirror), synced)
