"""``docs/baselines.md`` is followed to the letter, in an empty folder."""

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from experiments.cli import main

# One worker trains the shared models, once.
pytestmark = pytest.mark.xdist_group("cli")

PAGE = Path(__file__).parents[2] / "docs" / "baselines.md"
# A file that is to be written, or a block of commands.
STEP = re.compile(r"(?:`([\w/]+\.(?:py|yaml))`[^`\n]*:\n\n)?^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)


def followed(text: str, execute: Callable[[str], None]) -> list[str]:
    """Do what ``text`` says in the current folder; the files that were written by hand."""
    written = []
    for name, kind, content in STEP.findall(text):
        if name:
            path = Path(name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
            written.append(name)
        elif not kind:
            for line in content.splitlines():
                execute(line)
    return written


@pytest.mark.usefixtures("checked_here")
def test_the_page_can_be_followed_in_an_empty_folder(
    tmp_path: Path, store: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    done: list[str] = []

    def execute(line: str) -> None:
        program, *words = shlex.split(line)
        assert program == "alsatian"
        if words[0] in ("run", "explain"):  # as the page says, but small
            words += ["scale=ci", f"store_dir={store}"]
        assert main(words) == 0, line
        done.append(words[0])

    written = followed(PAGE.read_text(), execute)

    names = ("shortlist", "longest_first", "by_number")
    assert written == [file for name in names for file in (f"{name}.py", f"conf/strategy/{name}.yaml")]
    assert {"new", "check", "list", "run", "explain"} <= set(done)
    records = [json.loads(path.read_text()) for path in Path("results").rglob("run.json")]
    assert {record["config"]["strategy"]["name"] for record in records} == {"mine", "base", *names}
    known: dict[tuple[int, int, str], tuple[float, str]] = {}
    compared = 0
    for record in records:
        assert record["status"] == "ok"
        (repeat,) = record["repeats"]
        assert repeat["peaks"].get("cache_bytes", 0) <= record["resolved"]["cache.budget"]["bytes"]
        for round_ in record["rounds"]:
            for model, score in round_["scores"].items():
                found = score, round_["fingerprints"][model]
                key = record["config"]["batch_size"], round_["train_items"], model
                compared += key in known
                assert known.setdefault(key, found) == found
    assert compared >= len(names)
    (planned,) = (record for record in records if record["config"]["strategy"]["name"] == "by_number")
    assert (
        max(round_["chunks"] for round_ in planned["rounds"]) > 1
    )  # the budget was so small that the data had to be cut
