"""The interface to experiment trackers, and a guard that keeps their failures away from results."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from alsatian.errors import first_line

Values = Mapping[str, Any]
"""Part of a run record as plain data; see :mod:`alsatian.records.run`."""


class Tracker:
    """Follows runs and does nothing with them. A tracker overrides what it wants to know.

    Nothing is called while a clock runs, and what is handed over holds no secrets.
    """

    def started(self, label: str, folder: Path, record: Values) -> None:
        """A run starts: its ``record`` so far. ``folder`` is the experiment's."""

    def repeat(self, index: int, repeat: Values) -> None:
        """A repeat was measured."""

    def round(self, index: int, round_: Values) -> None:
        """A round of the search, told after the last repeat."""

    def ranking(self, models: Sequence[str]) -> None:
        """All models, best first, told after the last round."""

    def ended(self, status: str, error: str | None) -> None:
        """The run ended. Called for every run that started."""

    def figures(self, folder: Path, files: Sequence[Path]) -> None:
        """Tables and figures of the experiment in ``folder`` were written."""


class Guarded(Tracker):
    """Passes on to ``tracker`` until it fails; the failure goes to ``warn`` and ends nothing but tracking."""

    def __init__(self, tracker: Tracker, warn: Callable[[str], None]) -> None:
        self._tracker = tracker
        self._warn = warn
        self._broken = False

    def started(self, label: str, folder: Path, record: Values) -> None:
        self._broken = False
        self._try(lambda: self._tracker.started(label, folder, record))

    def repeat(self, index: int, repeat: Values) -> None:
        self._try(lambda: self._tracker.repeat(index, repeat))

    def round(self, index: int, round_: Values) -> None:
        self._try(lambda: self._tracker.round(index, round_))

    def ranking(self, models: Sequence[str]) -> None:
        self._try(lambda: self._tracker.ranking(models))

    def ended(self, status: str, error: str | None) -> None:
        # Also after a failure: a tracker may hold a connection or a process that has to be closed.
        self._try(lambda: self._tracker.ended(status, error), always=True)

    def figures(self, folder: Path, files: Sequence[Path]) -> None:
        self._try(lambda: self._tracker.figures(folder, files))

    def _try(self, tell: Callable[[], None], always: bool = False) -> None:
        if self._broken and not always:
            return
        try:
            tell()
        except Exception as error:
            if not self._broken:
                self._warn(f"tracking failed and stops for this run, results are not affected: {first_line(error)}")
            self._broken = True
