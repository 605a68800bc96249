"""Writing result files: whole or not at all, and one clear line if the disk has no room."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from alsatian.errors import AlsatianError
from alsatian.files import write_json


class SavingError(AlsatianError):
    """A result file cannot be written. What the results folder held before is intact."""


def save(path: Path, value: Mapping[str, Any]) -> None:
    """Write ``value`` as JSON; what was there before stays until the new file is whole.

    Raises:
        SavingError: the disk is full or the folder cannot be written to.
    """
    try:
        write_json(path, value)
    except OSError as error:
        raise SavingError(cannot_write(path, error)) from None


def cannot_write(path: Path, error: OSError) -> str:
    """The line about a result file that cannot be written."""
    return (
        f"{path}: cannot be written ({error.strerror or error}); earlier results are intact: make sure that "
        "the folder is writable and the disk has space, then the same command continues"
    )
