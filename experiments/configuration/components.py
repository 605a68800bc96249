"""Components of a configuration: from the name under ``_target_`` to an object, or to a line that says why not.

What is wrong with code outside the package is said with the file and the line where it is.
"""

import ast
import inspect
import traceback
from collections.abc import Iterator, Mapping
from importlib.util import resolve_name
from pathlib import Path
from pydoc import ErrorDuringImport, locate
from typing import Any

import hydra
from omegaconf import DictConfig, OmegaConf

from alsatian.errors import FOREIGN, AlsatianError, ConfigError, first_line, near, nearest, place, said
from experiments.configuration import menu

PACKAGE = "alsatian"


def targets(value: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """The components in ``value``, plain data, by dotted key."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            if key == "_target_":
                yield prefix.rstrip("."), str(item)
            else:
                yield from targets(item, f"{prefix}{key}.")
    elif isinstance(value, list | tuple):
        for number, item in enumerate(value):
            yield from targets(item, f"{prefix}{number}.")


def is_own(target: str) -> bool:
    """Whether a dotted name belongs to the package."""
    return target.partition(".")[0] == PACKAGE


def as_plain(config: Mapping[str, Any]) -> Any:
    """``config`` as plain data, whether it is or is Hydra's."""
    return OmegaConf.to_container(config, resolve=True) if isinstance(config, DictConfig) else config


def build(config: Mapping[str, Any], kind: type | str | None = None, **parts: Any) -> Any:
    """Instantiate a component; what is wrong with it or its settings becomes one line.

    ``kind`` is what has to come of it: a class, or the name of a method.

    Raises:
        ConfigError: names the component, and the file where it is at fault.
    """
    made = _made(config, parts)
    if kind is not None and not (hasattr(made, kind) if isinstance(kind, str) else isinstance(made, kind)):
        expected = f"an object with the method {kind}" if isinstance(kind, str) else f"a {kind.__name__}"
        target = str(config.get("_target_"))
        where = f"{next(_written(target), '')}_target_={target}"
        raise ConfigError(f"{where}: {expected} is expected, not {said(made)}")
    return made


def _made(config: Mapping[str, Any], parts: Mapping[str, Any]) -> Any:
    own = True
    for _, target in targets(as_plain(config)):
        if not is_own(target):
            own = False
            located(target)
    try:
        # Parts are handed over in a call of their own: Hydra would turn dataclasses back into configuration.
        return hydra.utils.instantiate(config, _partial_=True, _convert_="all")(**parts)
    except AlsatianError:
        raise
    except FOREIGN as error:
        expected = isinstance(error, hydra.errors.InstantiationException | TypeError | ValueError)
        if own and not expected:
            raise
        cause = error.__cause__ or error
        reason = first_line(cause) if expected else _reason(cause)
        raise ConfigError(f"{config.get('_target_')}: {_where(cause)}{reason}") from cause


def located(target: str) -> Any:
    """What the dotted name ``target`` stands for.

    Raises:
        ConfigError: nothing, or its module cannot be imported; says where it is written, or what is wrong there.
    """
    written = f"{next(_written(target), '')}_target_={target}"
    try:
        found = locate(target)
    except ErrorDuringImport as error:
        cause = error.value or error
        if isinstance(cause, KeyboardInterrupt):
            raise cause from None
        raise ConfigError(f"{written}: {_where(cause)}{_reason(cause)}") from cause
    if found is None:
        raise ConfigError(f"{written}: {_missing(target)}")
    if not callable(found):
        raise ConfigError(f"{written}: is {said(found)}; a class or a function is expected, as in mine.Mine")
    return found


def _missing(target: str) -> str:
    """What is not there of ``target``, and what is."""
    module, _, name = target.rpartition(".")
    there: Any = locate(module) if module else None
    if there is None:
        return f"there is no module '{module or name}'"
    names = [n for n, value in vars(there).items() if getattr(value, "__module__", None) == there.__name__]
    return f"{near(str(inspect.getsourcefile(there)))} has no '{name}'; {nearest(name, names)}"


def _written(target: str) -> Iterator[str]:
    """The files and lines of plugins that say ``target``, each as the beginning of a line."""
    for plugin in menu.plugins():
        for file in sorted(plugin.conf.rglob("*.yaml")):
            for number, line in enumerate(file.read_text("utf-8").splitlines(), 1):
                if "_target_" in line and target in line:
                    yield f"{place(file, number)}: "


def _where(error: BaseException) -> str:
    """Where in plugins ``error`` came up, file and line, as the beginning of a line; empty if it did elsewhere."""
    frames = [(frame.filename, frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
    if isinstance(error, SyntaxError):
        frames.append((str(error.filename), error.lineno))
    folders = [plugin.folder for plugin in menu.plugins()]
    for file, line in reversed(frames):
        if any(Path(file).is_relative_to(folder) for folder in folders):
            return f"{place(file, line)}: "
    return ""


def _reason(error: BaseException) -> str:
    """What ``error`` says, with its kind."""
    return error.msg if isinstance(error, SyntaxError) else f"{type(error).__name__}: {first_line(error)}"


def source_files(chosen: Any) -> list[Path]:
    """The files outside the package that the code of a class or function lies in: its own, those of base classes,
    and in a plugin all that these import from there."""
    parts = inspect.getmro(chosen) if inspect.isclass(chosen) else (chosen,)
    files = [inspect.getsourcefile(part) for part in parts if _is_foreign(part)]
    pending = [Path(file) for file in dict.fromkeys(files) if file]
    found: list[Path] = []
    while pending:
        file = pending.pop(0)
        if file not in found:
            found.append(file)
            pending += _imported(file)
    return found


def _is_foreign(part: Any) -> bool:
    """Whether ``part`` is code with a file that does not belong to the package."""
    return str(part.__module__).partition(".")[0] not in (PACKAGE, "builtins", "abc", "typing")


def _imported(file: Path) -> Iterator[Path]:
    """Files of the same plugin that ``file`` imports, wherever in it; none if it is no plugin's."""
    plugin = next((one for one in menu.plugins() if file.is_relative_to(one.folder)), None)
    if plugin is None:
        return
    package = ".".join(file.relative_to(plugin.root).parent.parts)
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            above = resolve_name("." * node.level + (node.module or ""), package) if node.level else node.module
            names = [f"{above}.{alias.name}" for alias in node.names]
        for name in names:
            parts = name.split(".")
            for depth in range(1, len(parts) + 1):
                there = plugin.root.joinpath(*parts[:depth])
                for path in (there.with_suffix(".py"), there / "__init__.py"):
                    if path.is_file() and path.is_relative_to(plugin.folder):
                        yield path
