"""Features on disk: each file proves itself, and the least recently used go first.

``<model content>/<name>.safetensors`` holds features of some batches of all models with that content,
``layouts/<name>.json`` the order of the items that they were extracted in. Everything is made again at need.
"""

import contextlib
import json
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from alsatian.files import atomic_write, json_bytes, write_bytes
from alsatian.fingerprint import broken_seal, digest_json, features_fingerprint, sealed
from alsatian.runtime.reuse.layout import Layout

_log = logging.getLogger(__name__)
_LAYOUTS = "layouts"
# PyTorch says with a RuntimeError that it cannot open a file; so does Python of JSON that is too deep.
_DAMAGED = (SafetensorError, OSError, ValueError, TypeError, RuntimeError)


@dataclass(frozen=True)
class KeptFile:
    """A file of features by what its header says.

    Attributes:
        path: of the file.
        layout: name of the layout that its batches belong to.
        keys: digests of its batches.
    """

    path: Path
    layout: str
    keys: tuple[str, ...]


class KeptFiles:
    """The files in ``folder`` that hold what was extracted in the same ``surroundings`` (a digest).

    They take ``limit`` bytes at most; where there is no space, or a disk that fails, nothing more is kept.
    """

    def __init__(self, folder: Path, limit: int, surroundings: str) -> None:
        self._folder = folder
        self._limit = limit
        self._surroundings = surroundings
        self._works = True
        self._bytes = sum(size for _, size, _ in self._all())

    def of(self, content: str) -> list[KeptFile]:
        """All files of the models with this content."""
        found = []
        for path in sorted((self._folder / content).glob("*.safetensors")):
            try:
                with safe_open(path, framework="pt") as file:
                    header = file.metadata() or {}
                if header["surroundings"] == self._surroundings:
                    found.append(KeptFile(path, header["layout"], tuple(json.loads(header["keys"]))))
            except (*_DAMAGED, KeyError) as error:
                self._drop(path, str(error))
        return found

    def read(self, kept: KeptFile) -> dict[str, torch.Tensor]:
        """Features (items, D) by the digest of their batch, on the CPU; none if the file is damaged or gone."""
        try:
            with safe_open(kept.path, framework="pt") as file:
                header, tensors = file.metadata() or {}, [file.get_tensor(str(i)) for i in range(len(kept.keys))]
            if header.get("digest") != self._digest(kept.layout, kept.keys, tensors):
                raise ValueError("other features than were kept")
        except _DAMAGED as error:
            self._drop(kept.path, str(error))
            return {}
        with contextlib.suppress(OSError):
            os.utime(kept.path)
        return dict(zip(kept.keys, tensors, strict=True))

    def layout(self, name: str) -> Layout | None:
        """A layout by its name; None if it is damaged or gone."""
        path = self._layout(name)
        try:
            value = json.loads(path.read_bytes())
            if reason := broken_seal(value):
                raise ValueError(reason)
            layout = Layout.from_dict(value)
        except (*_DAMAGED, KeyError, AttributeError) as error:
            self._drop(path, str(error))
            return None
        with contextlib.suppress(OSError):
            os.utime(path)
        return layout

    def write(self, content: str, layout: Layout, features: Mapping[str, torch.Tensor]) -> None:
        """Keep ``features`` by the digest of their batch, which belongs to ``layout``."""
        keys, tensors = list(features), [tensor.cpu().contiguous() for tensor in features.values()]
        size = sum(tensor.nbytes for tensor in tensors)
        if not self._works or not keys or size > self._limit:
            return
        header = {
            "surroundings": self._surroundings,
            "layout": layout.name,
            "keys": json.dumps(keys),
            "digest": self._digest(layout.name, keys, tensors),
        }
        path = self._folder / content / f"{digest_json([self._surroundings, keys])}.safetensors"
        try:
            self._write_layout(layout)
            if path.exists():  # another process was faster
                return
            with atomic_write(path) as temporary:
                save_file({str(i): tensor for i, tensor in enumerate(tensors)}, temporary, header)
                self._bytes += temporary.stat().st_size
            if self._bytes > self._limit:
                self._make_room()
        except (OSError, SafetensorError) as error:
            self._works = False
            _warn(f"{self._folder}: features are not kept for later searches ({error})")

    def _write_layout(self, layout: Layout) -> None:
        path = self._layout(layout.name)
        with contextlib.suppress(FileNotFoundError):
            os.utime(path)
            return
        content = json_bytes(sealed(layout.as_dict()))
        write_bytes(path, content)
        self._bytes += len(content)

    def _layout(self, name: str) -> Path:
        return self._folder / _LAYOUTS / f"{Path(name).name}.json"

    def _digest(self, layout: str, keys: Sequence[str], tensors: Sequence[torch.Tensor]) -> str:
        """Of all that a file holds: a flipped bit would be another ranking and no error."""
        return digest_json([self._surroundings, layout, list(keys), features_fingerprint(tensors)])

    def _all(self) -> Iterator[tuple[int, int, Path]]:
        """Time of the last use (nanoseconds), size and path of every file."""
        for path in (*self._folder.glob("*/*.safetensors"), *self._folder.glob(f"{_LAYOUTS}/*.json")):
            with contextlib.suppress(OSError):
                status = path.stat()
                yield status.st_mtime_ns, status.st_size, path

    def _make_room(self) -> None:
        """Remove the files that were not used for the longest time."""
        files = sorted(self._all())
        self._bytes = sum(size for _, size, _ in files)
        for _, size, path in files:
            if self._bytes <= self._limit:
                break
            path.unlink(missing_ok=True)
            self._bytes -= size

    def _drop(self, path: Path, reason: str) -> None:
        """Damaged files stand in the way of those made again; what is gone made room for another search."""
        if not path.exists():
            return
        line = reason.splitlines()[0] if reason else "damaged"
        _warn(f"{path}: kept features are damaged and are extracted again ({line})")
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)


@cache
def _warn(line: str) -> None:
    """Say something once a process."""
    _log.warning(line)
