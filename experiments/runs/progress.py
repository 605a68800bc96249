"""What a person sees while runs are under way: a bar on a terminal, and a line for every finished run."""

import time
from collections.abc import Callable
from statistics import mean
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bar

from alsatian.progress import Tick, unheard
from alsatian.units import duration
from experiments.configuration.console import Volume, progress_line, volume


class Progress:
    """Progress over the runs of one command. ``clock`` tells the time in seconds; ``traces`` shows tracebacks."""

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic, traces: bool = False) -> None:
        self._console = console
        self._traces = traces
        self._clock = clock
        self._runs = 0
        self._done = 0
        self._failed = 0
        # When the run in flight began, and how long those took that were measured.
        self._began = clock()
        self._seconds: list[float] = []
        # Where nobody watches a bar there is none, and no thread that draws it.
        self._bar = Bar(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.fields[state]}"),
            TimeElapsedColumn(),
            console=console,
            disable=not console.is_terminal or volume() is Volume.QUIET,
        )
        self._task = self._bar.add_task("starting", total=None, state="")

    def __enter__(self) -> Self:
        self._bar.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._bar.__exit__(*error)

    @property
    def state(self) -> str:
        """``k/n done, f failed, time left``."""
        return f"{self._done}/{self._runs} done, {self._failed} failed{self._left()}"

    def start(self, runs: int) -> None:
        """Say how many runs there are; the first one starts."""
        self._runs = runs
        self._began = self._clock()
        self._bar.update(self._task, total=runs, state=self.state)

    def step(self, what: str, done: int, total: int) -> None:
        """Show a step of the preparation, ``done`` of ``total``; step 0 and the last also as a line."""
        self._bar.update(self._task, description=f"{what} ({done}/{total})")
        if done in (0, total) or volume() is Volume.VERBOSE:
            self._print(f"{what}: {done} of {total} models done")

    def measuring(self, what: str, done: int, total: int) -> None:
        """Show a step of a measurement that is no run, ``done`` of ``total``."""
        self._bar.update(self._task, description=f"{what} ({done}/{total})")

    def repeat(self, label: str, index: int, count: int) -> Tick:
        """Show that a repeat starts; the result is called after every step of it."""
        if volume() is Volume.VERBOSE:
            self._print(f"{label}: repeat {index + 1} of {count} starts")
        self._bar.update(self._task, description=f"{label}, repeat {index + 1} of {count}")
        return self._bar.refresh if self._console.is_terminal else unheard

    def skip(self, label: str) -> None:
        """A run was finished before."""
        self._done += 1
        self._ended(f"{label}: finished before, skipped (force=true measures again)")

    def note(self, label: str, text: str) -> None:
        """Say something about a run before it starts."""
        self._print(f"{label}: {text}")

    def say(self, text: str) -> None:
        """Say something of several lines before runs start."""
        self._print(text)

    def done(self, label: str, summary: str) -> None:
        """A run ended well; ``summary`` says with what."""
        self._done += 1
        self._seconds.append(self._clock() - self._began)
        self._ended(f"{label}: {summary}")

    def failed(self, label: str, status: str) -> None:
        """A run did not end well; why is said at the end of the command."""
        self._failed += 1
        self._ended(f"{label}: {status}", important=True)

    def trace(self, text: str) -> None:
        """Show the traceback of a failure, if they are asked for."""
        if self._traces and text:
            self._console.print(text, markup=False, highlight=False)

    def warn(self, text: str) -> None:
        """Say that something beside the runs went wrong."""
        self._print(f"warning: {text}", important=True)

    def _ended(self, line: str, important: bool = False) -> None:
        self._began = self._clock()
        self._bar.update(self._task, completed=self._done + self._failed, state=self.state)
        self._print(f"[{self.state}] {line}" if self._runs > 1 else line, important)

    def _left(self) -> str:
        """The time that the runs which are left will take if they take as long as those before."""
        left = self._runs - self._done - self._failed
        if not left:
            return ""
        return f", {duration(left * mean(self._seconds))} left" if self._seconds else ", time left unknown"

    def _print(self, line: str, important: bool = False) -> None:
        """One line, or several as they are; when quiet only what is ``important``."""
        if (told := progress_line(line, important)) is None:
            return
        cut = self._console.is_terminal and volume() is Volume.USUAL and not important and "\n" not in line
        more: dict[str, Any] = {"no_wrap": True, "overflow": "ellipsis"} if cut else {}
        self._console.print(told, markup=False, highlight=False, **more)
