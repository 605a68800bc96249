"""``alsatian new``: a strategy, or another choice of one's own, that runs and is there to be changed."""

import argparse
import keyword
import shlex
from pathlib import Path
from string import Template

from rich.console import Console

from alsatian.errors import ConfigError

HELP = "write a module, a YAML file and a test for a choice of your own"
# What can be written, and the group of the menu that it belongs to.
KINDS = {
    "strategy": "strategy",
    "order": "order",
    "policy": "cache",
    "schedule": "schedule",
    "proxy": "proxy",
    "dataset": "dataset",
}
# Kinds that ``alsatian check`` does not judge; their tests search once.
_UNCHECKED = ("dataset",)
_SKELETONS = Path(__file__).parents[1] / "skeletons"


def configure(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("kind", metavar="KIND", choices=tuple(KINDS), help=", ".join(KINDS))
    parser.add_argument("name", metavar="NAME", help="of the choice and of the module, e.g. my_strategy")
    parser.add_argument(
        "--in", dest="folder", type=Path, default=Path(), metavar="FOLDER", help="default: the current folder"
    )


def handle(options: argparse.Namespace, console: Console) -> int:
    """Write the files, all or none, and say what to do with them."""
    from alsatian.files import make_folder, write_text

    kind, name, folder = options.kind, options.name, options.folder
    _check_name(kind, name, folder)
    group = KINDS[kind]
    command, more = ("run", ', "scale=ci"') if kind in _UNCHECKED else ("check", "")
    words = {"name": name, "title": _title(name), "group": group, "command": command, "more": more}
    files = {
        folder / f"{name}.py": f"{kind}.py.txt",
        folder / "conf" / group / f"{name}.yaml": f"{kind}.yaml.txt",
        folder / f"test_{name}.py": "test.py.txt",
    }
    if there := next((path for path in files if path.exists()), None):
        raise ConfigError(f"{there}: is there already; choose another name, or another folder with --in")
    make_folder(folder / "conf" / group)
    for path, skeleton in files.items():
        write_text(path, Template((_SKELETONS / skeleton).read_text("utf-8")).substitute(words))
        console.print(f"written: {path}")
    console.print(f"next: alsatian {command} {shlex.quote(f'plugins={folder}')} {group}={name}")
    return 0


def _check_name(kind: str, name: str, folder: Path) -> None:
    """Refuse a ``name`` that Python does not take, or that something else has.

    Raises:
        ConfigError: says what it is.
    """
    from experiments.configuration import menu
    from experiments.configuration.plugins import importable

    if not name.isidentifier() or keyword.iskeyword(name) or not name.isascii():
        raise ConfigError(f"{name}: is no name of a module; letters, digits and _ are, as in my_{kind}")
    if (file := menu.choices(KINDS[kind]).get(name)) is not None:
        raise ConfigError(f"{KINDS[kind]}={name}: is there already ({menu.origin(file) or 'the project has it'})")
    if there := importable(name, but=folder.resolve()):
        raise ConfigError(f"{name}: there is a module of this name already ({there}); choose another name")
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"--in {folder}: is a file; name a folder")


def _title(name: str) -> str:
    """The name of a class: ``my_order`` is ``MyOrder``."""
    return "".join(part[:1].upper() + part[1:] for part in name.split("_"))
