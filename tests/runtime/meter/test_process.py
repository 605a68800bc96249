"""Peaks and I/O as the operating system counts them."""

import mmap
from pathlib import Path

import pytest
import torch

from alsatian.runtime.meter import process
from alsatian.runtime.meter.process import ProcessUse

CPU = torch.device("cpu")
MB = 1_000_000
linux = pytest.mark.skipif(not Path("/proc/self/io").exists(), reason="needs the counters of Linux")


@pytest.fixture
def proc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A made-up folder of facts about this process."""
    monkeypatch.setattr(process, "_PROC", tmp_path)
    return tmp_path


def write(proc: Path, high: int, read: int, written: int, asked: int) -> None:
    (proc / "status").write_text(f"Name:\tpython\nVmHWM:\t   {high} kB\nVmRSS:\t    5 kB\nThreads:\t3\n")
    (proc / "io").write_text(f"rchar: {asked}\nwchar: 1\nread_bytes: {read}\nwrite_bytes: {written}\n")


def test_bytes_are_counted_from_the_start_and_compared_with_our_own(proc: Path) -> None:
    write(proc, 100, 1000, 50, 7000)
    use = ProcessUse(CPU)
    assert (proc / "clear_refs").read_text() == "5"
    write(proc, 20, 4500, 70, 9000)
    assert use.until_now(3000) == {
        "peak_rss_bytes": 20 * 1024,
        "lifetime_peak_rss_bytes": None,
        "start_rss_bytes": 5 * 1024,
        "peak_device_bytes": None,
        "os_read_bytes": 3500,
        "os_write_bytes": 20,
        "os_rchar_bytes": 2000,
        "counted_read_bytes": 3000,
        "read_difference_bytes": 500,
    }


def test_a_peak_that_cannot_start_anew_is_not_the_searchs(proc: Path) -> None:
    write(proc, 100, 0, 0, 0)
    (proc / "clear_refs").mkdir()
    found = ProcessUse(CPU).until_now(0)
    assert found["peak_rss_bytes"] is None
    assert (found["lifetime_peak_rss_bytes"] or 0) > MB


def test_where_the_platform_tells_nothing_there_is_no_guess(proc: Path) -> None:
    (proc / "clear_refs").mkdir()
    found = ProcessUse(CPU).until_now(12)
    assert (found.pop("lifetime_peak_rss_bytes") or 0) > MB
    assert found.pop("counted_read_bytes") == 12
    assert set(found.values()) == {None}


@linux
def test_the_peak_of_memory_is_the_searchs_not_the_processs() -> None:
    with mmap.mmap(-1, 200 * MB) as memory:
        memory.write(bytes(200 * MB))
    use = ProcessUse(CPU)
    quiet = use.until_now(0)
    if quiet["peak_rss_bytes"] is None:
        pytest.skip("the system does not let the peak start anew")
    with mmap.mmap(-1, 150 * MB) as memory:
        memory.write(b"x" * (150 * MB))
    loud = use.until_now(0)
    assert (loud["peak_rss_bytes"] or 0) - (quiet["peak_rss_bytes"] or 0) > 100 * MB
    assert (quiet["peak_rss_bytes"] or 0) - (quiet["start_rss_bytes"] or 0) < 100 * MB


@linux
def test_reads_of_files_are_seen(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(bytes(3 * MB))
    use = ProcessUse(CPU)
    (tmp_path / "file").read_bytes()
    found = use.until_now(3 * MB)
    assert 3 * MB <= (found["os_rchar_bytes"] or 0) < 4 * MB
