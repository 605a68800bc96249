"""Workers as actors of a Ray cluster."""

import contextlib
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from alsatian.errors import AlsatianError, ConfigError, first_line
from alsatian.machines.cluster.job import Job
from alsatian.machines.cluster.likeness import check_alike
from alsatian.machines.cluster.messages import Batches, Facts, Fault, Report, Task
from alsatian.machines.cluster.pool import Handle, Known, Outcome
from alsatian.machines.cluster.session import ClusterError, Pulse
from alsatian.machines.cluster.worker import Worker
from alsatian.machines.settings import MachineSettings
from alsatian.runtime.storage.regime import Storage

# Between two looks at the cluster while nothing ends.
_LOOK_S = 1.0
# For workers to join, which may have to wait for machines that a cluster adds.
_JOIN_S = 300.0
# For workers to remove what they wrote; what is left then, the next search there removes.
_CLOSE_S = 5.0
# Lines of Ray's errors that say nothing to people.
_NAMES = ("class_name", "actor_id", "pid", "namespace", "ip")


class Actor:
    """A :class:`Worker` in a process of Ray's."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._worker: Worker | None = None

    def where(self) -> str:
        """The node that it runs on."""
        import ray

        return str(ray.get_runtime_context().get_node_id())

    def join(self, job: Job) -> Facts | Fault:
        """Make ready for ``job``."""
        try:
            self._worker = Worker(self._name, job)
            return self._worker.facts(self.where())
        except AlsatianError as error:
            return Fault.of(error)

    def run(self, task: Task, models: Sequence[str], *features: Batches) -> tuple[Report | Batches | None, ...]:
        """See :meth:`Worker.run`; ``features`` known from before are those of ``models``."""
        assert self._worker is not None
        known: dict[str, list[Batches]] = {}
        for model, found in zip(models, features, strict=True):
            known.setdefault(model, []).append(found)
        report, new = self._worker.run(task, known)
        return report, *new

    def keep_only(self, models: frozenset[str]) -> None:
        """See :meth:`Worker.keep_only`."""
        if self._worker is not None:
            self._worker.keep_only(models)

    def close(self) -> None:
        """See :meth:`Worker.close`."""
        if self._worker is not None:
            self._worker.close()


class RayPool:
    """A :class:`~alsatian.machines.cluster.pool.Pool` of actors, which Ray places by the resources that they claim.

    Features are objects of Ray: they lie in the memory of the machine where they were computed and belong to this
    process, so that they outlive the worker's. Declared bandwidths are those of a machine's way to store and data;
    workers on one machine have equal shares.

    Raises:
        ConfigError: the cluster has not what is claimed.
        ClusterError: workers do not join.
        AlsatianError: a worker cannot begin, or computes other bits than another one.
    """

    def __init__(self, ray: Any, job: Job, settings: MachineSettings) -> None:
        self._ray, self._job, self._settings = ray, job, settings
        self._actors: dict[str, Any] = {}
        self._pending: dict[Any, tuple[str, Sequence[Any]]] = {}
        self._pulse = Pulse(ray)
        self.facts: dict[str, Facts] = {}
        names = [f"worker {number}" for number in range(1, settings.workers + 1)]
        self._check_resources(names)
        for name in names:
            self._actors[name] = self._actor(name)
        nodes = self._answers({name: actor.where.remote() for name, actor in self._actors.items()})
        self._storage = _shared(job.storage, list(nodes.values()))
        self._jobs = {node: ray.put(replace(job, storage=storage)) for node, storage in self._storage.items()}
        self._join(nodes)

    @property
    def workers(self) -> Mapping[str, Facts]:
        return self.facts

    def run(self, worker: str, task: Task, known: Known) -> None:
        pairs = [(model, handle) for model, handles in known.items() for handle in handles]
        method = self._actors[worker].run.options(num_returns=1 + len(task.models))
        first, *features = method.remote(task, [model for model, _ in pairs], *(handle for _, handle in pairs))
        self._pending[first] = worker, features

    def wait(self) -> Outcome | None:
        ended, _ = self._ray.wait(list(self._pending), timeout=_LOOK_S)
        if not ended:
            self._pulse.check()
            return None
        worker, features = self._pending.pop(ended[0])
        try:
            return Outcome(worker, self._ray.get(ended[0]), features)
        except self._ray.exceptions.RayActorError as error:
            why = self._replace(worker, error)
            return Outcome(worker, None, why=why)
        except (self._ray.exceptions.RayTaskError, self._ray.exceptions.ObjectLostError) as error:
            if isinstance(getattr(error, "cause", error), self._ray.exceptions.ObjectLostError):
                return Outcome(worker, None, forgotten=True)
            raise AlsatianError(f"{worker}: {_last_line(error)}") from error

    def keep_only(self, models: Iterable[str]) -> None:
        kept = self._ray.put(frozenset(models))
        for actor in self._actors.values():
            actor.keep_only.remote(kept)

    def fetch(self, handles: Sequence[Handle]) -> list[Batches]:
        try:
            return list(self._ray.get(list(handles)))
        except self._ray.exceptions.RayError as error:
            raise ClusterError(
                f"features of finished rounds are gone with their machine ({_said(error)})"
            ) from None

    def hold(self, features: Batches) -> Handle:
        return self._ray.put({batch: tensor.cpu() for batch, tensor in features.items()})

    def close(self) -> None:
        """End the workers; those that have nothing to do remove what they wrote to local disks before."""
        busy = {worker for worker, _ in self._pending.values()}
        with contextlib.suppress(Exception):  # the cluster may be gone
            closing = [actor.close.remote() for name, actor in self._actors.items() if name not in busy]
            self._ray.wait(closing, num_returns=len(closing), timeout=_CLOSE_S)
        for actor in self._actors.values():
            with contextlib.suppress(Exception):
                self._ray.kill(actor)

    def _actor(self, name: str) -> Any:
        each = self._settings.each
        return self._ray.remote(Actor).options(
            num_cpus=each.cpu, num_gpus=each.gpu or None, memory=each.memory_bytes,
            resources=dict(each.labels) or None, max_restarts=0, max_task_retries=0,
        ).remote(name)  # fmt: skip

    def _join(self, nodes: Mapping[str, str]) -> None:
        jobs = {name: self._actors[name].join.remote(self._jobs[node]) for name, node in nodes.items()}
        for name, answer in self._answers(jobs).items():
            if isinstance(answer, Fault):
                raise answer.error(name)
            self.facts[name] = answer
        check_alike(self.facts.values())

    def _replace(self, worker: str, error: Exception) -> str:
        """Put another actor in the place of one that is gone, on whichever machine has room; why it is gone."""
        self._pulse.check()
        with contextlib.suppress(Exception):  # one that only cannot be reached would keep what it claims
            self._ray.kill(self._actors[worker])
        self._actors[worker] = self._actor(worker)
        node = self._answers({worker: self._actors[worker].where.remote()})[worker]
        if node not in self._jobs:  # a machine that had none
            self._jobs[node] = self._ray.put(self._job)
        self._join({worker: node})
        return _said(error)

    def _answers(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """What actors say, as long as the cluster is there and they may yet begin."""
        begin, left = time.monotonic(), dict(asked)
        while left:
            done, _ = self._ray.wait(list(left.values()), num_returns=len(left), timeout=_LOOK_S)
            left = {name: ref for name, ref in left.items() if ref not in done}
            self._pulse.check()
            if left and time.monotonic() - begin > _JOIN_S:
                raise ClusterError(
                    f"{len(left)} of {len(self._actors)} workers have not begun within {_JOIN_S:.0f} s; the "
                    f"cluster has no room for {self._claim()} each; lower machine.workers or machine.resources"
                )
        try:
            return {name: self._ray.get(ref) for name, ref in asked.items()}
        except self._ray.exceptions.RayError as error:
            raise ClusterError(f"a worker ended as it began: {_said(error)}") from None

    def _check_resources(self, names: Sequence[str]) -> None:
        """That the cluster can have all workers at once, unless it may grow."""
        each, has = self._settings.each, self._ray.cluster_resources()
        for key, name, amount in (
            ("cpu", "CPU", each.cpu), ("gpu", "GPU", each.gpu), ("memory", "memory", each.memory_bytes or 0),
            *((f"labels.{label}", label, amount) for label, amount in each.labels.items()),
        ):  # fmt: skip
            if amount * len(names) > has.get(name, 0):
                raise ConfigError(
                    f"machine.workers={len(names)} with machine.resources.{key}={amount:g} each need "
                    f"{amount * len(names):g}; the cluster has {has.get(name, 0):g}"
                )

    def _claim(self) -> str:
        each = self._settings.each
        return f"cpu={each.cpu:g}, gpu={each.gpu:g}, memory={each.memory}, labels={dict(each.labels)}"


def _shared(storage: Storage, nodes: Sequence[str]) -> dict[str, Storage]:
    """The regime of every worker by its node, whose bandwidths its workers share."""

    def part(rate: int | None, count: int) -> int | None:
        return None if rate is None else max(1, rate // count)

    return {
        node: replace(
            storage,
            bandwidth=part(storage.bytes_per_second, nodes.count(node)),
            data_bandwidth=part(storage.data_bytes_per_second, nodes.count(node)),
        )
        for node in set(nodes)
    }


def _said(error: Exception) -> str:
    """In one line, without what Ray says of its own classes and ids."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = [line for line in lines if line.partition(":")[0] not in _NAMES]
    return first_line(Exception(" ".join(told[-1:]) or type(error).__name__)).rstrip(".")


def _last_line(error: Exception) -> str:
    return next((line.strip() for line in reversed(str(error).splitlines()) if line.strip()), type(error).__name__)


@contextlib.contextmanager
def ray_pool(ray: Any, job: Job, settings: MachineSettings) -> Iterator[RayPool]:
    """Workers for ``job`` that end with it."""
    pool = RayPool(ray, job, settings)
    try:
        yield pool
    finally:
        pool.close()
