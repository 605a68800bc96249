"""Room for files of several processes under one budget, of which those go first that were used longest ago."""

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from alsatian.files import make_folder

# Seconds between two looks for room, and how often to look.
_WAIT_S, _WAITS = 0.05, 600


class Room:
    """At most ``budget`` bytes of ``files()``, each with a file of its own at ``lock_of`` it, which whoever uses it
    locks, and touches. The file ``place`` says how many bytes are used, those of files on their way among them.

    Of the files those stay that ``may_go`` does not hold for, and those that are locked.
    """

    def __init__(
        self,
        place: Path,
        budget: int,
        files: Callable[[], Iterable[Path]],
        lock_of: Callable[[Path], Path],
        may_go: Callable[[Path], bool],
    ) -> None:
        self.budget = budget
        self._place = place
        self._files = files
        self._lock_of = lock_of
        self._may_go = may_go

    def reserve(self, file: Path, size: int) -> bool:
        """Make ``file``, which is as long as it will be from now on; whether there is room, which is waited for.

        Raises:
            OSError: it cannot be made.
        """
        for _ in range(_WAITS if size <= self.budget else 0):
            with self._used() as used:
                nbytes = self._evicted(read_number(used), size)
                if nbytes + size <= self.budget:
                    file.parent.mkdir(parents=True, exist_ok=True)
                    with file.open("wb") as made:
                        made.truncate(size)
                    nbytes += size
                write_number(used, nbytes)
                if file.exists():
                    return True
            time.sleep(_WAIT_S)
        return False

    def remove(self, file: Path) -> None:
        """Remove a file, if it is there."""
        with self._used() as used, contextlib.suppress(FileNotFoundError):
            nbytes = file.stat().st_size
            file.unlink()
            write_number(used, read_number(used) - nbytes)

    def recount(self) -> None:
        """Count what is used anew, and have no more than the budget, as far as it may go."""
        with self._used() as used:
            write_number(used, self._evicted(sum(_size(path) for path in self._files()), 0))

    def _evicted(self, used: int, size: int) -> int:
        """The bytes ``used`` once there is room for ``size`` more, as far as that can be had."""
        if used + size <= self.budget:
            return used
        for path in sorted(filter(self._may_go, self._files()), key=self._last_use):
            if used + size <= self.budget:
                break
            with contextlib.suppress(OSError):  # it is in use, or has just gone
                descriptor = os.open(self._lock_of(path), os.O_RDWR | os.O_CREAT, 0o644)
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    nbytes = path.stat().st_size
                    path.unlink()
                    used -= nbytes
                finally:
                    os.close(descriptor)
        return used

    def _last_use(self, path: Path) -> int:
        """In nanoseconds; of what was never used here, when it was made."""
        for place in (self._lock_of(path), path):
            with contextlib.suppress(OSError):
                return place.stat().st_mtime_ns
        return 0

    @contextlib.contextmanager
    def _used(self) -> Iterator[int]:
        """The open file that says how much is used, for one at a time."""
        make_folder(self._place.parent)
        descriptor = os.open(self._place, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield descriptor
        finally:
            os.close(descriptor)


def read_number(descriptor: int) -> int:
    """The number that an open file holds; 0 for none."""
    text = os.pread(descriptor, 20, 0)
    return int(text) if text.strip().isdigit() else 0


def write_number(descriptor: int, number: int) -> None:
    """Have an open file hold a number."""
    os.pwrite(descriptor, b"%20d" % max(0, number), 0)


def _size(path: Path) -> int:
    with contextlib.suppress(OSError):
        return path.stat().st_size
    return 0
