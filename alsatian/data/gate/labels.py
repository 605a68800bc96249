"""Labels as users have them: one class an item, or a line that says what is accepted."""

from typing import Any, NoReturn

import numpy as np

from alsatian.data.gate.items import objects, plain, plain_list
from alsatian.errors import ConfigError

ACCEPTED = "accepted is one class an item, as whole numbers, texts or booleans"


def class_codes(where: str, labels: Any) -> tuple[np.ndarray, tuple[str, ...]]:
    """Codes (N,) int64 from 0 in the sorted order of the classes, and the classes' names.

    ``labels`` are an array, list, tensor or Series (by position) of one class an item. Numbers may have gaps;
    floats have to be whole. ``where`` begins every error.

    Raises:
        ConfigError: labels are missing, continuous, one-hot, of several classes an item, of kinds that do not go
            together, or of no or one class, or each of a class of its own.
    """
    found, codes = np.unique(_sortable(where, label_values(where, labels)), return_inverse=True)
    names = tuple(str(name) for name in found.tolist())
    if len(names) == 1:
        _refuse(where, f"all {len(codes):,} items are of the class '{names[0]}'; there is nothing to tell apart")
    if len(names) == len(codes) > 0:
        _refuse(where, f"each of the {len(codes):,} items has a class of its own")
    return codes.astype(np.int64), names


def label_values(where: str, labels: Any) -> np.ndarray | list[Any]:
    """Labels (N,), one an item and none missing, of whatever kind; an array if they are integers or booleans.

    Raises:
        ConfigError: some are missing, or items have several.
    """
    values = plain(labels)
    if isinstance(values, np.ndarray):
        if values.ndim == 2 and values.shape[1] == 1:
            values = values[:, 0]
        if values.ndim != 1:
            _refuse_shape(where, values)
        if values.dtype.kind in "iub":
            return values
    if isinstance(values, str | bytes | dict) or not hasattr(values, "__len__") or not hasattr(values, "__iter__"):
        _refuse(where, f"labels are a single {type(labels).__name__}")
    items = plain_list(values)
    for place, value in enumerate(items):
        if is_missing(value):
            count = sum(map(is_missing, items))
            _refuse(where, f"{count:,} of {len(items):,} labels are missing, the first is item {place}: {value!r}")
        if isinstance(value, list | tuple | set | frozenset | np.ndarray):
            _refuse(where, f"item {place} has several labels: {str(value)[:40]}")
    return items


def _sortable(where: str, items: np.ndarray | list[Any]) -> np.ndarray:
    """Labels (N,) of one kind."""
    if isinstance(items, np.ndarray):
        return items
    kinds = {type(value): place for place, value in reversed(list(enumerate(items)))}
    if all(issubclass(kind, str) for kind in kinds):
        return objects([str(value) for value in items])
    if kinds.keys() <= {bool, np.bool_}:
        return np.array(items)
    if all(issubclass(kind, int | np.integer | np.bool_) for kind in kinds):
        return objects([int(value) for value in items])  # of any size
    if all(issubclass(kind, int | float | np.integer | np.floating) for kind in kinds):
        for place, value in enumerate(items):
            if not float(value).is_integer():
                _refuse(where, f"labels are continuous: item {place} has {value}")
        return objects([int(value) for value in items])
    first = sorted(kinds, key=lambda kind: kinds[kind])[:3]
    shown = ", ".join(f"{kind.__name__} (item {kinds[kind]})" for kind in first)
    _refuse(where, f"labels are of {'kinds that do not go together' if len(kinds) > 1 else 'the kind'} {shown}")


def _refuse_shape(where: str, values: np.ndarray) -> NoReturn:
    if values.ndim == 2 and values.dtype.kind in "iubf" and np.isin(values, (0, 1)).all():
        if (values.sum(axis=1) == 1).all():
            _refuse(where, f"labels are one-hot, of shape {values.shape}; write labels.argmax(axis=1)")
        _refuse(where, f"labels are of several classes an item, of shape {values.shape}")
    _refuse(where, f"labels are of shape {values.shape}")


def _refuse(where: str, what: str) -> NoReturn:
    raise ConfigError(f"{where}: {what}; {ACCEPTED}")


def is_missing(value: Any) -> bool:
    """Whether a label is None, NaN, NaT, NA or an empty text."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    if isinstance(value, str):
        return not value.strip()
    return isinstance(value, float | np.floating) and bool(np.isnan(value))
