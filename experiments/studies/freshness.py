"""Whether the numbers of a page are newer than the code that they measure, as ``sources.json`` beside it says.

An entry names the command that makes the numbers, and digests of the code that they measure, as it was then. Pages
of studies get theirs when they are written; a block of numbers in another document has one too, and stands behind a
comment, ``<!-- numbers: name -->``. Where code has changed since, the page has to say so in a line that
``alsatian study --stale`` writes.
"""

import ast
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from blake3 import blake3

import alsatian
from alsatian.errors import ConfigError, nearest
from alsatian.files import write_json, write_text
from alsatian.records import Run
from alsatian.records.base import FieldError, Record, Text
from experiments.configuration import menu

FILE = "sources.json"
ROOT = menu.CONF.parent
_SEARCH = (
    "alsatian/blocks", "alsatian/costs", "alsatian/data", "alsatian/machines", "alsatian/models",
    "alsatian/planning", "alsatian/proxies", "alsatian/runtime", "alsatian/searching", "alsatian/store",
    "alsatian/tree.py",
)  # fmt: skip
_PREDICTION = (
    "alsatian/costs", "alsatian/machines/timed", "alsatian/planning", "alsatian/runtime", "alsatian/searching",
    "alsatian/tree.py", "conf/hardware/a5000.json",
)  # fmt: skip
# What is measured, beside the module that measures it, by the name of the page; if not here, all that searches.
_CODE = {
    "a5000": ("alsatian/costs", "analysis/paper/paper.csv", "experiments/predictions"),
    "baselines": (*_SEARCH, "baselines", "conf/experiment/baselines.yaml"),
    "coverage": ("alsatian/blocks", "alsatian/models/reading"),
    "gpu": (*_SEARCH, "experiments/studies/speed"),
    "ingest": ("alsatian/blocks", "alsatian/store"),
    "internet_scale": _PREDICTION,
    "kernels": ("alsatian/blocks", "experiments/studies/coverage"),
    "kills": ("alsatian/files.py", "alsatian/records", "alsatian/searching", "experiments/runs"),
    "orders": ("alsatian/planning/orders", "alsatian/tree.py"),
    "paper_bars": (*_PREDICTION, "analysis/paper/paper.csv", "experiments/predictions"),
    "planning_scale": ("alsatian/planning", "alsatian/tree.py"),
    "planted_faults": ("analysis/paper",),
    "prediction_error": (*_SEARCH, "experiments/predictions"),
    "ranking_quality": ("alsatian/proxies", "alsatian/searching", "experiments/groundtruth"),
    "regression": (*_SEARCH, "experiments/studies/speed"),
    "reproduction": (*_SEARCH, "conf/experiment/fig*.yaml", "conf/figure", "conf/network"),
    "throttle": ("alsatian/runtime/storage",),
}
UNKNOWN = ""
"""Instead of the digest of code that nobody knows any more; it differs from all others."""
_READ = (".py", ".yaml", ".csv", ".json")
_STALE = re.compile(r"\AMeasured with older code: .* have changed since\.\n\n")


class Entry(Record):
    """Where the numbers of a page come from.

    Attributes:
        command: that makes them, as its page names it.
        made: day on which they were measured.
        code: digests of what they measure, by the path of a file or folder, or a glob.
    """

    command: Text
    made: Text
    code: Mapping[str, str]

    @property
    def unknown(self) -> "Entry":
        """The same where nobody knows with which code it was measured."""
        return self.model_copy(update={"code": dict.fromkeys(self.code, UNKNOWN)})

    def changed(self) -> list[str]:
        """Paths of code that is another one now."""
        return [path for path, known in self.code.items() if digest(path) != known]


def entry(name: str, module: Any, command: str) -> Entry:
    """Of the page ``name``, which ``command`` writes by ``module``, with the code as it is now.

    To be made before anything is measured: the code may be changed meanwhile.
    """
    own = Path(module.__file__)
    own = own.parent if own.name == "__init__.py" else own
    code = {path: digest(path) for path in (*_CODE.get(name, _SEARCH), os.path.relpath(own, ROOT))}
    return Entry(command=command, made=str(date.today()), code=code)


def of_records(now: Entry, command: str, runs: Sequence[Run]) -> Entry:
    """Of a page that shows ``runs``, which ``command`` made, instead of ``now``.

    Nobody knows which code these had, unless it is of the same commit.
    """
    from experiments.runs.environment import code

    made = now.model_copy(update={"command": command, "made": runs[0].started[:10] if runs else now.made})
    return made if {run.environment.commit for run in runs} == {code().commit} != {None} else made.unknown


def digest(path: str, root: Path | None = None) -> str:
    """Of the code in a file or folder, or in those that a glob names, below ``root``, the project's unless given.

    Comments, docstrings and formatting do not count, nor do the names of files.
    """
    room, _, rest = path.partition("/")
    base = (root or ROOT) / room
    if room == "alsatian" and not base.exists():  # in a wheel the harness lies inside the system
        base = Path(str(alsatian.__file__)).parent
    found = sorted(_content(file) for place in (base.glob(rest) if rest else [base]) for file in _files(place))
    return blake3("\n".join(found).encode()).hexdigest(8) if found else "none"


def _files(place: Path) -> Iterator[Path]:
    inside = place.rglob("*") if place.is_dir() else [place]
    return (file for file in inside if file.suffix in _READ and file.is_file())


@cache
def _content(file: Path) -> str:
    """Digest of what a file says to a machine."""
    text = file.read_text("utf-8")
    if file.suffix == ".py":
        text = repr(_plain(ast.parse(text)))
    elif file.suffix == ".yaml":  # Hydra reads one kind of comment
        text = "\n".join(line for line in text.splitlines() if _counts(line.strip()))
    return blake3(text.encode()).hexdigest()


def _counts(line: str) -> bool:
    return bool(line) and (not line.startswith("#") or line.startswith("# @package"))


def _plain(node: Any) -> Any:
    """A syntax tree without docstrings and what is empty, which is the same in all versions of Python."""
    if isinstance(node, list):
        return [_plain(one) for one in node]
    if not isinstance(node, ast.AST):
        return node
    fields = dict(ast.iter_fields(node))
    if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
        fields["body"] = node.body[ast.get_docstring(node, clean=False) is not None :]
    if isinstance(node, ast.JoinedStr):  # Python 3.12 puts empty texts into some
        fields["values"] = [one for one in node.values if not (isinstance(one, ast.Constant) and one.value == "")]
    kept = {name: _plain(value) for name, value in fields.items() if name not in ("ctx", "kind", "type_comment")}
    return type(node).__name__, [(name, value) for name, value in kept.items() if value not in (None, [])]


def entries(folder: Path) -> dict[str, Entry]:
    """What the file in ``folder`` says, by page: ``speed.md``, or ``../../README.md#search`` for a block.

    Raises:
        ConfigError: it is no such file.
    """
    path = folder / FILE
    try:
        return (
            {page: Entry.of(entry) for page, entry in json.loads(path.read_bytes()).items()}
            if path.exists()
            else {}
        )
    except (ValueError, AttributeError, FieldError) as error:
        raise ConfigError(f"{path}: {error}") from None


def note(folder: Path, page: str, now: Entry) -> None:
    """Write down that ``page``, relative to ``folder``, has the numbers of ``now``."""
    there = {**entries(folder), page: now}
    write_json(folder / FILE, {name: there[name].plain() for name in sorted(there)})


def follow(folder: Path, page: str, now: Entry, records: Iterable[Path], began: float) -> None:
    """Note that ``page`` shows ``records``, some of which were measured since ``began``, in seconds since 1970.

    If others are older, they count: what is known of them stays, and if nothing is, that is noted.
    """
    new = {path.stat().st_mtime >= began for path in records}
    if new == {True}:
        note(folder, page, now)
    elif new == {True, False} and page not in entries(folder):
        note(folder, page, now.unknown)


def renew(folder: Path, page: str) -> None:
    """Note that the numbers of ``page``, which has an entry, were measured anew with the code as it is.

    Raises:
        ConfigError: there is no entry of it.
    """
    if page not in (known := entries(folder)):
        raise ConfigError(f"{folder / FILE}: has no page '{page}'; {nearest(page, known)}")
    code = {path: digest(path) for path in known[page].code}
    note(folder, page, known[page].model_copy(update={"made": str(date.today()), "code": code}))


def line(paths: Sequence[str]) -> str:
    """What a page says if the code at ``paths`` has changed since; empty if none has."""
    return f"Measured with older code: {', '.join(f'`{path}`' for path in paths)} have changed since." * bool(paths)


def mark(folder: Path) -> dict[str, str]:
    """Have every page in the file of ``folder`` say whether it is older; the lines by page, of older ones.

    Raises:
        ConfigError: a page is not there, or has not the comment that its block stands behind; then none is changed.
    """
    found = {page: line(entry.changed()) for page, entry in entries(folder).items()}
    for page in found:
        parts(folder, page)
    for page, said in found.items():
        path, before, after = parts(folder, page)
        write_text(path, f"{before}{said}{chr(10) * 2 * bool(said)}{_STALE.sub('', after)}")
    return {page: said for page, said in found.items() if said}


def parts(folder: Path, page: str) -> tuple[Path, str, str]:
    """The file of ``page``, what stands before the place of the line about its age, and what behind it.

    The place is below the title, or the comment of a block.

    Raises:
        ConfigError: it is not there.
    """
    name, _, block = page.partition("#")
    path, comment = folder / name, f"<!-- numbers: {block} -->" if block else ""
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; {folder / FILE} names it") from None
    before, between, after = text.partition(f"{comment}\n\n")
    if not between:
        raise ConfigError(f"{path}: has no line '{comment}' with an empty one behind it, as {folder / FILE} says")
    return path, before + between, after
