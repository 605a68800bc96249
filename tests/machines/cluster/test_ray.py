"""Searches on workers of a real Ray cluster on this machine; skipped without the extra ``ray``.

With ``--kills 20`` workers are killed as often at moments that ``--seed`` chooses.
"""

import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from alsatian.errors import ConfigError
from alsatian.machines.cluster.ray_pool import RayPool
from alsatian.machines.cluster.session import ray_session
from alsatian.machines.settings import MachineSettings
from alsatian.models.model_set import ModelSet
from tests.searching.tiny_search import ALSATIAN, BASE, PREPROCESSING, Known, Modules, check, outcomes, search

pytest.importorskip("ray", reason="needs the extra ray")
TWO = MachineSettings(name="ray", workers=2)


@pytest.fixture(scope="module")
def ray() -> Iterator[Any]:
    """One cluster for all tests of this file: to start one takes longer than they do."""
    with ray_session(MachineSettings(name="ray", workers=2)) as ray:
        yield ray


def kinds(result: Any) -> list[str]:
    return [event["kind"] for event in result.measurement.events]


def test_scores_are_those_of_one_process(ray: Any, family: ModelSet, truth: Known) -> None:
    found = search(family, strategy=ALSATIAN, machine=TWO, timeline=True)
    check(found, truth)
    assert outcomes(found) == outcomes(search(family, strategy=ALSATIAN))
    assert found.measurement.workers.keys() == {"worker 1", "worker 2"}
    assert found.measurement.valid
    assert "cluster" in kinds(found)


def test_features_are_taken_and_kept_as_by_one_process_with_as_many_threads(
    ray: Any, modules: Modules, tmp_path: Path
) -> None:
    """What a search on workers has left, one on more workers need not extract; here it is of another kind."""
    again = [
        search(modules, strategy=ALSATIAN, machine=machine, reuse=True, store=tmp_path, preprocessing=PREPROCESSING)
        for machine in (TWO, TWO, None)
    ]
    work = [found.measurement.counters.get("block_executions", 0) for found in again]
    assert work[0] > work[1] == 0
    assert (work[2] == 0) is (torch.get_num_threads() == 1 and os.environ.get("OMP_NUM_THREADS") == "1")
    assert outcomes(again[0]) == outcomes(again[1]) == outcomes(again[2])


def test_layers_and_other_kernels_travel(ray: Any, family: ModelSet) -> None:
    settings: dict[str, Any] = {"layers": "best", "kernels": "layout"}
    found = search(family, strategy=ALSATIAN, machine=TWO, **settings)
    assert outcomes(found) == outcomes(search(family, strategy=ALSATIAN, **settings))


def test_workers_that_are_killed_change_nothing(
    ray: Any, family: ModelSet, truth: Known, monkeypatch: pytest.MonkeyPatch, pytestconfig: pytest.Config
) -> None:
    kills, rng = pytestconfig.getoption("--kills"), random.Random(pytestconfig.getoption("--seed"))
    pools: list[RayPool] = []
    usual = RayPool.run

    def run(pool: RayPool, *what: Any) -> None:
        if pool not in pools:
            pools.append(pool)
        usual(pool, *what)

    monkeypatch.setattr(RayPool, "run", run)
    takes, hit = 0.2, 0
    for _ in range(kills):
        pools.clear()

        def kill() -> None:
            while not pools:
                time.sleep(0.001)
            time.sleep(rng.uniform(0, takes))
            os.kill(rng.choice(list(pools[0].workers.values())).process, signal.SIGKILL)

        killer = threading.Thread(target=kill)
        killer.start()
        found = search(family, strategy=ALSATIAN, machine=TWO)
        killer.join()
        check(found, truth)
        assert found.ranked == search(family, strategy=ALSATIAN).ranked
        hit += kinds(found).count("worker_lost")
        assert kinds(found).count("worker_lost") <= 1
    assert hit or kills < 5


def test_what_the_cluster_has_not_is_refused(ray: Any, family: ModelSet) -> None:
    with pytest.raises(ConfigError, match=r"machine.workers=9 with machine.resources.cpu=1 .* need 9; .* has 2"):
        search(family, strategy=BASE, machine=MachineSettings(name="ray", workers=9))
    many = MachineSettings(name="ray", workers=1, resources={"labels": {"fast_disk": 1}})
    with pytest.raises(ConfigError, match=r"machine.resources.labels.fast_disk=1 .* has 0"):
        search(family, strategy=BASE, machine=many)
