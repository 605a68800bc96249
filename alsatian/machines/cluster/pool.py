"""What runs workers for the head, wherever they are."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from alsatian.machines.cluster.messages import Batches, Facts, Report, Task

Handle = Any
"""Stands for features of a model that lie where they were computed; a copy is made when they are fetched."""
Known = Mapping[str, Sequence[Handle]]


@dataclass(frozen=True)
class Outcome:
    """A task that has ended.

    Attributes:
        worker: that had it.
        report: what it says; None if the worker is gone. Then another one is there under its name.
        features: those that are new, of each of the task's models; None for those that share another's.
        forgotten: features that were known are gone with the machine that held them, so nothing was done.
        why: the worker is gone, as far as that is known.
    """

    worker: str
    report: Report | None
    features: Sequence[Handle | None] = ()
    forgotten: bool = False
    why: str = ""


class Pool(Protocol):
    """Workers by name; each carries out one task at a time."""

    @property
    def workers(self) -> Mapping[str, Facts]:
        """What each said when it joined."""
        ...

    def run(self, worker: str, task: Task, known: Known) -> None:
        """Have ``worker``, which is idle, begin ``task``; features of its models are ``known`` from before."""
        ...

    def wait(self) -> Outcome | None:
        """The next task that has ended; None where none has for a while.

        Raises:
            AlsatianError: the cluster is gone, or a worker cannot be replaced.
        """
        ...

    def keep_only(self, models: Iterable[str]) -> None:
        """Have all workers drop the features of other models."""
        ...

    def fetch(self, handles: Sequence[Handle]) -> list[Batches]:
        """Copies of features.

        Raises:
            AlsatianError: they are gone.
        """
        ...

    def hold(self, features: Batches) -> Handle:
        """Hold features that were extracted by an earlier attempt."""
        ...
