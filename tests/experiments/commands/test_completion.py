"""What a real shell completes, with the script that ``alsatian completion`` prints."""

import shutil
import subprocess
from pathlib import Path

import pytest

from experiments.cli import main
from experiments.configuration.menu import choices
from experiments.studies.study import studies

BASH = shutil.which("bash")
pytestmark = pytest.mark.skipif(BASH is None, reason="there is no bash here")
# What bash does when Tab is pressed behind the words: an equals sign parts them where it is among the breaks.
PRESSED = """
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(( $# - 1 )); COMPREPLY=()
$(complete -p alsatian | sed 's/.*-F \\([^ ]*\\) .*/\\1/')
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("shtab")
    path = tmp_path_factory.mktemp("completion") / "alsatian.bash"
    with pytest.MonkeyPatch.context() as patch, path.open("w") as file:
        patch.setattr("sys.stdout", file)
        assert main(["completion", "bash"]) == 0
    return path


def completed(script: Path, *words: str) -> list[str]:
    """What bash offers for the last of ``words``."""
    command = [str(BASH), "--norc", "-c", PRESSED, "bash", str(script), "alsatian", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize("command", ["run", "simulate", "explain", "config", "reproduce"])
@pytest.mark.parametrize("group", ["model_set", "strategy", "experiment", "cache", "scale"])
def test_choices_of_the_menu(script: Path, command: str, group: str) -> None:
    first = next(iter(choices(group)))
    assert completed(script, command, group, "=") == list(choices(group))
    expected = [name for name in choices(group) if name.startswith(first[:1])]
    assert completed(script, command, group, "=", first[:1]) == expected
    # Where the shell does not part words there, the whole word is replaced.
    assert completed(script, command, f"{group}={first[:1]}") == [f"{group}={name}" for name in expected]


def test_what_stands_before_and_of_several_the_last(script: Path) -> None:
    assert completed(script, "run", "-m", "strategy", "=", "base,shift_a") == ["base,shift_adaptive"]
    assert completed(script, "run", "-m", "strategy", "=", "base", "cache", "=", "bel") == ["belady"]
    assert completed(script, "run", "-q", "experiment", "=", "quick") == [
        name for name in choices("experiment") if name.startswith("quick")
    ]
    assert completed(script, "run", "cache.budget", "=", "4") == []


def test_names_of_groups_commands_options_and_studies(script: Path) -> None:
    assert completed(script, "run", "model") == ["model_set="]
    assert "experiment=" in completed(script, "run", "")
    assert completed(script, "compl") == ["completion"]
    assert completed(script, "run", "--quie") == ["--quiet"]
    assert completed(script, "study", "") == list(studies())
    assert completed(script, "study", "plain") == ["plain_script"]
    assert completed(script, "list", "sc") == ["scales", "schedules"]
