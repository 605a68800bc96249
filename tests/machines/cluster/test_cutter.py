"""How plans are cut for the workers of a pool."""

from dataclasses import dataclass

import pytest

from alsatian.data.dataset import batches_of
from alsatian.machines.cluster.messages import PRODUCT, Facts
from alsatian.machines.cluster.ray_machine import Cutter
from alsatian.models.model_set import ModelSet
from alsatian.planning.limits import Limits
from alsatian.planning.orders.given import Given
from alsatian.planning.plan import Plan
from alsatian.planning.planner import make_plan
from alsatian.runtime.layers import WHOLE, Layers
from alsatian.runtime.storage.regime import Storage
from alsatian.tree import TaskTree

TEST, TRAIN = batches_of(8, 24, 8)
BATCHES = [*TEST, *TRAIN]


@dataclass
class Two:
    """A pool of two workers, the second of which is so many times as fast; they may have equal processors."""

    faster: float = 1.0
    alike: bool = False

    @property
    def workers(self) -> dict[str, Facts]:
        takes = {"worker 1": 1.0, "worker 2": 1 / self.faster}
        kinds = {name: {"cpu": "one" if self.alike else name} for name in takes}
        return {name: Facts(name, "here", 1, kinds[name], {PRODUCT: s}) for name, s in takes.items()}


def plan_of(models: ModelSet) -> Plan:
    ids = [candidate.id for candidate in models.candidates]
    tree = TaskTree.of(models.candidates, True).compress()
    return make_plan(tree, ids, BATCHES, Given(), planned_releases=True, limits=Limits())


def cutter(pool: Two, layers: Layers = WHOLE, storage: Storage | None = None) -> Cutter:
    return Cutter(pool, None, Limits(), storage or Storage(), layers, False)  # type: ignore[arg-type]


def test_every_model_is_somebodys_on_every_batch(family: ModelSet) -> None:
    found = cutter(Two())(plan_of(family), BATCHES, (24, 8), {})
    done = [(m, b) for of in found.portions.values() for p in of for m in p.models for b in p.batches]
    assert sorted(done, key=str) == sorted(((c.id, b) for c in family.candidates for b in BATCHES), key=str)


def test_workers_of_one_machine_share_its_way_to_the_store(family: ModelSet) -> None:
    assert [one.bandwidth for one in cutter(Two(), storage=Storage(bandwidth=1000))._workers()] == [500, 500]


def test_a_faster_worker_is_weighed(family: ModelSet) -> None:
    slow, fast = (one.speed for one in cutter(Two(3.0))._workers())
    assert fast == pytest.approx(3 * slow)


def test_workers_are_weighed_by_the_architectures_that_all_of_them_computed() -> None:
    first = Facts("a", "here", 1, {}, {PRODUCT: 1.0, "resnet": 3.0, "vit": 1.0, "bert": 9.0})
    second = Facts("b", "here", 2, {}, {PRODUCT: 7.0, "resnet": 1.0, "vit": 1.0})
    assert Facts.speeds([first, second]) == pytest.approx([2 / 3, 4 / 3])
    alone = Facts("c", "there", 3, {}, {PRODUCT: 3.0})
    assert Facts.speeds([first, alone]) == pytest.approx([3 / 2, 1 / 2])


def test_workers_that_are_alike_are_weighed_alike(family: ModelSet) -> None:
    assert {one.speed for one in cutter(Two(3.0, alike=True))._workers()} == {1.0}


def test_layers_whose_mean_is_scored_stay_together(family: ModelSet) -> None:
    ids = tuple(candidate.id for candidate in family.candidates)
    layers = Layers("mean", {ids[-1]: (ids[0], ids[-1])})
    found = cutter(Two(), layers)(plan_of(family), BATCHES, (24, 8), {})
    portions = [p.models for of in found.portions.values() for p in of]
    assert sorted(m for models in portions for m in models) == sorted(ids)
    assert any({ids[0], ids[-1]} <= set(models) for models in portions)
    assert all(p.batches == tuple(BATCHES) for of in found.portions.values() for p in of)
