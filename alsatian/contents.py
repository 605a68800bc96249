"""Digests of files by what they hold. They are kept, so that only new and changed files are read.

A digest is kept under a file's absolute path, with its size, inode and times of change. Whoever replaces a file's
content may set its size and the time of its last change as they were, but not the time of the last change of its
inode (``ctime``), so that is noticed as well.
"""

import contextlib
import json
import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from blake3 import blake3

from alsatian.errors import ConfigError
from alsatian.files import write_bytes

# A file system may give two writes within this time the same time stamp (a clock tick, ten times over).
_SAME_STAMP_NS = 100_000_000
# Several at once hide the latency of a disk; where files are in memory already a few threads do no harm.
_THREADS = 4
_PIECE = 16
_READ = 4 * 1024 * 1024  # bytes

Stamp = tuple[int, ...]
_Kept = dict[str, tuple[Stamp, str]]


def stamp(status: os.stat_result) -> Stamp:
    """What changes when a file does: size, inode, and times of change in nanoseconds."""
    return status.st_size, status.st_ino, status.st_mtime_ns, status.st_ctime_ns


def settled(known: Stamp) -> bool:
    """Whether a file with this stamp is so old that any change from now on gives it another one."""
    return time.time_ns() - max(known[-2:]) > _SAME_STAMP_NS


class Contents:
    """Digests of files, kept in memory and, if given, in the file ``place``.

    ``place`` only saves time: it is made anew when it is missing, damaged or of another process at the same time,
    and not written where that is impossible.
    """

    def __init__(self, place: Path | None = None) -> None:
        self._place: Path | None = None
        self._kept: _Kept = {}
        if place is not None:
            self.keep_in(place)

    def keep_in(self, place: Path) -> None:
        """From now on keep digests in ``place``, too, and use what is there."""
        if place != self._place:
            self._place = place
            self._kept = {**_read(place), **self._kept}

    def digests(self, paths: Sequence[Path]) -> list[str]:
        """BLAKE3 digests (hexadecimal) of the files' contents, in order. Only new and changed files are read.

        Raises:
            ConfigError: a file cannot be read.
        """
        names = [os.path.abspath(path) for path in paths]
        found = {name: self._find(name) for name in dict.fromkeys(names)}
        unknown = [name for name, digest in found.items() if digest is None]
        pieces = [unknown[i : i + _PIECE] for i in range(0, len(unknown), _PIECE)]
        if len(pieces) > 1:
            with ThreadPoolExecutor(_THREADS, thread_name_prefix="digest") as pool:
                done = list(pool.map(self._digest, pieces))
        else:
            done = [self._digest(piece) for piece in pieces]
        new = {name: entry for part in done for name, entry in part.items()}
        kept = {name: (known, digest) for name, (known, digest) in new.items() if known is not None}
        self._keep(kept)
        digests = {**found, **{name: digest for name, (_, digest) in new.items()}}
        return [str(digests[name]) for name in names]

    def _find(self, name: str) -> str | None:
        """What is kept of a file that has not changed."""
        try:
            known, digest = self._kept[name]
            return digest if known == stamp(os.stat(name)) else None
        except (KeyError, OSError):
            return None

    @staticmethod
    def _digest(names: Sequence[str]) -> dict[str, tuple[Stamp | None, str]]:
        """Read files; stamp and digest by name. The stamp is None if it would not tell a later change."""
        read: dict[str, tuple[Stamp | None, str]] = {}
        for name in names:
            try:
                with open(name, "rb", buffering=0) as file:
                    before = stamp(os.fstat(file.fileno()))
                    lasting = settled(before)
                    hasher = blake3()
                    while content := file.read(_READ):
                        hasher.update(content)
                    after = stamp(os.fstat(file.fileno()))
            except OSError as error:
                raise ConfigError(f"{name}: cannot be read ({error.strerror})") from None
            read[name] = before if lasting and before == after else None, hasher.hexdigest()
        return read

    def _keep(self, new: _Kept) -> None:
        if not new:
            return
        self._kept |= new
        if self._place is not None:
            # Another process may have kept others meanwhile; what is lost in a race is read again.
            self._kept = {**_read(self._place), **self._kept}
            with contextlib.suppress(OSError):
                _write(self._place, self._kept)


def _write(place: Path, kept: _Kept) -> None:
    place.parent.mkdir(exist_ok=True)  # if the folder around it has gone, nobody wants it back
    content = json.dumps(kept, separators=(",", ":")).encode()
    write_bytes(place, blake3(content).hexdigest().encode(), b"\n", content)


def _read(place: Path) -> _Kept:
    """What ``place`` holds; nothing if it is missing or not what was written."""
    try:
        digest, _, content = place.read_bytes().partition(b"\n")
        if digest.decode() != blake3(content).hexdigest():
            return {}
        return {name: (tuple(known), text) for name, (known, text) in json.loads(content).items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


_shared = Contents()


def digests(paths: Sequence[Path]) -> list[str]:
    """As :meth:`Contents.digests`, with what this process has read before."""
    return _shared.digests(paths)


def keep_in(folder: Path) -> None:
    """Have :func:`digests` keep what it reads below ``folder``, too, for later processes."""
    _shared.keep_in(folder / "contents" / "digests")
