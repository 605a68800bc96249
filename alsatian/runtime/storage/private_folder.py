"""Folders on a local disk that belong to one search and leave with it, also if its process is killed."""

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from alsatian.errors import LocalDiskError
from alsatian.files import locked

_LOCK = "lock"


@contextlib.contextmanager
def private_folder(parent: str | Path | None, prefix: str, setting: str) -> Iterator[Path]:
    """A new folder below ``parent`` (None: the system's folder for temporary files), removed at the end.

    Its owner holds the lock of a file in it, which the operating system frees when the owner dies. Folders
    with the same ``prefix`` whose owner is gone are removed first. Making a folder and removing left-overs
    take turns under the parent's lock, so that nobody sees a folder that is not locked yet.

    ``setting`` is the key that chooses ``parent``, for errors.

    Raises:
        LocalDiskError: no folder can be made and locked there.
    """
    parent = Path(parent or tempfile.gettempdir())
    try:
        parent.mkdir(parents=True, exist_ok=True)
        with locked(parent, alone=True):
            _remove_left_overs(parent, prefix)
            folder = Path(tempfile.mkdtemp(dir=parent, prefix=prefix))
            descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
    except OSError as error:
        raise LocalDiskError(
            f"{parent}: no folder for local copies can be made there ({error.strerror}); set {setting} to a "
            "folder on a local disk"
        ) from None
    try:
        yield folder
    finally:
        _remove(folder)
        os.close(descriptor)


def _remove_left_overs(parent: Path, prefix: str) -> None:
    """Remove the folders of owners that are gone. What has no lock file is not one of them."""
    for folder in parent.glob(f"{prefix}*"):
        with contextlib.suppress(OSError):  # another user's, or its owner lives
            descriptor = os.open(folder / _LOCK, os.O_RDWR)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _remove(folder)
            finally:
                os.close(descriptor)


def _remove(folder: Path) -> None:
    """Remove ``folder``, its lock file last: killed on the way, it is still known for what it is.

    It may be gone already: who watches over a cluster removes its folder as well.
    """
    with contextlib.suppress(FileNotFoundError):
        for entry in list(folder.iterdir()):
            if entry.is_dir():
                shutil.rmtree(entry, ignore_errors=True)
            elif entry.name != _LOCK:
                entry.unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
