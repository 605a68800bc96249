"""What .ci/run makes of its steps, with a ``make`` that does nothing but fail on demand."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAKE = """#!/usr/bin/env bash
echo "$1" >>calls
case "$1" in
    quickstart) for word in $2; do case "$word" in *results_dir=*)
        mkdir -p "${word##*=}/quickstart" && echo report >"${word##*=}/quickstart/report.html";; esac; done;;
esac
echo "output of $1"
[[ " $FAILING " != *" $1 "* ]]
"""


@pytest.mark.parametrize(
    ("failing", "said", "calls"),
    [
        ("", [], {"setup", "lint", "test", "quickstart"}),
        ("lint", ["failed: make lint"], {"setup", "lint", "test"}),
        ("test", ["failed: make test"], {"setup", "lint", "test"}),
        ("lint test", ["failed: make test", "failed: make lint"], {"setup", "lint", "test"}),
        ("setup", [], {"setup"}),
        ("quickstart", [], {"setup", "lint", "test", "quickstart"}),
    ],
    ids=["none", "lint", "test", "both", "setup", "quickstart"],
)
def test_a_step_that_fails_fails_the_job_and_is_shown(
    failing: str, said: list[str], calls: set[str], tmp_path: Path
) -> None:
    """And the environment of an earlier job is not used."""
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "run", tmp_path / ".ci")
    (tmp_path / ".venv").mkdir()
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "make").write_text(MAKE)
    (tmp_path / "bin" / "make").chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "FAILING": failing}

    done = subprocess.run([tmp_path / ".ci" / "run"], env=environment, capture_output=True, text=True)

    assert (done.returncode == 0) == (not failing)
    assert done.stderr.splitlines() == said
    called = (tmp_path / "calls").read_text().split()
    assert called[0] == "setup"
    assert set(called) == calls
    assert len(called) == len(calls)
    assert all(f"output of {step}" in done.stdout for step in calls)
    assert not (tmp_path / ".venv").exists()
    assert not list((tmp_path / ".tmp").glob("*"))
