"""Quantities as people write and read them."""

import math
import re
from dataclasses import dataclass

from alsatian.errors import ConfigError

_FACTOR = {"": 1, "b": 1}
for _power, _letter in enumerate("kmgt", start=1):
    _FACTOR[f"{_letter}b"] = 1000**_power
    _FACTOR[f"{_letter}ib"] = 1024**_power

_SIZE = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([a-zA-Z]*)\s*")


def size_of(written: object) -> float | None:
    """Bytes of a number or of a text such as ``"64MiB"`` or ``"200 MB"``; None for anything else."""
    if isinstance(written, str):
        match = _SIZE.fullmatch(written)
        return float(match[1]) * _FACTOR[match[2].lower()] if match and match[2].lower() in _FACTOR else None
    return float(written) if isinstance(written, int | float) and not isinstance(written, bool) else None


def parse_bytes(size: int | float | str | None, name: str) -> int | None:
    """``size`` in bytes, see :func:`size_of`; ``None`` stays ``None`` (no limit).

    ``name`` is what the error calls the setting.

    Raises:
        ConfigError: it is not a size, or the size is not positive.
    """
    if size is None:
        return None
    value = size_of(size)
    if value is None:
        raise ConfigError(f"{name}={size}: not a size; write a positive number of bytes or e.g. '64MiB'")
    if not 1 <= value < math.inf:
        raise ConfigError(
            f"{name}={size}: must be at least one byte and finite; write e.g. '64MiB', or null for no limit"
        )
    return int(value)


@dataclass(frozen=True)
class Share:
    """A share of so many bytes that are not known yet; 1 is all of them."""

    share: float

    def of(self, whole: int) -> int:
        """The share of ``whole`` bytes, at least one byte."""
        return max(1, math.ceil(self.share * whole))


def parse_budget(size: int | float | str | None, name: str) -> int | Share | None:
    """As :func:`parse_bytes`; a text such as ``"25%"`` is a share.

    Raises:
        ConfigError: the text is neither a size nor a share, it is not positive, or a share above 100%.
    """
    if not isinstance(size, str) or not size.strip().endswith("%"):
        return parse_bytes(size, name)
    try:
        share = float(size.strip().removesuffix("%")) / 100
    except ValueError:
        share = math.nan
    if not 0 < share < math.inf:
        raise ConfigError(
            f"{name}={size}: not a share of the working set; write e.g. '25%', or a size like '64MiB'"
        )
    if share > 1:
        raise ConfigError(f"{name}={size}: more than there is; 100% holds all that can be used again")
    return Share(share)


@dataclass(frozen=True)
class Budget:
    """A budget as it was asked for, and what it came to.

    Attributes:
        requested: bytes, a text with a unit, a share of the working set, or None.
        bytes: the same in bytes; None for no limit, or for none at all where that is what None asks for.
    """

    requested: int | float | str | None
    bytes: int | None


def format_bytes(size: float) -> str:
    """``size`` in bytes with three digits and a decimal unit, e.g. ``"46.8 MB"`` or ``"720 MB"``."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if round(abs(size), 0 if unit == "B" else 1) < 1000 or unit == "TB":
            break
        size /= 1000
    if unit == "B" or abs(size) >= 99.95:
        return f"{size:,.0f} {unit}"
    return f"{size:.1f} {unit}" if abs(size) >= 9.995 else f"{size:.2f} {unit}"


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


def written_out(text: str) -> str:
    """``text`` with what is no UTF-8, as in names of files, as escapes."""
    return text.encode(errors="backslashreplace").decode()


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
