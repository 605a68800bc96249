"""Whether others use the machine while it is measured, and which entries of a profile were measured so."""

import contextlib
import os
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from math import exp
from pathlib import Path
from typing import Any

import torch

LOAD = 0.5
"""Load average per core by other processes above which a machine counts as busy."""
# Share of the time of computing that this process was without CPU above which others must have had its cores.
_MISSED = 0.2
# Seconds over which the system averages its load.
_LOAD_S = 60.0
_SECTIONS, _MARKS = ("segments", "prepare_s", "score", "load", "tiers"), "busy"


class Watch:
    """Watches for other processes from the moment it is made."""

    def __init__(self, device: torch.device) -> None:
        self._load, self._cores = _load_of_others(), os.cpu_count() or 1
        self._on_cpu, self._wall, self._cpu = device.type == "cpu", 0.0, 0.0

    @contextlib.contextmanager
    def computing(self) -> Iterator[None]:
        """Inside this process does nothing but compute, so that it misses CPU time only if others take it."""
        wall, cpu = time.perf_counter(), time.process_time()
        yield
        self._wall += time.perf_counter() - wall
        self._cpu += time.process_time() - cpu

    @property
    def load(self) -> float:
        """Load average by others if they keep the machine busy, by the system or by what was missed; 0 if not."""
        missed = 1 - self._cpu / self._wall if self._on_cpu and self._wall else 0.0
        return max(self._load, missed) if missed > _MISSED or self._load > LOAD * self._cores else 0.0


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
