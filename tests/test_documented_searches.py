"""The searches that the documents show are carried out, on small models and data with the names that they use."""

import contextlib
import io
import re
import shlex
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from experiments.cli import main
from tests.contracts.mixed_checkpoints import VIT, vit, write
from tests.contracts.text_models import TEXTS, language_model, vocab_txt

# One worker makes the models, once.
pytestmark = pytest.mark.xdist_group("documented searches")

ROOT = Path(__file__).parents[1]
DOCUMENTS = ("README.md", "docs/search.md")
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)
SHOWN = re.compile(r"(?:\$ )?(alsatian (?:search|inspect) [^#\n]*)(?:#.*)?")
# What needs a network is tested against a stand-in for the hub, beside the words of models.
REMOTE = ("hub:", "timm:")


def blocks(document: str, kind: str) -> list[str]:
    """What stands in the document's blocks of code of a kind."""
    return [text for found, text in BLOCK.findall((ROOT / document).read_text()) if found == kind]


def searches(document: str) -> set[str]:
    """The commands that its blocks of code show, without their comments."""
    lines = (line.strip() for text in blocks(document, "") for line in text.splitlines())
    found = {match[1].strip() for line in lines if (match := SHOWN.fullmatch(line))}
    return {command for command in found if not any(word in command for word in REMOTE)}


COMMANDS = sorted(set().union(*map(searches, DOCUMENTS)))


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with everything that the documents' searches name, and a store with the checkpoints."""
    root = tmp_path_factory.mktemp("documented")
    base = vit(0)
    for seed, name in enumerate(("base", "birds", "cars", "flowers")):
        module = vit(seed, base) if seed else base
        module.save_pretrained(root / "checkpoints" / name)
        write(root / "checkpoints" / name / "preprocessor_config.json", VIT)
    (root / "models.txt").write_text("# two fine-tunes\ncheckpoints/birds\ncheckpoints/cars\n")
    paths = [*pictures(root / "photographs", 30), *pictures(root / "holidays", 8)]
    shown = [path.relative_to(root) for path in paths]
    images = {"image": shown, "file": shown, "kind": [path.parent.name for path in paths]}
    pd.DataFrame(images).to_csv(root / "labels.csv", index=False)
    pd.DataFrame({"path": shown, "price": np.linspace(1.5, 60, len(shown))}).to_csv(root / "prices.csv")
    for hidden in (32, 64):
        language_model(root / f"language/bert-{hidden}", "BertModel", vocab_txt, intermediate_size=hidden)
    reviews = {"text": TEXTS * 6, "label": ["good", "bad"] * (3 * len(TEXTS))}
    pd.DataFrame(reviews).to_csv(root / "reviews.csv", index=False)
    with contextlib.chdir(root), contextlib.redirect_stdout(io.StringIO()):
        assert main(["store", "add", "checkpoints"]) == 0
    return root


def pictures(root: Path, count: int) -> list[Path]:
    """Images of three classes, so many of each."""
    paths = []
    for label, kind in enumerate(("dark", "middle", "light")):
        (root / kind).mkdir(parents=True)
        for i in range(count):
            pixels = np.random.default_rng([label, i]).integers(30 * label, 190 + 30 * label, (20, 20, 3), np.uint8)
            paths.append(root / kind / f"{i}.png")
            Image.fromarray(pixels).save(paths[-1])
    return paths


def test_there_are_searches_in_both_documents() -> None:
    assert all(map(searches, DOCUMENTS))
    assert sum(command.startswith("alsatian inspect") for command in COMMANDS) >= 2
    assert len(COMMANDS) >= 12


@pytest.mark.parametrize("command", COMMANDS)
def test_a_search_that_is_shown_runs(
    command: str, here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(here)
    status = main(shlex.split(command)[1:])
    out, err = capsys.readouterr()
    assert status == 0, err
    assert out.strip()


def test_the_output_that_the_readme_shows_is_of_today(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its columns and the words that begin its lines; names and numbers are another search's."""
    (block,) = [text for text in blocks("README.md", "") if "model  " in text]
    command, *shown = block.strip().splitlines()
    assert max(map(len, shown)) <= 80
    monkeypatch.chdir(here)
    assert main(shlex.split(command.removeprefix("$ "))[1:]) == 0
    lines = capsys.readouterr().out.splitlines()
    titles = [line.split() for line in shown if "model  " in line]
    assert titles == [line.split() for line in lines if "model  " in line]
    heads = [line.split()[0] for line in shown if line and line[0].isalpha()]
    assert set(heads) <= {line.split()[0] for line in lines if line.strip()}
    assert {"Models", "Round", "Searched", "import", "Report:"} <= set(heads)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_python_that_is_shown_runs(document: str, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of a document's examples of a search, one after the other."""
    monkeypatch.chdir(here)
    examples = [text for text in blocks(document, "python") if re.search(r"alsatian\.(search|load)|schema", text)]
    assert examples
    names: dict[str, object] = {}
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        for text in examples:
            exec(compile(text, document, "exec"), names)
    assert printed.getvalue().strip()
