"""Images and texts in tables, folders and saved datasets: taken as each says, or a line says why not."""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from alsatian.data.dataset import Dataset
from alsatian.data.own import image_table, text_files
from alsatian.data.saved import saved_dataset
from alsatian.errors import ConfigError

TEXTS = [f"text, {i}; 'quoted' and \"so on\"\nin two lines é" for i in range(12)]
LABELS = ["bee", "ant", "cow"] * 4
ROWS = {"text": TEXTS, "label": LABELS}


def csv(path: Path, rows: Mapping[str, Sequence[Any]], **settings: Any) -> Path:
    pd.DataFrame(rows).to_csv(path, index=False, **settings)
    return path


def tsv(path: Path, rows: Mapping[str, Sequence[Any]]) -> Path:
    return csv(path, rows, sep="\t")


def jsonl(path: Path, rows: Mapping[str, Sequence[Any]]) -> Path:
    lines = [json.dumps(dict(zip(rows, row, strict=True))) for row in zip(*rows.values(), strict=True)]
    path.write_text("\n\n".join(lines) + "\n", encoding="utf-8")
    return path


def parquet(path: Path, rows: Mapping[str, Sequence[Any]]) -> Path:
    pytest.importorskip("pyarrow")
    pd.DataFrame(rows).to_parquet(path)
    return path


WRITERS: dict[str, Callable[[Path, Mapping[str, Sequence[Any]]], Path]] = {
    "csv": csv, "tsv": tsv, "jsonl": jsonl, "ndjson": jsonl, "parquet": parquet, "CSV": csv, "csv.gz": csv,
}  # fmt: skip


def labelled(data: Dataset) -> dict[Any, str]:
    """The class of every item by its name."""
    assert data.summary is not None
    names = [one.name for one in data.summary.classes]
    pairs = [
        *zip(data.train_items, data.train_labels, strict=True),
        *zip(data.test_items, data.test_labels, strict=True),
    ]
    assert len(pairs) == data.summary.train_items + data.summary.test_items
    return {item if isinstance(item, str) else item.name: names[label] for item, label in pairs}


@pytest.mark.parametrize("ending", WRITERS)
def test_texts_in_tables(tmp_path: Path, ending: str) -> None:
    path = WRITERS[ending](tmp_path / f"own.{ending}", ROWS)
    data = text_files(str(path))
    assert labelled(data) == dict(zip(TEXTS, LABELS, strict=True))
    assert (data.classes, len(data.train_items), len(data.test_items)) == (3, 10, 2)
    assert data.summary is not None
    assert data.summary.notes == ("texts are in column 'text', labels in column 'label'",)


def test_the_kind_of_table_makes_no_difference(tmp_path: Path) -> None:
    made = [WRITERS[ending](tmp_path / f"own.{ending}", ROWS) for ending in ("csv", "tsv", "jsonl")]
    assert len({text_files(str(path)).digest for path in made}) == 1


@pytest.mark.parametrize(
    ("text", "label"), [("Sentence", "CLASS"), ("content", "target"), ("review", "category"), (" text ", "labels")]
)
def test_columns_with_usual_names_are_found(tmp_path: Path, text: str, label: str) -> None:
    path = csv(tmp_path / "own.csv", {"id": range(12), label: LABELS, text: TEXTS})
    assert labelled(text_files(str(path))) == dict(zip(TEXTS, LABELS, strict=True))


def test_columns_are_stated(tmp_path: Path) -> None:
    path = csv(tmp_path / "own.csv", {"a": LABELS[::-1], "b": TEXTS, "text": ["no"] * 12, "label": LABELS})
    data = text_files(str(path), text_column="b", label_column="a")
    assert labelled(data) == dict(zip(TEXTS, LABELS[::-1], strict=True))


@pytest.mark.parametrize(
    ("rows", "settings", "message"),
    [
        (
            {"a": TEXTS, "label": LABELS},
            {},
            "no column is called text or .*; state text_column, one of 'a', 'label'",
        ),
        ({**ROWS, "review": TEXTS}, {}, "several columns may be the texts; state text_column"),
        ({"text": TEXTS}, {}, "no column is called label or"),
        (ROWS, {"label_column": "lable"}, "has no column 'lable'; did you mean 'label'"),
        (ROWS, {"text_column": "body"}, "has no column 'body'"),
        (ROWS, {"split_column": "part"}, "has no column 'part'"),
        (ROWS, {"items": 13}, "items=13: '.*' has 12 items"),
        (ROWS, {"items": 0}, "items=0"),
        (ROWS, {"test_share": 2}, "test_share=2 must lie between 0 and 1"),
        ({**ROWS, "split": ["train"] * 11 + ["unsupervised"]}, {}, "column 'split' .* holds 'unsupervised'"),
        ({**ROWS, "split": ["test"] * 12}, {}, "holds the parts test but no part 'train'"),
        ({"text": TEXTS, "label": [0.1 * i for i in range(12)]}, {}, "labels are continuous"),
        ({"text": TEXTS, "label": ["", *LABELS[1:]]}, {}, "1 of 12 labels are missing, the first is item 0"),
        ({"text": TEXTS, "label": ["a"] * 12}, {}, "nothing to tell apart"),
    ],
)
def test_columns_that_do_not_fit_are_refused_in_one_line(
    tmp_path: Path, rows: Mapping[str, Sequence[Any]], settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message) as error:
        text_files(str(csv(tmp_path / "own.csv", rows)), **settings)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (["10", "9", "2"], ["2", "9", "10"]),
        (["1.0", "0.0", "2.0"], ["0", "1", "2"]),
        (["NA", "None", "null"], ["NA", "None", "null"]),
        (["007", "7", "8"], ["007", "7", "8"]),
        (["True", "False", "True"], ["False", "True"]),
    ],
)
def test_labels_in_text_are_what_they_say(tmp_path: Path, labels: list[str], names: list[str]) -> None:
    data = text_files(str(csv(tmp_path / "own.csv", {"text": TEXTS, "label": labels * 4})))
    assert data.summary is not None
    assert [one.name for one in data.summary.classes] == names


BROKEN: dict[str, tuple[bytes, str]] = {
    "a.csv": (b"", "is no table in UTF-8"),
    "b.csv": (b"text,label\n", "has no rows"),
    "c.csv": (b"text,label\na,b\na,b,c,d\n", "is no table in UTF-8"),
    "d.csv": (b"text;label\na;0\nb;1\n", "has one column, 'text;label'; state separator"),
    "e.csv": (b"text,label\n\xff\xfe,0\n", "is no table in UTF-8"),
    "f.jsonl": (b'{"text": "a", "label": 0}\n{"text"', "line 2 is no JSON"),
    "g.jsonl": (b'["a", 0]\n', "line 1 is no JSON object"),
    "h.jsonl": (
        b'{"text": "a", "label": 0}\n{"label": 1}\n{"text": null, "label": 0}',
        "column 'text' is missing in 2",
    ),
    "i.jsonl": (b'{"text": "a", "label": [0, 1]}\n{"text": "b", "label": [0]}', "item 0 has several labels"),
    "j.jsonl": (b"", "has no rows"),
    "k.xlsx": (b"PK", "is of no kind that is read; use .csv"),
    "l.csv": (b"text,label\na,b\nc\n", "1 of 2 labels are missing"),
    "m.csv": (b"text,label\na,b,c\nd,e,f\n", "its rows hold more values than its first line names columns"),
    "n.csv": (b"text,label,label\na,b,c\nd,e,f\n", "has several columns 'label'; rename all but one"),
    "o.jsonl": (
        b'{"text": "a", "label": 0}\n{"text": ["b"], "label": 1}',
        "holds a value of type list, no text, in row 2",
    ),
    "p.jsonl": (
        b'{"text": 7, "label": 0}\n{"text": 8, "label": 1}',
        "holds a value of type int, no text, in row 1",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_files_that_are_no_tables_are_refused_in_one_line(tmp_path: Path, name: str) -> None:
    content, message = BROKEN[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigError, match=message) as error:
        text_files(str(tmp_path / name))
    assert "\n" not in str(error.value)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no such file"):
        text_files(str(tmp_path / "none.csv"))
    with pytest.raises(ConfigError, match=r"none\.csv: cannot be read"):
        text_files(str(csv(tmp_path / "own.csv", ROWS)), test_source=str(tmp_path / "none.csv"))


def test_a_separator_is_stated_and_a_byte_order_mark_ignored(tmp_path: Path) -> None:
    path = csv(tmp_path / "own.csv", ROWS, sep=";", encoding="utf-8-sig")
    assert labelled(text_files(str(path), separator=";")) == dict(zip(TEXTS, LABELS, strict=True))


@pytest.mark.parametrize(
    ("parts", "tested"),
    [
        (("train", "test"), "test"),
        (("Training", "dev"), "dev"),
        (("train", "validation"), "validation"),
        (("train", "val", "test"), "test"),
    ],
)
@pytest.mark.parametrize("column", ["split", "subset", "mine"])
def test_a_column_says_what_the_test_part_is(
    tmp_path: Path, parts: tuple[str, ...], tested: str, column: str
) -> None:
    split = [parts[i // 3 % len(parts)] for i in range(12)]
    path = csv(tmp_path / "own.csv", {**ROWS, column: split})
    data = text_files(str(path), split_column="mine" if column == "mine" else None)
    assert set(data.test_items) == {text for text, part in zip(TEXTS, split, strict=True) if part == tested}
    assert labelled(data) == dict(zip(TEXTS, LABELS, strict=True))
    assert data.summary is not None
    assert data.summary.split.startswith(f"column '{column}': ")


def test_a_second_file_is_the_test_part(tmp_path: Path) -> None:
    train = csv(tmp_path / "train.csv", ROWS)
    more = {"label": ["ant", "cow"], "text": ["other", "another"]}
    for name, write in (("a.csv", csv), ("b.jsonl", jsonl)):
        data = text_files(str(train), test_source=str(write(tmp_path / name, more)))
        assert set(data.test_items) == {"other", "another"}
        assert set(data.train_items) == set(TEXTS)
        assert labelled(data) == {**dict(zip(TEXTS, LABELS, strict=True)), "other": "ant", "another": "cow"}
    with pytest.raises(ConfigError, match="has no column 'label'"):
        text_files(str(train), test_source=str(csv(tmp_path / "c.csv", {"text": ["a"]})))
    with pytest.raises(ConfigError, match="both say what the test part is"):
        text_files(str(train), test_source=str(tmp_path / "a.csv"), split_column="split")


def test_a_part_of_the_items_has_the_classes_in_proportion(tmp_path: Path) -> None:
    data = text_files(str(csv(tmp_path / "own.csv", ROWS)), items=6)
    assert data.summary is not None
    assert sorted(one.items for one in data.summary.classes) == [2, 2, 2]


def test_empty_texts_are_warned_about(tmp_path: Path) -> None:
    data = text_files(str(csv(tmp_path / "own.csv", {"text": ["", " ", *TEXTS[2:]], "label": LABELS})))
    assert data.summary is not None
    assert "2 of 12 texts are empty" in data.summary.warnings


def text_folder(root: Path, each: int = 4) -> Path:
    for kind in ("pro", "contra"):
        (root / kind / "deeper").mkdir(parents=True)
        for i in range(each):
            (root / kind / ("deeper" if i % 2 else ".") / f"{i}.txt").write_text(f"{kind} {i} é", encoding="utf-8")
    return root


def test_texts_in_folders(tmp_path: Path) -> None:
    text_folder(tmp_path)
    (tmp_path / "pro" / "notes.md").write_text("x")
    (tmp_path / "pro" / ".hidden.txt").write_text("x")
    (tmp_path / "README.txt").write_text("x")
    data = text_files(str(tmp_path))
    assert labelled(data) == {f"{kind} {i} é": kind for kind in ("pro", "contra") for i in range(4)}
    assert data.summary is not None
    assert {one.reason: one.examples for one in data.summary.skipped} == {
        "beside the folders of the classes, so without a class": ("README.txt",),
        "hidden": ("pro/.hidden.txt",),
        "no text by the name": ("pro/notes.md",),
    }


@pytest.mark.parametrize("setting", ["test_source", "text_column", "label_column", "split_column", "separator"])
def test_settings_of_tables_are_refused_for_folders(tmp_path: Path, setting: str) -> None:
    with pytest.raises(ConfigError, match="is a folder; only a table has columns"):
        text_files(str(text_folder(tmp_path)), **{setting: "x"})  # type: ignore[arg-type]


def test_folders_of_parts_hold_texts(tmp_path: Path) -> None:
    text_folder(tmp_path / "train", 6)
    text_folder(tmp_path / "test", 2)
    data = text_files(str(tmp_path))
    assert (len(data.train_items), len(data.test_items), data.classes) == (12, 4, 2)


def test_files_that_are_no_texts_are_named_or_left_out(tmp_path: Path) -> None:
    text_folder(tmp_path, 20)
    (tmp_path / "pro" / "bad.txt").write_bytes(b"caf\xe9")
    (tmp_path / "contra" / "worse.txt").write_bytes(b"\xff")
    with pytest.raises(
        ConfigError, match=r"2 of 42 files cannot be read as a text; .*worse\.txt \(no UTF-8 at byte 0"
    ):
        text_files(str(tmp_path))
    data = text_files(str(tmp_path), on_bad_item="skip")
    assert len(labelled(data)) == 40
    assert data.summary is not None
    (skipped,) = data.summary.skipped
    assert (skipped.items, skipped.examples[1]) == (2, "pro/bad.txt (no UTF-8 at byte 3)")


def pictures(root: Path, count: int = 12) -> list[str]:
    """Files below ``root`` by relative path."""
    names = [f"pictures/{i}.png" for i in range(count)]
    (root / "pictures").mkdir(parents=True)
    for i, name in enumerate(names):
        Image.fromarray(np.full((8 + i, 9, 3), i, np.uint8)).save(root / name)
    return names


@pytest.mark.parametrize("ending", WRITERS)
def test_images_in_tables(tmp_path: Path, ending: str, monkeypatch: pytest.MonkeyPatch) -> None:
    names = pictures(tmp_path)
    names[3] = str(tmp_path / names[3])  # absolute
    path = WRITERS[ending](tmp_path / f"own.{ending}", {"file_name": names, "label": LABELS})
    for source in (path, Path(path.name)):
        monkeypatch.chdir(tmp_path if source != path else Path("/"))
        data = image_table(str(source))
        assert labelled(data) == {f"{i}.png": label for i, label in enumerate(LABELS)}
        assert data.in_files
        assert data.summary is not None
        assert data.summary.images is not None
        assert (data.summary.images.modes, data.summary.images.height) == ({"RGB": 12}, (8, 19))


def test_a_second_table_has_its_own_folder(tmp_path: Path) -> None:
    for part in ("train", "test"):
        names = pictures(tmp_path / part)
        csv(tmp_path / part / "own.csv", {"path": names, "label": LABELS})
    data = image_table(str(tmp_path / "train" / "own.csv"), test_source=str(tmp_path / "test" / "own.csv"))
    for items, part in ((data.train_items, "train"), (data.test_items, "test")):
        assert {path.relative_to(tmp_path).parts[0] for path in items} == {part}
        assert len(items) == 12


def test_bad_images_of_a_table_are_named_or_left_out(tmp_path: Path) -> None:
    names = [*pictures(tmp_path, 38), "pictures/gone.png", "pictures/bad.png"]
    (tmp_path / "pictures" / "bad.png").write_bytes(b"x")
    path = csv(tmp_path / "own.csv", {"image": names, "class": [*(["a", "b"] * 20)]})
    with pytest.raises(ConfigError, match=r"2 of 40 .*gone\.png \(No such file.*bad\.png \(of no format"):
        image_table(str(path))
    data = image_table(str(path), on_bad_item="skip")
    assert len(labelled(data)) == 38
    assert data.summary is not None
    assert data.summary.skipped[0].items == 2


@pytest.mark.parametrize("read", [image_table, text_files])
def test_parquet_without_its_package_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read: Callable[[str], Dataset]
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "fastparquet", None)
    (tmp_path / "own.parquet").write_bytes(b"PAR1")
    with pytest.raises(
        ConfigError, match=r"own\.parquet: reading Parquet needs the package pyarrow: pip install pyarrow$"
    ):
        read(str(tmp_path / "own.parquet"))


def test_a_damaged_parquet_file_is_one_line(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    (tmp_path / "own.parquet").write_bytes(b"PAR1")
    with pytest.raises(ConfigError, match=r"own\.parquet: is no table") as error:
        text_files(str(tmp_path / "own.parquet"))
    assert "\n" not in str(error.value)


def test_saved_datasets_without_their_package_are_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(ConfigError, match=r"needs the package datasets: pip install datasets$"):
        saved_dataset(str(tmp_path))


def test_saved_texts(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    datasets.Dataset.from_dict(ROWS).save_to_disk(tmp_path / "a")
    assert labelled(saved_dataset(str(tmp_path / "a"))) == dict(zip(TEXTS, LABELS, strict=True))
    known = datasets.ClassLabel(names=["ant", "bee", "cow"])
    features = datasets.Features({"text": datasets.Value("string"), "label": known})
    parts = {
        name: datasets.Dataset.from_dict({"text": TEXTS[part], "label": known.str2int(LABELS[part])}, features)
        for name, part in (("train", slice(9)), ("test", slice(9, 12)))
    }
    datasets.DatasetDict(parts).save_to_disk(tmp_path / "b")
    data = saved_dataset(str(tmp_path / "b"))
    assert labelled(data) == dict(zip(TEXTS, LABELS, strict=True))
    assert set(data.test_items) == set(TEXTS[9:])
    datasets.Dataset.from_dict({"a": TEXTS, "label": LABELS}).save_to_disk(tmp_path / "c")
    with pytest.raises(ConfigError, match="state item_column, one of 'a', 'label'"):
        saved_dataset(str(tmp_path / "c"))


def test_saved_images(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    rng = np.random.default_rng(0)
    pixels = [rng.integers(0, 256, (8, 9, 3), np.uint8) for _ in range(12)]
    features = datasets.Features({"image": datasets.Image(), "label": datasets.Value("string")})
    parts = {
        name: datasets.Dataset.from_dict(
            {"image": [Image.fromarray(one) for one in pixels[:count]], "label": LABELS[:count]}, features
        )
        for name, count in (("train", 12), ("validation", 3))
    }
    datasets.DatasetDict(parts).save_to_disk(tmp_path / "a")
    data = saved_dataset(str(tmp_path / "a"))
    assert len(data.test_items) == 3
    assert {one.tobytes() for one in data.train_items} == {one.tobytes() for one in pixels}


def test_a_folder_that_holds_no_saved_dataset_is_one_line(tmp_path: Path) -> None:
    pytest.importorskip("datasets")
    with pytest.raises(ConfigError, match="is no folder that save_to_disk wrote") as error:
        saved_dataset(str(tmp_path))
    assert "\n" not in str(error.value)
