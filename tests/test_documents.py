"""What the documents point to is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DESIGN = (ROOT / "docs" / "design.md").read_text()
DOCUMENTS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
LINK = re.compile(r"\]\((?!https?:)([^)#\s]+)")
# A path in a span of code: something with a slash, or a file by its suffix.
PATH = re.compile(r"`((?:[\w.<>*-]+/[\w./<>*-]*|[\w.-]+\.(?:py|yaml|json|csv|md)))`")


def missing(text: str) -> list[str]:
    """Paths in ``text`` that are not there; of one with a placeholder such as ``<name>`` its folder has to be."""
    return [path for path in PATH.findall(text) if not (ROOT / re.sub(r"[^/]*<.*", "", path)).exists()]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    assert not [link for link in LINK.findall(path.read_text()) if not (path.parent / link).exists()]


def test_paths_in_the_description_of_the_design_exist() -> None:
    assert len(PATH.findall(DESIGN)) > 50
    assert not missing(DESIGN)


def test_a_path_that_is_not_there_is_noticed() -> None:
    text = "`alsatian/tree.py`, `tree.py`, `conf/fig<number>.yaml`, `conf/none/<name>.yaml`, `conf/`, `a b/c`"
    assert missing(text) == ["tree.py", "conf/none/<name>.yaml"]


def test_components_lie_where_the_table_says() -> None:
    """Where a row names a folder of code and one of choices, choices that are there name code in that folder."""
    rows = re.findall(r"\| `(alsatian/[^`]+)/<name>\.py` \| `(conf/[^`]+)/<name>\.yaml`", DESIGN)
    assert len(rows) >= 5
    for code, choices in rows:
        files = "".join(file.read_text() for file in (ROOT / choices).glob("*.yaml"))
        assert f" {code.replace('/', '.')}." in files, (code, choices)
