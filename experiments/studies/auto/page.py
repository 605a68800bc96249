"""What comes of comparing ``auto`` with ``alsatian``."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from statistics import median

import pandas as pd

from alsatian.units import format_bytes
from experiments.studies.study import Page, spread, table

USUAL, AUTO = "alsatian", "auto"
GOAL = 1.05
"""Most of the usual time that ``auto`` may take."""
TIGHT = 10.0
"""Percent; memory is tight where one of the shares is at most that."""
NONE = "does not fit"


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

    def __str__(self) -> str:
        return f"cache {self.cache}, blocks {self.blocks}"


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
    wall_s: float | None = None
    planning_s: float = 0.0
    bytes_read: int = 0
    memory_bytes: int = 0
    schedule_chosen: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Pair:
    """Searches with one memory and schedule by both strategies, in the same turns; seconds of those that fit."""

    memory: Memory
    schedule: str
    usual: list[Sample]
    auto: list[Sample]

    @property
    def where(self) -> str:
        """Memory and schedule in words."""
        return f"{self.memory}, {self.schedule}"

    @property
    def ratios(self) -> list[float]:
        """Seconds of ``auto`` over the usual ones of the same turn; none if one of both does not fit."""
        return [b / a for a, b in zip(walls(self.usual), walls(self.auto), strict=False)]


def walls(samples: Sequence[Sample]) -> list[float]:
    """Seconds of the searches that fit."""
    return [sample.wall_s for sample in samples if sample.wall_s is not None]


def pairs(samples: Sequence[Sample]) -> list[Pair]:
    """Every memory and schedule that both strategies were run with."""
    groups: dict[tuple[Memory, str], dict[str, list[Sample]]] = {}
    for one in samples:
        groups.setdefault((one.memory, one.schedule), {}).setdefault(one.strategy, []).append(one)
    return [Pair(*key, found[USUAL], found[AUTO]) for key, found in groups.items() if len(found) == 2]


def page(samples: Sequence[Sample]) -> Page:
    """Verdicts, tables by schedule, and every search as data."""
    found = pairs(samples)
    blocks = [
        "The quickstart's models, searched with `alsatian` and with `auto`. Shares of the cache are of all that an "
        "exhaustive round could use again, those of the blocks of all distinct ones; `auto` divides the sum of "
        "both as it likes. At each pair of shares all kinds of search take turns, in changing order. *Ratio* is of "
        "`auto` over `alsatian` in the same turn. Times and ratios are medians with their range. *MB read* and "
        "*MB held* (the most that intermediates and resident blocks had together) are of `alsatian` → of `auto`. "
        "All searches found the same scores and features, and none held more than both budgets together.",
        "\n".join(f"- {line}" for line in verdicts(found)),
    ]
    for schedule in dict.fromkeys(one.schedule for one in samples):
        if rows := [pair for pair in found if pair.schedule == schedule]:
            blocks += [f"## {schedule.capitalize()}", table(map(_row, rows))]
            blocks.append("What `auto` chose in the first round, and why:")
            blocks.append("\n".join(f"- {pair.memory}: {_reason(pair.auto)}." for pair in rows))
    if adaptive := [_adaptive(memory, samples) for memory in _memories(samples, "adaptive")]:
        blocks += ["## Adaptive", "Seconds of `auto` by schedule; the faster one should have been chosen."]
        blocks.append(table(adaptive))
    lines = [asdict(one.memory) | asdict(one) | {"notes": " | ".join(one.notes)} for one in samples]
    data = pd.DataFrame(lines).drop(columns="memory")
    return Page("Planning by predicted time against the usual plans", blocks, data)


def verdicts(found: Sequence[Pair]) -> Iterator[str]:
    """Whether ``auto`` is never slower, and how much faster where memory is tight."""
    both = {pair: median(ratios) for pair in found if (ratios := pair.ratios)}
    if not both:
        yield "Nothing fits both, so nothing is compared."
        return
    worst = max(both, key=lambda pair: both[pair])
    kept = sum(ratio <= GOAL for ratio in both.values())
    yield (
        f"Goal, never more than {GOAL - 1:.0%} slower: {'kept' if kept == len(both) else 'not kept'}, at {kept} of "
        f"{len(both)} pairs and schedules; the largest ratio is {spread(worst.ratios)}, at {worst.where}."
    )
    for name, tight in ((f"tight (a share of at most {TIGHT:g} %)", True), ("ample", False)):
        if ratios := [ratio for pair, ratio in both.items() if pair.memory.tight is tight]:
            yield f"Where memory is {name} the ratio is {spread(ratios)}, the medians of {len(ratios)}."
    if only := [pair.where for pair in found if walls(pair.auto) and not walls(pair.usual)]:
        yield f"Only `auto` finds a plan that fits: {'; '.join(only)}."
    share = [one.planning_s / one.wall_s for pair in both for one in pair.auto if one.wall_s]
    yield f"Planning takes {median(share):.1%} of the time of `auto`, at most {max(share):.1%}."


def _row(pair: Pair) -> dict[str, str]:
    memory = pair.memory
    cells = {"cache": memory.cache, "blocks": memory.blocks, "both": format_bytes(memory.both)}
    cells["N"] = str(min(len(walls(pair.usual)), len(walls(pair.auto))))
    cells |= {
        f"`{USUAL}` s": spread(walls(pair.usual), none=NONE),
        f"`{AUTO}` s": spread(walls(pair.auto), none=NONE),
    }
    cells["ratio"] = spread(pair.ratios)
    for title, name in {"MB read": "bytes_read", "MB held": "memory_bytes"}.items():
        cells[title] = " → ".join(_megabytes(samples, name) for samples in (pair.usual, pair.auto))
    return cells


def _megabytes(samples: Sequence[Sample], name: str) -> str:
    found = [getattr(one, name) for one in samples if one.wall_s is not None]
    return f"{median(found) / 1e6:.1f}" if found else "–"


def _memories(samples: Sequence[Sample], schedule: str) -> list[Memory]:
    return list(dict.fromkeys(one.memory for one in samples if one.schedule == schedule))


def _adaptive(memory: Memory, samples: Sequence[Sample]) -> dict[str, str]:
    """What an adaptive schedule chose beside what the schedules themselves took."""
    mine = [one for one in samples if (one.memory, one.strategy) == (memory, AUTO)]
    cells = {"cache": memory.cache, "blocks": memory.blocks}
    times = {}
    for schedule in ("halving", "exhaustive", "adaptive"):
        own = [one for one in mine if one.schedule == schedule]
        times[schedule] = walls(own)
        cells[f"{schedule} s"] = spread(times[schedule], none=NONE if own else "–")
    cells["chosen"] = ", ".join(dict.fromkeys(one.schedule_chosen for one in mine if one.schedule_chosen))
    *both, adaptive = (median(found) for found in times.values() if found) if all(times.values()) else (0.0,)
    cells["over the faster"] = f"{adaptive / min(both):.2f}" if both else "–"
    return cells


def _reason(samples: Sequence[Sample]) -> str:
    """Why the first round was planned as it was."""
    usual = "as usual" if walls(samples) else "no plan fits"
    return next((one.notes[0] for one in samples if one.notes), usual)
