"""The options of ``alsatian search``: those that errors about data ask for, what is said early, and the help."""

from pathlib import Path

import pandas as pd
import pytest

from alsatian.data import reading
from experiments.cli import main
from tests.contracts.mixed_checkpoints import VIT, vit, write
from tests.experiments.commands.models.test_search import images

# One worker reads the model, once.
pytestmark = pytest.mark.xdist_group("search options")

# What errors about data ask people to state.
READ_DATA = ("kind", "labels", "item_column", "label_column", "split_column", "separator", "test", "limit", "seed")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model, images of three classes, and a store to be."""
    root = tmp_path_factory.mktemp("options")
    vit(0).save_pretrained(root / "model")
    write(root / "model" / "preprocessor_config.json", VIT)
    images(root / "images", range(14))
    return root


@pytest.mark.parametrize(
    ("columns", "separator", "missing", "words"),
    [
        (("file", "image", "label"), ",", "state item_column", ("--item-column", "image")),
        (("path", "price"), ",", "state label_column", ("--label-column", "price")),
        (("path", "label"), ";", "state separator", ("--separator", ";")),
        (("path", "label", "part"), ",", "", ("--split-column", "part")),
        (("path", "label"), ",", "state kind=images", ("--kind", "texts")),
    ],
)
def test_what_an_error_asks_for_is_an_option(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    columns: tuple[str, ...], separator: str, missing: str, words: tuple[str, str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    paths = sorted((folder / "images").rglob("*.png"))
    ends = ".md" if "texts" in words else ""
    about = {name: [f"{path}{ends}" for path in paths] for name in ("file", "image", "path")}
    about |= {name: [path.parent.name for path in paths] for name in ("label", "price")}
    about["part"] = ["train" if i % 3 else "test" for i in range(len(paths))]
    pd.DataFrame({name: about[name] for name in columns}).to_csv("table.csv", sep=separator, index=False)
    asked = ["search", str(folder / "model"), "--data", "table.csv", "--store", str(folder / "store")]
    if missing:
        assert main(asked) == 1
        assert missing in capsys.readouterr().err
    status = main([*asked, *words])
    out, err = capsys.readouterr()
    if "texts" in words:  # which a model of images does not take
        assert (status, "texts" in err) == (1, True)
    else:
        assert status == 0
        assert f"column '{words[1]}'" in out or separator == ";"


@pytest.mark.parametrize(
    "words",
    [
        ("modls", "--data", "images"),
        *(
            ("model", "--data", "images", *wrong)
            for wrong in (
                ("--proxy", "logist"),
                ("--strategy", "autp"),
                ("--schedule", "halfing"),
                ("--device", "tpu"),
                ("--batch-size", "0"),
            )
        ),
    ],
    ids=" ".join,
)
def test_what_is_misspelt_is_said_before_data_are_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setattr(reading, "read_data", lambda *given, **named: pytest.fail("data were read"))
    assert main(["search", *words]) == 1


def test_the_help_fits_eighty_columns(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit, match="0"):
        main(["search", "--help"])
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    options = {line.split()[0] for line in lines if line.startswith("  --")}
    assert {f"--{name.replace('_', '-')}" for name in READ_DATA} <= options
