"""Typed reading of JSON objects that have no model, with errors that name the field."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from alsatian.records.base import LARGEST, FieldError


@dataclass(frozen=True)
class Fields:
    """The fields of one JSON object.

    Every method raises :class:`FieldError` if its field is not what the method's name says. Fields that
    are absent count as null.

    Attributes:
        values: the object.
        path: where it lies in the document, for errors, e.g. ``"rounds[0]."``.
    """

    values: Mapping[str, Any]
    path: str = ""

    def text(self, name: str) -> str:
        """A text that is not empty."""
        value = self.values.get(name)
        if not isinstance(value, str) or not value:
            raise self.error(name, "a text")
        return value

    def optional_text(self, name: str) -> str | None:
        """A text or null."""
        value = self.values.get(name)
        if value is not None and not isinstance(value, str):
            raise self.error(name, "a text or null")
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of texts."""
        value = self.values.get(name)
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self.error(name, "a list of texts")
        return tuple(value)

    def number(self, name: str) -> float:
        """A finite number."""
        value = self._finite(self.values.get(name))
        if value is None:
            raise self.error(name, "a number")
        return value

    def optional_number(self, name: str) -> float | None:
        """A finite number or null."""
        return None if self.values.get(name) is None else self.number(name)

    def count(self, name: str) -> int:
        """A whole number from 0 to 2^63 - 1."""
        value = self.values.get(name)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= LARGEST:
            raise self.error(name, "a whole number of at least 0")
        return value

    def optional_count(self, name: str) -> int | None:
        """A whole number of at least 0 or null."""
        return None if self.values.get(name) is None else self.count(name)

    def flag(self, name: str) -> bool:
        """True or false."""
        value = self.values.get(name)
        if not isinstance(value, bool):
            raise self.error(name, "true or false")
        return value

    def optional_flag(self, name: str) -> bool | None:
        """True, false or null."""
        return None if self.values.get(name) is None else self.flag(name)

    def object(self, name: str) -> "Fields":
        """A nested object."""
        value = self.values.get(name)
        if not isinstance(value, dict):
            raise self.error(name, "an object")
        return Fields(value, f"{self.path}{name}.")

    def objects(self, name: str) -> list["Fields"]:
        """A list of objects."""
        value = self.values.get(name)
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise self.error(name, "a list of objects")
        return [Fields(item, f"{self.path}{name}[{i}].") for i, item in enumerate(value)]

    def error(self, name: str, expected: str) -> FieldError:
        """The error about field ``name``."""
        if name not in self.values:
            return FieldError(f"{self.path}{name} is missing; expected {expected}")
        found = repr(self.values[name])
        return FieldError(f"{self.path}{name}: expected {expected}, found {found[:40]}{'…' * (len(found) > 40)}")

    @staticmethod
    def _finite(value: Any) -> float | None:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        try:
            return float(value) if math.isfinite(value) else None
        except OverflowError:
            return None


__all__ = ["FieldError", "Fields"]
