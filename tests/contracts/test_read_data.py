"""Whatever a person may call data: taken for what it is, or a line says what would do."""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from alsatian.data.dataset import Dataset, make_dataset
from alsatian.data.digits import digits
from alsatian.data.docstrings import stdlib_docstrings
from alsatian.data.images import image_files
from alsatian.data.own import image_table, text_files
from alsatian.data.reading import read_data
from alsatian.errors import ConfigError

CLASSES = ["ant", "bee", "cow"]
LABELS = CLASSES * 4
TEXTS = [f"text {i}" for i in range(12)]
NUMBERS = [i / 4 for i in range(12)]
PIXELS = np.random.default_rng(0).integers(0, 256, (12, 8, 9, 3), np.uint8)


def written(root: Path, first: int = 0, count: int = 12) -> list[str]:
    """Images below ``root`` in folders of classes, by relative path."""
    names = [f"{LABELS[i % 12]}/{i}.png" for i in range(first, first + count)]
    for i, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(PIXELS[i]).save(root / name)
    return names


def texts_below(root: Path) -> Path:
    for label, text in zip(LABELS, TEXTS, strict=True):
        (root / label).mkdir(parents=True, exist_ok=True)
        (root / label / f"{text}.txt").write_text(text)
    return root


def csv(path: Path, **columns: Sequence[Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(columns).to_csv(path, index=False)
    return path


def notes(data: Dataset) -> str:
    assert data.summary is not None
    return "; ".join(data.summary.notes)


def by_item(data: Dataset) -> dict[Any, Any]:
    """The class, or the number, of every item."""
    assert data.summary is not None
    names = [one.name for one in data.summary.classes]
    pairs = [(data.train_items, data.train_labels), (data.test_items, data.test_labels)]
    found = {}
    for items, labels in pairs:
        for item, label in zip(items, labels, strict=True):
            key = item.tobytes() if isinstance(item, np.ndarray) else item.name if isinstance(item, Path) else item
            found[key] = names[label] if names else label
    return found


def test_folders_are_what_their_classes_hold(tmp_path: Path) -> None:
    written(tmp_path / "images")
    (tmp_path / "images" / "README.txt").write_text("beside the classes")
    texts = str(texts_below(tmp_path / "texts"))
    assert read_data(tmp_path / "images").digest == image_files(str(tmp_path / "images")).digest
    assert read_data(texts).digest == text_files(texts).digest


def test_a_folder_of_both_is_refused_until_one_is_stated(tmp_path: Path) -> None:
    written(tmp_path)
    texts_below(tmp_path)
    with pytest.raises(
        ConfigError, match=r"has 12 images and 12 texts in its folders; state kind=images or kind=te"
    ):
        read_data(tmp_path)
    assert read_data(tmp_path, kind="images").modality == "image"
    assert read_data(tmp_path, kind="texts").modality == "text"


TABLES: dict[str, tuple[dict[str, Sequence[Any]], dict[str, Any], str]] = {
    "paths by name": ({"file": "paths", "label": LABELS}, {}, "paths are in column 'file'"),
    "paths by content": ({"photo": "paths", "label": LABELS}, {}, "paths are in column 'photo'"),
    "paths among names": ({"id": range(12), "photo": "paths", "label": LABELS}, {}, "paths are in column 'photo'"),
    "texts by name": ({"Review": TEXTS, "label": LABELS}, {}, "texts are in column 'Review'"),
    "texts by content": ({"words": TEXTS, "label": LABELS}, {}, "texts are in column 'words'"),
    "texts of a word by name": ({"text": LABELS, "label": LABELS}, {}, "texts are in column 'text'"),
    "stated": (
        {"a": "paths", "b": TEXTS, "y": LABELS},
        {"item_column": "b", "label_column": "y"},
        "texts are in col",
    ),
    "one of two": (
        {"file": "paths", "text": TEXTS, "label": LABELS},
        {"kind": "texts"},
        "texts are in column 'text'",
    ),
    "the other": (
        {"file": "paths", "text": TEXTS, "label": LABELS},
        {"kind": "images"},
        "paths are in column 'file'",
    ),
    "names as texts": ({"file": "paths", "label": LABELS}, {"kind": "texts"}, "texts are in column 'file'"),
}  # type: ignore[dict-item]


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("held", ["file", "frame"])
def test_tables_are_what_their_columns_say(
    tmp_path: Path, name: str, held: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    columns, settings, note = TABLES[name]
    paths = written(tmp_path)
    monkeypatch.chdir(tmp_path)
    table = {column: paths if values == "paths" else values for column, values in columns.items()}
    source = pd.DataFrame(table, index=range(12, 0, -1)) if held == "frame" else csv(tmp_path / "own.csv", **table)
    data = read_data(source, **settings)
    assert notes(data).startswith(note)
    items = [path.name for path in map(Path, paths)] if note.startswith("paths") else None
    expected = items or next(list(table[c]) for c in table if f"'{c}'" in notes(data))
    assert by_item(data) == dict(zip(expected, LABELS, strict=True))


@pytest.mark.parametrize(
    ("columns", "settings", "message"),
    [
        (
            {"file": "paths", "text": TEXTS, "label": LABELS},
            {},
            "several columns may hold the items; state item_column",
        ),
        (
            {"file": "paths", "image": "paths", "label": LABELS},
            {"kind": "images"},
            "several columns may hold the items",
        ),
        (
            {"id": range(12), "label": LABELS},
            {},
            "no column looks like paths of images or like texts; state item_col",
        ),
        ({"id": LABELS, "label": LABELS}, {}, "no column looks like paths of images or like texts"),
        (
            {"file": ["a.png", "b.doc"] * 6, "label": LABELS},
            {},
            "column 'file' holds no name of an image in 6 of 12",
        ),
        ({"text": TEXTS, "y": LABELS}, {}, "no column is called label or "),
        ({"text": TEXTS, "label": LABELS}, {"item_column": "label"}, "cannot hold both the items and their labels"),
        ({"text": TEXTS, "label": LABELS}, {"item_column": "txt"}, "has no column 'txt'; did you mean 'text'?"),
        ({"text": TEXTS, "label": LABELS}, {"kind": "text"}, "kind=text: did you mean 'texts'?"),
    ],
)
@pytest.mark.parametrize("held", ["file", "frame"])
def test_what_may_be_meant_in_two_ways_is_refused(
    tmp_path: Path, columns: Mapping[str, Any], settings: dict[str, Any], message: str, held: str
) -> None:
    paths = written(tmp_path)
    table = {column: paths if values == "paths" else values for column, values in columns.items()}
    source = pd.DataFrame(table) if held == "frame" else csv(tmp_path / "own.csv", **table)
    with pytest.raises(ConfigError, match=re.escape(message)) as error:
        read_data(source, **settings)
    assert "\n" not in str(error.value)


def test_names_are_data_that_every_machine_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert read_data("digits", limit=40, seed=3).digest == digits(40, seed=3).digest
    assert read_data("docstrings", limit=40, test_share=0.5).digest == stdlib_docstrings(40, 0.5).digest
    texts_below(tmp_path / "digits")
    with pytest.raises(
        ConfigError, match=r"'digits' is the name of a data set and of what lies here; write \./digits"
    ):
        read_data("digits")
    assert read_data("./digits").modality == "text"
    assert read_data(Path("digits")).modality == "text"


IN_MEMORY: dict[str, Callable[[], Any]] = {
    "pair": lambda: (PIXELS, LABELS),
    "tensors": lambda: (torch.from_numpy(PIXELS).permute(0, 3, 1, 2), LABELS),
    "images": lambda: ([Image.fromarray(one) for one in PIXELS], pd.Series(LABELS, index=range(12, 0, -1))),
    "torch": lambda: list_dataset([(Image.fromarray(p), y) for p, y in zip(PIXELS, LABELS, strict=True)]),
    "frame": lambda: pd.DataFrame({"image": list(PIXELS), "label": LABELS}),
}


def list_dataset(pairs: list[Any]) -> torch.utils.data.Dataset[Any]:
    class Listed(torch.utils.data.Dataset[Any]):
        def __getitem__(self, place: int) -> Any:
            return pairs[place]

        def __len__(self) -> int:
            return len(pairs)

    return Listed()


@pytest.mark.parametrize("name", IN_MEMORY)
def test_what_lies_in_memory(name: str) -> None:
    expected = {one.tobytes(): label for one, label in zip(PIXELS, LABELS, strict=True)}
    data = read_data(IN_MEMORY[name]())
    assert by_item(data) == expected
    part = read_data(IN_MEMORY[name](), limit=6)
    assert len(part.train_items) + len(part.test_items) == 6
    assert by_item(part).items() <= expected.items()
    assert sorted(by_item(part).values()) == sorted(CLASSES * 2)
    whole = read_data(IN_MEMORY[name](), test=IN_MEMORY[name]())
    assert (len(whole.train_items), len(whole.test_items)) == (12, 12)
    assert by_item(whole) == expected


def test_datasets_of_hugging_face(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    rows = {"image": [Image.fromarray(one) for one in PIXELS], "label": LABELS}
    made = datasets.Dataset.from_dict(
        rows, datasets.Features({"image": datasets.Image(), "label": datasets.Value("string")})
    )
    both = datasets.DatasetDict({"train": made.select(range(9)), "test": made.select(range(9, 12))})
    both.save_to_disk(tmp_path / "both")
    made.save_to_disk(tmp_path / "one")
    expected = {one.tobytes(): label for one, label in zip(PIXELS, LABELS, strict=True)}
    for source, tested in ((made, None), (both, 3), (tmp_path / "both", 3), (str(tmp_path / "one"), None)):
        data = read_data(source)
        assert by_item(data) == expected
        assert tested is None or {one.tobytes() for one in data.test_items} == {one.tobytes() for one in PIXELS[9:]}
    assert len(read_data(made, test=made).test_items) == 12
    with pytest.raises(ConfigError, match="'datasets' says itself what its test part is; leave out test"):
        read_data(both, test=made)


def test_the_test_part_may_lie_elsewhere(tmp_path: Path) -> None:
    written(tmp_path / "a" / "images")
    written(tmp_path / "b" / "images", 12, 6)
    data = read_data(tmp_path / "a" / "images", test=str(tmp_path / "b" / "images"))
    assert {path.name for path in data.test_items} == {f"{i}.png" for i in range(12, 18)}
    assert len(data.train_items) == 12
    assert data.summary is not None
    assert data.summary.split == f"{tmp_path}/b/images is the test part"
    paths = [f"images/{name}" for name in written(tmp_path / "a" / "images")[:6]]
    more = [f"images/{name}" for name in written(tmp_path / "b" / "images", 12, 3)]
    # A column that says what a part is called does not say which rows are for testing here.
    train = csv(tmp_path / "a" / "own.csv", file=paths, label=LABELS[:6], split=["train"] * 6)
    test = csv(tmp_path / "b" / "own.csv", file=more, label=LABELS[:3], split=["test"] * 3)
    table = read_data(train, test=test)
    assert table.digest == image_table(str(train), str(test)).digest
    assert {path.parents[2].name for path in table.test_items} == {"b"}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("texts", "holds other items than '"),
        ("parts", "parts' says itself what its test part is; leave out test"),
        ("none", "there is no file or folder '"),
        ("digits", "there is no file or folder 'digits'"),
    ],
)
def test_test_parts_that_do_not_fit_are_refused(
    tmp_path: Path, name: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    written(tmp_path / "images")
    texts_below(tmp_path / "texts")
    for part in ("train", "test"):
        written(tmp_path / "parts" / part)
    with pytest.raises(ConfigError, match=re.escape(message)):
        read_data(tmp_path / "images", test=name if name == "digits" else tmp_path / name)


def test_a_limit_is_at_most_that_many_in_proportion(tmp_path: Path) -> None:
    written(tmp_path / "images")
    (tmp_path / "images" / "ant" / "0.png").write_bytes(b"bad")
    table = csv(tmp_path / "own.csv", text=TEXTS, label=LABELS)
    sources = (tmp_path / "images", table, pd.DataFrame({"text": TEXTS, "label": LABELS}), digits(40))
    for source in sources:
        settings = {} if isinstance(source, Dataset) else {"on_bad_item": "skip", "bad_share": 0.5}
        data, full = read_data(source, limit=6, **settings), read_data(source, limit=999, **settings)
        assert full.digest == read_data(source, **settings).digest
        assert len(data.train_items) + len(data.test_items) in ((5, 6) if source is sources[0] else (6,))
        assert data.summary is not None
        counted = (data.summary.train_items, data.summary.test_items)
        assert counted == (len(data.train_items), len(data.test_items))
    for limit in (0, 1, -3, 2.5, True):
        with pytest.raises(ConfigError, match=f"^limit={limit}: must be a number of items, at least 2$"):
            read_data(table, limit=limit)  # type: ignore[arg-type]


@pytest.mark.parametrize("limit", [3, 6, 20])
def test_a_limit_leaves_each_part_its_share(limit: int) -> None:
    parts = ["train"] * 36 + ["test"] * 4
    frame = pd.DataFrame({"text": [f"text {i}" for i in range(40)], "label": CLASSES[:2] * 20, "split": parts})
    data = read_data(frame, limit=limit)
    assert (len(data.train_items), len(data.test_items)) == (limit - max(1, limit // 10), max(1, limit // 10))
    assert set(data.test_items) <= {f"text {i}" for i in range(36, 40)}
    wider = read_data(frame, limit=limit + 4)
    assert set(data.train_items) <= set(wider.train_items)
    assert set(data.test_items) <= set(wider.test_items)


@pytest.mark.parametrize("held", ["csv", "jsonl", "frame", "pair", "torch", "images"])
def test_numbers_are_told_wherever_they_stand(tmp_path: Path, held: str) -> None:
    frame = pd.DataFrame({"text": TEXTS, "label": NUMBERS})
    source: Any = {"frame": frame, "pair": (TEXTS, NUMBERS)}.get(held)
    if held == "torch":
        source = list_dataset([(text, torch.tensor(number)) for text, number in zip(TEXTS, NUMBERS, strict=True)])
    elif held == "csv":
        frame.to_csv(source := tmp_path / "own.csv", index=False)
    elif held == "jsonl":
        frame.to_json(source := tmp_path / "own.jsonl", orient="records", lines=True)
    elif held == "images":
        source = csv(tmp_path / "own.csv", file=written(tmp_path), label=NUMBERS)
    data = read_data(source)
    assert (data.classes, data.train_labels.dtype) == (0, np.float64)
    items = [f"{i}.png" for i in range(12)] if held == "images" else TEXTS
    assert by_item(data) == dict(zip(items, NUMBERS, strict=True))
    assert "labels are numbers to predict" in notes(data)
    with pytest.raises(ConfigError, match="labels are continuous"):
        read_data(source, labels="classes")
    part = read_data(source, limit=4)
    assert part.classes == 0
    assert part.train_labels.dtype == np.float64


def test_what_labels_are_is_decided_by_all_of_them() -> None:
    """The first 6 items look like classes, all of them do not."""
    labels = [0.0, 1.0, 2.0] * 20 + [0.5]
    data = read_data(([str(i) for i in range(61)], labels), limit=6)
    assert data.classes == 0


@pytest.mark.parametrize(
    ("source", "settings", "message"),
    [
        ("digitz", {}, "there is no file or folder 'digitz', nor data of this name; did you mean 'digits'?"),
        ("", {}, "there is no file or folder ''"),
        ("long " * 999, {}, "there is no file or folder 'long long"),
        ("a\0b\nc", {}, "there is no file or folder 'a"),
        (3, {}, "data: a value of type int is given; accepted are a folder of images or texts"),
        ((TEXTS, LABELS, LABELS), {}, "data: a value of type tuple is given"),
        ((TEXTS, LABELS[:5]), {}, "12 items but 5 labels"),
        ((TEXTS, LABELS[:5]), {"limit": 4}, "12 items but 5 labels"),
        ((TEXTS[:5], LABELS), {"limit": 4}, "5 items but 12 labels"),
        (
            (TEXTS, LABELS),
            {"label_column": "x"},
            "label_column: the pair (items, labels) has no columns; leave it out",
        ),
        ((TEXTS, LABELS), {"test": (TEXTS, "ant")}, "'ant' stands where a list of items or labels is expected"),
        ((TEXTS[:5], LABELS), {"test": (TEXTS, LABELS[:5])}, "'data' has 5 items but 12 labels"),
        ((TEXTS, LABELS), {"labels": "floats"}, "labels=floats: valid are: auto, classes, numbers"),
        (make_dataset("own", TEXTS, LABELS), {"test": "digits"}, "has its own labels and test part"),
        ("digits", {"label_column": "x"}, "'digits' has its own labels and test part"),
        ("digits", {"labels": "numbers"}, "'digits' has its own labels and test part"),
        (pd.DataFrame({"text": [], "label": []}), {}, "DataFrame: has no rows"),
        (
            pd.DataFrame([["a b", "x", "y"]] * 4, columns=["text", "label", "label"]),
            {},
            "has several columns 'label'",
        ),
        (
            pd.DataFrame({"image": [PIXELS[0], None], "label": ["a", "b"]}),
            {},
            "column 'image' is missing in 1 of 2",
        ),
    ],
)
def test_what_is_no_data_is_refused_in_one_line(source: Any, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)) as error:
        read_data(source, **settings)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (["own.csv"], "has no images or texts in folders of classes; name a table: "),
        (
            ["1.png", "2.png"],
            "has no images or texts in folders, one a class (2 files lie beside them, without a cl",
        ),
        (["ant/1.doc"], "has no images or texts in folders, one a class; accepted are"),
        (["ant/1.png"], "has images of fewer than two classes; one folder a class is expected"),
        ([], "has no images or texts in folders, one a class; accepted are"),
    ],
)
def test_folders_without_data_say_what_would_be_right(tmp_path: Path, files: list[str], message: str) -> None:
    for name in files:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    with pytest.raises(ConfigError, match=re.escape(message)) as error:
        read_data(tmp_path)
    assert "\n" not in str(error.value)
