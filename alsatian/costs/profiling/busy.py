"""Whether others use the machine while it is measured, and which entries of a profile were measured so."""

import contextlib
import os
import time
from collections.abc import Collection, Iterable, Mapping
from math import exp
from pathlib import Path
from typing import Any

from alsatian.runtime.meter.surroundings import Surroundings
from alsatian.runtime.storage.regime import ONCE

LOAD = 0.5
"""Load average per core by other processes above which a machine counts as busy, where nothing better is known."""
LONGER = 3
"""Times as many turns on a busy machine, of which the fastest ones count."""
# What others took of the cores is known after so many seconds; until then the load average has to do.
_KNOWN_S = 0.5
# Seconds over which the system averages its load.
_LOAD_S = 60.0
_SECTIONS, _MARKS = ("segments", "prepare_s", "score", "load", "load_verified", "tiers"), "busy"


class Watch:
    """Watches for other processes from the moment it is made."""

    def __init__(self) -> None:
        self._load = _load_of_others()
        self._surroundings, self._begin = Surroundings(), time.monotonic()

    @property
    def load(self) -> float:
        """Cores that others keep busy, if they disturb what is measured here as they would a search; 0 if not."""
        seconds, found = time.monotonic() - self._begin, self._surroundings.until_now()
        if found.beside:  # runs of one sweep have cores of their own, but share all else
            return float(found.beside)
        if found.others_s is None or seconds < _KNOWN_S:
            return self._load if self._load > LOAD * (os.cpu_count() or 1) else 0.0
        return found.taken_s / seconds if found.disturbed(seconds) else 0.0


def load_section(verify: str) -> str:
    """Where a profile has what loading takes if reads of the store are verified so: once, or always."""
    return "load" if verify == ONCE else "load_verified"


def longer(watch: Watch) -> int:
    """How many times as often as on a quiet machine something is measured; see ``timing.usual``."""
    return LONGER if watch.load else 1


def mark(known: dict[str, Any], measured: Iterable[tuple[str, str]], load: float) -> None:
    """Note beside which ``load``, if any, every entry of ``known`` was ``measured``, by section and key."""
    for section, key in measured:
        known[_MARKS].pop(f"{section} {key}", None)
        if load:
            known[_MARKS][f"{section} {key}"] = round(load, 2)


def changed(known: Mapping[str, Any], before: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Section and key of every entry of ``known`` that is not as ``before``."""
    earlier = _entries(before)
    return [entry for entry, value in _entries(known).items() if value != earlier.get(entry)]


def without_marked(known: Mapping[str, Any]) -> dict[str, Any]:
    """``known`` without what was measured on a busy machine."""
    left: dict[str, dict[str, Any]] = {section: {} for section in _SECTIONS if section in known}
    for (section, key), value in _entries(known).items():
        if f"{section} {key}" not in known[_MARKS]:
            left[section][key] = value
    return {**known, **left, _MARKS: {}}


def largest_load(known: Mapping[str, Any], used: Mapping[str, Collection[str]]) -> float:
    """The largest load beside which entries of ``known`` were measured; 0 if the machine was quiet.

    ``used``: keys of these entries by section.
    """
    names = (f"{section} {key}" for section, keys in used.items() for key in keys)
    return max((known[_MARKS].get(name, 0.0) for name in names), default=0.0)


def _entries(known: Mapping[str, Any]) -> dict[tuple[str, str], Any]:
    """By section and key."""
    return {(section, key): value for section in _SECTIONS for key, value in known.get(section, {}).items()}


def _load_of_others() -> float:
    """The system's load average, without what this process adds to it where the system says when it started."""
    load = own = 0.0
    with contextlib.suppress(AttributeError, OSError, ValueError):
        load = os.getloadavg()[0]
        ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
        own = time.process_time() / age * (1 - exp(-age / _LOAD_S))
    return max(0.0, load - own)
