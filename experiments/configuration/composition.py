"""Hydra's side: from the words of a command line to one resolved configuration per run."""

import itertools
import operator
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property, partial, reduce
from typing import Any

import hydra
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.types import Override
from hydra.core.plugins import Plugins
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import DictConfig, OmegaConf

from alsatian.errors import ConfigError
from experiments.configuration import menu
from experiments.configuration.composer import Composer
from experiments.configuration.plugins import is_word, taken
from experiments.configuration.resolvers import MISSING, register, text
from experiments.configuration.settings import check_kind
from experiments.configuration.words import check_names, parse


class _Menu(SearchPathPlugin):
    """Tells Hydra where plugins keep their part of the menu."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        for plugin in menu.plugins():
            search_path.append(plugin.name, f"file://{plugin.conf}")


register()
Plugins.instance().register(_Menu)

# Holds keys that no configuration can know, as Hydra has to be told.
_FREE = ("figure.where=", "figure.where.")


@dataclass(frozen=True)
class Cell:
    """One run of an experiment.

    Attributes:
        overrides: what was chosen for this run, e.g. ``("strategy=base",)``.
        plain: the resolved configuration.
        origins: where its values come from, by dotted key, if that was asked for.
    """

    overrides: tuple[str, ...]
    plain: dict[str, Any]
    origins: Mapping[str, str] = field(default_factory=dict)

    def origin(self, key: str) -> str:
        """Where the value of the dotted ``key`` comes from, or of what it is a part of."""
        while key not in self.origins and "." in key:
            key = key.rpartition(".")[0]
        return self.origins.get(key, "")

    @cached_property
    def config(self) -> DictConfig:
        """The resolved configuration for those who like dots."""
        config = OmegaConf.create(self.plain)
        OmegaConf.set_struct(config, True)
        return config


def cells(words: Sequence[str], multirun: bool = False, origins: bool = False) -> list[Cell]:
    """Every run that ``words`` (Hydra overrides) ask for. Those that name plugins have been followed before.

    An experiment may list runs under ``sweep``: every combination is a run, unless ``words`` choose that
    key. A list of such sweeps is one after the other. With ``multirun``, words such as ``seed=1,2`` sweep as well.
    With ``origins``, runs say where their values come from.

    Raises:
        ConfigError: a word cannot be read, or names something that does not exist, a style of figures too.
    """
    with _initialised():
        overrides = parse([f"++{word}" if word.startswith(_FREE) else word for word in taken(words)[1]])
        usual = check_names(overrides, partial(_all_keys, menu.plugins()))
        fixed, axes = _split_sweeps(overrides, multirun)
        compose = Composer(fixed)
        written: Any = compose([values[0] for values in axes.values()]).get("sweep", {})
        chosen = {o.get_key_element().lstrip("+~") for o in overrides}
        combinations: dict[tuple[str, ...], None] = {}
        for own in written if isinstance(written, list) else [written]:
            more = {key: _words(key, values) for key, values in own.items() if key not in chosen}
            # What is chosen in the words may make several sweeps the same.
            combinations |= dict.fromkeys(itertools.product(*({**axes, **more}).values()))
        found = [
            Cell(combination, compose(combination), compose.origins(combination) if origins else {})
            for combination in combinations
        ]
    for cell in found:
        if missing := min(_missing(cell.plain), default=None):
            raise ConfigError(f"{missing}: needs a value here; write {missing}=…")
        for key, value in usual.items():
            check_kind(key, reduce(operator.getitem, key.split("."), cell.plain), value)
        figure = cell.plain["figure"]
        if figure.get("style") is not None or figure.get("columns") is not None:
            from analysis.figures.style import named  # imports matplotlib, which takes a second

            named(figure)
    return found


def _missing(node: Any, prefix: str = "") -> Iterator[str]:
    """Dotted keys of values that have to be given and are not."""
    for key, value in node.items() if isinstance(node, dict) else enumerate(node):
        name = (
            f"{prefix}.{key}" if prefix and isinstance(node, dict) else f"{prefix}[{key}]" if prefix else str(key)
        )
        if value == MISSING:
            yield name
        elif isinstance(value, dict | list):
            yield from _missing(value, name)


def _words(key: str, values: Sequence[Any]) -> list[str]:
    return [f"{key}={text(value)}" for value in values]


def take(words: Sequence[str], key: str) -> tuple[list[str], Any]:
    """``words`` without those that set ``key``, and what the last of these sets it to; None without one.

    Raises:
        ConfigError: a word cannot be read.
    """
    kept: list[str] = []
    value = None
    for word in words:
        if not is_word(word) and (override := parse([word])[0]).key_or_group == key:
            value = override.value()
        else:
            kept.append(word)
    return kept, value


def _initialised() -> Any:
    GlobalHydra.instance().clear()
    return hydra.initialize_config_dir(str(menu.CONF), version_base="1.3", job_name="alsatian")


@cache
def _all_keys(plugins: tuple[menu.Plugin, ...], picked: tuple[str, ...]) -> dict[str, Any]:
    """Dotted keys, with values, of the composition that the group choices ``picked`` make with ``plugins``."""
    found: dict[str, Any] = {}

    def walk(node: Any, prefix: str) -> None:
        for key, value in node.items() if isinstance(node, dict) else ():
            found[f"{prefix}{key}"] = value
            walk(value, f"{prefix}{key}.")

    walk(Composer(picked)(), "")
    return found


def _split_sweeps(overrides: Sequence[Override], multirun: bool) -> tuple[list[str], dict[str, list[str]]]:
    fixed: list[str] = []
    axes: dict[str, list[str]] = {}
    for override in overrides:
        if not override.is_sweep_override():
            fixed.append(str(override.input_line))
        elif multirun:
            key = override.get_key_element()
            axes[key] = [f"{key}={value}" for value in override.sweep_string_iterator()]
        else:
            raise ConfigError(f"{override.input_line}: several values need -m (multirun)")
    return fixed, axes
