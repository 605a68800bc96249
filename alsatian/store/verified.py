"""Which block files this machine has verified, remembered from one process to the next.

A file counts as verified as long as it looks as it did then: device, inode, size and times of change. That of the
inode (``ctime``) cannot be set, so one that was edited, replaced, copied or restored is verified again, and so are
all on another machine. What a disk changes beneath the file system is not noticed.

What is remembered is a file for each machine in a folder of the store, a line for each block, appended in one
write. Every line has a check of its own, so that one that a kill or another process has torn is passed over.
"""

import contextlib
import os
import platform
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Self

from blake3 import blake3

from alsatian.contents import Stamp, settled, stamp
from alsatian.files import write_bytes
from alsatian.fingerprint import DIGEST

LASTING_S = 0.15
"""After so many seconds a file that was written can be remembered."""
# Machines that are remembered, and lines beyond two for each block before a file is written anew.
_MACHINES, _SPARE = 64, 1000
_Stamps = dict[str, Stamp]


class Verified:
    """The blocks whose files were verified, by identity; kept below ``folder``, in memory alone for None.

    A folder that cannot be read or written costs verifying again, and is no error.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._known: _Stamps | None = None

    def __reduce__(self) -> tuple[type[Self], tuple[Path | None]]:
        return type(self), (self._folder,)  # another machine may open it

    def knows(self, identity: str, looks: Stamp) -> bool:
        """Whether the file of block ``identity`` was verified when it looked so."""
        return self._stamps().get(identity) == looks

    def enter(self, files: Mapping[str, Stamp]) -> None:
        """The files of these blocks hold what their names say. The caller makes sure that they are
        :func:`~alsatian.contents.settled`."""
        self._note({identity: looks for identity, looks in files.items() if not self.knows(identity, looks)})

    def forget(self, identity: str) -> None:
        """The file of this block is damaged, whatever it looks like."""
        if self._stamps().get(identity):
            self._note({identity: ()})

    def tidy(self, holds: Callable[[str], bool]) -> None:
        """Forget blocks that the store does not hold any more, for all machines."""
        for place in _places(self._folder):
            known = _read(place)
            left = {identity: looks for identity, looks in known.items() if looks and holds(identity)}
            if left != known:
                _write(place, left)

    def _stamps(self) -> _Stamps:
        if self._known is None:
            self._known = {} if self._folder is None else _read(self._folder / machine())
        return self._known

    def _note(self, new: _Stamps) -> None:
        self._stamps().update(new)
        if not new or self._folder is None:
            return
        place = self._folder / machine()
        with contextlib.suppress(OSError):
            if not place.exists():
                self._folder.mkdir(exist_ok=True)  # if the store around it has gone, nobody wants it back
                for oldest in _places(self._folder)[: 1 - _MACHINES]:
                    oldest.unlink(missing_ok=True)
            descriptor = os.open(place, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
            try:
                # What was torn before ends here.
                os.write(descriptor, b"\n" + _lines(new))
            finally:
                os.close(descriptor)


def looks_of(file: Path | int) -> Stamp:
    """What changes when a file, or an open one, does, or when it is another one: times of change, in nanoseconds,
    are last.

    Raises:
        OSError: there is no such file.
    """
    status = os.stat(file)
    return status.st_dev, *stamp(status)


def lasting(looks: Stamp, ours: bool = False) -> bool:
    """Whether any change of the file from now on gives it another stamp.

    A file that is ``ours``, which nobody else could write to before it got its name, may have got that just now.
    """
    return settled(looks[-2:-1] if ours else looks)


@cache
def machine() -> str:
    """This machine, as the name of the file in which it remembers. Copies of a machine have the id in common, and
    others may have its name, so it is both."""
    own = ""
    with contextlib.suppress(OSError):
        own = Path("/etc/machine-id").read_text().strip()
    return blake3(f"{own} {platform.node()}".encode()).hexdigest()[:16]


def _places(folder: Path | None) -> list[Path]:
    """The files of all machines, that which was written first at the front."""
    found = []
    for place in folder.glob("[0-9a-f]*") if folder is not None else ():
        with contextlib.suppress(OSError):
            found.append((place.stat().st_mtime_ns, place))
    return [place for _, place in sorted(found)]


def _lines(stamps: _Stamps) -> bytes:
    texts = (" ".join(map(str, (identity, *looks))) for identity, looks in stamps.items())
    return "".join(f"{text} {_check(text)}\n" for text in texts).encode()


def _check(text: str) -> str:
    return blake3(text.encode()).hexdigest()[:16]


def _read(place: Path) -> _Stamps:
    """What ``place`` holds, by its last line for each block; written anew where most lines are of no use."""
    known: _Stamps = {}
    try:
        lines = place.read_bytes().decode("ascii", "replace").split("\n")
    except OSError:
        return known
    known.update(_valid(lines))
    if sum(map(bool, lines)) > 2 * len(known) + _SPARE:
        _write(place, known)
    return known


def _valid(lines: Iterable[str]) -> _Stamps:
    found: _Stamps = {}
    for line in lines:
        text, _, check = line.rpartition(" ")
        identity, *numbers = text.split(" ")
        if check == _check(text) and DIGEST.fullmatch(identity) and all(map(str.isdecimal, numbers)):
            found[identity] = tuple(map(int, numbers))
    return found


def _write(place: Path, stamps: _Stamps) -> None:
    with contextlib.suppress(OSError):
        write_bytes(place, _lines(stamps))
