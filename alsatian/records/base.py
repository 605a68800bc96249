"""What all records have in common: frozen, checked when they are made, each problem one line."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, Strict, StringConstraints, ValidationError, field_validator

from alsatian.units import written_out

# pandas holds whole numbers in 64 bits.
LARGEST = 2**63 - 1

Text = Annotated[str, StringConstraints(min_length=1)]
"""A text that is not empty."""
Number = Annotated[float, Strict()]
"""A finite number."""
Seconds = Annotated[float, Strict(), Field(ge=0)]
Positive = Annotated[float, Strict(), Field(gt=0)]
Count = Annotated[int, Strict(), Field(ge=0, le=LARGEST)]
"""A whole number from 0 to 2^63 - 1; sizes are bytes."""
Flag = Annotated[bool, Strict()]


class FieldError(ValueError):
    """A field of a record is missing or not what it should be; the message names it."""


class ResultsError(Exception):
    """There is nothing to analyse; the message names the folder and what would be right."""


class Record(BaseModel):
    """Part of a file of results. Fields that it does not know are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, populate_by_name=True)

    @field_validator("*", mode="before")
    @classmethod
    def _texts(cls, value: Any) -> Any:
        """Names of files may be no UTF-8, which records are."""
        if isinstance(value, str):
            return written_out(value)
        return tuple(map(cls._texts, value)) if isinstance(value, tuple) else value

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        """The record that a JSON object describes, in which any part may be an object with such attributes.

        Raises:
            FieldError: a field is missing or not what it should be; the message names the first of them.
        """
        try:
            return cls.model_validate(document, from_attributes=True)
        except ValidationError as error:
            raise FieldError(next(_lines(error))) from None

    @classmethod
    def problems(cls, document: Any) -> list[str]:
        """One line for everything in ``document`` that keeps it from being such a record."""
        try:
            cls.model_validate(document)
        except ValidationError as error:
            return list(_lines(error))
        return []

    def plain(self) -> dict[str, Any]:
        """The record as plain data (JSON types)."""
        return self.model_dump(mode="json", by_alias=True)


def _lines(error: ValidationError) -> Iterator[str]:
    for one in error.errors(include_url=False):
        place = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in one["loc"]).lstrip(".")
        message = one["msg"].removeprefix("Value error, ")
        if one["type"] == "missing":
            yield f"{place} is missing"
        elif one["type"] == "value_error" or not place:
            yield f"{place}{': ' * bool(place and message[0] != '[')}{message}"
        else:
            given = " ".join(repr(one["input"]).split())
            yield f"{place}: {message[0].lower()}{message[1:]}, not {given[:40]}{'…' * (len(given) > 40)}"
