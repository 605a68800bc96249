"""A throttled disk in real time: no window of a second holds much more than it may, and readers share fairly.

With ``--pages docs/results`` every case is measured (minutes) and the outcome is written as a page;
``--words "--bandwidth 200MB --readers 2"`` asks for some, with the arguments of ``throttle_accuracy.py``.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from alsatian.errors import ConfigError
from experiments.studies.study import parse
from tests.runtime.storage import throttle_accuracy
from tests.runtime.storage.throttle_accuracy import FILE_BYTES, TOLERANCE, measure

RATE = 200_000_000


@pytest.mark.slow
@pytest.mark.parametrize("readers", [1, 2])
def test_windows_and_shares(readers: int, tmp_path: Path) -> None:
    files = [tmp_path / f"{i}.bin" for i in range(readers)]
    for path in files:
        path.write_bytes(bytes(FILE_BYTES))
    found = measure(files, RATE, readers, "nothing", seconds=2.0)
    over = sum(error > TOLERANCE for error in found.errors)
    assert over <= 0.1 * len(found.errors)  # a busy machine may be late in noting when a piece was over
    assert len(found.shares) == readers
    assert min(found.shares) > 0.5


@pytest.mark.slow
def test_the_page(measured: Callable[..., str]) -> None:
    few = ["--bandwidth", "200MB", "--readers", "2", "--beside", "nothing", "torch", "--seconds", "2"]
    text = measured(throttle_accuracy, "throttle", *few, "--repeats", "1")
    assert "| 200 MB/s |" in text


@pytest.mark.parametrize("words", [["--readers", "0"], ["--repeats", "0"], ["--seconds", "1"]])
def test_what_cannot_be_measured_is_refused(words: list[str]) -> None:
    with pytest.raises(ConfigError, match="must be at least 1, --seconds at least 2"):
        next(throttle_accuracy.run(parse(throttle_accuracy, "--words", words), print))
