"""Who has the cores beside this process."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from alsatian.runtime.meter import surroundings
from alsatian.runtime.meter.surroundings import Surroundings

linux = pytest.mark.skipif(surroundings._times(surroundings._cores()) is None, reason="needs Linux's counters")
TICK = 1 / os.sysconf("SC_CLK_TCK")


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A made-up system with four cores, of which this process may use two; it has used no time itself."""
    monkeypatch.setattr(surroundings, "_PROC", tmp_path)
    monkeypatch.setattr(surroundings, "_CPUS", tmp_path)
    monkeypatch.setattr(surroundings, "_cores", lambda: {1, 3})
    monkeypatch.setattr(surroundings, "_own", lambda: 0.0)
    return tmp_path


def write(system: Path, *cores: str) -> None:
    lines = [f"cpu{i} {ticks}" for i, ticks in enumerate(cores)]
    (system / "stat").write_text("\n".join(["cpu 9 9 9 9 9 9 9 9 0 0", *lines, "intr 5 1 1", "ctxt 7"]))


def test_others_are_who_works_on_the_cores_of_this_process(system, monkeypatch):
    write(system, *["100 10 20 500 60 7 8 9 0 0"] * 4)
    watch = Surroundings()
    monkeypatch.setattr(surroundings, "_own", lambda: 25 * TICK)
    # More of: user, nice, system; idle, waiting, interrupts; stolen. Cores 0 and 2 are others' alone.
    write(
        system,
        "900 10 20 500 60 7 8 99 0 0",
        "110 13 25 600 90 9 9 12 0 0",
        "900 10 20 500 60 7 8 99 0 0",
        "140 10 20 500 60 7 8 9 0 0",
    )
    found = watch.until_now()
    assert found.cores == 2
    assert found.cpu_s == pytest.approx(25 * TICK)
    assert found.others_s == pytest.approx((10 + 3 + 5 + 40 - 25) * TICK)
    assert found.steal_s == pytest.approx(3 * TICK)


@pytest.mark.parametrize(
    "content", [None, "cpu0 1 2", "cpu1 0 0 0 0 0 0 0 0\ncpu3 0 0 0 0 0 0 0 0", "cpu1 5 5 5 5 5 5 5 5"]
)
def test_a_system_that_counts_nothing_gives_no_reason(system, content):
    if content is not None:
        (system / "stat").write_text(content)
    found = Surroundings().until_now()
    assert (found.others_s, found.steal_s, found.frequency_hz) == (None, None, None)
    assert not found.disturbed(1.0)


def test_the_frequency_is_that_of_the_cores_in_use(system):
    write(system, *["1 1 1 1 1 1 1 1"] * 4)
    (system / "cpuinfo").write_text("processor : 1\ncpu MHz : 2000.0\n\nprocessor : 3\ncpu MHz : 3000.0\n")
    assert Surroundings().until_now().frequency_hz == 2.5e9
    for core, khz in enumerate((9, 1_000_000, 9, 1_400_000)):
        (system / f"cpu{core}" / "cpufreq").mkdir(parents=True)
        (system / f"cpu{core}" / "cpufreq" / "scaling_cur_freq").write_text(f"{khz}\n")
    assert Surroundings().until_now().frequency_hz == 1.2e9


@linux
def test_work_of_this_process_is_not_that_of_others_and_a_childs_is_while_it_lives():
    loop = "while True: sum(range(1000))"
    with subprocess.Popen([sys.executable, "-c", loop]) as other:
        time.sleep(0.2)
        watch, begin = Surroundings(), time.process_time()
        while time.process_time() - begin < 0.5:
            sum(range(1000))
        found = watch.until_now()
        other.kill()
    assert (found.cpu_s or 0) >= 0.5
    # It shares the cores with whatever else runs here, but gets something.
    assert (found.others_s or 0) > 0.1


def test_the_conditions_say_beside_how_many_runs_of_a_sweep_it_is(system):
    write(system, *["100 10 20 500 60 7 8 9 0 0"] * 4)
    watch = Surroundings()
    surroundings.measure_beside(3)
    try:
        found = watch.until_now()
    finally:
        surroundings.measure_beside(0)
    assert (found.beside, found.others_s) == (3, 0.0)
    assert found.disturbed(10.0)
    assert not watch.until_now().disturbed(10.0)
