"""What each run of a launcher has of the machine, and what is refused."""

import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from alsatian.errors import ConfigError
from alsatian.runtime.storage.regime import Storage
from experiments.runs.launchers import base, process
from experiments.runs.launchers.base import ParallelLauncher, Share
from experiments.runs.launchers.joblib import Joblib
from experiments.runs.launchers.life import Life
from experiments.runs.launchers.ray import Ray
from experiments.runs.launchers.submitit import Submitit

GIB = 2**30
TAKE = """
import json, os, sys
from pathlib import Path
from experiments import job
job._take_share(Path(sys.argv[1]), json.loads(sys.argv[2]), json.loads(sys.argv[3]))
try:
    full = len(bytearray(2 * 2**30))
except MemoryError:
    full = "full"
print(json.dumps([sorted(os.sched_getaffinity(0)), os.environ["OMP_NUM_THREADS"], full]))
"""


@pytest.fixture(autouse=True)
def _machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has 8 cores and 16 GiB."""
    monkeypatch.setattr(base, "own_cores", lambda: list(range(8)))
    monkeypatch.setattr(base, "_free", lambda: 16 * GIB)


@pytest.mark.parametrize(
    ("settings", "runs", "share"),
    [
        ({}, 100, Share(8, 1, 2 * GIB)),
        ({}, 4, Share(4, 2, 4 * GIB)),
        ({}, 1, Share(1, 8, 16 * GIB)),
        ({"workers": 3}, 100, Share(3, 2, 16 * GIB // 3)),
        ({"workers": 20}, 100, Share(20, 1, 16 * GIB // 20)),
        ({"workers": 2, "cores": 3, "memory": "1GiB"}, 100, Share(2, 3, GIB)),
    ],
)
def test_a_run_has_an_equal_share_unless_the_settings_say_otherwise(
    settings: dict[str, Any], runs: int, share: Share
) -> None:
    assert Joblib(**settings).share(runs, threads=0) == share


def test_elsewhere_a_run_has_what_the_cluster_gives(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "sbatch").touch(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert Submitit(workers=40, time=10).share(100, threads=0) == Share(40, None, None)
    assert Ray(workers=40, address="auto").share(100, threads=4) == Share(40, None, None)


@pytest.mark.parametrize(
    ("kind", "settings", "said"),
    [
        (Joblib, {"workers": 0}, "launcher.workers=0: must be a whole number of at least 1, or null"),
        (Joblib, {"cores": True}, "launcher.cores=True: must be a whole number"),
        (Joblib, {"memory": "much"}, "launcher.memory=much"),
        (Submitit, {"executor": "lokal"}, "launcher.executor=lokal: did you mean 'local'"),
        (Submitit, {"executor": "local", "exclusive": True}, "launcher.exclusive=true: only for"),
        (Ray, {"address": "127.0.0.1:1"}, "launcher.address=127.0.0.1:1: no cluster answers there ("),
        (Submitit, {"time": 5}, "launcher=submitit: there is no sbatch here"),
    ],
)
def test_what_cannot_be_is_refused(
    monkeypatch: pytest.MonkeyPatch, kind: type[ParallelLauncher], settings: dict[str, Any], said: str
) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ConfigError) as caught:
        kind(**settings)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_slurm_wants_a_limit_of_time(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "sbatch").touch(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match=r"launcher\.time=120"):
        Submitit()


@pytest.mark.parametrize(("settings", "threads"), [({"cores": 9}, 0), ({"workers": 4}, 3)])
def test_more_than_there_is_is_refused(settings: dict[str, Any], threads: int) -> None:
    with pytest.raises(ConfigError, match="choose"):
        Joblib(**settings).share(100, threads)


@pytest.mark.parametrize(
    ("kind", "extra"), [(Joblib, "launchers"), (Submitit, "launchers"), (Ray, "ray")], ids=lambda one: str(one)
)
def test_a_missing_package_is_named_with_what_installs_it(
    monkeypatch: pytest.MonkeyPatch, kind: type[ParallelLauncher], extra: str
) -> None:
    monkeypatch.setattr(base, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=rf"pip install 'alsatian\[{extra}\]'$"):
        kind()


def test_a_process_uses_no_more_than_its_share() -> None:
    """Cores by number, PyTorch's threads, and memory, which is full beyond the limit."""
    there = sorted(os.sched_getaffinity(0))
    own = Life()
    settings = f'{{"workers": 1, "cores": 1, "memory": {GIB}}}'
    done = subprocess.run(
        [sys.executable, "-c", TAKE, str(own.folder), str(there[::-1]), settings],
        capture_output=True, text=True, env={**os.environ, **process.environment(), "OMP_NUM_THREADS": "4"},
    )  # fmt: skip
    own.close()
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == f'[[{there[-1]}], "1", "full"]'
    assert resource.getrlimit(resource.RLIMIT_DATA)[0] in (resource.RLIM_INFINITY, -1)


def test_a_run_reads_no_faster_than_its_launcher_says() -> None:
    assert Storage().at_most("50MB", "launcher.bandwidth").bytes_per_second == 50_000_000
    declared = Storage(bandwidth="20MB", cold=True)
    assert declared.at_most("50MB", "launcher.bandwidth") is declared
    assert declared.at_most(None, "launcher.bandwidth") is declared
    with pytest.raises(ConfigError, match=r"launcher\.bandwidth=10MB: less than storage\.bandwidth=20MB"):
        declared.at_most("10MB", "launcher.bandwidth")
