"""From a command to the search, and from its result to the record, it is only a few files."""

import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType

import pytest

from alsatian import api, files

pytestmark = pytest.mark.xdist_group("cli")

ROOT = Path(files.__file__).parents[1]
ROOMS = ("alsatian", "baselines", "experiments", "analysis")
TO_THE_SEARCH, TO_THE_RECORD = 6, 4


def stack(frame: FrameType | None) -> Iterator[FrameType]:
    """Frames of project files, ``frame`` first."""
    while frame is not None:
        path = Path(frame.f_code.co_filename)
        if path.is_relative_to(ROOT) and path.relative_to(ROOT).parts[0] in ROOMS:
            yield frame
        frame = frame.f_back


def named(frames: Sequence[FrameType]) -> list[str]:
    """The files of ``frames``, each once."""
    return list(dict.fromkeys(str(Path(one.f_code.co_filename).relative_to(ROOT)) for one in frames))


def test_few_files_from_the_words_to_the_search_and_from_its_result_to_the_record(
    alsatian: Callable[..., int], tmp_path: Path
) -> None:
    there: list[FrameType] = []  # who waits for the search, api.search first
    back: list[FrameType] = []  # who waits for the record to be written, write_json first

    def watch(frame: FrameType, event: str, argument: object) -> None:
        if event != "call":
            return
        if frame.f_code is api.search.__code__:
            there[:] = stack(frame)
        elif there and frame.f_code is files.write_json.__code__ and frame.f_locals["path"].name == "run.json":
            back[:] = stack(frame)

    sys.setprofile(watch)
    try:
        assert alsatian("run", "experiment=quickstart", "strategy=base", "repeats=1", "warm_up=false") == 0
    finally:
        sys.setprofile(None)

    assert named(there)[0] == "alsatian/api.py"
    assert named(there)[-1] == "experiments/cli.py"
    assert len(named(there)) <= TO_THE_SEARCH, named(there)

    # Up from the search's caller to the function that saves too, and down from there.
    both = next(frame for frame in back if frame in there)
    up, down = there[1 : there.index(both) + 1], back[: back.index(both)]
    assert named(down)[0] == "alsatian/files.py"
    assert len(named([*up, *down])) <= TO_THE_RECORD, named([*up, *down])
