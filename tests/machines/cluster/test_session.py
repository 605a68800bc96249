"""What is said where there is no Ray, or no cluster."""

import builtins
import socket
from types import SimpleNamespace
from typing import Any

import pytest

from alsatian.errors import ConfigError
from alsatian.machines.cluster import session
from alsatian.machines.cluster.guard import LINE
from alsatian.machines.cluster.session import ClusterError, ray_session
from alsatian.machines.settings import MachineSettings
from alsatian.models.model_set import ModelSet
from tests.searching.tiny_search import BASE, search


def test_without_ray_a_line_names_the_extra(family: ModelSet, monkeypatch: pytest.MonkeyPatch) -> None:
    usual = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name.partition(".")[0] == "ray":
            raise ImportError(name)
        return usual(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ConfigError, match=r"machine=ray needs Ray; pip install 'alsatian\[ray\]'"):
        search(family, strategy=BASE, machine=MachineSettings(name="ray", workers=2))
    search(family, strategy=BASE)


@pytest.mark.parametrize(("address", "why"), [("127.0.0.1:1", "refused"), ("nowhere:x", "invalid literal")])
def test_an_address_where_nobody_answers_is_named(address: str, why: str) -> None:
    pytest.importorskip("ray", reason="needs the extra ray")
    settings = MachineSettings(name="ray", workers=2, address=address)
    line = rf"machine=ray: no cluster at machine.address={address} \(.*{why}"
    with pytest.raises(ClusterError, match=line), ray_session(settings):
        pass


def test_a_head_that_only_its_machine_can_reach_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray dials another address of this machine for it, and would try for minutes."""
    util = pytest.importorskip("ray.util", reason="needs the extra ray")
    monkeypatch.setattr(util, "get_node_ip_address", lambda: "127.0.0.2")
    with socket.create_server(("127.0.0.1", 0)) as head:
        address = f"127.0.0.1:{head.getsockname()[1]}"
        settings = MachineSettings(name="ray", workers=2, address=address)
        with pytest.raises(ClusterError, match=f"no cluster at machine.address={address}"), ray_session(settings):
            pass


def test_that_a_cluster_is_gone_is_said_once(capfd: pytest.CaptureFixture[str]) -> None:
    """By the search, or for it where Ray ends its process."""
    context = SimpleNamespace(gcs_address="127.0.0.1:1")
    ray = SimpleNamespace(_private=SimpleNamespace(worker=None), get_runtime_context=lambda: context)
    with pytest.raises(ClusterError), session._guarded(ray, ""):
        raise ClusterError("the head is gone")
    assert capfd.readouterr().err == ""
    with pytest.raises(SystemExit), session._guarded(ray, ""):
        raise SystemExit(15)
    assert capfd.readouterr().err.strip() == LINE
