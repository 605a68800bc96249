"""What proxies are to predict: classes, or numbers."""

from dataclasses import dataclass
from decimal import Decimal
from numbers import Integral, Real
from typing import Any

import numpy as np

from alsatian.data.gate.labels import class_codes, label_values
from alsatian.errors import ConfigError, nearest

LABEL_KINDS = ("auto", "classes", "numbers")
MOST_CLASSES = 100
"""Distinct whole numbers that are taken as classes if nothing is said; more only if they are 0, 1, 2 and so on."""
# Of so many whole numbers it is said that they are taken as classes.
_MANY = 20
_QUANTILES = 10


@dataclass(frozen=True)
class Targets:
    """Labels as proxies take them.

    Attributes:
        values: (N,) codes of classes, int64; or numbers, float64 and finite.
        names: of the classes, by code; empty for numbers.
        notes: what was assumed.
    """

    values: np.ndarray
    names: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """``"classes"`` or ``"numbers"``."""
        return "classes" if self.names else "numbers"


def targets_of(where: str, labels: Any, kind: str) -> Targets:
    """The targets that ``labels`` are, of the ``kind`` stated: one of ``LABEL_KINDS``.

    With ``"auto"`` numbers are to be predicted as such where some are not whole, or where there are more than
    ``MOST_CLASSES`` distinct ones that are not just 0, 1, 2 and so on; everything else is classes. ``where`` begins
    every error.

    Raises:
        ConfigError: see :func:`~alsatian.data.gate.labels.class_codes`; or what should be numbers is none, is not
            finite, or is the same for every item.
    """
    if kind not in LABEL_KINDS:
        raise ConfigError(f"labels={kind}: {nearest(str(kind), LABEL_KINDS)}")
    notes: tuple[str, ...] = ()
    if kind == "auto":
        kind, notes = _kind_of(label_values(where, labels))
    if kind == "classes":
        return Targets(*class_codes(where, labels), notes)
    return Targets(_numbers(where, labels), (), notes)


def strata(labels: np.ndarray) -> np.ndarray:
    """Groups (N,) that a stratified order is to mix: the classes, or tenths of the range of numbers by rank."""
    if labels.dtype.kind != "f":
        return labels
    rank = np.empty(len(labels), np.int64)
    rank[np.argsort(labels, kind="stable")] = np.arange(len(labels))
    return rank * min(_QUANTILES, max(1, len(labels) // 2)) // max(1, len(labels))


def _kind_of(values: np.ndarray | list[Any]) -> tuple[str, tuple[str, ...]]:
    """``"classes"`` or ``"numbers"``, and what is to be said about it."""
    found = values.tolist() if isinstance(values, np.ndarray) else values
    if any(isinstance(value, bool) or not isinstance(value, Real | Decimal) for value in found):
        return "classes", ()
    if any(not isinstance(value, Integral) and not float(value).is_integer() for value in found):
        return "numbers", ("labels are numbers to predict, since some are not whole",)
    distinct = sorted({int(value) for value in found})
    if len(distinct) > MOST_CLASSES and distinct != list(range(len(distinct))):
        what = f"labels are {len(distinct):,} distinct numbers, which are to be predicted"
        return "numbers", (f"{what}; labels=classes takes each as a class",)
    if len(distinct) <= _MANY:
        return "classes", ()
    return "classes", (
        f"each of the {len(distinct):,} distinct whole numbers is a class; labels=numbers has them predicted",
    )


def _numbers(where: str, labels: Any) -> np.ndarray:
    values = label_values(where, labels)
    found = np.empty(len(values), np.float64)
    for place, value in enumerate(values):
        try:
            found[place] = float(value)
        except (TypeError, ValueError, OverflowError):
            raise ConfigError(f"{where}: the label of item {place}, {str(value)[:40]!r}, is no number") from None
    if len(odd := np.flatnonzero(~np.isfinite(found))):
        raise ConfigError(
            f"{where}: {len(odd):,} of {len(found):,} labels are not finite, the first is item {odd[0]}: "
            f"{found[odd[0]]}"
        )
    if len(found) and (found == found[0]).all():
        raise ConfigError(f"{where}: the label of all {len(found):,} items is {found[0]:g}; nothing is to predict")
    return found
