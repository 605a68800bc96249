"""The interface to launchers, which carry the runs of a command out, and what a run has of the machine."""

import json
import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from threading import Event
from typing import Any

from alsatian.errors import ConfigError
from alsatian.units import count_text, format_bytes, parse_bytes
from experiments.runs.launchers import life, process

Task = Mapping[str, Any]
"""A run to measure, as plain data for :mod:`experiments.job`; its process is on the command's machine if
``life`` names the folder of a :class:`.life.Life`."""
Answer = dict[str, Any]
"""What became of it: ``status`` and ``error`` as in its record, or ``"skipped"``, ``"interrupted"`` or, where it
cannot be recorded, ``"unsaved"``; and ``told``, what to tell :class:`~experiments.runs.progress.Progress`."""


class Launcher:
    """Runs one after the other, in the command's own process. Others override all that follows."""

    parallel = False
    """Whether runs are carried out elsewhere, several at once."""
    here = True
    """Whether that is on this machine."""

    def share(self, runs: int, threads: int) -> "Share":
        """What each of ``runs`` has, which need so many ``threads`` of PyTorch, 0 if they do not say."""
        raise NotImplementedError

    def launch(self, tasks: Sequence[Task], share: "Share", folder: Path, stop: Event) -> Iterator["Found"]:
        """Have :func:`carry_out` measure ``tasks``, each with its ``share``; what became of them, as they end.

        ``folder`` may be used for files. Where runs do not end by themselves they are to when ``stop`` is set.
        """
        raise NotImplementedError


Found = tuple[int, Answer | None]
"""Number of a task, from 0, and what became of it; None if it was not started."""


@dataclass(frozen=True)
class Share:
    """How many runs there are at once, and what each has: ``cores``, and ``memory`` in bytes. None is no limit."""

    workers: int
    cores: int | None
    memory: int | None

    def __str__(self) -> str:
        parts = [count_text(self.cores, "core")] if self.cores else []
        parts += [format_bytes(self.memory)] if self.memory else []
        each = f", each with {' and '.join(parts)}" if parts else ""
        return f"{self.workers} at once{each}" if self.workers > 1 else f"one at a time{each}"


@dataclass(frozen=True, kw_only=True)
class ParallelLauncher(Launcher):
    """Several runs at once, each in a process of its own.

    Attributes:
        workers: how many at once; None for as many as there are cores here.
        cores, memory: what each has; None for an equal share of this machine. Memory is bytes or e.g. ``"8GiB"``.
        bandwidth: bytes per second at which each reads the store if ``storage.bandwidth`` sets no limit.
    """

    workers: int | None = None
    cores: int | None = None
    memory: int | str | None = None
    bandwidth: int | str | None = None

    parallel = True

    def __post_init__(self) -> None:
        for key in ("workers", "cores"):
            value = getattr(self, key)
            if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
                raise ConfigError(f"launcher.{key}={value}: must be a whole number of at least 1, or null")
        parse_bytes(self.memory, "launcher.memory")
        parse_bytes(self.bandwidth, "launcher.bandwidth")

    def share(self, runs: int, threads: int) -> Share:
        there = len(own_cores())
        workers = min(self.workers or there, max(1, runs))
        cores, memory = self.cores, parse_bytes(self.memory, "launcher.memory")
        if self.here:
            cores = cores or max(1, there // workers)
            if cores > there:
                raise ConfigError(f"launcher.cores={cores}: this machine has {there}; choose fewer")
            memory = memory or _free() // workers
        if cores and threads > cores:
            raise ConfigError(
                f"device.threads={threads}: a run has {count_text(cores, 'core')}; choose at most so many threads, "
                "fewer launcher.workers or more launcher.cores"
            )
        return Share(workers, cores, memory)


def own_cores() -> list[int]:
    """Numbers of the cores that this process may use; where the system does not tell, of all."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def needs(launcher: str, package: str, extra: str) -> None:
    """Refuse ``launcher`` where its ``package`` is missing.

    Raises:
        ConfigError: names what installs it.
    """
    if find_spec(package) is None:
        raise ConfigError(
            f"launcher={launcher}: the package {package} is not installed; pip install 'alsatian[{extra}]'"
        )


def carry_out(task: Task) -> Answer | None:
    """Measure the run of ``task`` in a process of its own; None if it is not wanted any more.

    What calls it on the command's machine, unless it is the command's own process, ends with the command.
    """
    if task["life"] is not None:
        if not life.is_wanted(folder := Path(task["life"])):
            return None
        if os.getpid() != task["command"]:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # that of a terminal is the command's to follow
            life.end_with(folder)
    with (
        tempfile.TemporaryFile() as words,
        process.start(
            "experiments.job",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=words,
            cwd=task["folder"],
            env={**os.environ, **task["environment"]},
            start_new_session=True,
        ) as job,
    ):
        said = process.ask(job, task)
        job.wait()
        try:
            answer: Answer = json.loads(said) if job.returncode >= 0 else {}
        except ValueError:
            answer = {}
        return answer or lost(*process.end(job.returncode, words, "a run"))


def lost(status: str, error: str) -> Answer:
    """The answer about a run whose process gave none."""
    return {"status": status, "error": error, "told": []}


def _free() -> int:
    """Bytes of this machine's memory that are free."""
    import torch  # whoever carries runs out for a launcher needs none of it

    from alsatian.runtime.memory import free_bytes

    return free_bytes(torch.device("cpu"))
