"""What comes of comparing ``auto`` with ``alsatian``: a page of tables, and every search as CSV."""

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from statistics import median

from alsatian.units import format_bytes
from experiments.runs.environment import environment

USUAL, AUTO = "alsatian", "auto"
GOAL = 1.05
"""Most of the usual time that ``auto`` may take."""
TIGHT = 10.0
"""Percent; memory is tight where one of the shares is at most that."""


@dataclass(frozen=True)
class Memory:
    """A pair of budgets.

    Attributes:
        cache, blocks: as shares, of all that an exhaustive round could use again and of all distinct blocks.
        cache_bytes, block_bytes: the same in bytes.
    """

    cache: str
    blocks: str
    cache_bytes: int
    block_bytes: int

    @property
    def both(self) -> int:
        """Bytes of both."""
        return self.cache_bytes + self.block_bytes

    @property
    def tight(self) -> bool:
        """Whether one of the shares is small."""
        return min(float(share.rstrip("%")) for share in (self.cache, self.blocks)) <= TIGHT


@dataclass(frozen=True)
class Sample:
    """One search.

    Attributes:
        memory: its budgets.
        schedule, strategy: their names.
        wall_s: seconds from start to end; None if no plan fits the budgets.
        planning_s: those of them that went into planning.
        bytes_read: of block files.
        memory_bytes: the most that intermediates and resident blocks had together.
        schedule_chosen: by an adaptive schedule, else empty.
        notes: what the plans say about themselves, of each round.
    """

    memory: Memory
    schedule: str
    strategy: str
    wall_s: float | None
    planning_s: float = 0.0
    bytes_read: int = 0
    memory_bytes: int = 0
    schedule_chosen: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Compared:
    """Both strategies with one memory and schedule.

    Attributes:
        usual, auto: their searches, in the same turns.
    """

    usual: list[Sample]
    auto: list[Sample]

    def ratios(self) -> list[float]:
        """Seconds of ``auto`` over the usual ones of the same turn; none if one of both does not fit."""
        return [b / a for a, b in zip(walls(self.usual), walls(self.auto), strict=False)]


def walls(samples: Sequence[Sample]) -> list[float]:
    """Seconds of the searches that fit."""
    return [sample.wall_s for sample in samples if sample.wall_s is not None]


def compared(samples: Sequence[Sample]) -> list[Compared]:
    """Every memory and schedule that both strategies were run with."""
    groups: dict[tuple[Memory, str], dict[str, list[Sample]]] = {}
    for one in samples:
        groups.setdefault((one.memory, one.schedule), {}).setdefault(one.strategy, []).append(one)
    return [Compared(found[USUAL], found[AUTO]) for found in groups.values() if len(found) == 2]


def page(samples: Sequence[Sample], command: str, load: tuple[float, float]) -> Iterator[str]:
    """The page's lines; ``load`` is the machine's before and after."""
    machine = environment()
    found = compared(samples)
    yield from (
        "# Planning by predicted time against the usual plans",
        "",
        f"{date.today()}, {machine['cpu']}, {machine['cores']} cores, Python {machine['python']}, PyTorch "
        f"{machine['libraries']['torch']}, code {machine['code']['commit']}"
        f"{' with changes' if machine['code']['dirty'] else ''}. Load average {load[0]:.1f} before, "
        f"{load[1]:.1f} after.",
        "",
        *("```", command, "```", ""),
        "The quickstart's models, searched with `alsatian` and with `auto`. Shares of the cache are of all that",
        "an exhaustive round could use again, those of the blocks of all distinct ones; `auto` divides the sum of",
        "both as it likes. At each pair of shares all kinds of search take turns, in changing order. *Ratio* is of",
        "`auto` over `alsatian` in the same turn. Times and ratios are medians with their range. *MB read* and",
        "*MB held* (the most that intermediates and resident blocks had together) are of `alsatian` → of `auto`.",
        "All searches found the same scores and features, and none held more than both budgets together.",
        "",
        *(f"- {line}" for line in verdicts(found)),
    )
    for schedule in dict.fromkeys(one.schedule for one in samples):
        rows = [each for each in found if each.auto[0].schedule == schedule]
        if rows:
            yield from ("", f"## {schedule.capitalize()}", "", *table(rows))
            yield from ("", "What `auto` chose in the first round, and why:", "")
            yield from (f"- {where(each.auto[0])}: {reason(each.auto)}." for each in rows)
    yield from adaptive(samples)


def verdicts(found: Sequence[Compared]) -> Iterator[str]:
    """Whether ``auto`` is never slower, and how much faster where memory is tight."""
    both = [each for each in found if each.ratios()]
    if not both:
        yield "Nothing fits both, so nothing is compared."
        return
    worst = max(both, key=lambda each: median(each.ratios()))
    kept = sum(median(each.ratios()) <= GOAL for each in both)
    yield (
        f"Goal, never more than {GOAL - 1:.0%} slower: {'kept' if kept == len(both) else 'not kept'}, at {kept} of "
        f"{len(both)} pairs and schedules; the largest ratio is {_spread(worst.ratios())}, at "
        f"{where(worst.auto[0])}, {worst.auto[0].schedule}."
    )
    for name, tight in ((f"tight (a share of at most {TIGHT:g} %)", True), ("ample", False)):
        ratios = [median(each.ratios()) for each in both if each.auto[0].memory.tight is tight]
        if ratios:
            yield f"Where memory is {name} the ratio is {_spread(ratios)}, the medians of {len(ratios)}."
    only = [each for each in found if walls(each.auto) and not walls(each.usual)]
    if only:
        places = "; ".join(f"{where(each.auto[0])}, {each.auto[0].schedule}" for each in only)
        yield f"Only `auto` finds a plan that fits: {places}."
    share = [one.planning_s / one.wall_s for each in both for one in each.auto if one.wall_s]
    yield f"Planning takes {median(share):.1%} of the time of `auto`, at most {max(share):.1%}."


def table(rows: Sequence[Compared]) -> Iterator[str]:
    """One line for each memory."""
    yield "| cache | blocks | both | N | `alsatian` s | `auto` s | ratio | MB read | MB held |"
    yield "|--:|--:|--:|--:|--:|--:|--:|--:|--:|"
    for each in rows:
        memory = each.auto[0].memory
        cells = [memory.cache, memory.blocks, format_bytes(memory.both)]
        cells.append(str(min(len(walls(each.usual)), len(walls(each.auto)))))
        cells += [
            _spread(walls(each.usual)),
            _spread(walls(each.auto)),
            _spread(each.ratios(), "–"),
        ]
        for value in (lambda s: s.bytes_read, lambda s: s.memory_bytes):
            cells.append(f"{_megabytes(each.usual, value)} → {_megabytes(each.auto, value)}")
        yield f"| {' | '.join(cells)} |"


def adaptive(samples: Sequence[Sample]) -> Iterator[str]:
    """What an adaptive schedule chose beside what the schedules themselves took."""
    chosen = [one for one in samples if one.schedule == "adaptive"]
    if not chosen:
        return
    yield from ("", "## Adaptive", "", "Seconds of `auto` by schedule; the faster one should have been chosen.", "")
    yield "| cache | blocks | halving s | exhaustive s | adaptive s | chosen | over the faster |"
    yield "|--:|--:|--:|--:|--:|---|--:|"
    for memory in dict.fromkeys(one.memory for one in chosen):
        mine = [one for one in samples if (one.memory, one.strategy) == (memory, AUTO)]
        times, cells = {}, [memory.cache, memory.blocks]
        for schedule in ("halving", "exhaustive", "adaptive"):
            run = [one for one in mine if one.schedule == schedule]
            times[schedule] = walls(run)
            cells.append(_spread(times[schedule]) if run else "–")
        cells.append(", ".join(dict.fromkeys(one.schedule_chosen for one in mine if one.schedule_chosen)))
        both = [median(times[schedule]) for schedule in ("halving", "exhaustive") if times[schedule]]
        cells.append(
            f"{median(times['adaptive']) / min(both):.2f}" if len(both) == 2 and times["adaptive"] else "–"
        )
        yield f"| {' | '.join(cells)} |"


def where(one: Sample) -> str:
    """The memory of a search in words."""
    return f"cache {one.memory.cache}, blocks {one.memory.blocks}"


def reason(samples: Sequence[Sample]) -> str:
    """Why the first round was planned as it was."""
    return next(
        (one.notes[0] for one in samples if one.notes), "no plan fits" if not walls(samples) else "as usual"
    )


def _spread(values: Sequence[float], none: str = "does not fit") -> str:
    """A median with its range."""
    return f"{median(values):.2f} ({min(values):.2f}–{max(values):.2f})" if values else none


def _megabytes(samples: Sequence[Sample], value: Callable[[Sample], int]) -> str:
    found = [value(one) for one in samples if one.wall_s is not None]
    return f"{median(found) / 1e6:.1f}" if found else "–"


def csv_text(samples: Sequence[Sample]) -> str:
    """One line for every search."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    columns = ("schedule", "strategy", "wall_s", "planning_s", "bytes_read", "memory_bytes", "schedule_chosen")
    writer.writerow(["cache", "blocks", "cache_bytes", "block_bytes", *columns, "notes"])
    for one in samples:
        memory = one.memory
        facts = [getattr(one, column) for column in columns]
        budgets = [memory.cache, memory.blocks, memory.cache_bytes, memory.block_bytes]
        writer.writerow([*budgets, *facts, " | ".join(one.notes)])
    return out.getvalue()
