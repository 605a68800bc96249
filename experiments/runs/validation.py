"""Checking result files against the JSON Schemas beside this file."""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alsatian.errors import AlsatianError

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

RUN = "run.schema.json"
SWEEP = "sweep.schema.json"


def check(value: Mapping[str, Any], schema: str = RUN) -> None:
    """Refuse a result that does not fit ``schema``.

    Raises:
        AlsatianError: it does not fit; names the first field that is wrong.
    """
    problem = next(problems(value, schema), None)
    if problem is not None:
        raise AlsatianError(f"the result does not fit {schema}: {problem}")


def problems(value: Any, schema: str = RUN) -> Iterator[str]:
    """One line for everything in ``value`` that does not fit ``schema``."""
    for error in _validator(schema).iter_errors(value):
        yield f"{error.json_path}: {_one_line(error.message)}"


def files(path: Path) -> list[tuple[Path, str]]:
    """The result files at or below ``path``, sorted, each with the schema it has to fit.

    Raises:
        AlsatianError: there are none.
    """
    if path.is_file():
        return [(path, SWEEP if path.parent.name == "sweeps" else RUN)]
    found = [(file, RUN) for file in path.rglob("run.json")]
    found += [(file, SWEEP) for file in path.rglob("sweeps/*.json")]
    if not found:
        raise AlsatianError(f"{path}: no run records here; give a folder with some, e.g. results/quickstart")
    return sorted(found)


def problems_of_file(path: Path, schema: str) -> Iterator[str]:
    """As :func:`problems`, for a file; each line names it."""
    try:
        value = json.loads(path.read_bytes(), parse_constant=_refuse)
    except (OSError, ValueError, RecursionError) as error:
        yield f"{path}: cannot be read as JSON ({_one_line(str(error))})"
        return
    for problem in problems(value, schema):
        yield f"{path}: {problem}"


@cache
def _validator(schema: str) -> "Validator":
    from jsonschema import Draft202012Validator

    content = json.loads(resources.files("alsatian.records").joinpath(schema).read_text())
    Draft202012Validator.check_schema(content)
    return Draft202012Validator(content)


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is not a JSON number")


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 200 else f"{line[:200]}…"
