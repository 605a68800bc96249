"""The menu: files below ``conf``, the project's own and those of plugins."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CONF = Path(__file__).parents[2] / "conf"
"""The project's own: beside this package in a checkout and in a wheel."""
MAIN = "config"


@dataclass(frozen=True)
class Plugin:
    """Choices from outside the project.

    Attributes:
        name: for people: the folder as it was given, or the package that was installed.
        folder: holds the folder ``conf``, and modules.
        root: where Python finds these: ``folder`` itself, or what the package lies in.
    """

    name: str
    folder: Path
    root: Path

    @property
    def is_loose(self) -> bool:
        """Whether it is a folder that somebody named, rather than a package."""
        return self.root == self.folder

    @property
    def word(self) -> str:
        """For people; of a folder what a command line says to have it."""
        return f"plugins={self.name}" if self.is_loose else self.name

    @property
    def conf(self) -> Path:
        """Where its part of the menu lies."""
        return self.folder / "conf"


_joined: tuple[Plugin, ...] = ()


def plugins() -> tuple[Plugin, ...]:
    """Those that belong to the menu now."""
    return _joined


@contextmanager
def joined_by(added: Iterable[Plugin]) -> Iterator[None]:
    """A context in which the menu is the project's and that of the plugins ``added``, and no other."""
    global _joined
    before, _joined = _joined, tuple(added)
    try:
        yield
    finally:
        _joined = before


def groups() -> list[str]:
    """Names of the groups, sorted."""
    return sorted(path.name for path in CONF.iterdir() if path.is_dir())


def choices(group: str) -> dict[str, Path]:
    """The choices of a group by name, sorted, with their files."""
    folders = (CONF, *(plugin.conf for plugin in _joined))
    files = {path.stem: path for folder in folders for path in (folder / group).glob("*.yaml")}
    return dict(sorted(files.items()))


def origin(file: Path) -> str | None:
    """The plugin that a file of the menu comes from, for people; None if it is the project's own."""
    return next((plugin.word for plugin in _joined if file.is_relative_to(plugin.conf)), None)


def groups_with(name: str) -> list[str]:
    """Groups of the menu that have a choice called ``name``."""
    return [group for group in groups() if name in choices(group)]


def read(file: Path) -> dict[str, Any]:
    """A file of the menu as it is written."""
    from omegaconf import OmegaConf  # slow

    return OmegaConf.to_container(OmegaConf.create(file.read_text()), resolve=False)  # type: ignore[return-value]


def description(file: Path) -> str:
    """The first comment of a file of the menu."""
    for line in file.read_text().splitlines():
        if line.startswith("# ") and not line.startswith("# @package"):
            return line.removeprefix("# ")
    return ""
