"""Folders for what lives as long as a search, which a killed search does not leave behind for ever."""

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from alsatian.errors import ScratchError
from alsatian.files import locked

_PREFIX = "alsatian-scratch-"
_LOCK = ".lock"


@contextlib.contextmanager
def scratch_folder(parent: str | Path | None) -> Iterator[Path]:
    """A private folder in ``parent`` (None: the system's folder for temporary files), removed at the end.

    What killed processes left there is removed first: the operating system frees a dead process's lock.

    Raises:
        ScratchError: ``parent`` cannot be written.
    """
    parent = Path(parent or tempfile.gettempdir())
    try:
        parent.mkdir(parents=True, exist_ok=True)
        with locked(parent, alone=True):  # nobody takes a folder that is being made for an abandoned one
            _remove_abandoned(parent)
            folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
            lock = os.open(folder / _LOCK, os.O_CREAT | os.O_RDWR)
            fcntl.flock(lock, fcntl.LOCK_EX)
    except OSError as error:
        raise ScratchError(f"cache.ssd_dir={parent}: cannot be written ({error.strerror})") from None
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _remove_abandoned(parent: Path) -> None:
    for folder in parent.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):  # it is another user's or in use
            lock = os.open(folder / _LOCK, os.O_RDWR)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(lock)
