"""Runs studies as on the command line, with pages in a folder of their own."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from experiments.cli import main

Study = Callable[..., int]
Written = Callable[[str], str]


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return lambda name, *words: main(["study", name, *map(str, words), "--out", str(tmp_path / "pages")])


@pytest.fixture
def written(tmp_path: Path) -> Written:
    """The text of a page, without what lines up the columns of its tables."""
    return lambda name: re.sub(" +", " ", (tmp_path / "pages" / name).read_text())
