"""Several processes on this machine, by joblib."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from experiments.runs.launchers.base import Found, ParallelLauncher, Share, Task, carry_out, needs


@dataclass(frozen=True, kw_only=True)
class Joblib(ParallelLauncher):
    """Hands runs to joblib's processes (loky), which stay for the next ones."""

    def __post_init__(self) -> None:
        super().__post_init__()
        needs("joblib", "joblib", "launchers")

    def launch(self, tasks: Sequence[Task], share: Share, folder: Path, stop: Event) -> Iterator[Found]:
        from joblib import Parallel, delayed
        from joblib.externals.loky import get_reusable_executor

        processes = Parallel(
            n_jobs=share.workers,
            backend="loky",
            batch_size=1,
            pre_dispatch="n_jobs",
            return_as="generator_unordered",
        )
        try:
            yield from processes(delayed(_numbered)(number, task) for number, task in enumerate(tasks))
        finally:
            get_reusable_executor(max_workers=share.workers, reuse=True).shutdown(wait=True)


def _numbered(number: int, task: Task) -> Found:
    return number, carry_out(task)
