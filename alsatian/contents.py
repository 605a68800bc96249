"""What files hold: digests, and other facts. They are kept, so that only new and changed files are read.

A fact is kept under a file's absolute path, with its size, inode and times of change. Whoever replaces a file's
content may set its size and the time of its last change as they were, but not the time of the last change of its
inode (``ctime``), so that is noticed as well.
"""

import contextlib
import json
import os
import time
from abc import ABC, abstractmethod
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


class Facts(ABC):
    """What is known of files, kept in memory and, if given, in the file ``place``.

    ``place`` only saves time: it is made anew when it is missing, damaged or of another process at the same time,
    and not written where that is impossible.
    """

    def __init__(self, place: Path | None = None) -> None:
        self._place: Path | None = None
        self._kept: _Kept = {}
        self._new: _Kept = {}
        if place is not None:
            self.keep_in(place)

    @property
    def place(self) -> Path | None:
        """The file."""
        return self._place

    def keep_in(self, place: Path) -> None:
        """From now on keep what is found in ``place``, too, and use what is there."""
        if place != self._place:
            self._place = place
            self._kept = {**_read(place), **self._kept}

    @abstractmethod
    def find(self, name: str) -> str:
        """Read the file ``name`` and say what is to be known of it.

        Raises:
            Exception: it cannot be read; nothing is kept then.
        """

    def of(self, name: str) -> str:
        """What is known of the file with this absolute path; it is read if it is new or has changed."""
        known = self._find(name)
        return self._found(name) if known is None else known

    def save(self) -> None:
        """Write down what is new."""
        if not self._new:
            return
        new, self._new = self._new, {}
        self._kept |= new
        if self._place is not None:
            # Another process may have kept others meanwhile; what is lost in a race is read again.
            self._kept = {**_read(self._place), **self._kept}
            with contextlib.suppress(OSError):
                _write(self._place, self._kept)

    def _find(self, name: str) -> str | None:
        """What is kept of a file that has not changed."""
        try:
            known, fact = self._kept[name]
            return fact if known == stamp(os.stat(name)) else None
        except (KeyError, OSError):
            return None

    def _found(self, name: str) -> str:
        """What reading a file says; it is new unless its stamp would not tell a later change."""
        before = _stamp_of(name)
        lasting = before is not None and settled(before)
        fact = self.find(name)
        if lasting and before is not None and before == _stamp_of(name):
            self._new[name] = before, fact
        return fact


class Contents(Facts):
    """Digests of files, BLAKE3 in hexadecimal."""

    def find(self, name: str) -> str:
        try:
            with open(name, "rb", buffering=0) as file:
                hasher = blake3()
                while content := file.read(_READ):
                    hasher.update(content)
        except OSError as error:
            raise ConfigError(f"{name}: cannot be read ({error.strerror})") from None
        return hasher.hexdigest()

    def digests(self, paths: Sequence[Path]) -> list[str]:
        """Digests of the files' contents, in order. Only new and changed files are read.

        Raises:
            ConfigError: a file cannot be read.
        """
        names = [os.path.abspath(path) for path in paths]
        found = {name: self._find(name) for name in dict.fromkeys(names)}
        unknown = [name for name, digest in found.items() if digest is None]
        pieces = [unknown[i : i + _PIECE] for i in range(0, len(unknown), _PIECE)]

        def read(piece: Sequence[str]) -> dict[str, str]:
            return {name: self._found(name) for name in piece}

        if len(pieces) > 1:
            with ThreadPoolExecutor(_THREADS, thread_name_prefix="digest") as pool:
                done = list(pool.map(read, pieces))
        else:
            done = [read(piece) for piece in pieces]
        self.save()
        digests = {**found, **{name: digest for part in done for name, digest in part.items()}}
        return [str(digests[name]) for name in names]


def _stamp_of(name: str) -> Stamp | None:
    try:
        return stamp(os.stat(name))
    except OSError:
        return None


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
_kept: dict[str, Facts] = {"digests": _shared}


def digests(paths: Sequence[Path]) -> list[str]:
    """As :meth:`Contents.digests`, with what this process has read before."""
    return _shared.digests(paths)


def shared(name: str, facts: Facts) -> None:
    """Have :func:`keep_in` keep ``facts`` as well, under this name; at once if it was called before."""
    _kept[name] = facts
    if (before := _shared.place) is not None:
        facts.keep_in(before.with_name(name))


def keep_in(folder: Path) -> None:
    """Have :func:`digests`, and what else is shared, keep what it reads below ``folder``, too, for later
    processes."""
    for name, facts in _kept.items():
        facts.keep_in(folder / "contents" / name)
