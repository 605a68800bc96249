"""Labels and items as people have them in memory: taken for what they are, or refused in one line."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

import alsatian
from alsatian.data.dataset import Dataset, make_dataset, raw_bytes
from alsatian.data.preprocessing import ImagePreprocessing
from alsatian.data.reading import read_data
from alsatian.errors import ConfigError
from alsatian.proxies.linear import Linear

N = 12
ITEMS = np.random.default_rng(0).integers(0, 256, (N, 8, 8, 3), np.uint8)
CODES = [0, 1, 2] * 4


def by_item(data: Dataset, items: np.ndarray = ITEMS) -> list[int]:
    """Labels in the order of ``items``."""
    found = [
        *zip(data.train_items, data.train_labels, strict=True),
        *zip(data.test_items, data.test_labels, strict=True),
    ]
    labels = {item.tobytes(): int(label) for item, label in found}
    return [labels[item.tobytes()] for item in items]


def shuffled(values: list[Any]) -> pd.Series:
    """A Series whose index says another order than its positions."""
    return pd.Series(values, index=np.random.default_rng(1).permutation(len(values)))


TEXTS = ["ant", "bee", "cow"] * 4
ACCEPTED: dict[str, tuple[Any, tuple[str, ...]]] = {
    "list of integers": (CODES, ("0", "1", "2")),
    "tuple": (tuple(CODES), ("0", "1", "2")),
    "array": (np.array(CODES), ("0", "1", "2")),
    "unsigned bytes": (np.array(CODES, np.uint8), ("0", "1", "2")),
    "numpy scalars": (list(np.array(CODES)), ("0", "1", "2")),
    "a column": (np.array(CODES)[:, None], ("0", "1", "2")),
    "tensor": (torch.tensor(CODES), ("0", "1", "2")),
    "list of tensors": ([torch.tensor(code) for code in CODES], ("0", "1", "2")),
    "gaps": ([(-7, 30, 1000)[code] for code in CODES], ("-7", "30", "1000")),
    "very large": ([2**40 + code for code in CODES], tuple(str(2**40 + code) for code in range(3))),
    "larger than 64 bits": ([2**70 + code for code in CODES], tuple(str(2**70 + code) for code in range(3))),
    "whole floats": ([float(code) for code in CODES], ("0", "1", "2")),
    "array of whole floats": (np.array(CODES, np.float32), ("0", "1", "2")),
    "integers among floats": ([float(code) if code else 0 for code in CODES], ("0", "1", "2")),
    "texts": (TEXTS, ("ant", "bee", "cow")),
    "texts in an array": (np.array(TEXTS), ("ant", "bee", "cow")),
    "texts as objects": (np.array(TEXTS, object), ("ant", "bee", "cow")),
    "numerals": ([f"{code}" for code in CODES], ("0", "1", "2")),
    "Series": (shuffled(CODES), ("0", "1", "2")),
    "Series of texts": (shuffled(TEXTS), ("ant", "bee", "cow")),
    "Series of nullable integers": (shuffled(CODES).astype("Int64"), ("0", "1", "2")),
    "Series of categories": (shuffled(TEXTS).astype("category"), ("ant", "bee", "cow")),
    "Categorical": (pd.Categorical(TEXTS), ("ant", "bee", "cow")),
    "Index": (pd.Index(TEXTS), ("ant", "bee", "cow")),
    "data frame of one column": (pd.DataFrame({"label": TEXTS}), ("ant", "bee", "cow")),
}


@pytest.mark.parametrize("kind", ACCEPTED)
def test_labels_are_taken_by_position(kind: str) -> None:
    labels, names = ACCEPTED[kind]
    data = make_dataset("own", ITEMS, labels)
    assert by_item(data) == CODES
    assert data.classes == 3
    assert data.train_labels.dtype == data.test_labels.dtype == np.int64
    assert data.summary is not None
    assert tuple(one.name for one in data.summary.classes) == names
    assert [one.items for one in data.summary.classes] == [4, 4, 4]


@pytest.mark.parametrize("labels", [[False, True] * 6, np.array([False, True] * 6), shuffled([False, True] * 6)])
def test_booleans_are_two_classes(labels: Any) -> None:
    data = make_dataset("own", ITEMS, labels)
    assert by_item(data) == [0, 1] * 6
    assert data.summary is not None
    assert [one.name for one in data.summary.classes] == ["False", "True"]


def test_all_kinds_of_labels_are_the_same_data() -> None:
    assert len({make_dataset("own", ITEMS, labels).digest for labels, _ in ACCEPTED.values()}) == 1


def changed(values: list[Any], place: int, value: Any) -> list[Any]:
    return [*values[:place], value, *values[place + 1 :]]


REFUSED: dict[str, tuple[Any, str]] = {
    "None": (changed(CODES, 3, None), "1 of 12 labels are missing, the first is item 3: None"),
    "NaN": (changed(CODES, 4, float("nan")), "1 of 12 labels are missing, the first is item 4: nan"),
    "NaN in an array": (np.array(changed(CODES, 2, np.nan)), "1 of 12 labels are missing, the first is item 2"),
    "NaN among texts": (changed(TEXTS, 5, float("nan")), "1 of 12 labels are missing, the first is item 5: nan"),
    "NA": (shuffled(changed(CODES, 5, None)).astype("Int64"), "1 of 12 labels are missing, the first is item 5"),
    "NaT": (pd.Series(pd.to_datetime(changed(["2020-01-01"] * 12, 0, None))), "12 labels are missing|of the kind"),
    "empty text": (changed(TEXTS, 1, " "), "1 of 12 labels are missing, the first is item 1: ' '"),
    "several missing": ([None, *CODES[2:], None], "2 of 12 labels are missing, the first is item 0: None"),
    "continuous": (np.linspace(0, 1, N), "labels are continuous: item 1 has 0.0909"),
    "continuous list": (changed(CODES, 6, 0.5), "labels are continuous: item 6 has 0.5"),
    "infinite": (changed(CODES, 6, float("inf")), "labels are continuous: item 6 has inf"),
    "one-hot": (np.eye(3, dtype=int)[CODES], r"labels are one-hot, of shape \(12, 3\); .*argmax"),
    "one-hot tensor": (torch.eye(3)[CODES], r"labels are one-hot, of shape \(12, 3\)"),
    "multi-label": (np.ones((12, 3), int), r"labels are of several classes an item, of shape \(12, 3\)"),
    "multi-label lists": ([[0, 1]] * 12, r"item 0 has several labels: \[0, 1\]"),
    "multi-label sets": (changed(TEXTS, 4, {"ant"}), "item 4 has several labels"),
    "scores": (np.random.default_rng(0).random((12, 3)), r"labels are of shape \(12, 3\)"),
    "pictures": (ITEMS, r"labels are of shape \(12, 8, 8, 3\)"),
    "one class": ([7] * 12, "all 12 items are of the class '7'; there is nothing to tell apart"),
    "one class of texts": (["ant"] * 12, "all 12 items are of the class 'ant'"),
    "a class each": (list(range(12)), "each of the 12 items has a class of its own"),
    "texts and integers": (
        changed(CODES, 8, "ant"),
        r"kinds that do not go together int \(item 0\), str \(item 8\)",
    ),
    "dates": (pd.Series(pd.date_range("2020", periods=12)), "labels are of the kind"),
    "objects": ([object()] * 12, r"labels are of the kind object \(item 0\)"),
    "bytes": ([b"ant", b"bee"] * 6, r"labels are of the kind bytes \(item 0\)"),
    "a text": ("ant bee cow!", "labels are a single str"),
    "nothing": (None, "labels are a single NoneType"),
    "a number": (3, "labels are a single int"),
    "too few": (CODES[:-1], "12 items but 11 labels"),
    "none": ([], "12 items but 0 labels"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_labels_that_are_none_are_refused_in_one_line(kind: str) -> None:
    labels, message = REFUSED[kind]
    with pytest.raises(ConfigError, match=f"^dataset 'own': .*({message})") as error:
        make_dataset("own", ITEMS, labels)
    assert "\n" not in str(error.value)
    if "items but" not in message:
        assert str(error.value).endswith("accepted is one class an item, as whole numbers, texts or booleans")


def test_classes_of_one_item_are_named() -> None:
    summary = make_dataset("own", ITEMS, ["ant", "bee", *["cow"] * 10]).summary
    assert summary is not None
    assert summary.warnings[0] == "2 classes with a single item, which cannot be both learnt and tested: ant, bee"


@pytest.mark.parametrize(
    ("testing", "counts"),
    [([False] * N, "12 items to train and 0 to test"), ([True] * N, "0 items to train and 12 to test")],
)
def test_a_part_without_items_is_refused(testing: list[bool], counts: str) -> None:
    with pytest.raises(ConfigError, match=counts):
        make_dataset("own", ITEMS, CODES, testing=np.array(testing))


def test_a_stated_test_part_is_kept() -> None:
    testing = np.arange(N) >= 9
    data = make_dataset("own", ITEMS, CODES, testing=testing)
    assert {item.tobytes() for item in data.test_items} == {item.tobytes() for item in ITEMS[9:]}
    assert by_item(data) == CODES


class Pairs(torch.utils.data.Dataset[Any]):
    def __init__(self, items: Any, labels: Any) -> None:
        self.pairs = list(zip(items, labels, strict=True))

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, place: int) -> Any:
        return self.pairs[place]


class Stream(torch.utils.data.IterableDataset[Any]):
    def __iter__(self) -> Any:
        return iter(zip(ITEMS, CODES, strict=True))


PIL = [Image.fromarray(pixels) for pixels in ITEMS]
SAME: dict[str, Any] = {
    "array": (ITEMS, CODES),
    "list of arrays": (list(ITEMS), CODES),
    "tensor": (torch.from_numpy(ITEMS), CODES),
    "tensor, channels first": (torch.from_numpy(ITEMS).permute(0, 3, 1, 2), CODES),
    "list of tensors, channels first": ([torch.from_numpy(pixels).permute(2, 0, 1) for pixels in ITEMS], CODES),
    "PIL images": (PIL, CODES),
    "Series of PIL images": (shuffled(PIL), CODES),
    "as a list of two": [ITEMS, CODES],
    "PyTorch dataset of PIL images": Pairs(PIL, CODES),
    "PyTorch dataset of arrays": Pairs(ITEMS, CODES),
    "PyTorch dataset of tensors": Pairs(torch.from_numpy(ITEMS).permute(0, 3, 1, 2), torch.tensor(CODES)),
    "subset": torch.utils.data.Subset(Pairs(PIL, CODES), range(N)),
    "tensors": torch.utils.data.TensorDataset(torch.from_numpy(ITEMS), torch.tensor(CODES)),
    "stream": Stream(),
}


@pytest.mark.parametrize("kind", SAME)
def test_items_of_every_kind_are_the_same_data(kind: str) -> None:
    data = read_data(SAME[kind])
    assert data.digest == read_data((ITEMS, CODES)).digest
    assert by_item(data) == CODES
    assert data.summary is not None
    assert data.summary.kind == "images"
    assert data.summary.images is not None
    assert (data.summary.images.modes, data.summary.images.width) == ({"RGB": N}, (8, 8))


def test_a_search_takes_them_and_has_the_summary() -> None:
    torch.manual_seed(0)
    models = {name: torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(192, 4)) for name in "ab"}
    settings: dict[str, Any] = {
        "preprocessing": ImagePreprocessing(8),
        "proxies": Linear(epochs=2),
        "batch_size": 4,
    }
    one = alsatian.search(models, (ITEMS, np.array(CODES)), **settings)
    other = alsatian.search(models, Pairs(PIL, TEXTS), **settings)
    assert [r.scores for r in one.rounds] == [r.scores for r in other.rounds]
    assert other.data is not None
    assert [(c.name, c.items) for c in other.data.classes] == [("ant", 4), ("bee", 4), ("cow", 4)]


SIZES = [np.random.default_rng(i).integers(0, 256, (8 + i, 20 - i, 3), np.uint8) for i in range(N)]


@pytest.mark.parametrize(
    "make", [list, lambda a: [Image.fromarray(p) for p in a], lambda a: [torch.from_numpy(p) for p in a]]
)
def test_images_of_different_sizes_are_prepared_each_alone(make: Callable[[list[np.ndarray]], list[Any]]) -> None:
    data = make_dataset("own", make(SIZES), CODES)
    prepare = ImagePreprocessing(8)
    (together,) = prepare(data.train_items)
    for item, prepared in zip(data.train_items, together, strict=True):
        assert torch.equal(prepare(item[None])[0][0], prepared)
    assert raw_bytes(data.train_items) + raw_bytes(data.test_items) == sum(pixels.nbytes for pixels in SIZES)
    assert data.summary is not None
    assert data.summary.images is not None
    assert (data.summary.images.width, data.summary.images.height) == ((9, 20), (8, 19))


def test_one_pixel_of_images_of_different_sizes_counts() -> None:
    other = [pixels.copy() for pixels in SIZES]
    other[5][3, 4, 1] ^= 1
    large = [np.zeros((100 + i, 100, 3), np.uint8) for i in range(N)]
    changed_large = [pixels.copy() for pixels in large]
    changed_large[5][50, 50] = 1
    found = [make_dataset("own", items, CODES).digest for items in (SIZES, other, large, changed_large)]
    assert len(set(found)) == 4


def test_a_transparent_image_in_memory_is_composed_on_white() -> None:
    clear = [Image.fromarray(np.dstack([one, np.zeros((8, 8), np.uint8)])) for one in ITEMS]
    data = make_dataset("own", clear, CODES)
    assert (data.train_items == 255).all()
    assert data.summary is not None
    assert data.summary.notes == ("transparency is composed on rgb(255, 255, 255) (12 images)",)


BAD_ITEMS: dict[str, tuple[Any, str]] = {
    "None among them": (changed(list(ITEMS), 4, None), "item 0 is of type ndarray, item 4 None"),
    "texts and paths": (changed(["a"] * N, 2, Path("b")), "item 0 is of type str, item 2 of type PosixPath"),
    "dicts": ([{}] * N, "items are of type dict"),
    "a text": ("images/", "items are a single str"),
    "a path": (Path("images"), "items are a single PosixPath"),
    "floats of different sizes": ([np.zeros((8 + i, 8, 3)) for i in range(N)], "item 0 is float64"),
    "four channels": ([np.zeros((8 + i, 8, 4), np.uint8) for i in range(N)], r"item 0 is uint8 \(8, 8, 4\)"),
    "none at all": ([], "0 items; it takes one to train"),
}


@pytest.mark.parametrize("kind", BAD_ITEMS)
def test_items_of_no_kind_are_refused_in_one_line(kind: str) -> None:
    items, message = BAD_ITEMS[kind]
    with pytest.raises(ConfigError, match=message) as error:
        make_dataset("own", items, [] if kind == "none at all" else CODES)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (ITEMS, "data: a value of type ndarray is given; accepted are .*the pair"),
        ({"items": ITEMS}, "data: a value of type dict is given"),
        ((ITEMS, CODES, CODES), "data: a value of type tuple is given"),
        ("folder", "data: there is no file or folder 'folder'"),
        (Pairs(ITEMS.astype(np.float32), CODES), ""),
        (Pairs(torch.zeros(N, 3, 8, 8), CODES), "element 0 holds an image of floats; leave out transforms"),
        (Pairs(PIL, [(code, code) for code in CODES]), "has several labels"),
    ],
)
def test_data_that_is_none_is_refused_in_one_line(data: Any, message: str) -> None:
    if not message:  # arrays of floats are for preprocessing of one's own
        assert read_data(data).train_items.dtype == np.float32
        return
    with pytest.raises(ConfigError, match=re.compile(message)) as error:
        read_data(data)
    assert "\n" not in str(error.value)
