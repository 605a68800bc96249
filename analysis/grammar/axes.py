"""The values of a column on an axis: sizes, shares and numbers where they lie, anything else side by side."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from alsatian.errors import ConfigError
from alsatian.records import Run
from alsatian.units import format_bytes, size_of
from analysis.comparing.facts import UNSET
from analysis.tables.metrics import METRICS, number_text, text

Kind = Literal["share", "bytes", "number", "category"]
# Settings that null leaves without a limit; of others it means none.
UNLIMITED = ("cache.budget", "cache.block_budget", "storage.bandwidth", "storage.data_bandwidth")
# From this largest over the smallest value on numbers are read by factors.
WIDE = 8.0


@dataclass(frozen=True)
class Axis:
    """Where the runs lie on an axis.

    Attributes:
        name: with its unit.
        kind: what the values are.
        log: whether equal factors are equally far apart.
        texts: the value of each run as typed.
        places: of each run; None for one that has no value. Shares are 1 for all, sizes bytes.
        ticks: the text at every place that was set; none for what was measured.
    """

    name: str
    kind: Kind
    log: bool
    texts: tuple[str, ...]
    places: tuple[float | None, ...]
    ticks: dict[float, str]

    @property
    def joined(self) -> bool:
        """Whether a line between two points says something: not between categories or measured places."""
        return self.kind != "category" and bool(self.ticks)


def of_metric(name: str, numbers: Sequence[float]) -> Axis:
    """Of what was measured."""
    places = tuple(None if math.isnan(number) else number for number in numbers)
    return Axis(METRICS[name].axis, "number", False, tuple(text(name, n) for n in numbers), places, {})


def of_setting(key: str, written: Sequence[str], runs: Sequence[Run]) -> Axis:
    """Of the setting ``key``, as ``written`` for each of ``runs``.

    Raises:
        ConfigError: some values are sizes and others shares of what is not known.
    """
    known = [value for value in written if value not in ("null", UNSET)]
    shares, sizes = [_share(value) is not None for value in known], [size_of(value) is not None for value in known]
    resolved = [run.resolved.get(key) for run in runs]
    kind: Kind
    numbers: list[float | None]
    if not known or all(shares):
        kind, numbers = ("share" if known else "category"), list(map(_share, written))
    elif all(budget is not None for budget in resolved) and any(map(any, zip(shares, sizes, strict=True))):
        kind, numbers = "bytes", [None if b is None or b.bytes is None else float(b.bytes) for b in resolved]
    elif any(shares) and any(sizes):
        one, other = known[shares.index(True)], known[sizes.index(True)]
        raise ConfigError(
            f"figure.x={key}: {one} and {other} have no common unit; choose some of them with figure.where.{key}=…"
        )
    elif all(sizes):
        plain = all(_number(value) is not None for value in known)
        kind, numbers = ("number" if plain else "bytes"), list(map(_number if plain else size_of, written))
    elif all(_number(value) is not None for value in known):
        kind, numbers = "number", list(map(_number, written))
    else:
        kind, numbers = "category", [None] * len(written)
    if kind == "category":
        order = list(dict.fromkeys(value for value in written if value != UNSET))
        numbers = [None if value == UNSET else float(order.index(value)) for value in written]
    there = sorted({number for number in numbers if number is not None})
    log = kind != "category" and bool(there) and there[0] > 0
    log = log and (kind in ("share", "bytes") or there[-1] >= WIDE * there[0])
    ticks: dict[float, set[str]] = {}
    for number, value in zip(numbers, written, strict=True):
        if number is not None:
            ticks.setdefault(number, set()).add(value)
    told = {number: _tick(kind, number, ticks[number]) for number in there}
    if kind != "category" and "null" in written and there:
        limitless = key in UNLIMITED
        end = _beyond(there if limitless else there[::-1], log)
        told[end] = "no limit" if limitless else "null"
        numbers = [end if value == "null" else number for number, value in zip(numbers, written, strict=True)]
    unit = {"share": " (share of the working set)" if key.endswith("budget") else " (%)"}.get(kind, "")
    return Axis(f"{key}{unit}", kind, log, tuple(written), tuple(numbers), dict(sorted(told.items())))


def _beyond(there: Sequence[float], log: bool) -> float:
    """A place behind the last of ``there``, as far away as the one before."""
    *_, before, last = [there[-1] / 4 if log else there[-1] - 1, *there] if len(there) == 1 else there
    return last * last / before if log else 2 * last - before


def _tick(kind: Kind, number: float, written: set[str]) -> str:
    only = next(iter(written))
    if len(written) == 1 and (kind != "bytes" or not (_number(only) is not None or only.endswith("%"))):
        return only
    return format_bytes(number) if kind == "bytes" else f"{number:.3g}" if kind == "share" else number_text(number)


def _share(value: str) -> float | None:
    if not value.endswith("%"):
        return None
    number = _number(value.removesuffix("%"))
    return None if number is None else number / 100


def _number(value: str) -> float | None:
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None
