"""Which machine carries a search out, as a configuration chooses it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, Self

from alsatian.errors import ConfigError, nearest
from alsatian.planning.distribution.distribution import Worker
from alsatian.units import parse_bytes

MACHINES = ("local", "ray")


def _number(value: Any, kind: Any = int | float) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool) and isfinite(value)


@dataclass(frozen=True, kw_only=True)
class Resources:
    """What every worker has of a cluster.

    Attributes:
        cpu, gpu: processors and GPUs; a part of one may be enough.
        memory: bytes, or as ``"16GiB"``; None for no claim.
        labels: a cluster's own resources, by name, and how much of each.
    """

    cpu: float = 1
    gpu: float = 0
    memory: str | int | None = None
    labels: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def read(cls, values: Mapping[str, Any]) -> Self:
        """From settings as a configuration holds them.

        Raises:
            ConfigError: names the setting that is unknown or means nothing.
        """
        for key in values:
            if key not in (names := cls.__dataclass_fields__):
                raise ConfigError(f"machine.resources.{key}: there is no such key; {nearest(key, list(names))}")
        found = cls(**values)
        amounts = {"cpu": found.cpu, "gpu": found.gpu, **{f"labels.{k}": v for k, v in found.labels.items()}}
        for key, amount in amounts.items():
            if not _number(amount) or amount < 0 or not found.cpu:
                least = "more than" if key == "cpu" else "at least"
                raise ConfigError(f"machine.resources.{key}={amount}: must be a number, {least} 0")
        parse_bytes(found.memory, "machine.resources.memory")
        return found

    @property
    def memory_bytes(self) -> int | None:
        """Bytes of ``memory``."""
        return parse_bytes(self.memory, "machine.resources.memory")


@dataclass(frozen=True, kw_only=True)
class MachineSettings:
    """The choice ``machine=…``.

    Attributes:
        name: ``"local"``, this process, or ``"ray"``, workers of a cluster.
        workers: how many.
        address: of the cluster; ``"auto"`` for the one that is there, None to start one here.
        resources: of every worker.
        threads: of PyTorch in every worker; None for its processors, at least one.
    """

    name: str = "local"
    workers: int = 1
    address: str | None = None
    resources: Mapping[str, Any] = field(default_factory=dict)
    threads: int | None = None

    def __post_init__(self) -> None:
        if self.name not in MACHINES:
            raise ConfigError(f"machine.name={self.name}: {nearest(str(self.name), MACHINES)}")
        for key, value in (("workers", self.workers), ("threads", self.threads)):
            if (value is not None or key == "workers") and (not _number(value, int) or value < 1):  # type: ignore[operator]
                raise ConfigError(f"machine.{key}={value}: must be a whole number of at least 1")
        if self.name == "local" and self.workers > 1:
            raise ConfigError(f"machine.workers={self.workers}: machine=local is one process; write machine=ray")
        if self.address is not None and (not isinstance(self.address, str) or not self.address):
            raise ConfigError(f"machine.address={self.address}: must be auto, an address as 10.0.0.1:6379, or null")
        Resources.read(self.resources)

    @property
    def on_workers(self) -> bool:
        """Whether other processes than this one carry the search out."""
        return self.name != "local"

    @property
    def own(self) -> bool:
        """Whether all of it is this machine."""
        return self.address is None

    @property
    def surroundings(self) -> dict[str, Any]:
        """What decides about the bits of features in its processes and is other than in this one, by the names of
        :func:`~alsatian.runtime.reuse.bits.surroundings`, if they are :attr:`own`: Ray sets a variable."""
        if not self.on_workers:
            return {}
        threads = os.environ.get("OMP_NUM_THREADS", str(max(1, int(self.each.cpu))))
        return {"threads": self.worker_threads, "OMP_NUM_THREADS": threads}

    def each_alike(self) -> list[Worker]:
        """Workers as a prediction takes them to be: all alike."""
        return [Worker(f"worker {number}") for number in range(1, self.workers + 1)]

    @property
    def each(self) -> Resources:
        """What every worker has."""
        return Resources.read(self.resources)

    @property
    def worker_threads(self) -> int:
        """Threads of PyTorch in every worker."""
        return self.threads or max(1, int(self.each.cpu))


def machine_of(workers: int | None, address: str | None, device: str) -> MachineSettings | None:
    """As many ``workers`` of the cluster at ``address``, each with a processor, or a GPU if that is the ``device``;
    None for this process.

    Raises:
        ConfigError: they are none, or there is an address and no workers.
    """
    if workers is None:
        if address is not None:
            raise ConfigError(f"--address {address}: say with --workers N how many workers of it search")
        return None
    gpu = 0 if device == "cpu" else 1
    return MachineSettings(name="ray", workers=workers, address=address, resources={"cpu": 1, "gpu": gpu})
