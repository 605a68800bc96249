"""The interface to experiment trackers, and a guard that keeps their failures away from results."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
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


EVENTS = tuple(name for name in vars(Tracker) if not name.startswith("_"))
"""What a tracker is told."""


class Guarded(Tracker):
    """Passes on to ``tracker`` until it fails; the failure goes to ``warn`` and ends nothing but tracking."""

    def __init__(self, tracker: Tracker, warn: Callable[[str], None]) -> None:
        self._tracker = tracker
        self._warn = warn
        self._broken = False
        for event in EVENTS:
            setattr(self, event, partial(self._tell, event))

    def _tell(self, event: str, *arguments: Any) -> None:
        if event == "started":
            self._broken = False
        # Also after a failure a run is ended: a tracker may hold a connection or a process that has to be closed.
        if self._broken and event != "ended":
            return
        try:
            getattr(self._tracker, event)(*arguments)
        except Exception as error:
            if not self._broken:
                self._warn(f"tracking failed and stops for this run, results are not affected: {first_line(error)}")
            self._broken = True


class Later(Tracker):
    """Tells ``tracker``, which follows one run at a time, of a run when it has ended: others take turns with it."""

    def __init__(self, tracker: Tracker) -> None:
        self._tracker = tracker
        self._heard: list[partial[None]] = []
        for event in EVENTS:
            setattr(self, event, partial(self._hear, event))

    def _hear(self, event: str, *arguments: Any) -> None:
        self._heard.append(partial(getattr(self._tracker, event), *arguments))
        if event == "ended":
            for tell in self._heard:
                tell()
            self._heard.clear()
