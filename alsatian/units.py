"""Byte sizes as people write them."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass

from alsatian.errors import ConfigError

_FACTOR = {"": 1, "b": 1}
for _power, _letter in enumerate("kmgt", start=1):
    _FACTOR[f"{_letter}b"] = 1000**_power
    _FACTOR[f"{_letter}ib"] = 1024**_power

_SIZE = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([a-zA-Z]*)\s*")


def parse_bytes(size: int | float | str | None, name: str) -> int | None:
    """``size`` in bytes; ``None`` stays ``None`` (no limit).

    Accepts a number of bytes or a text such as ``"64MiB"`` or ``"200 MB"``. ``name`` is what the error
    calls the setting.

    Raises:
        ConfigError: the text is not a size, or the size is not positive.
    """
    if size is None:
        return None
    if isinstance(size, bool) or not isinstance(size, int | float | str):
        raise ConfigError(f"{name}={size}: not a size; write a positive number of bytes or e.g. '64MiB'")
    if isinstance(size, str):
        match = _SIZE.fullmatch(size)
        if match is None or match[2].lower() not in _FACTOR:
            raise ConfigError(f"{name}={size}: not a size; write a positive number of bytes or e.g. '64MiB'")
        value = float(match[1]) * _FACTOR[match[2].lower()]
    else:
        value = float(size)
    if not 1 <= value < math.inf:
        raise ConfigError(
            f"{name}={size}: must be at least one byte and finite; write e.g. '64MiB', or null for no limit"
        )
    return int(value)


def parse_budget(size: int | float | str | None, name: str, whole: Callable[[], int] = lambda: 0) -> int | None:
    """As :func:`parse_bytes`; a text such as ``"25%"`` is that share of ``whole()`` bytes, at least one byte.

    Raises:
        ConfigError: the text is neither a size nor a share, or it is not positive.
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
    return max(1, math.ceil(share * whole()))


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
    """``size`` in bytes as a short text with a decimal unit, e.g. ``"46.8 MB"``."""
    for unit in ("B", "kB", "MB", "GB"):
        if abs(size) < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
