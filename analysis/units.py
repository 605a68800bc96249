"""Quantities as people read them."""

import math
import re

_UNITS = {"": 1, "b": 1}
for _power, _letter in enumerate("kmgt", start=1):
    _UNITS[f"{_letter}b"] = 1000**_power
    _UNITS[f"{_letter}ib"] = 1024**_power
_SIZE = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([a-zA-Z]*)\s*", re.ASCII)


def bytes_text(size: float) -> str:
    """``size`` in bytes with three digits and a decimal unit, e.g. ``"46.8 MB"`` or ``"720 MB"``."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if round(abs(size), 0 if unit == "B" else 1) < 1000 or unit == "TB":
            break
        size /= 1000
    if unit == "B" or abs(size) >= 99.95:
        return f"{size:,.0f} {unit}"
    return f"{size:.1f} {unit}" if abs(size) >= 9.995 else f"{size:.2f} {unit}"


def parse_bytes(size: object) -> int | None:
    """Bytes of a number or a text such as ``"16MiB"``; None for anything that is not a size."""
    if isinstance(size, bool):
        return None
    if isinstance(size, int | float):
        return int(size) if math.isfinite(size) else None
    match = _SIZE.fullmatch(size) if isinstance(size, str) else None
    if match is None or match[2].lower() not in _UNITS:
        return None
    return int(float(match[1]) * _UNITS[match[2].lower()])


def factor_text(factor: float) -> str:
    """A ratio with a sensible number of digits, e.g. ``"3.9×"``; ``"–"`` for NaN."""
    if math.isnan(factor):
        return "–"
    if factor >= 99.95:
        return f"{factor:,.0f}×"
    return f"{factor:.1f}×" if factor >= 0.95 else f"{factor:.2f}×"


def seconds_text(seconds: float) -> str:
    """Seconds with digits by size, e.g. ``"4.1 s"``."""
    return f"{seconds:,.{_decimals(seconds)}f} s"


def wall_text(median: float, low: float, high: float, repeats: int) -> str:
    """A wall time in seconds with its spread and number of repeats, e.g. ``"4.1 s (4.0–4.3, N=3)"``."""
    if repeats == 1:
        return f"{seconds_text(median)} (N=1)"
    digits = _decimals(median)
    return f"{seconds_text(median)} ({low:,.{digits}f}–{high:,.{digits}f}, N={repeats})"


def duration(seconds: float) -> str:
    """``seconds`` as people say it: ``"40 s"``, ``"12 min"``, ``"3.5 h"``."""
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5970 else f"{seconds / 3600:.1f} h"


def printable(text: str) -> str:
    """``text`` on one line, without anything that could steer a terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def last_line(text: str | None) -> str:
    """The last line of an error that says something."""
    lines = [line.strip() for line in (text or "").splitlines() if line.strip()]
    return printable(lines[-1]) if lines else "no error text"


def count_text(number: int, noun: str) -> str:
    """``"1 model"``, ``"2 models"``, ``"1,200 items"``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _decimals(seconds: float) -> int:
    if abs(seconds) >= 99.95:
        return 0
    return 1 if abs(seconds) >= 0.995 else 2 if abs(seconds) >= 0.0995 else 3
