"""The page about a reproduction: it is of the code that was measured, as ``alsatian reproduce`` noted it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from alsatian.files import write_bytes
from experiments.studies import freshness
from experiments.studies.freshness import Entry
from tests.analysis.conftest import record, write_records  # noqa: F401  a fixture
from tests.analysis.paper.conftest import as_published  # noqa: F401  a fixture
from tests.experiments.studies.conftest import Study, Written


@pytest.fixture
def results(tmp_path: Path, as_published: Callable[..., list[Any]]) -> Path:  # noqa: F811
    write_records(tmp_path / "results" / "fig17", *as_published("17"))
    write_bytes(tmp_path / "results" / "fig17" / "figures" / "fig17.png", b"a picture")
    return tmp_path / "results"


def test_the_page_takes_over_what_was_noted(study: Study, written: Written, results: Path) -> None:
    noted = Entry(
        command="alsatian reproduce scale=laptop seed=1", made="2026-01-02", code={"alsatian/blocks": "x"}
    )
    freshness.note(results, "report.html", noted)
    assert study("reproduction", results) == 0
    assert written("laptop.md").startswith("# The paper's figures at laptop scale\n")
    (page,) = freshness.entries(results.parent / "pages").items()
    assert page == ("laptop.md", noted.model_copy(update={"command": "alsatian reproduce scale=laptop"}))


def test_of_what_nobody_noted_the_code_is_not_known(study: Study, results: Path) -> None:
    assert study("reproduction", results) == 0
    (entry,) = freshness.entries(results.parent / "pages").values()
    assert entry.command == "alsatian reproduce scale=laptop"
    assert "conf/experiment/fig*.yaml" in entry.code
    assert entry.changed() == list(entry.code)
