"""The paper's experiments, one after the other, each in a process of its own: one that dies stops no other."""

import json
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import mean
from typing import Any

from alsatian.errors import ConfigError, nearest
from experiments.configuration import menu
from experiments.configuration.composition import cells
from experiments.configuration.console import as_flags
from experiments.runs.launchers.process import start

# The setting that makes an experiment one of the paper's.
FIGURE, NUMBER = "figure", "number"
# What errors that are meant for people start with; see :mod:`experiments.cli`.
_PREFIX = "alsatian: "
# For a run to be recorded as interrupted.
_GRACE_S = 15.0


@dataclass(frozen=True)
class Experiment:
    """One experiment of the paper.

    Attributes:
        choice: as in ``experiment=…``.
        name: of its folder.
        title: what it shows.
        scale: that it runs at.
        runs: how many it asks for.
        results: the folder that all experiments' folders lie in.
    """

    choice: str
    name: str
    title: str
    scale: str
    runs: int
    results: Path

    @property
    def folder(self) -> Path:
        """Where its run records lie."""
        return self.results / self.name


def experiments(only: Sequence[str] | None, words: Sequence[str]) -> list[Experiment]:
    """The experiments of the paper with ``words`` as further settings, in the paper's order; ``only`` these.

    Raises:
        ConfigError: one in ``only`` is not there, or ``words`` do not fit.
    """
    there = names()
    for name in only or ():
        if name not in there:
            raise ConfigError(
                f"reproduce.only: '{name}' is no experiment of the paper; {nearest(str(name), there)}"
            )
    for word in words:
        if word.partition("=")[0] in ("experiment", "name"):
            raise ConfigError(f"{word}: experiments of the paper are chosen with reproduce.only=[…]")
    found = [_experiment(name, words) for name in there if only is None or name in only]
    if not found:
        raise ConfigError("reproduce.only: names no experiment; leave it out for all")
    return found


def names() -> list[str]:
    """Of the paper's experiments, sorted; what plugins add is none."""
    own = {name: file for name, file in menu.choices("experiment").items() if not menu.origin(file)}
    return [name for name, file in own.items() if NUMBER in (menu.read(file).get(FIGURE) or {})]


def _experiment(name: str, words: Sequence[str]) -> Experiment:
    runs = cells([f"experiment={name}", *words])
    config = runs[0].config
    return Experiment(name, config.name, config.title, config.scale, len(runs), Path(config.results_dir))


def run(
    experiment: Experiment, words: Sequence[str], say: Callable[[str], None], warn: Callable[[str], None]
) -> list[str]:
    """Do what ``alsatian run`` does with ``experiment``, in a process of its own that writes to the same output.

    Args:
        experiment: which one. What was finished before is skipped.
        words: further settings.
        say: takes the command, for people, before it starts.
        warn: takes each line of the error output that is no failure.

    Returns:
        A line for each failure.

    Raises:
        KeyboardInterrupt: after the run in flight was recorded as interrupted.
    """
    own = ["run", *as_flags(), f"experiment={experiment.choice}", *words]
    say(shlex.join(["alsatian", *own]))
    sys.stdout.flush()
    process = start("experiments.cli", *own, stderr=subprocess.PIPE, text=True, errors="replace")
    assert process.stderr is not None
    lines: list[str] = []
    try:
        for line in process.stderr:
            lines.append(line.rstrip("\n"))
            if not line.startswith(_PREFIX):
                warn(lines[-1])
        status = process.wait()
    except BaseException:
        _end(process)
        raise
    finally:
        process.stderr.close()
    return _failures(status, lines)


def _end(process: "subprocess.Popen[str]") -> None:
    """Let it end; on a terminal it has been interrupted too, elsewhere it is interrupted now."""
    for order in (None, signal.SIGINT, signal.SIGKILL):
        if order is not None:
            process.send_signal(order)
        try:
            process.wait(1.0 if order is None else _GRACE_S)
        except subprocess.TimeoutExpired:
            continue
        return


def _failures(status: int, lines: Sequence[str]) -> list[str]:
    """What went wrong in a process that ended with ``status`` and wrote ``lines`` to its error output."""
    told = [line.removeprefix(_PREFIX).removeprefix("failed: ") for line in lines if line.startswith(_PREFIX)]
    if status == 0 or told:
        return told if status else []
    if status < 0:
        return [f"ended by {signal.Signals(-status).name}; the same command goes on behind what is finished"]
    last = [line for line in lines if line.strip()][-1:]
    return last or ["scores differ that must be equal; its report names them"]


class TimeLeft:
    """Estimates from what is on record, of earlier commands too. ``clock`` tells the time in seconds."""

    def __init__(self, experiments: Sequence[Experiment], clock: Callable[[], float] = time.monotonic) -> None:
        self._experiments = experiments
        self._clock = clock
        self._began = clock()
        self._before = sum(sum(finished(one)) for one in experiments)

    def seconds(self, left: Sequence[Experiment]) -> float | None:
        """How long the runs of ``left`` that are not finished will take; None if nothing is known yet.

        A run takes as long as the finished ones of its experiment on average, or else as those of all. What is
        done around the runs, such as making models, takes its part as so far.
        """
        known = {one.name: finished(one) for one in self._experiments}
        everything = [seconds for own in known.values() for seconds in own]
        missing = {one.name: max(0, one.runs - len(known[one.name])) for one in left}
        if not any(missing.values()):
            return 0.0
        if not everything:
            return None
        runs = sum(count * mean(known[name] or everything) for name, count in missing.items())
        measured = sum(everything) - self._before
        return runs * (max(1.0, (self._clock() - self._began) / measured) if measured > 0 else 1.0)


def finished(experiment: Experiment) -> list[float]:
    """Seconds of each run of ``experiment`` that ended well at its scale."""
    found = (_seconds(path, experiment.scale) for path in sorted(experiment.folder.glob("*/run.json")))
    return [seconds for seconds in found if seconds is not None]


def _seconds(path: Path, scale: str) -> float | None:
    try:
        record: dict[str, Any] = json.loads(path.read_bytes())
        if record["status"] != "ok" or record["config"]["scale"] != scale:
            return None
        if record["config"].get("interleaved"):  # it began and ended with those that it took turns with
            return float(sum(repeat["wall_s"] for repeat in record["repeats"]))
        began, ended = (datetime.fromisoformat(record[name]) for name in ("started", "finished"))
        return (ended - began).total_seconds()
    except (OSError, ValueError, KeyError, TypeError):  # no record, or of another version
        return None
