"""The summary of a dataset that is split."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from alsatian.data.gate.pixels import Seen, images_of
from alsatian.data.gate.targets import Targets
from alsatian.records.data import ClassItems, DataSummary, Images, Numbers
from alsatian.units import printable

_NAMED = 6


def summary_of(
    about: DataSummary,
    items: np.ndarray,
    seen: Sequence[Seen],
    targets: Targets,
    train: np.ndarray,
    test: np.ndarray,
    split: str,
) -> DataSummary:
    """What is known ``about`` the source, with what raw ``items``, the ``targets`` and those of both parts add."""
    classes = classes_of(targets.names, train, test)
    images, notes = images_of(seen) if seen else (about.images or _images(items), ())
    return about.model_copy(
        update={
            "kind": _kind(items),
            "classes": classes,
            "numbers": None if targets.names else numbers_of(train, test),
            "split": about.split or split,
            "images": images,
            "notes": (*about.notes, *targets.notes, *notes),
            "warnings": (*about.warnings, *_warnings(items, classes)),
        }
    )


def classes_of(names: Sequence[str], train: np.ndarray, test: np.ndarray) -> tuple[ClassItems, ...]:
    """How many items of each class, called ``names`` by its code, there are in both parts."""
    if not names:
        return ()
    counts = [np.bincount(codes, minlength=len(names)).tolist() for codes in (train, test)]
    return tuple(
        ClassItems(name=printable(name), train_items=trained, test_items=tested)
        for name, trained, tested in zip(names, *counts, strict=True)
    )


def summary_of_parts(summary: DataSummary, train: np.ndarray, test: np.ndarray) -> DataSummary:
    """The ``summary`` of a dataset whose parts have these labels now."""
    if summary.numbers is not None:
        return summary.model_copy(update={"numbers": numbers_of(train, test)})
    classes, before = classes_of([one.name for one in summary.classes], train, test), _uneven(summary.classes)
    others = [warning for warning in summary.warnings if warning not in before]
    return summary.model_copy(update={"classes": classes, "warnings": (*others, *_uneven(classes))})


def numbers_of(train: np.ndarray, test: np.ndarray) -> Numbers:
    """The range of the labels of both parts, which are numbers."""
    both = np.concatenate([train, test])
    low, median, high = (float(value) for value in (both.min(), np.median(both), both.max()))
    return Numbers(train_items=len(train), test_items=len(test), low=low, median=median, high=high)


def _kind(items: np.ndarray) -> str:
    if items.dtype != object:
        return "images" if _are_images(items) else f"arrays of {items.dtype} {items.shape[1:]}"
    return "image files" if isinstance(items[0], Path) else "texts" if isinstance(items[0], str) else "images"


def _are_images(items: np.ndarray) -> bool:
    return items.dtype == np.uint8 and (items.ndim == 3 or (items.ndim == 4 and items.shape[3] == 3))


def _images(items: np.ndarray) -> Images | None:
    """Of images in memory."""
    if items.dtype == object and not isinstance(items[0], np.ndarray):
        return None
    if items.dtype != object and not _are_images(items):
        return None
    each = items if items.dtype == object else items[:1]
    grey = sum(item.ndim == 2 for item in each) * (len(items) // len(each))
    modes = {mode: count for mode, count in (("L", grey), ("RGB", len(items) - grey)) if count}
    heights, widths = [item.shape[0] for item in each], [item.shape[1] for item in each]
    return Images(modes=modes, width=(min(widths), max(widths)), height=(min(heights), max(heights)))


def _uneven(classes: Sequence[ClassItems]) -> list[str]:
    """Warnings about classes that a part has no item of."""
    found = [
        ("with a single item, which cannot be both learnt and tested", [c.name for c in classes if c.items == 1]),
        ("without an item to train with", [c.name for c in classes if c.items > 1 and not c.train_items]),
        ("without an item to test with", [c.name for c in classes if c.items > 1 and not c.test_items]),
    ]
    return [f"{_count(names)} {what}: {_some(names)}" for what, names in found if names]


def _warnings(items: np.ndarray, classes: Sequence[ClassItems]) -> list[str]:
    lines = _uneven(classes)
    if items.dtype == object and isinstance(items[0], str) and (empty := sum(not text.strip() for text in items)):
        lines.append(f"{empty:,} of {len(items):,} texts are empty")
    return lines


def _count(names: Sequence[str]) -> str:
    return "1 class" if len(names) == 1 else f"{len(names):,} classes"


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_NAMED]) + (", …" if len(names) > _NAMED else "")
