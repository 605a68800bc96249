"""What ``alsatian new`` writes runs as it is, and passes the test that comes with it."""

import re
import runpy
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from experiments.cli import main
from experiments.commands.new import KINDS

# One worker trains the shared models, once.
pytestmark = pytest.mark.xdist_group("cli")


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_passes_the_test_that_comes_with_it(
    tmp_path: Path,
    store: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    request: pytest.FixtureRequest,
    kind: str,
) -> None:
    if kind != "strategy":  # one passes in a process of its own, as all do for people
        request.getfixturevalue("checked_here")
    monkeypatch.chdir(tmp_path)
    name, group = f"my_{kind}", KINDS[kind]
    assert main(["new", kind, name, "--in", "own"]) == 0
    shown = capsys.readouterr().out
    command = "run" if kind == "dataset" else "check"
    assert f"next: alsatian {command} plugins=own {group}={name}\n" in shown
    paths = re.findall(r"^written: (.*)$", shown, re.MULTILINE)
    assert paths == [f"own/{name}.py", f"own/conf/{group}/{name}.yaml", f"own/test_{name}.py"]
    assert main(["list", "plugins=own"]) == 0
    assert capsys.readouterr().out.count("(plugins=own)") == 1

    def run(command: list[str], cwd: Path) -> SimpleNamespace:
        """The command in this process, with models that are there."""
        assert command[:4] == [sys.executable, "-P", "-m", "alsatian"]
        monkeypatch.chdir(cwd)
        words = command[4:]
        return SimpleNamespace(returncode=main([*words, *([f"store_dir={store}"] if words[0] == "run" else [])]))

    test = runpy.run_path(str(tmp_path / paths[2]))[f"test_{name}"]
    test.__globals__["subprocess"] = SimpleNamespace(run=run)
    (tmp_path / "elsewhere").mkdir()
    test(tmp_path / "elsewhere")
    request.getfixturevalue("checked_here")
    module = tmp_path / "own" / f"{name}.py"
    module.write_text("raise ValueError\n")
    with pytest.raises(AssertionError):
        test(tmp_path / "elsewhere")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["strategy", "base"], r"strategy=base: is there already \(the project has it\)"),
        (["policy", "lru"], r"cache=lru: is there already"),
        (["strategy", "theirs", "plugins=other"], r"strategy=theirs: is there already \(plugins=other\)"),
        (["order", "3x"], r"3x: is no name of a module; .* as in my_order"),
        (["order", "a-b"], r"a-b: is no name of a module"),
        (["order", "class"], r"class: is no name of a module"),
        (["order", "random"], r"order=random: is there already"),
        (["order", "json"], r"json: there is a module of this name already \(Python's own\)"),
        (["order", "torch"], r"torch: there is a module of this name already"),
        (["order", "taken"], r"taken\.py: is there already"),
        (["order", "tested"], r"test_tested\.py: is there already"),
        (["order", "mine", "--in", "taken.py"], r"--in taken\.py: is a file"),
    ],
)
def test_what_cannot_be_written_is_one_line_and_nothing_is_written(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    expected: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["new", "strategy", "theirs", "--in", "other"]) == 0
    for name in ("taken.py", "test_tested.py"):
        Path(name).touch()
    before = sorted(tmp_path.rglob("*"))
    capsys.readouterr()
    assert main(["new", *words]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert re.match(f"alsatian: {expected}", line), line
    assert sorted(tmp_path.rglob("*")) == before


def test_an_unknown_kind_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match=r"^2$"):
        main(["new", "strateg", "mine"])
    assert "'strateg': there is no such kind; did you mean 'strategy'?" in capsys.readouterr().err
