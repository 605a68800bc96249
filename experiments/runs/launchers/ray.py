"""Processes of a Ray cluster, or of Ray on this machine."""

import contextlib
import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any

from alsatian.errors import ConfigError
from alsatian.machines.cluster.session import alone, as_dialled, dial, ray_module
from experiments.runs.launchers import process
from experiments.runs.launchers.base import Found, ParallelLauncher, Share, Task, carry_out, lost, needs

# Seconds between two looks at whether runs elsewhere are to end.
_PAUSE_S = 1.0
# Of the store for what tasks exchange, which is little; the least that Ray takes.
_OBJECTS = 80 * 2**20


@dataclass(frozen=True, kw_only=True)
class Ray(ParallelLauncher):
    """One task of Ray for a run.

    Attributes:
        address: of a cluster (``"auto"``, ``"ray://HOST:10001"``), whose machines have this code and the folders of
            results and models where they are here; None for this machine.
        gpus: that Ray gives to each run.
    """

    address: str | None = None
    gpus: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        needs("ray", "ray", "ray")
        if self.address and self.address.rpartition(":")[2].isdecimal():  # Ray itself would try for minutes
            try:
                dial(as_dialled(self.address))
            except OSError as error:
                reason = error.strerror or error
                raise ConfigError(f"launcher.address={self.address}: no cluster answers there ({reason})") from None

    @property
    def here(self) -> bool:  # type: ignore[override]
        return self.address is None

    def launch(self, tasks: Sequence[Task], share: Share, folder: Path, stop: Event) -> Iterator[Found]:
        # Ray's own handler of SIGTERM would end the command before its runs are recorded as interrupted.
        os.environ.setdefault("RAY_DISABLE_FAILURE_SIGNAL_HANDLER", "1")
        ray = ray_module(self.here)
        settings: dict[str, Any] = {"address": self.address}
        if self.here:
            settings = {"address": "local", **alone(share.workers * (share.cores or 1), _OBJECTS)}
        ray.init(
            log_to_driver=False,
            logging_level=logging.ERROR,
            runtime_env={"env_vars": process.environment()},
            **settings,
        )
        try:
            of_ray = ray.remote(carry_out).options(num_cpus=share.cores or 1, num_gpus=self.gpus, max_retries=0)
            pending = list(enumerate(tasks))
            under_way: dict[Any, int] = {}
            while pending or under_way:
                while pending and len(under_way) < share.workers and not stop.is_set():
                    number, task = pending.pop(0)
                    under_way[of_ray.remote(task)] = number
                if stop.is_set():
                    yield from ((number, None) for number, _ in pending)
                    pending.clear()
                    for reference in under_way if not self.here else ():
                        ray.cancel(reference, force=True)
                for reference in ray.wait(list(under_way), timeout=_PAUSE_S)[0] if under_way else ():
                    number = under_way.pop(reference)
                    try:
                        yield number, ray.get(reference)
                    except ray.exceptions.RayError as error:
                        yield number, lost("failed", str(error).strip().splitlines()[-1])
        finally:
            with contextlib.suppress(Exception):
                ray.shutdown()
