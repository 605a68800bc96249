"""Every item's file is tried before anything runs: a bad one is found then, not in the middle of a search."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np

from alsatian.data.gate.folders import Skips
from alsatian.errors import ConfigError, nearest
from alsatian.units import count_text

# A bad item ends everything, or is left out and listed.
ON_BAD_ITEM = ("raise", "skip")
# Largest share of the items that may be left out, if nothing else is said.
BAD_SHARE = 0.05
# No more bad files than this are named.
_NAMED = 60

Result = TypeVar("Result")


class BadItemError(ConfigError):
    """An item's file cannot be read.

    Attributes:
        path: of the file.
        kind: what it should have been, ``"an image"``.
        reason: why it is none.
    """

    def __init__(self, path: Path, kind: str, reason: str) -> None:
        super().__init__(f"{path}: cannot be read as {kind} ({reason})")
        self.path = path
        self.kind = kind
        self.reason = reason


@dataclass(frozen=True)
class Checked(Generic[Result]):
    """What is left of the files.

    Attributes:
        good: whether each file can be read.
        results: what reading each good one gave.
    """

    good: np.ndarray
    results: list[Result]

    def labels(self, labels: np.ndarray, source: str) -> np.ndarray:
        """Those of ``labels`` (N,), one a file, whose file can be read.

        Raises:
            ConfigError: a class of ``source`` lost all its files.
        """
        left: np.ndarray = labels[self.good]
        if lost := sorted(set(labels.tolist()) - set(left.tolist())):
            raise ConfigError(f"'{source}': class '{lost[0]}' has no file that can be read")
        return left


@dataclass(frozen=True)
class BadItems:
    """What becomes of items that cannot be read.

    Attributes:
        action: one of ``ON_BAD_ITEM``.
        share: largest share of all items that is left out; more end everything.
    """

    action: str = "raise"
    share: float = BAD_SHARE

    def __post_init__(self) -> None:
        if self.action not in ON_BAD_ITEM:
            raise ConfigError(f"on_bad_item={self.action}: {nearest(str(self.action), ON_BAD_ITEM)}")
        if not 0 <= self.share < 1:
            raise ConfigError(f"bad_share={self.share}: must be at least 0 and below 1")

    def check(self, paths: Sequence[Path], read: Callable[[Path], Result], skips: Skips) -> Checked[Result]:
        """``read`` every file, several at a time; it raises BadItemError for those that cannot be read.

        Raises:
            ConfigError: there are bad ones, all of which are named, and they are not to be left out or too many.
        """

        def tried(path: Path) -> Result | BadItemError:
            try:
                return read(path)
            except BadItemError as error:
                return error

        with ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="check") as pool:
            found = list(pool.map(tried, paths))
        bad = [one for one in found if isinstance(one, BadItemError)]
        if bad and (self.action == "raise" or len(bad) > self.share * len(paths)):
            raise ConfigError(self._all_named(bad, len(paths)))
        for error in bad:
            skips.add(f"cannot be read as {error.kind}", error.path, error.reason)
        good = np.array([not isinstance(one, BadItemError) for one in found], bool)
        return Checked(good, [one for one in found if not isinstance(one, BadItemError)])

    def _all_named(self, bad: Sequence[BadItemError], count: int) -> str:
        names = [f"{error.path} ({error.reason})" for error in bad[:_NAMED]]
        more = f", … ({len(bad):,} in all)" if len(bad) > _NAMED else ""
        if self.action == "raise":
            advice = "repair or remove them, or leave them out with dataset.on_bad_item=skip"
        else:
            advice = f"more than bad_share={self.share:g} allows to leave out"
        what = f"{len(bad):,} of {count_text(count, 'file')} cannot be read as {bad[0].kind}"
        return f"{what}; {advice}: {', '.join(names)}{more}"
