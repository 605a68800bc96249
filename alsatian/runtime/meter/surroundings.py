"""What the operating system says about the machine: who has its cores, and how fast they are."""

import contextlib
import os
import resource
from pathlib import Path
from statistics import mean

from alsatian.records.conditions import Conditions

_PROC, _CPUS = Path("/proc"), Path("/sys/devices/system/cpu")
# Columns of /proc/stat: user, nice and system time, and what a hypervisor took. Interrupts are left out: most come
# from this process's own reads.
_WORK, _STEAL = (0, 1, 2), 7

_beside = 0


def measure_beside(others: int) -> None:
    """Have the conditions of this process say from now on that it measures beside ``others`` of its sweep."""
    global _beside
    _beside = others


class Surroundings:
    """Watches the machine from the moment it is made. What a platform does not tell is None, never a guess.

    A container without cores of its own cannot tell its neighbours from itself: what they take counts as taken.
    """

    def __init__(self) -> None:
        self._cores = _cores()
        self._load = _load()
        self._begin, self._own = _times(self._cores), _own()

    def until_now(self) -> Conditions:
        """The conditions since this object was made."""
        now, own = _times(self._cores), _own() - self._own
        work = steal = None
        if now is not None and self._begin is not None:
            work, steal = (max(0.0, b - a) for a, b in zip(self._begin, now, strict=True))
        return Conditions(
            load=self._load,
            cores=len(self._cores) or os.cpu_count(),
            cpu_s=own,
            others_s=None if work is None else max(0.0, work - own),
            steal_s=steal,
            frequency_hz=_frequency(self._cores),
            beside=_beside,
        )


def _cores() -> set[int]:
    """Numbers of the cores that this process may use; none where the system does not tell."""
    return os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()


def _load() -> float | None:
    with contextlib.suppress(AttributeError, OSError):
        return os.getloadavg()[0]
    return None


def _own() -> float:
    """CPU seconds of this process and of its ended children."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def _times(cores: set[int]) -> tuple[float, float] | None:
    """Seconds that ``cores`` have worked, for any process, and that were stolen, both since the system started."""
    work, steal, found = 0, 0, 0
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in (_PROC / "stat").read_text().splitlines():
            name, *ticks = line.split()
            if name.startswith("cpu") and name[3:].isdecimal() and int(name[3:]) in cores:
                work += sum(int(ticks[column]) for column in _WORK)
                steal += int(ticks[_STEAL])
                found += 1
    second = os.sysconf("SC_CLK_TCK")
    # A system that counts nothing shows zeros.
    return (work / second, steal / second) if found and found == len(cores) and work else None


def _frequency(cores: set[int]) -> float | None:
    """Mean clock frequency of ``cores`` in Hz."""
    with contextlib.suppress(OSError, ValueError):
        files = [_CPUS / f"cpu{core}" / "cpufreq" / "scaling_cur_freq" for core in sorted(cores)]
        if files:
            return 1e3 * mean(int(file.read_text()) for file in files) or None
    with contextlib.suppress(OSError, ValueError):
        fields = (line.partition(":") for line in (_PROC / "cpuinfo").read_text().splitlines())
        speeds = [float(value) for name, _, value in fields if name.strip() == "cpu MHz"]
        return 1e6 * mean(speeds) or None if speeds else None
    return None
