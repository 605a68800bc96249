"""A search on the workers of a Ray cluster."""

import contextlib
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from statistics import median
from typing import Any

from alsatian.costs.model import CostModel
from alsatian.data.dataset import Batch, Dataset
from alsatian.fingerprint import digest_json
from alsatian.machines.cluster.job import Job
from alsatian.machines.cluster.likeness import check_as_kept
from alsatian.machines.cluster.machine import ClusterMachine
from alsatian.machines.cluster.messages import Facts
from alsatian.machines.cluster.pool import Pool
from alsatian.machines.cluster.ray_pool import ray_pool
from alsatian.machines.cluster.session import ray_session
from alsatian.machines.settings import MachineSettings
from alsatian.models.model_set import ModelSet
from alsatian.planning.distribution.costs import Costs
from alsatian.planning.distribution.distribute import distribute
from alsatian.planning.distribution.distribution import Distribution, Portion, Worker
from alsatian.planning.limits import Limits
from alsatian.planning.plan import Plan
from alsatian.progress import Tick
from alsatian.proxies.base import Head, Proxy
from alsatian.records.ranking import MEAN
from alsatian.runtime.features import Keep, unkept
from alsatian.runtime.layers import Layers
from alsatian.runtime.meter.meter import Meter
from alsatian.runtime.reuse.bits import surroundings
from alsatian.runtime.storage.regime import Storage
from alsatian.searching.strategy import Strategy


@contextlib.contextmanager
def ray_machine(
    models: ModelSet,
    dataset: Dataset,
    proxies: Sequence[Proxy],
    meter: Meter,
    chosen: MachineSettings,
    *,
    strategy: Strategy,
    limits: Limits,
    costs: CostModel | None,
    storage: Storage,
    verify: bool,
    progress: Tick,
    heads: Mapping[str, Head],
    kernels: str,
    numerics: str,
    keep: Keep = unkept,
    **settings: Any,
) -> Iterator[ClusterMachine]:
    """The machine of one search of ``models`` over ``dataset`` on the ``chosen`` workers, which end with it.

    Every worker has the budgets of the search for itself. What it takes until they have joined is an event, and no
    part of the search. The further arguments are those of :func:`~alsatian.machines.real.real_machine`, and
    ``costs``, which portions are cut by; without, the work is guessed by sizes.

    Raises:
        AlsatianError: there is no cluster, or workers cannot begin, or not with the bits that ``keep`` is for.
    """
    job = Job.of(
        models, meter, dataset=dataset, proxies=tuple(proxies), heads=heads, storage=storage, verify=verify,
        settings=settings, strategy=strategy, limits=limits, kernels=kernels, numerics=numerics,
        threads=chosen.worker_threads,
    )  # fmt: skip
    begin = time.perf_counter()
    with ray_session(chosen) as ray, ray_pool(ray, job, chosen) as pool:
        if keep is not unkept:
            check_as_kept(pool.workers.values(), surroundings(meter.device) | chosen.surroundings)
        nodes = Counter(facts.node for facts in pool.workers.values())
        meter.event("cluster", wall_s=time.perf_counter() - begin, workers=len(pool.workers), nodes=len(nodes))
        cut = Cutter(pool, costs, limits, storage, settings["layers"], settings["loader"].read_ahead)
        yield ClusterMachine(pool, meter, cut, models.segments, settings["layers"], progress, keep)


class Cutter:
    """Cuts the work of a plan for the workers of ``pool``, as :mod:`alsatian.planning.distribution` says."""

    def __init__(
        self, pool: Pool, costs: CostModel | None, limits: Limits, storage: Storage, layers: Layers, ahead: bool
    ) -> None:
        self._pool, self._costs, self._limits = pool, costs, limits
        self._rate, self._layers, self._ahead = storage.bytes_per_second, layers, ahead

    def __call__(
        self, plan: Plan, batches: Sequence[Batch], items: tuple[int, int], homes: Mapping[str, str]
    ) -> Distribution:
        models, workers = list(plan.tree.all_models()), self._workers()
        size, kinds = max((b.items for b in batches), default=1), len({b.test for b in batches})
        costs = Costs.guessed(read_ahead=self._ahead)
        if self._costs is not None:
            costs = Costs.of(self._costs, size, *items, self._ahead, kinds)
        held = sum(items) - sum(batch.items for batch in batches)
        if self._layers.choice != MEAN:
            return distribute(plan.tree, models, batches, workers, costs, homes, held)
        return self._whole(distribute(plan.tree, models, batches, workers, costs, homes, held, way="subtrees"))

    def _whole(self, found: Distribution) -> Distribution:
        """With all layers of a model, which are scored together, in the first portion that has one of them."""
        own = {model for portions in found.portions.values() for p in portions for model in p.models}
        taken: set[str] = set()

        def all_layers(portion: Portion) -> Portion:
            new = [model for model in self._layers.models(portion.models) if model not in taken]
            taken.update(new)
            return replace(portion, models=tuple(c for c in self._layers.candidates(new) if c in own))

        portions = {worker: tuple(map(all_layers, of)) for worker, of in found.portions.items()}
        return replace(
            found, portions={worker: tuple(p for p in of if p.models) for worker, of in portions.items()}
        )

    def _workers(self) -> list[Worker]:
        """With the median of their kind as their rate: a quick look at each would tell equal machines apart by what
        else they did just then."""
        all_ = list(self._pool.workers.values())
        beside, kinds = Counter(one.node for one in all_), dict[str, list[float]]()
        for one, speed in zip(all_, Facts.speeds(all_), strict=True):
            kinds.setdefault(digest_json(one.bits), []).append(speed)
        return [
            Worker(
                one.name,
                median(kinds[digest_json(one.bits)]),
                None if self._rate is None else self._rate / beside[one.node],
                self._limits,
            )
            for one in all_
        ]
