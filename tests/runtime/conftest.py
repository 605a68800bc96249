"""Time that only passes when told to, and work in other threads."""

import threading
from collections.abc import Callable
from types import SimpleNamespace

import pytest
import torch

from alsatian.runtime.meter import clock as module
from alsatian.runtime.meter.meter import Meter
from tests.runtime.fake_time import FakeTime


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> FakeTime:
    fake = FakeTime()
    monkeypatch.setattr(module, "time", SimpleNamespace(perf_counter=fake.perf_counter))
    return fake


@pytest.fixture
def meter(clock: FakeTime) -> Meter:
    made = Meter(torch.device("cpu"))
    made.start()
    return made


@pytest.fixture
def beside() -> Callable[..., None]:
    """Runs work in a thread of its own, waits for it, and raises what it raised."""

    def run(work: Callable[[], None], name: str | None = None) -> None:
        raised: list[BaseException] = []

        def guarded() -> None:
            try:
                work()
            except BaseException as error:
                raised.append(error)

        thread = threading.Thread(target=guarded, name=name)
        thread.start()
        thread.join()
        if raised:
            raise raised[0]

    return run
