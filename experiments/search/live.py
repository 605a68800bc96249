"""What a person sees while a search runs: round, survivors, leader, items, time left."""

import textwrap
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from alsatian.costs.hardware import busy_text
from alsatian.data.dataset import Dataset
from alsatian.models.model_set import ModelSet
from alsatian.ranking.tables import score_text
from alsatian.runtime.reuse.feature_cache import Reused
from alsatian.runtime.scorer import Scored
from alsatian.searching.outlook import Outlook
from alsatian.searching.round_result import RoundResult
from alsatian.searching.search import Search
from alsatian.searching.watcher import Watcher
from alsatian.units import count_text, duration, format_bytes, printable
from experiments.configuration.console import Volume, volume

# Of the search, before what it took so far says more than the prediction does.
_TRUSTED = 0.1
_WIDTH, _COLUMN = 80, 11
# Of measuring the machine: less is reading what was measured before.
_SHOWN_S = 0.05
# Of a model's name beside the bar.
_NAME = 20


class Live(Watcher):
    """Lines before and after every round, and on a terminal a bar that moves. ``clock`` tells seconds."""

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        self._console, self._clock = console, clock
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=8),
            TextColumn("{task.fields[left]}"),
            console=console,
            disable=not console.is_terminal or volume() is Volume.QUIET,
            transient=True,
        )
        self._task = self._bar.add_task("starting", total=None, left="")
        self._expected: Outlook | None = None
        self._begin = clock()
        self._number, self._steps, self._done = 1, 0, 0
        self._what = ""
        self._scored: Mapping[str, Scored] = {}
        self._test_items = 0

    def __enter__(self) -> Self:
        self._bar.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._bar.__exit__(*error)

    def say(self, line: str, indent: bool = False) -> None:
        """Print ``line``, what does not fit below its second column; when quiet only warnings."""
        if volume() is Volume.QUIET and not line.startswith("warning: "):
            return
        width, start = min(self._console.width, _WIDTH), " " * _COLUMN
        text = textwrap.fill(
            printable(line), width, initial_indent=start if indent else "", subsequent_indent=start,
            break_on_hyphens=False, break_long_words=False, drop_whitespace=True,
        )  # fmt: skip
        self._console.print(text, markup=False, highlight=False)

    def reading(self, what: str, done: int, total: int) -> None:
        self._bar.update(self._task, description=f"{printable(what)} ({done}/{total})")

    def starts(
        self, models: ModelSet, dataset: Dataset, search: Search, expected: Outlook | None, reused: Reused | None
    ) -> None:
        self._expected, self._test_items = expected, len(dataset.test_items)
        candidates = models.candidates
        kinds = len({tuple(models.segments[b.identity].fingerprint for b in c.blocks) for c in candidates})
        total, distinct = models.total_bytes, models.distinct_bytes
        self.say(
            f"Models     {count_text(len(candidates), 'model')} of {count_text(kinds, 'architecture')}, "
            f"{format_bytes(total)}, {format_bytes(distinct)} of them distinct"
        )
        for note in models.notes:
            self.say(note, indent=True)
        for line in models.refused.values():
            self.say(f"left out: {line}", indent=True)
        plan = f"Plan       {search.strategy.name}, {search.strategy.schedule.name}"
        if expected is not None:
            plan += f": {count_text(len(expected.rounds), 'round')}, {_about(expected.wall_s)}"
            plan += f" ({_about(expected.alone_s)} without sharing)"
        self.say(plan)
        if expected is not None:
            took = f"measuring took {expected.profile_s:.2f} s" if expected.profile_s >= _SHOWN_S else ""
            if said := "; ".join(filter(None, (took, busy_text(expected.busy) if expected.busy else ""))):
                self.say(said, indent=True)
        if reused is not None and reused.text:
            self.say(f"Reused     {reused.text}")
        self._begin = self._clock()

    def round_begins(self, number: int, models: Sequence[str], items: int) -> None:
        self._number, self._done, self._steps, self._scored = number, 0, 0, {}
        of = f"/{len(self._expected.rounds)}" if self._expected else ""
        self._what = f"round {number}{of}: {count_text(len(models), 'model')}, {items + self._test_items:,} items"
        self._bar.update(self._task, description=self._what, total=1, completed=0, left=self._left())

    def planned(self, steps: int, scored: Mapping[str, Scored]) -> None:
        self._steps, self._done, self._scored = steps, 0, scored

    def step_ended(self) -> None:
        self._done += 1
        share = min(1.0, self._done / max(self._steps, 1))
        self._bar.update(self._task, description=self._now(), completed=share, left=self._left())

    def _now(self) -> str:
        """The round, and the best of the models that are scored already."""
        if not self._scored:
            return self._what
        leader = max(self._scored, key=lambda model: self._scored[model].score)
        name = printable(leader)
        short = name if len(name) <= _NAME else f"…{name[1 - _NAME :]}"
        return f"{self._what}, best {short} {score_text(self._scored[leader].score)}"

    def round_ends(self, number: int, result: RoundResult, left: Sequence[str]) -> None:
        of = f"/{len(self._expected.rounds)}" if self._expected else ""
        leader = max(result.scores, key=lambda model: result.scores[model], default=None)
        best = "no model has a score" if leader is None else f"best {leader} {score_text(result.scores[leader])}"
        stay = f", {len(left)} {'stays' if len(left) == 1 else 'stay'}" if left else ""
        items = f"{result.train_items:,}+{self._test_items:,} items"
        self.say(
            f"{f'Round {number}{of}'.ljust(_COLUMN - 1)} {count_text(len(result.scores), 'model')}, {items}{stay}; "
            f"{best}; after {duration(self._clock() - self._begin)}"
        )

    def _left(self) -> str:
        """What is left, by the prediction, and by how far off it was up to now."""
        if self._expected is None or not self._expected.wall_s:
            return ""
        seconds = [took for _, _, took in self._expected.rounds]
        now = seconds[self._number - 1] if self._number <= len(seconds) else 0.0
        share = min(1.0, self._done / self._steps) if self._steps else 0.0
        done = (sum(seconds[: self._number - 1]) + share * now) / self._expected.wall_s
        spent = self._clock() - self._begin
        whole = spent / done if done > _TRUSTED else max(self._expected.wall_s, spent)
        return f"{duration(max(0.0, whole - spent))} left"


def _about(seconds: float) -> str:
    return "under 1 s" if seconds < 1 else f"about {duration(seconds)}"
