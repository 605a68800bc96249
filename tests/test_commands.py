"""Every command that the documents name can be given: its words parse, and what they ask for can be set up.

Nothing is run. Parsers and checks are the commands' own: each is called as from the command line, up to where
the runs that it asks for are known; these are set up without making data or models.
"""

import argparse
import inspect
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Sequence
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NoReturn

import hydra
import pytest

from analysis.grammar.words import Words
from experiments import cli
from experiments.commands import figures
from experiments.configuration import composition, setup
from experiments.runs import reproduction

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
SOURCES = sorted(
    path
    for room in ("alsatian", "baselines", "experiments", "analysis", "conf")
    for path in (ROOT / room).rglob("*")
    if path.suffix in (".py", ".yaml")
)
FENCE = re.compile(r"^```\w*\n(.*?)^```", re.DOTALL | re.MULTILINE)
SPAN = re.compile(r"`+([^`\n]+)`+")
COMMAND = re.compile(r"(?:\$ )?((?:\.venv/bin/)?(?:alsatian|make|python -m) .*)")
# A file that a document tells the reader to write.
RECIPE = re.compile(r"`([\w/]+\.(?:yaml|py))`[^`\n]*:\n\n```\w+\n(.*?)```", re.DOTALL)


def commands(text: str) -> list[str]:
    """Commands in a Markdown text: lines of its blocks of code, and spans of code in its prose."""
    lines = SPAN.findall(FENCE.sub("", text))
    for block in FENCE.findall(text):
        lines += block.replace("\\\n", " ").splitlines()
    return [match[1] for line in lines if (match := COMMAND.fullmatch(line.strip()))]


@cache
def named() -> dict[str, str]:
    """Every command that is named, without its comment, and the first place that names it."""
    places = {path: commands(path.read_text()) for path in DOCUMENTS}
    places[ROOT / "alsatian --help"] = commands(f"```\n{cli.EXAMPLES}```\n")
    # The source names commands in what it says to users, often with parts that are not known here.
    places |= {
        path: (c for c in commands(path.read_text()) if c.startswith("alsatian") and not set("{<…") & set(c))
        for path in SOURCES
    }
    made = json.loads((ROOT / "docs" / "results" / "sources.json").read_bytes())
    places[ROOT / "docs" / "results" / "sources.json"] = [entry["command"] for entry in made.values()]
    found: dict[str, str] = {}
    for path, there in places.items():
        for command in there:
            found.setdefault(shlex.join(shlex.split(command, comments=True)), str(path.relative_to(ROOT)))
    return found


# Prints the status and the output of every pytest that it is given the words of.
COLLECT = """
import contextlib, io, json, sys
import pytest
found = []
for words in json.load(sys.stdin):
    output = io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        status = pytest.main(["--collect-only", *words])
    found.append((int(status), output.getvalue()))
json.dump(found, sys.stdout)
"""


def words_for_pytest(command: str) -> list[str] | None:
    """The words for pytest of a command that runs tests."""
    words = shlex.split(command)
    return words[3:] if words[:3] == ["python", "-m", "pytest"] else None


@cache
def collected() -> dict[str, tuple[int, str]]:
    """What pytest says when it looks for the tests of each command that runs some, by the words it is given: in one
    process, whose imports take longer than all else."""
    asked = [words for command in named() if (words := words_for_pytest(command)) is not None]
    done = subprocess.run(
        [sys.executable, "-c", COLLECT], cwd=ROOT, input=json.dumps(asked), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return {shlex.join(words): said for words, said in zip(asked, json.loads(done.stdout), strict=True)}


cells = cache(composition.cells)
"""The runs that a tuple of words asks for; several commands ask for the same."""


class Parsed(BaseException):
    """The command line was understood; no more is wanted."""


@pytest.fixture(scope="session")
def recipes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of somebody who has followed the recipes of the documents."""
    folder = tmp_path_factory.mktemp("recipes")
    for document in DOCUMENTS:
        for path, text in RECIPE.findall(document.read_text()):
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text)
    for command in named():
        if command.startswith("alsatian new "):
            assert cli.main([*shlex.split(command)[1:], "--in", str(folder)]) == 0
    return folder


@pytest.fixture
def dry_run(monkeypatch: pytest.MonkeyPatch, recipes: Path) -> Callable[[str], None]:
    """Check a command; fails if it is not understood or what it asks for cannot be set up."""
    monkeypatch.chdir(recipes)
    parse = argparse.ArgumentParser.parse_args

    def parse_args(parser: argparse.ArgumentParser, *arguments: Any) -> argparse.Namespace:
        options = parse(parser, *arguments)
        if getattr(options, "command", "") == "figures":
            Words.of(figures._figure(options.words))
            raise Parsed
        if parser.prog == "alsatian" and (hasattr(options, "overrides") or getattr(options, "words", ())):
            return options  # Hydra's words, or those of a study, are read further on
        checked(cells(tuple(getattr(options, "overrides", ()))))

    def checked(runs: Sequence[composition.Cell]) -> NoReturn:
        for cell in runs:
            setup.Parts().setup(cell.plain)
        raise Parsed

    def dataset(parts: setup.Parts, config: Any) -> None:
        target = hydra.utils.get_method(config["dataset"]["_target_"])
        inspect.signature(target).bind(**{str(key): None for key in config["dataset"] if key != "_target_"})

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse_args)
    monkeypatch.setattr(composition, "cells", lambda words, *more, **how: checked(cells(tuple(words), *more)))
    # All experiments with the same words, of which one is enough here.
    monkeypatch.setattr(reproduction, "cells", lambda words: checked(cells(tuple(words))[:1]))
    monkeypatch.setattr(setup.Parts, "_dataset", dataset)

    def check(command: str) -> None:
        words = shlex.split(command)
        if (wanted := words_for_pytest(command)) is not None:
            status, said = collected()[shlex.join(wanted)]
            assert status == 0, said
            return
        if words[0] == "make":
            # What this run of make was given is not for that one.
            alone = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "ARGS")}
            done = subprocess.run(["make", "-n", *words[1:]], cwd=ROOT, capture_output=True, text=True, env=alone)
            assert done.returncode == 0, done.stdout + done.stderr
            for inner in commands(f"```\n{done.stdout}```\n"):
                if "alsatian" in inner:
                    check(inner)
            return
        if words[0] == "python":
            assert find_spec(words[2]), f"there is no module {words[2]}"
            words[:3] = [words[2]]
        main = cli.main if Path(words[0]).name == "alsatian" else import_module(words[0]).main
        if len(words) == 2:  # prose that speaks of a command leaves out what it needs
            with pytest.raises(SystemExit, match=r"^0$"):
                main([words[1], "--help"])
            return
        with pytest.raises(Parsed):
            pytest.fail(f"{command}: ended with status {main(words[1:])}")

    return check


@pytest.mark.parametrize("command", named(), ids=lambda command: f"{named()[command]}: {command}")
def test_a_named_command_can_be_given(command: str, dry_run: Callable[[str], None]) -> None:
    dry_run(command)


def test_the_simulation_that_the_help_shows_runs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    (command,) = (c for c in named() if c.startswith("alsatian simulate") and named()[c] == "alsatian --help")

    assert cli.main(shlex.split(command)[1:]) == 0

    assert "hardware a5000" in capsys.readouterr().out
    assert list(tmp_path.rglob("*.json"))


def test_a_command_that_cannot_be_given_is_noticed(dry_run: Callable[[str], None]) -> None:
    for wrong in (
        "alsatian run strategy=alsatain",
        "alsatian run cache.budget=much",
        "alsatian run dataset=counted dataset.item=3",
        "alsatian run strategy=base,shift",
        "alsatian explain explain.step=all",
        "alsatian reproduce reproduce.only=[fig99]",
        "alsatian reproduce scale=huge",
        "alsatian lst",
        "alsatian compare --format=xls results",
        "make quick",
        "make quickstart ARGS=fource=true",
        "python -m experiments.nothing",
    ):
        with pytest.raises((AssertionError, SystemExit, pytest.fail.Exception)):
            dry_run(wrong)


def test_commands_are_seen_in_prose_and_in_blocks_of_code() -> None:
    text = (
        "With `alsatian list` and `not this`:\n```bash\n$ alsatian run a=1 \\\n  b=2  # why\nmake x\nother\n```\n"
    )
    assert commands(text) == ["alsatian list", "alsatian run a=1    b=2  # why", "make x"]
    assert {named()[c] for c in named()} >= {"README.md", "docs/records.md", "alsatian --help"}
