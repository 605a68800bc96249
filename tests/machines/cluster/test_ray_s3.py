"""Workers of a real Ray cluster on this machine, over a store in S3 that a server on loopback has."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import pytest

from alsatian.errors import RemoteError
from alsatian.machines.cluster.ray_pool import RayPool
from alsatian.machines.cluster.session import ray_session
from alsatian.machines.settings import MachineSettings
from alsatian.models.model_set import ModelSet
from alsatian.store.store import BlockStore
from tests.searching.tiny_search import ALSATIAN, MODELS, outcomes, search, slow_reads
from tests.store.remote.s3 import BUCKET, Server, serving
from tests.stores import tiny_set

for needed in ("ray", "s3fs", "moto"):
    pytest.importorskip(needed)
pytestmark = pytest.mark.slow
URL = f"s3://{BUCKET}/store"
TWO = MachineSettings(name="ray", workers=2)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """With the tiny models, and a cluster whose workers know how to reach it."""
    with pytest.MonkeyPatch.context() as patch, serving(patch, tmp_path_factory.mktemp("s3")) as server:
        tiny_set(BlockStore(URL), MODELS)
        server.save()
        with ray_session(TWO):
            yield server


@pytest.fixture
def far(family: ModelSet, server: Server) -> ModelSet:
    """The models of the store in S3, of which nothing is here."""
    for path in BlockStore(URL).root.glob("blocks/*/*.safetensors"):
        path.unlink()
    return dataclasses.replace(family, store=BlockStore(URL))


def block_files(models: ModelSet) -> int:
    return sum(path.stat().st_size for path in models.store.root.glob("blocks/*/*.safetensors"))


def read(result: Any) -> dict[str, int]:
    return {name: one.counters["bytes_read"] for name, one in result.measurement.workers.items()}


def test_scores_are_those_of_a_store_here_and_what_each_worker_brings_is_counted(
    family: ModelSet, far: ModelSet
) -> None:
    known = slow_reads(family)  # else a model is read before the search, to measure this machine
    found = search(far, strategy=ALSATIAN, machine=TWO, hardware=known)
    assert outcomes(found) == outcomes(search(family, strategy=ALSATIAN))
    assert sum(read(found).values()) == found.measurement.counters["bytes_read"] == block_files(family)
    assert block_files(far) == block_files(family)
    again = search(far, strategy=ALSATIAN, machine=TWO)
    assert outcomes(again) == outcomes(found)
    assert set(read(again).values()) == {0}


@pytest.mark.thorough
def test_a_server_that_ends_ends_the_search_in_one_line_and_it_goes_on_from_what_is_here(
    family: ModelSet, far: ModelSet, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = RayPool.run

    def run(pool: RayPool, *what: Any) -> None:
        server.kill()
        usual(pool, *what)

    with monkeypatch.context() as patch:
        patch.setattr(RayPool, "run", run)
        with pytest.raises(RemoteError, match=rf"^{URL}: cannot read blocks/.*; what is here .*$") as stopped:
            search(far, strategy=ALSATIAN, machine=TWO)
    assert "\n" not in str(stopped.value)
    server.start()
    found = search(far, strategy=ALSATIAN, machine=TWO)
    assert outcomes(found) == outcomes(search(family, strategy=ALSATIAN))
