"""Folders with one folder a class: what is an item, what is left out, and which folders are parts of the data."""

import os
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from alsatian.errors import ConfigError
from alsatian.records.data import Skipped, examples_of
from alsatian.units import printable

# Names of folders that are parts of the data rather than classes, in lower case.
SPLITS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
# What systems and archives leave beside a user's files.
_LITTER = frozenset({"__macosx", "@eadir", "lost+found", "$recycle.bin", "thumbs.db", "desktop.ini"})


@dataclass
class Skips:
    """What is left out on the way, by reason."""

    root: Path
    names: dict[str, list[str]] = field(default_factory=dict)

    def add(self, reason: str, path: Path, detail: str = "") -> None:
        """Note that ``path`` is left out; ``detail`` is what the reason is in its case."""
        name = os.path.relpath(path, self.root) if path.is_absolute() == self.root.is_absolute() else str(path)
        self.names.setdefault(reason, []).append(printable(f"{name} ({detail})" if detail else name))

    def all(self) -> tuple[Skipped, ...]:
        """Everything that was noted."""
        return tuple(examples_of(reason, names) for reason, names in self.names.items())


@dataclass(frozen=True)
class Found:
    """The files of a folder, ordered by part, class and name.

    Attributes:
        paths, classes: of every file; the class is the name of its folder.
        testing: whether each file is for testing; None if the folder does not say.
        split: how that was told.
        skips: what was left out.
        warnings: what may be meant in another way.
    """

    paths: list[Path]
    classes: list[str]
    testing: list[bool] | None
    split: str
    skips: Skips
    warnings: tuple[str, ...]


def class_folders(root: Path, suffixes: Collection[str], what: str) -> Found:
    """Files below ``root`` that end in ``suffixes``, which are ``what`` one looks for (``"image"``).

    Links are followed; a folder is read once for each class.

    Raises:
        ConfigError: parts of the data cannot be told from classes, a class has no file, or a folder cannot be read.
    """
    skips = Skips(root)
    try:
        parts, split, warnings = _parts(root, skips)
        paths: list[Path] = []
        classes: list[str] = []
        testing: list[bool] = []
        empty: list[str] = []
        for part, test in parts:
            for folder in _folders(part, skips, "beside the folders of the classes, so without a class"):
                seen = {_identity(root), _identity(part), _identity(folder)}
                files = list(_files(folder, suffixes, seen, skips, f"no {what} by the name"))
                empty += [] if files else [os.path.relpath(folder, root)]
                paths += files
                classes += [printable(folder.name)] * len(files)
                testing += [test] * len(files)
    except OSError as error:
        raise ConfigError(f"'{error.filename or root}' cannot be read ({error.strerror})") from None
    if empty:
        raise ConfigError(
            f"'{root}' has {_named(empty)} without any {what}; put some there or take the folder away"
        )
    return Found(
        paths,
        classes,
        testing if any(testing) else None,
        split,
        skips,
        (*warnings, *_shared(paths, classes, testing, what)),
    )


def endings_below(root: Path) -> Counter[str]:
    """How many files in the folders of ``root`` there are of each ending, in lower case; what lies beside these
    folders does not count.

    Raises:
        ConfigError: a folder cannot be read.
    """
    found: Counter[str] = Counter()
    try:
        for folder in (path for path in _visible(root) if path.is_dir()):
            seen = {_identity(root), _identity(folder)}
            found.update(path.suffix.lower() for path in _files(folder, None, seen, Skips(root), ""))
    except OSError as error:
        raise ConfigError(f"'{error.filename or root}' cannot be read ({error.strerror})") from None
    return found


def _parts(root: Path, skips: Skips) -> tuple[list[tuple[Path, bool]], str, list[str]]:
    """Folders that hold class folders and whether they are for testing, in words too, and warnings."""
    folders = [path for path in _visible(root) if path.is_dir()]
    named = [path for path in folders if path.name.lower() in SPLITS]
    nested = [path for path in named if any(inner.is_dir() for inner in _visible(path))]
    if not nested or len(named) < len(folders):
        names = ", ".join(f"'{path.name}'" for path in named)
        why = "other folders are beside them" if nested else "they hold no folders of classes"
        return [(root, False)], "", [f"{names} taken as classes, since {why}"] if named else []
    if flat := [path.name for path in named if path not in nested]:
        raise ConfigError(
            f"'{root / flat[0]}' is named as a part of the data but holds no folders of classes, which "
            f"'{nested[0].name}' does; sort it into classes or take it away"
        )
    kinds = {path: SPLITS[path.name.lower()] for path in named}
    for path in _visible(root):
        if not path.is_dir():
            skips.add("beside the folders of the parts, so without a class", path)
    for_test = part_for_testing(f"'{root}'", kinds.values())
    parts = [(path, kinds[path] == for_test) for path in sorted(named, key=lambda p: (kinds[p] == for_test, p))]
    test = [path.name for path, tested in parts if tested]
    train = [path.name for path, tested in parts if not tested]
    return (
        parts,
        f"the folder {test[0]} is the test part, {' and '.join(train)} the training part" if test else "",
        [],
    )


def part_for_testing(where: str, parts: Collection[str]) -> str | None:
    """Which of ``parts`` is for testing, ``test`` or without it ``val``; None if there is neither.

    Raises:
        ConfigError: there is no part to train with. ``where`` begins the error.
    """
    if "train" not in parts:
        raise ConfigError(f"{where}: holds the parts {', '.join(sorted(set(parts)))} but no part 'train'")
    return next((part for part in ("test", "val") if part in parts), None)


def _visible(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not _hidden(path))


def _hidden(path: Path) -> bool:
    return path.name.startswith(".") or path.name.lower() in _LITTER


def _folders(part: Path, skips: Skips, reason: str) -> Iterator[Path]:
    """The class folders of ``part``."""
    for path in sorted(part.iterdir()):
        if _hidden(path):
            skips.add("hidden", path)
        elif path.is_dir():
            yield path
        else:
            skips.add(reason, path)


def _files(
    folder: Path, suffixes: Collection[str] | None, seen: set[tuple[int, int]], skips: Skips, reason: str
) -> Iterator[Path]:
    """The files in ``folder`` and below that end in ``suffixes``, by name; folders that were ``seen`` are links
    that lead back."""
    for path in sorted(folder.iterdir()):
        if _hidden(path):
            skips.add("hidden", path)
        elif path.is_dir():
            if (identity := _identity(path)) in seen:
                skips.add("a link to a folder that is read anyway", path)
                continue
            seen.add(identity)
            yield from _files(path, suffixes, seen, skips, reason)
        elif not path.exists():
            skips.add("a link that leads nowhere", path)
        elif suffixes is not None and path.suffix.lower() not in suffixes:
            skips.add(reason, path)
        else:
            yield path


def _identity(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino


def _shared(paths: list[Path], classes: list[str], testing: list[bool], what: str) -> Iterator[str]:
    """Warnings about one file that stands, by links, in several places."""
    places: dict[tuple[int, int], set[tuple[str, bool]]] = {}
    for path, name, test in zip(paths, classes, testing, strict=True):
        places.setdefault(_identity(path), set()).add((name, test))
    if count := sum(len({name for name, _ in found}) > 1 for found in places.values()):
        yield f"{count:,} {what} files are linked into more than one class"
    if count := sum(len({test for _, test in found}) > 1 for found in places.values()):
        yield f"{count:,} {what} files are linked into both the training and the test part"


def _named(names: list[str]) -> str:
    shown = ", ".join(f"'{printable(name)}'" for name in names[:10])
    return (
        f"{'a class' if len(names) == 1 else f'{len(names):,} classes'} ({shown}{', …' if len(names) > 10 else ''})"
    )
