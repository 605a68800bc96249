"""Which workers are refused, and which are warned about."""

import logging
from typing import Any

import pytest
import torch

from alsatian.errors import ConfigError
from alsatian.machines.cluster.likeness import check_alike, check_as_kept
from alsatian.machines.cluster.messages import Facts
from alsatian.runtime.reuse.bits import surroundings

BITS = surroundings(torch.device("cpu"))


def worker(number: int, **changes: Any) -> Facts:
    return Facts(f"worker {number}", f"{number}" * 40, number, BITS | changes, {})


def test_workers_of_one_kind_are_taken(caplog: pytest.LogCaptureFixture) -> None:
    check_alike([worker(1), worker(2), worker(3)])
    assert not caplog.records


@pytest.mark.parametrize(
    ("change", "value"), [("libraries", {**BITS["libraries"], "torch": "1.0"}), ("threads", 77), ("code", "other")]
)
def test_other_code_libraries_or_threads_are_refused(change: str, value: Any) -> None:
    key = "libraries.torch=1.0" if change == "libraries" else f"{change}={value}"
    with pytest.raises(ConfigError, match=rf"worker 3 on node 33333333 has {key}, worker 1 on node 11111111 has"):
        check_alike([worker(1), worker(2), worker(3, **{change: value})])


@pytest.mark.parametrize("change", ["cpu", "cores", "device", "cpu_capability"])
def test_another_kind_of_machine_is_warned_about(change: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        check_alike([worker(1), worker(2, **{change: "another"})])
    assert f"worker 2 has {change} another, worker 1 {BITS[change]}" in caplog.text


def test_features_are_kept_for_what_extracts_them() -> None:
    check_as_kept([worker(1), worker(2)], BITS)
    with pytest.raises(ConfigError, match=r"worker 2 has cpu=another, .* kept for .* \(--no-reuse, reuse=False\)"):
        check_as_kept([worker(1), worker(2, cpu="another")], BITS)
