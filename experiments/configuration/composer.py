"""One configuration per run, composed in plain data: what Hydra composes, at a hundredth of its time.

Hydra says which files make a configuration (its defaults list); merging them, setting what the words say and
resolving interpolations happen here, in dictionaries, since OmegaConf's nodes take nearly all of the time. Only
what every menu uses is known here; whatever else there is, and every mistake, goes to Hydra itself.
"""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from functools import cache
from typing import Any

import hydra
from hydra._internal.config_repository import CachingConfigRepository, ConfigRepository
from hydra._internal.defaults_list import create_defaults_list
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from alsatian.errors import ConfigError, first_line
from experiments.configuration import menu
from experiments.configuration.resolvers import MISSING, is_interpolation, resolved
from experiments.configuration.words import parse


class _Unusual(Exception):
    """Something that is left to Hydra."""


class Composer:
    """Composes the runs of one command. Hydra has to be initialised.

    Files are read once, and runs that choose the same of every group share what is merged from them.

    Attributes:
        fixed: the words that every run has.
    """

    def __init__(self, fixed: Sequence[str]) -> None:
        self.fixed = tuple(fixed)
        self._groups = set(menu.groups())
        path = GlobalHydra.instance().config_loader().get_search_path()
        self._repository = CachingConfigRepository(ConfigRepository(path))
        self._files: dict[str, dict[str, Any]] = {}
        self._merged: dict[tuple[str, ...], dict[str, Any]] = {}
        self._parsed = cache(lambda word: parse([word])[0])

    def __call__(self, words: Sequence[str] = ()) -> dict[str, Any]:
        """The configuration with ``fixed`` and ``words``.

        Raises:
            ConfigError: it cannot be composed.
        """
        try:
            overrides = [self._parsed(word) for word in (*self.fixed, *words)]
            picks = tuple(override for override in overrides if override.key_or_group in self._groups)
            config = deepcopy(self._composed(picks))
            for override in overrides:
                if override not in picks:
                    _set(config, override)
            return dict(resolved(config, config))
        except Exception:  # whatever it is: Hydra composes it, or says in its words what is wrong
            return compose([*self.fixed, *words])

    def origins(self, words: Sequence[str] = ()) -> dict[str, str]:
        """Where the values of the configuration with ``fixed`` and ``words`` come from, by dotted key: a file of
        the menu, the command line, or the sweep of the experiment or the command line.

        Of what an interpolation stands for it is the file that has the interpolation.
        """
        own = [self._parsed(word) for word in self.fixed]
        swept = [self._parsed(word) for word in words]
        picks = [override for override in (*own, *swept) if override.key_or_group in self._groups]
        found: dict[str, str] = {}

        def walk(value: Any, key: str, source: str) -> None:
            if isinstance(value, dict) and value:
                for name, item in value.items():
                    walk(item, f"{key}.{name}" if key else str(name), source)
            elif value != MISSING or key not in found:
                found[key] = source

        for default in create_defaults_list(self._repository, menu.MAIN, picks, False, False).defaults:
            header, content = self._file(str(default.config_path))
            walk(
                content,
                (header if default.package is None else default.package) or "",
                f"{default.config_path}.yaml",
            )
        for overrides, source in ((own, "command line"), (swept, "sweep")):
            found.update({o.key_or_group: source for o in overrides if o not in picks})
        return found

    def _composed(self, picks: tuple[Override, ...]) -> dict[str, Any]:
        """What the files make that ``picks`` choose, with interpolations as they are written."""
        key = tuple(str(override.input_line) for override in picks)
        if key not in self._merged:
            found = create_defaults_list(self._repository, menu.MAIN, list(picks), False, False)
            config: dict[str, Any] = {}
            for default in found.defaults:
                header, content = self._file(str(default.config_path))
                package = header if default.package is None else default.package
                for part in reversed(package.split(".") if package else ()):
                    content = {part: content}
                _merge(config, content, config)
            self._merged[key] = config
        return self._merged[key]

    def _file(self, path: str) -> tuple[str | None, dict[str, Any]]:
        """The package that a file names for itself, and what is in it but its own defaults list."""
        loaded = self._repository.load_config(path)
        if loaded is None:
            raise _Unusual
        if path not in self._files:
            content: Any = OmegaConf.to_container(loaded.config, resolve=False)
            self._files[path] = {key: value for key, value in content.items() if key != "defaults"}
        return loaded.header["package"], self._files[path]


def compose(words: Sequence[str]) -> dict[str, Any]:
    """What Hydra itself composes of ``words``.

    Raises:
        ConfigError: it cannot, or something in it cannot be resolved.
    """
    try:
        config: Any = OmegaConf.to_container(hydra.compose(menu.MAIN, list(words)), resolve=True)
        return dict(config)
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(f"{' '.join(words)}: {first_line(error)}") from None
    except ValueError:  # of OmegaConf, about a key where a list wants a number
        raise ConfigError(f"{' '.join(words)}: sets a key of a list; -m with KEY=A,B sweeps over KEY") from None


def _merge(config: dict[Any, Any], other: Mapping[Any, Any], root: dict[str, Any]) -> None:
    """Have ``config``, a part of ``root``, say what ``other`` says, as OmegaConf merges: mappings key by key, all
    else as a whole. A mapping meets what an interpolation stands for at that time."""
    for key, value in other.items():
        old = config.get(key)
        if isinstance(value, dict) and is_interpolation(old):
            old = config[key] = resolved(root, old)
        if isinstance(value, dict) and isinstance(old, dict):
            _merge(old, value, root)
        elif isinstance(value, dict | list) and isinstance(old, dict | list) and type(value) is not type(old):
            raise _Unusual
        elif value != MISSING or key not in config:
            config[key] = deepcopy(value)


def _set(config: dict[str, Any], override: Override) -> None:
    """Set one value as Hydra does; a key that is not there has to be added."""
    adds = override.is_add() or override.is_force_add()
    value: Any = override.value()
    *above, last = override.key_or_group.split(".")
    node: Any = config
    for key in above:
        node = node.setdefault(key, {}) if adds else node[key]
        if not isinstance(node, dict):
            raise _Unusual
    is_there = last in node
    if (
        override.package is not None
        or override.is_delete()
        or override.is_sweep_override()
        or isinstance(value, dict)
    ):
        raise _Unusual
    if (is_there and override.is_add()) or not (is_there or adds):
        raise _Unusual
    node[last] = value
