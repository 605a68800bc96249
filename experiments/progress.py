"""What a person sees while runs are under way."""

from collections.abc import Callable
from statistics import median
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar


class Progress:
    """A progress bar over the repeats of all runs, with a line for every finished run."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=console,
        )
        self._task = self._bar.add_task("starting", total=None)
        self._last_step = ""

    def __enter__(self) -> Self:
        self._bar.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._bar.__exit__(*error)

    def total(self, repeats: int) -> None:
        """Say how many repeats there are in all."""
        self._bar.update(self._task, total=repeats)

    def step(self, what: str, done: int, total: int) -> None:
        """Show a step of the preparation, ``done`` of ``total``; step 0 and the last also as a line."""
        self._bar.update(self._task, description=f"{what} ({done}/{total})")
        if done in (0, total):
            self._console.print(f"{what}: {done} of {total} models are there", highlight=False)

    def repeat(self, label: str, index: int, count: int) -> Callable[[], None]:
        """Show that a repeat starts; the result is called after every step of it."""
        self._bar.update(self._task, description=f"{label}, repeat {index + 1} of {count}")
        return self._bar.refresh if self._console.is_terminal else lambda: None

    def advance(self) -> None:
        """A repeat is done."""
        self._bar.advance(self._task)

    def skip(self, label: str, repeats: int) -> None:
        """A run was finished before."""
        self._bar.advance(self._task, repeats)
        self._console.print(f"{label}: finished before, skipped (force=true measures again)", highlight=False)

    def done(self, label: str, record: dict[str, Any]) -> None:
        """A run ended."""
        if record["status"] == "ok":
            seconds = [repeat["wall_s"] for repeat in record["repeats"]]
            text = f"{label}: {median(seconds):.1f} s (median of {len(seconds)}), best model {record['winner']}"
        else:
            text = f"{label}: {record['status']}"
        self._console.print(text, highlight=False)
