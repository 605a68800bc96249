"""Plugins: folders and installed packages whose choices join the menu, and whose modules can be imported.

``plugins=FOLDER`` on any command line, as often as there are folders; the environment variable ``ALSATIAN_PLUGINS``
with folders, separated as in ``PATH``; and entry points of the group ``alsatian.plugins``, each of which names a
package. Each has a folder ``conf`` with files such as ``conf/strategy/mine.yaml``. A name belongs to one place: a
choice or a module that is there already is refused, not replaced.
"""

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib import invalidate_caches
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path

from alsatian.errors import ConfigError, first_line, near, nearest
from experiments.configuration import menu
from experiments.configuration.menu import Plugin

KEY = "plugins"
VARIABLE = "ALSATIAN_PLUGINS"
ENTRY_POINTS = "alsatian.plugins"
_SUFFIXES = (".yaml", ".yml")
# Files of other tools, which nobody imports by name.
_NOT_OURS = ("conftest", "setup")


def is_word(word: str) -> bool:
    """Whether a word of a command line names a plugin's folder."""
    return word.startswith(f"{KEY}=")


def taken(words: Iterable[str]) -> tuple[list[str], list[str]]:
    """The folders that ``words`` name as plugins, and the other words."""
    words = list(words)
    folders = [word.removeprefix(f"{KEY}=") for word in words if is_word(word)]
    return folders, [word for word in words if not is_word(word)]


def as_words() -> list[str]:
    """Words that have the folders join the menu which belong to it now; packages do so by themselves."""
    return [plugin.word for plugin in menu.plugins() if plugin.is_loose]


def environment() -> dict[str, str]:
    """The variable with which another process of ours has the same menu as this one."""
    folders = [str(plugin.folder) for plugin in menu.plugins() if plugin.is_loose]
    return {VARIABLE: os.pathsep.join(folders)}


@contextmanager
def used(folders: Sequence[str] = ()) -> Iterator[None]:
    """A context in which plugins belong to the menu: ``folders``, those of the environment and of packages.

    The modules that lie in folders can be imported in it.

    Raises:
        ConfigError: one is no plugin, or has a name that is there already; says where.
    """
    found: dict[Path, Plugin] = {}
    for plugin in (*_packages(), *_folders(folders)):
        found.setdefault(plugin.folder, plugin)
    loose = [str(plugin.folder) for plugin in found.values() if plugin.is_loose]
    before, inherited = set(sys.modules), os.environ.get(VARIABLE)
    checked: list[Plugin] = []
    try:
        for plugin in found.values():
            with menu.joined_by(checked):
                _check_menu(plugin)
            if plugin.is_loose:
                _check_modules(plugin)
                sys.path.append(str(plugin.folder))
            checked.append(plugin)
        invalidate_caches()  # modules may just have been written
        with menu.joined_by(checked):
            os.environ |= environment()  # for workers elsewhere, and processes of libraries
            yield
    finally:
        if inherited is None:
            os.environ.pop(VARIABLE, None)
        else:
            os.environ[VARIABLE] = inherited
        for plugin in (plugin for plugin in checked if plugin.is_loose):
            sys.path.remove(str(plugin.folder))
        # The next command may name another folder that has a module of the same name.
        for name in set(sys.modules) - before:
            file = getattr(sys.modules[name], "__file__", None)
            if file and any(Path(file).is_relative_to(folder) for folder in loose):
                del sys.modules[name]


def _folders(given: Sequence[str]) -> Iterator[Plugin]:
    of_environment = filter(None, os.environ.get(VARIABLE, "").split(os.pathsep))
    for source, name in (*((f"{KEY}=", name) for name in given), *((f"{VARIABLE}: ", n) for n in of_environment)):
        folder = Path(name).expanduser()
        if not name or not folder.exists():
            raise ConfigError(f"{source}{name}: there is no such folder")
        if not folder.is_dir():
            raise ConfigError(f"{source}{name}: is a file; name the folder that holds conf/ and modules")
        _check_conf(f"{source}{name}", folder)
        yield Plugin(name, folder.resolve(), folder.resolve())


def _packages() -> Iterator[Plugin]:
    for entry in entry_points(group=ENTRY_POINTS):
        package = f"{entry.dist.name} {entry.dist.version}" if entry.dist else entry.name
        where = f"{package}: the entry point {ENTRY_POINTS}: {entry.name} = {entry.value}"
        try:
            spec = find_spec(entry.value)
        except (ImportError, ValueError):
            spec = None
        if spec is None or not spec.submodule_search_locations:
            raise ConfigError(f"{where} names no package")
        folder = Path(next(iter(spec.submodule_search_locations))).resolve()
        _check_conf(where, folder)
        yield Plugin(package, folder, folder.parents[entry.value.count(".")])


def _check_conf(where: str, folder: Path) -> None:
    if not (folder / "conf").is_dir():
        raise ConfigError(f"{where}: holds no folder conf, with choices such as conf/strategy/mine.yaml")


def _check_menu(plugin: Plugin) -> None:
    """Refuse files of ``plugin`` that cannot be read, that nobody would look at, or whose name is there already."""
    from omegaconf import DictConfig, OmegaConf  # slow
    from omegaconf.errors import OmegaConfBaseException
    from yaml import YAMLError

    for file in sorted(path for path in plugin.conf.rglob("*") if path.suffix in _SUFFIXES):
        where, parts = near(file), file.relative_to(plugin.conf).parts
        if len(parts) != 2 or file.suffix != ".yaml":
            raise ConfigError(f"{where}: is no choice; one lies in the folder of a group, as conf/order/mine.yaml")
        group, name = parts[0], file.stem
        if group not in menu.groups():
            raise ConfigError(f"{where}: there is no group '{group}'; {nearest(group, menu.groups())}")
        if (there := menu.choices(group).get(name)) is not None:
            source = menu.origin(there)
            place = "is one of the project's own choices" if source is None else f"lies in {near(there)}, too"
            raise ConfigError(f"{where}: {group}={name} {place}; choose another name")
        try:
            content = OmegaConf.load(file)
        except YAMLError as error:
            mark, reason = getattr(error, "problem_mark", None), getattr(error, "problem", None)
            line = f":{mark.line + 1}" if mark else ""
            raise ConfigError(f"{where}{line}: is no YAML: {reason or first_line(error)}") from None
        except (OSError, ValueError, OmegaConfBaseException) as error:
            raise ConfigError(f"{where}: cannot be read: {first_line(error)}") from None
        if not isinstance(content, DictConfig):
            raise ConfigError(f"{where}: holds no settings; write lines such as name: {name}")
        if (group in content or group == "experiment") and "@package" not in file.read_text("utf-8"):
            raise ConfigError(f"{where}: the first line has to be '# @package _global_', since it sets '{group}'")


def _check_modules(plugin: Plugin) -> None:
    """Refuse modules that Python would take for others of the same name, or others for them."""
    for path in sorted(plugin.folder.iterdir()):
        is_module = path.suffix == ".py" or (path / "__init__.py").is_file()
        if not is_module or not path.stem.isidentifier() or path.stem in _NOT_OURS:
            continue
        if there := importable(path.stem, but=plugin.folder):
            raise ConfigError(f"{near(path)}: there is a module '{path.stem}' already ({there}); rename one")


def importable(name: str, but: Path) -> str | None:
    """What Python would import as the module ``name``, for people; None if nothing, or what lies in ``but``."""
    try:
        spec = find_spec(name)
    except ValueError:  # __main__
        return "Python's own"
    if spec is None:
        return None
    places = [spec.origin, *(spec.submodule_search_locations or ())]
    if any(place and Path(place).is_relative_to(but) for place in places):
        return None
    return "Python's own" if name in sys.stdlib_module_names else near(Path(places[0] or places[1] or name))
