"""Jobs of a Slurm cluster by submitit, or processes on this machine as it would start them there."""

import shlex
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from shutil import which
from threading import Event
from typing import Any

from alsatian.errors import AlsatianError, ConfigError, nearest
from experiments.runs.launchers import process
from experiments.runs.launchers.base import Found, ParallelLauncher, Share, Task, carry_out, lost, needs

LOCAL, SLURM = "local", "slurm"
# Seconds between two looks at what has ended, here and elsewhere; submitit asks Slurm less often.
_PAUSES_S = (0.2, 2.0)
# submitit wants a limit of time; no run takes a year.
_MINUTES = 366 * 24 * 60
NAME = "alsatian"
"""Of its jobs: ``scancel --name=alsatian`` ends all of them."""


@dataclass(frozen=True, kw_only=True)
class Submitit(ParallelLauncher):
    """One job for a run. Jobs of Slurm are a job array, of which ``workers`` run at once.

    Attributes:
        executor: ``"slurm"``, or ``"local"`` for this machine.
        partition: of the cluster; None for its own choice.
        time: minutes that a job may take; Slurm wants to know, None is for this machine.
        gpus: of each job.
        exclusive: whether a job has a whole node, so that its times are measured beside none.
        setup: lines of shell before a job, such as ``"module load cuda"``.
        parameters: further options of ``sbatch`` by name, such as ``{account: vision}``.
    """

    executor: str = SLURM
    partition: str | None = None
    time: int | None = None
    gpus: int = 0
    exclusive: bool = False
    setup: Sequence[str] = ()
    parameters: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.executor not in (LOCAL, SLURM):
            raise ConfigError(f"launcher.executor={self.executor}: {nearest(str(self.executor), (LOCAL, SLURM))}")
        if self.exclusive and self.here:
            raise ConfigError("launcher.exclusive=true: only for launcher.executor=slurm, which gives whole nodes")
        needs("submitit", "submitit", "launchers")
        if not self.here and which("sbatch") is None:
            raise ConfigError("launcher=submitit: there is no sbatch here; start it where Slurm is, or choose "
                              "launcher.executor=local for processes on this machine")  # fmt: skip
        if not self.here and self.time is None:
            raise ConfigError("launcher.time: Slurm wants the minutes that a job may take, e.g. launcher.time=120")

    @property
    def here(self) -> bool:  # type: ignore[override]
        return self.executor == LOCAL

    def launch(self, tasks: Sequence[Task], share: Share, folder: Path, stop: Event) -> Iterator[Found]:
        import submitit

        executor = submitit.AutoExecutor(folder / "jobs", cluster=self.executor)
        executor.update_parameters(**self._parameters(share))
        pending, under_way = list(enumerate(tasks)), {}
        if not self.here:
            try:
                with executor.batch():
                    jobs = [executor.submit(carry_out, task) for task in tasks]
            except submitit.core.utils.FailedJobError as error:
                raise AlsatianError(f"launcher=submitit: {str(error).strip().splitlines()[-1]}") from error
            under_way, pending = dict(enumerate(jobs)), []
        cancelled = False
        while pending or under_way:
            while pending and len(under_way) < share.workers:
                number, task = pending.pop(0)
                under_way[number] = executor.submit(carry_out, task)
            if stop.is_set() and not self.here and not cancelled:
                cancelled = True
                for job in under_way.values():
                    job.cancel(check=False)
            for number in [number for number, job in under_way.items() if job.done(force_check=cancelled)]:
                yield number, _answer(under_way.pop(number), stop.is_set())
            time.sleep(_PAUSES_S[not self.here])

    def _parameters(self, share: Share) -> dict[str, Any]:
        """Of submitit, by its names."""
        setup = [f"export PYTHONPATH={shlex.quote(process.environment()['PYTHONPATH'])}", *self.setup]
        found: dict[str, Any] = {
            "name": NAME,
            "timeout_min": self.time or _MINUTES,
            "cpus_per_task": share.cores,
            "mem_gb": None if share.memory is None else share.memory / 2**30,
            "gpus_per_node": self.gpus or None,
            "local_setup": setup if self.here else None,
        }
        if not self.here:
            found |= {
                "slurm_partition": self.partition,
                "slurm_array_parallelism": share.workers,
                "slurm_exclusive": self.exclusive or None,
                "slurm_setup": setup,
                "slurm_additional_parameters": dict(self.parameters) if self.parameters else None,
            }
        return {name: value for name, value in found.items() if value is not None}


def _answer(job: Any, stopped: bool) -> Any:
    """What became of the run of a ``job`` that is done; where it was ``stopped`` it may have none."""
    try:
        return job.result()
    except Exception as error:
        return None if stopped else lost("failed", _reason(error))


def _reason(error: Exception) -> str:
    """The last line of what submitit tells, which is the job's own error."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    return f"its job ended without an answer: {lines[-1].strip() if lines else type(error).__name__}"
