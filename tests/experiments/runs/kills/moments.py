"""When to kill a sweep: an attempt at it, what can be seen of it from outside, and random moments."""

import random
import shlex
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from alsatian.errors import AlsatianError
from tests.experiments.runs.kills.comparison import finished, records

MOMENTS = {
    "set-up": "training the models, or before",
    "start": "start-up, opening the model set",
    "run": "a run: measuring, writing its record",
    "report": "writing tables, figures and the report",
}
_LOOK_S = 0.01


@dataclass(frozen=True)
class Moments:
    """Seconds from the start of an undisturbed sweep, and with everything finished before.

    Attributes:
        first_run: until the first run starts.
        all_runs: until the last run is finished.
        end: until the process ends.
        runs: number of runs.
        longest: of the longest run, from the end of the one before.
        short_start: with all models there, until the first run would start.
        short_end: with all runs there, until the process ends.
    """

    first_run: float
    all_runs: float
    end: float
    runs: int
    longest: float
    short_start: float
    short_end: float

    @classmethod
    def of(cls, first: "Watched", again: "Watched") -> "Moments":
        """From a sweep and its repetition."""
        report = first.end - first.all_runs
        return cls(**vars(first), short_start=max(0.1, again.end - report), short_end=again.end)

    def at_pace(self, short_end: float) -> "Moments":
        """These moments on a machine that is now faster or slower: the process ended after ``short_end`` s."""
        pace = short_end / self.short_end
        times = {name: value * pace for name, value in vars(self).items() if name != "runs"}
        return Moments(**times, runs=self.runs)

    @property
    def report(self) -> float:
        """Seconds of the report."""
        return self.end - self.all_runs


@dataclass(frozen=True)
class Watched:
    """When things happened in an attempt that was left alone, in seconds from its start."""

    first_run: float
    all_runs: float
    end: float
    runs: int
    longest: float


class Attempt:
    """The sweep ``command``, started now, whose results lie in ``folder``.

    Attributes:
        seconds: from the start to the end, once it has ended.
    """

    def __init__(self, command: Sequence[str], folder: Path) -> None:
        self._results = folder / "results"
        self._before = set(finished(self._results))
        self.seconds = 0.0
        self._command = command
        self._start = time.monotonic()
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def watched(self) -> Watched:
        """Wait until it ends.

        Raises:
            AlsatianError: it failed.
        """
        first = last = longest = 0.0
        seen = len(self._before)
        while self._process.poll() is None:
            first = first or (self._passed() if self._running() else 0.0)
            if (now := len(finished(self._results))) > seen:
                longest = max(longest, self._passed() - (last or first))
                seen, last = now, self._passed()
            time.sleep(_LOOK_S)
        end = self._passed()
        if self._process.returncode != 0:
            raise AlsatianError(f"the undisturbed sweep failed: {shlex.join(self._command)}")
        return Watched(first, last, end, seen, longest)

    def kill(self, moment: str, moments: Moments, rng: random.Random, least: int, most: int) -> bool:
        """Kill it at a random time of ``moment``; False if it had ended by then. See :attr:`seconds`.

        At the moment ``"run"`` the time begins with a run once ``least`` runs are finished. With ``most``
        finished the kill comes at once, so that the sweep lasts for all kills on a machine of any pace.
        """
        if moment == "set-up":
            self._wait(rng.uniform(0, moments.first_run), most)
        elif moment == "start":
            self._wait(rng.uniform(0, moments.short_start), most)
        else:
            while self._process.poll() is None and not self._reached(moment, moments, least):
                time.sleep(_LOOK_S)
            # Beyond the longest run, so that some kills come between runs.
            self._wait(rng.uniform(0, 2 * moments.longest if moment == "run" else moments.report), most)
        self.seconds = self._passed()
        self._process.kill()
        return self._process.wait() < 0

    def _reached(self, moment: str, moments: Moments, least: int) -> bool:
        done = len(finished(self._results))
        if moment == "run":
            return done >= least and self._running()
        # With all runs finished before, the report begins once they are skipped.
        return done >= moments.runs and (len(self._before) < moments.runs or self._passed() >= moments.short_start)

    def _wait(self, seconds: float, most: int) -> None:
        """Until ``seconds`` are over, ``most`` runs are finished, or it has ended."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and self._process.poll() is None and len(finished(self._results)) < most:
            time.sleep(_LOOK_S)

    def _running(self) -> bool:
        """Whether a run has started in this attempt."""
        began = time.time() - self._passed()
        return any(path.stat().st_mtime >= began and path not in self._before for path in records(self._results))

    def _passed(self) -> float:
        return time.monotonic() - self._start
