"""Where tensors lie that a store holds, by their digests, so that the next block with one of them need not hold it,
which blocks need others' files or hold tensors in another form, and which blocks have the same code.

It only saves room: it is made again from the headers of block files where it is missing or damaged, and what it
says is compared with the header of the file that it names before anybody relies on it.
"""

import contextlib
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

from alsatian.store.files.block_file import Place

FILE = "tensors.sqlite"
_TABLES = (
    "CREATE TABLE IF NOT EXISTS borrowing (block BLOB PRIMARY KEY) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS tensors "
    "(digest BLOB PRIMARY KEY, block BLOB NOT NULL, place INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE TABLE alike (number INTEGER PRIMARY KEY, block BLOB NOT NULL UNIQUE, code TEXT NOT NULL)",
    "CREATE INDEX by_code ON alike (code)",
)
# Of blocks with the same code that many are told.
_ALIKE = 256
# Values of one query, below what any SQLite takes.
_MOST = 500
# Seconds to wait for another process that writes.
_WAIT_S = 30.0

WORTH_BYTES = 65_536
"""Bytes of a tensor from which on it is looked for in other files: to read less from another place takes as long as
to read it twice. Smaller ones are shared where a file is read for a large one anyway."""
NAME_BYTES = 256
"""Bytes of a tensor from which on it takes more than to say where it lies."""
T = TypeVar("T")


class Holding(NamedTuple):
    """The file of ``block``: digests of those tensors that it ``holds``, or deltas of them, and others could share,
    by place, whether it needs others' files, and the fingerprint of its ``code``, or nothing if it holds no tensor
    that others could be deltas of."""

    block: str
    holds: Mapping[int, str]
    borrows: bool
    code: str


class TensorIndex:
    """The index in file ``path``; ``blocks`` gives what it is made of if it has to be made again, for every block.

    Belongs to one thread. Where it cannot be read or written nothing is found and nothing is kept.
    """

    def __init__(self, path: Path, blocks: Callable[[], Iterable[Holding]]) -> None:
        self._path = path
        self._blocks = blocks
        self._open: sqlite3.Connection | None = None
        self._new: list[Holding] = []
        self._places: dict[str, Place] = {}  # of what is new

    def find(self, digests: Sequence[str]) -> dict[str, Place]:
        """Where those of these tensors lie that are known."""
        left = [digest for digest in digests if digest not in self._places]
        found = self._tried(lambda index: _found(index, left)) or {}
        return found | {digest: self._places[digest] for digest in digests if digest in self._places}

    def borrowing(self) -> set[str] | None:
        """The blocks that need others' files or hold tensors in another form; None if that is not known."""
        rows = self._tried(lambda index: index.execute("SELECT block FROM borrowing").fetchall())
        return None if rows is None else {block.hex() for (block,) in rows}

    def alike(self, code: str) -> list[str]:
        """The first blocks with this code that others could be deltas of, as far as others know of them."""
        rows = self._tried(
            lambda index: index.execute(
                "SELECT block FROM alike WHERE code = ? ORDER BY number LIMIT ?", (code, _ALIKE)
            ).fetchall()
        )
        return [block.hex() for (block,) in rows or ()]

    def is_base(self, block: str) -> bool:
        """Whether others may be deltas of what ``block`` holds, or held when it was entered."""
        own, asked = bytes.fromhex(block), "SELECT 1 FROM alike WHERE block = ?"
        return self._tried(lambda index: index.execute(asked, (own,)).fetchall()) != []

    def enter(self, new: Holding) -> None:
        """There is another file. Others know of it once it is saved."""
        self._new.append(new)
        self._places.update((digest, Place(new.block, place)) for place, digest in new.holds.items())

    def save(self) -> None:
        """Let others know what was entered."""
        if self._new:
            self._tried(lambda index: _save(index, self._new))
            self._new.clear()
            self._places.clear()

    def close(self) -> None:
        """Close the file."""
        if self._open is not None:
            self._open.close()
            self._open = None

    def _tried(self, work: Callable[[sqlite3.Connection], T]) -> T | None:
        """What ``work`` gives, with an index made anew if it is damaged; None if there is none to be had."""
        for _ in range(2):
            try:
                if self._open is None:
                    self._open = self._opened()
                return work(self._open)
            except sqlite3.OperationalError:  # another process holds it, or the disk is full or not writable
                break
            except sqlite3.Error:
                self.close()
                with contextlib.suppress(OSError):
                    self._path.unlink(missing_ok=True)
        return None

    def _opened(self) -> sqlite3.Connection:
        index = sqlite3.connect(self._path, timeout=_WAIT_S, isolation_level=None)
        with contextlib.ExitStack() as failing:
            failing.callback(index.close)
            # After a loss of power it may be damaged or lack something, which costs room or making it again.
            index.execute("PRAGMA synchronous=OFF")
            if not _is_made(index):
                with _transaction(index):
                    if not _is_made(index):  # by another process, meanwhile
                        for table in _TABLES:
                            index.execute(table)
                        _enter(index, self._blocks())
            failing.pop_all()
        return index


@contextlib.contextmanager
def _transaction(index: sqlite3.Connection) -> Iterator[None]:
    """All that is done to ``index`` within, or nothing."""
    index.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        index.execute("ROLLBACK")
        raise
    index.execute("COMMIT")


def _is_made(index: sqlite3.Connection) -> bool:
    return index.execute("SELECT 1 FROM sqlite_master WHERE name = 'alike'").fetchone() is not None


def _found(index: sqlite3.Connection, digests: Sequence[str]) -> dict[str, Place]:
    found: dict[str, Place] = {}
    for i in range(0, len(digests), _MOST):
        some = [bytes.fromhex(digest) for digest in digests[i : i + _MOST]]
        marks = ",".join("?" * len(some))
        rows = index.execute(f"SELECT digest, block, place FROM tensors WHERE digest IN ({marks})", some)
        found.update((digest.hex(), Place(block.hex(), place)) for digest, block, place in rows)
    return found


def _enter(index: sqlite3.Connection, new: Iterable[Holding]) -> None:
    for block, holds, borrows, code in new:
        own = bytes.fromhex(block)
        rows = [(bytes.fromhex(digest), own, place) for place, digest in holds.items()]
        index.executemany("INSERT OR REPLACE INTO tensors VALUES (?, ?, ?)", rows)
        if code:
            index.execute("INSERT OR IGNORE INTO alike (block, code) VALUES (?, ?)", (own, code))
        if borrows:
            index.execute("INSERT OR IGNORE INTO borrowing VALUES (?)", (own,))


def _save(index: sqlite3.Connection, new: Iterable[Holding]) -> None:
    with _transaction(index):
        _enter(index, new)
