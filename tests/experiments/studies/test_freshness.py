"""Pages say where their numbers come from, and whether they are older than the code that they measure."""

import json
import os
import re
import shutil
from pathlib import Path
from types import ModuleType

import pytest

from alsatian.errors import ConfigError
from alsatian.files import write_text
from experiments.cli import main
from experiments.studies import freshness
from experiments.studies.freshness import Entry
from experiments.studies.study import studies

ROOT = Path(__file__).parents[3]
PAGES = ROOT / "docs" / "results"
KNOWN = freshness.entries(PAGES)
STALE = "Measured with older code: "
CODE = '''
"""A module."""
X = f"a{1}b"


class A:
    """A class."""

    async def f(self, x: int = 3) -> int:
        """A function."""
        return x + X
'''


def module(folder: Path, text: str = "RATE = 3\n") -> ModuleType:
    """A study in a file of its own."""
    found = ModuleType("made")
    found.__file__ = str(write_text(folder / "made.py", text))
    return found


@pytest.fixture
def documents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with one page, and a document with two blocks of numbers, all of them of one file of code."""
    monkeypatch.setattr(freshness, "ROOT", tmp_path)
    monkeypatch.chdir(tmp_path)
    write_text(tmp_path / "room" / "code.py", "RATE = 3\n")
    folder = tmp_path / "docs" / "results"
    write_text(folder / "page.md", "# Page\n\nMade by `alsatian study page`.\n")
    write_text(tmp_path / "README.md", "# R\n\n<!-- numbers: a -->\n\n1 s\n\n<!-- numbers: b -->\n\n2 s\n")
    entry = Entry(command="alsatian study page", made="2026-01-01", code={"room": freshness.digest("room")})
    for page in ("page.md", "../../README.md#a", "../../README.md#b"):
        freshness.note(folder, page, entry)
    return folder


def change(text: str) -> None:
    """Have the file of code hold another ``text``."""
    write_text(Path("room/code.py"), text)
    freshness._content.cache_clear()


@pytest.mark.parametrize("path", sorted(PAGES.glob("*.md")), ids=lambda path: path.name)
def test_every_page_names_the_command_that_makes_its_numbers(path: Path) -> None:
    own = [entry for page, entry in KNOWN.items() if page.partition("#")[0] == path.name]
    assert own, "no entry: a study writes one; for a page that was written by hand add it, then --measured PAGE"
    said = " ".join(path.read_text().split())
    assert all(entry.command in said for entry in own)


@pytest.mark.parametrize("page", KNOWN)
def test_a_page_that_is_older_than_its_code_says_so(page: str) -> None:
    path, _, text = freshness.parts(PAGES, page)
    expected = freshness.line(KNOWN[page].changed())
    assert (text.partition("\n")[0] if text.startswith(STALE) else "") == expected, (
        "alsatian study --stale mends it"
    )
    assert KNOWN[page].command in " ".join(path.read_text().split())


def test_every_study_has_a_page() -> None:
    """That of a reproduction is named after its scale."""
    assert {f"{name}.md" for name in studies()} - KNOWN.keys() == {"reproduction.md"}


def test_no_page_says_so_elsewhere() -> None:
    """The line is where it is looked for, and there is no other."""
    for path in {freshness.parts(PAGES, page)[0].resolve() for page in KNOWN}:
        lines = [line for line in path.read_text().splitlines() if line.startswith(STALE)]
        blocks = [page for page in KNOWN if (PAGES / page.partition("#")[0]).resolve() == path]
        assert len(lines) == sum(bool(KNOWN[page].changed()) for page in blocks)


def test_what_studies_measure_is_there() -> None:
    for name, paths in freshness._CODE.items():
        assert all(freshness.digest(path) != "none" for path in paths), name


def test_what_does_not_run_does_not_count(tmp_path: Path) -> None:
    def digest(text: str, name: str = "room/a.py") -> str:
        write_text(tmp_path / name, text)
        freshness._content.cache_clear()
        return freshness.digest("room", tmp_path)

    first = digest(CODE)
    for same in (
        re.sub('"""A .*"""', '"""Another."""', CODE),
        CODE.replace('    """A class."""\n', ""),
        CODE.replace("X = f", "# why\nX  =   f"),
        CODE.replace("x: int = 3", "\n        x: int = 3,\n    "),
    ):
        assert same != CODE
        assert digest(same) == first
    for change in (
        ("x + X", "x - X"),
        ("x: int = 3", "x: int = 4"),
        ("a{1}b", "a{2}b"),
        ("async ", ""),
        ("x: int", "x"),
    ):
        assert digest(CODE.replace(*change)) != first
    assert digest(CODE) == first
    shutil.move(tmp_path / "room" / "a.py", tmp_path / "room" / "b.py")
    assert freshness.digest("room", tmp_path) == first
    with_yaml = digest("a: 1\n", "room/c.yaml")
    assert with_yaml != first
    assert digest("# why\na: 1\n", "room/c.yaml") == with_yaml
    assert digest("# @package _global_\na: 1\n", "room/c.yaml") != with_yaml
    assert freshness.digest("room/*.yaml", tmp_path) != freshness.digest("room/*.py", tmp_path)
    assert freshness.digest("nothing", tmp_path) == "none"


def test_pages_get_and_lose_the_line(documents: Path, capsys: pytest.CaptureFixture[str]) -> None:
    texts = {path: path.read_text() for path in (documents / "page.md", Path("README.md"))}
    assert main(["study", "--stale"]) == 0
    assert capsys.readouterr().out == ""
    assert all(path.read_text() == text for path, text in texts.items())
    change("RATE = 4\n")
    line = "Measured with older code: `room` have changed since."
    for _ in range(2):  # a second time changes nothing
        assert main(["study", "--stale"]) == 0
        assert len(capsys.readouterr().out.splitlines()) == 3
        assert (documents / "page.md").read_text() == f"# Page\n\n{line}\n\nMade by `alsatian study page`.\n"
        assert Path("README.md").read_text() == (
            f"# R\n\n<!-- numbers: a -->\n\n{line}\n\n1 s\n\n<!-- numbers: b -->\n\n{line}\n\n2 s\n"
        )
    assert main(["study", "--measured", "../../README.md#b"]) == 0
    assert (
        Path("README.md").read_text()
        == f"# R\n\n<!-- numbers: a -->\n\n{line}\n\n1 s\n\n<!-- numbers: b -->\n\n2 s\n"
    )
    change("RATE = 3  # again\n")
    assert main(["study", "--stale"]) == 0
    assert (documents / "page.md").read_text() == texts[documents / "page.md"]
    assert [page for page, entry in freshness.entries(documents).items() if entry.changed()] == [
        "../../README.md#b"
    ]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--measured", "pge.md"], "has no page 'pge.md'; did you mean 'page.md'?"),
        (["--stale"], "README.md: has no line '<!-- numbers: a -->'"),
    ],
)
def test_mistakes_are_one_line(
    words: list[str], message: str, documents: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_text(Path("README.md"), "# R\n\n<!-- numbers: b -->\n\n2 s\n")
    change("RATE = 4\n")
    assert main(["study", *words]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line
    assert STALE not in (documents / "page.md").read_text()


def test_where_there_are_no_pages_one_line_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["study", "--stale"]) == 1
    assert "docs/results/sources.json: is not here" in capsys.readouterr().err
    write_text(tmp_path / "docs/results/sources.json", json.dumps({"a.md": {"command": ""}}))
    with pytest.raises(ConfigError, match=r"sources\.json: .*command"):
        freshness.entries(tmp_path / "docs/results")


def test_an_entry_is_of_what_was_there_before(documents: Path) -> None:
    made = freshness.entry("made", module(Path("room")), "alsatian study made")
    assert "alsatian/blocks" in made.code
    assert made.code["room/made.py"] == freshness.digest("room/made.py")
    assert freshness.of_records(made, "alsatian run", []).changed() == list(made.code)


def test_a_report_is_as_old_as_its_oldest_record(documents: Path) -> None:
    now = freshness.entry("made", module(Path("room")), "alsatian reproduce")
    records = [write_text(Path(f"results/{i}.json"), "{}") for i in range(2)]
    os.utime(records[0], (1.0, 1.0))
    results = Path("results")
    freshness.follow(results, "report.html", now, records, began=3e9)
    assert freshness.entries(results) == {}  # nothing is new
    freshness.follow(results, "report.html", now, records, began=2.0)
    assert freshness.entries(results) == {"report.html": now.unknown}
    freshness.follow(results, "report.html", now, records, began=0.0)
    assert freshness.entries(results) == {"report.html": now}
    later = now.model_copy(update={"made": "2030-01-01"})
    freshness.follow(results, "report.html", later, records, began=2.0)
    assert freshness.entries(results) == {"report.html": now}  # some are still of then
