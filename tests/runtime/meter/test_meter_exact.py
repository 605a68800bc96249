"""The meter against an outside clock, in real time; both measure the same sleeps, however long they take."""

import threading
import time
from collections import defaultdict
from collections.abc import Callable

import pytest
import torch

from alsatian.runtime.meter.measurement import PARTS
from alsatian.runtime.meter.meter import Meter

EXACT = 0.02


class OutsideClock:
    """Sleeps, and adds up how long the sleeps took, by ``time.perf_counter``."""

    def __init__(self) -> None:
        self.slept: defaultdict[str, float] = defaultdict(float)

    def sleep(self, part: str, seconds: float) -> None:
        start = time.perf_counter()
        time.sleep(seconds)
        self.slept[part] += time.perf_counter() - start


def test_parts_are_exact_on_a_workload_of_known_parts() -> None:
    main, thread, stalls = OutsideClock(), OutsideClock(), OutsideClock()
    meter = Meter(torch.device("cpu"), timeline=True)

    def read_ahead() -> None:
        for _ in range(4):
            with meter.part("prepare_model"):
                thread.sleep("prepare_model", 0.15)
                with meter.part("cache_io"):
                    thread.sleep("cache_io", 0.1)

    meter.start()
    start = time.perf_counter()
    with meter.part("planning"):
        main.sleep("planning", 0.1)
    helper = threading.Thread(target=read_ahead)
    helper.start()
    for _ in range(3):
        with meter.part("prepare_data"):
            main.sleep("prepare_data", 0.06)
            with meter.part("inference"):
                main.sleep("inference", 0.08)
                with meter.part("prepare_data"):
                    main.sleep("prepare_data", 0.04)
    with meter.part("prepare_model"):
        main.sleep("prepare_model", 0.1)
        with meter.stalled("prepare_model"):
            begun = time.perf_counter()
            helper.join()
            stalls.slept["prepare_model"] += time.perf_counter() - begun
    for part in ("proxy_scoring", "cache_io", "other"):
        with meter.part(part):
            main.sleep(part, 0.1)
    wall = time.perf_counter() - start
    measurement = meter.so_far()

    assert measurement.wall_s == pytest.approx(wall, rel=EXACT)
    for part in PARTS:
        exclusive = main.slept[part] + stalls.slept[part]
        assert measurement.parts_s[part] == pytest.approx(exclusive, rel=EXACT), part
        assert measurement.stalled_s[part] == pytest.approx(stalls.slept[part], rel=EXACT), part
        assert measurement.busy_s[part] == pytest.approx(main.slept[part] + thread.slept[part], rel=EXACT), part
    assert measurement.valid
    slices = [e for e in measurement.timeline or [] if e["ph"] == "X" and e["tid"] == 1]
    for part in PARTS:
        drawn = sum(e["dur"] for e in slices if e["args"]["part"] == part) / 1e6
        assert drawn == pytest.approx(measurement.parts_s[part], abs=1e-6)


def test_counts_peaks_events_and_busy_time_of_many_threads_are_all_there(beside: Callable[..., None]) -> None:
    meter = Meter(torch.device("cpu"), timeline=True)
    meter.start()
    threads, rounds = 8, 2000
    together = threading.Barrier(threads)
    outside = [0.0] * threads

    def work(number: int) -> None:
        together.wait()
        for i in range(rounds):
            meter.count("hits")
            meter.count("bytes_read", 3)
            meter.peak("cache_bytes", number * rounds + i)
        start = time.perf_counter()
        with meter.part("cache_io"):
            time.sleep(0.1)
        outside[number] = time.perf_counter() - start
        meter.event("done", thread=number)

    workers = [threading.Thread(target=work, args=(i,)) for i in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    measurement = meter.so_far()
    assert measurement.counters == {"bytes_read": 3 * threads * rounds, "hits": threads * rounds}
    assert measurement.peaks["cache_bytes"] == threads * rounds - 1
    assert sorted(event["thread"] for event in measurement.events) == list(range(threads))
    # What is outside may also have to wait for the interpreter.
    assert threads * 0.1 <= measurement.busy_s["cache_io"] <= sum(outside)
    assert measurement.busy_s["cache_io"] > measurement.wall_s
