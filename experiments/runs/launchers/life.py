"""A command that is still there, as processes on the same machine can tell: it locks files of a folder of its own.

The operating system frees the locks of a process that ends, however it ends.
"""

import fcntl
import os
import shutil
import tempfile
import threading
from functools import cache
from pathlib import Path

# Locked as long as runs are to be measured, and as long as the command is there.
_WANTED, _THERE = "wanted", "there"


class Life:
    """The command's side. ``folder``, below ``parent`` or the system's place for temporary files, is for its user
    alone."""

    def __init__(self, parent: Path | None = None) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix=".alsatian-", dir=parent))
        self._locks = {name: _opened(self.folder / name) for name in (_WANTED, _THERE)}
        for descriptor in self._locks.values():
            fcntl.flock(descriptor, fcntl.LOCK_EX)

    def stop(self) -> None:
        """Say that no run is wanted any more: those under way end, others do not start."""
        self._free(_WANTED)

    def close(self) -> None:
        """End what is left of the processes, and remove the folder."""
        self._free(_WANTED)
        self._free(_THERE)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _free(self, name: str) -> None:
        if (descriptor := self._locks.pop(name, None)) is not None:
            os.close(descriptor)


def is_wanted(folder: Path) -> bool:
    """Whether the command whose life is ``folder`` wants runs to be measured."""
    return _locked(folder / _WANTED, fcntl.LOCK_NB)


def wait_while_wanted(folder: Path) -> None:
    """Wait until that command wants no runs any more, or is gone."""
    _locked(folder / _WANTED)


@cache
def end_with(folder: Path) -> None:
    """Have this process end when that command does, and remove what it may have left."""

    def follow() -> None:
        _locked(folder / _THERE)
        shutil.rmtree(folder, ignore_errors=True)
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


def take_slot(folder: Path, slots: int) -> int:
    """The number, from 0, of the first of ``slots`` that no process has; this one has it until it ends.

    Where all are taken, as by a run that is just ending, it is the last one.
    """
    for slot in range(slots):
        descriptor = _opened(folder / f"slot-{slot}")
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
        else:
            return slot  # the file stays open
    return slots - 1


def _opened(path: Path) -> int:
    return os.open(path, os.O_CREAT | os.O_RDWR, 0o600)


def _locked(path: Path, flags: int = 0) -> bool:
    """Whether another process holds the lock of ``path``; without ``flags`` once it does not."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | flags)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
