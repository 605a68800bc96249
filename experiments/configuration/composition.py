"""Hydra's side: from the words of a command line to one resolved configuration per run."""

import itertools
import operator
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import cache, reduce
from typing import Any

import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from alsatian.errors import ConfigError, first_line
from experiments.configuration.resolvers import register, text
from experiments.configuration.settings import check_kind
from experiments.configuration.words import CONF, MAIN, check_names, parse, read

register()


@dataclass(frozen=True)
class Cell:
    """One run of an experiment.

    Attributes:
        overrides: what was chosen for this run, e.g. ``("strategy=base",)``.
        config: the resolved configuration.
    """

    overrides: tuple[str, ...]
    config: DictConfig


def cells(words: Sequence[str], multirun: bool = False) -> list[Cell]:
    """Every run that ``words`` (Hydra overrides) ask for.

    An experiment may list runs under ``sweep``: every combination is a run, unless ``words`` choose that
    key. A list of such sweeps is one after the other. With ``multirun``, words such as ``seed=1,2`` sweep as well.

    Raises:
        ConfigError: a word cannot be read, or names something that does not exist.
    """
    with _initialised():
        overrides = parse(words)
        usual = check_names(overrides, _all_keys)
        fixed, axes = _split_sweeps(overrides, multirun)
        start = tuple(values[0] for values in axes.values())
        compose = _Composer(fixed)
        first = compose(start)
        written: Any = OmegaConf.to_object(first.get("sweep", OmegaConf.create({})))
        chosen = {o.get_key_element().lstrip("+~") for o in overrides}
        combinations: dict[tuple[str, ...], None] = {}
        for own in written if isinstance(written, list) else [written]:
            more = {key: _words(key, values) for key, values in own.items() if key not in chosen}
            # What is chosen in the words may make several sweeps the same.
            combinations |= dict.fromkeys(itertools.product(*({**axes, **more}).values()))
        found = [
            Cell(combination, first if combination == start else compose(combination))
            for combination in combinations
        ]
    for cell in found:
        if missing := sorted(OmegaConf.missing_keys(cell.config)):
            raise ConfigError(f"{missing[0]}: needs a value here; write {missing[0]}=…")
        plain: Any = OmegaConf.to_container(cell.config)
        for key, value in usual.items():
            check_kind(key, reduce(operator.getitem, key.split("."), plain), value)
    return found


def _words(key: str, values: Sequence[Any]) -> list[str]:
    return [f"{key}={text(value)}" for value in values]


def take(words: Sequence[str], key: str) -> tuple[list[str], Any]:
    """``words`` without those that set ``key``, and what the last of these sets it to; None without one.

    Raises:
        ConfigError: a word cannot be read.
    """
    kept: list[str] = []
    value = None
    for word, override in zip(words, parse(words), strict=True):
        if override.key_or_group == key:
            value = override.value()
        else:
            kept.append(word)
    return kept, value


def experiments_with(key: str) -> list[str]:
    """Names of the experiments whose file sets the dotted ``key``, sorted."""

    def sets(name: str) -> bool:
        node: Any = read(CONF / "experiment" / f"{name}.yaml")
        for part in key.split("."):
            if not isinstance(node, dict) or part not in node:
                return False
            node = node[part]
        return True

    return list(filter(sets, choices("experiment")))


def choices(group: str) -> list[str]:
    """Names of a config group's choices, sorted."""
    with _initialised():
        return sorted(GlobalHydra.instance().config_loader().get_group_options(group))


def _initialised() -> Any:
    GlobalHydra.instance().clear()
    return hydra.initialize_config_dir(str(CONF), version_base="1.3", job_name="alsatian")


@cache
def _all_keys(picked: tuple[str, ...]) -> dict[str, Any]:
    """Dotted keys, with values, of the composition that the group choices ``picked`` make."""
    found: dict[str, Any] = {}

    def walk(node: Any, prefix: str) -> None:
        for key, value in node.items() if isinstance(node, dict) else ():
            found[f"{prefix}{key}"] = value
            walk(value, f"{prefix}{key}.")

    walk(OmegaConf.to_container(_compose(picked), resolve=False), "")
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


class _Composer:
    """Composes the runs of one sweep. Runs that choose the same of every group are composed once: their other
    settings are set on copies, as Hydra would have set them, which takes a fraction of the time."""

    def __init__(self, fixed: Sequence[str]) -> None:
        self._fixed = fixed
        self._groups = set(GlobalHydra.instance().config_loader().list_groups(""))
        self._composed: dict[tuple[str, ...], DictConfig] = {}

    def __call__(self, words: Sequence[str]) -> DictConfig:
        picks = tuple(word for word in words if word.partition("=")[0] in self._groups)
        values = [word for word in words if word not in picks]
        try:
            if picks not in self._composed:
                self._composed[picks] = hydra.compose(MAIN, [*self._fixed, *picks])
            config = deepcopy(self._composed[picks])
            for override in parse(values):
                OmegaConf.update(config, override.key_or_group, override.value(), merge=True)
            OmegaConf.resolve(config)
        except (HydraException, OmegaConfBaseException, ValueError):
            return _compose([*self._fixed, *words])  # which says it in Hydra's words
        return config


def _compose(overrides: Sequence[str]) -> DictConfig:
    try:
        config = hydra.compose(MAIN, list(overrides))
        OmegaConf.resolve(config)
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(f"{' '.join(overrides)}: {first_line(error)}") from None
    except ValueError:  # of OmegaConf, about a key where a list wants a number
        raise ConfigError(f"{' '.join(overrides)}: sets a key of a list; -m with KEY=A,B sweeps over KEY") from None
    return config


def descriptions(group: str) -> list[tuple[str, str]]:
    """Name and first comment of every choice of a config group."""
    return [(name, _first_comment(group, name)) for name in choices(group)]


def _first_comment(group: str, name: str) -> str:
    for line in (CONF / group / f"{name}.yaml").read_text().splitlines():
        if line.startswith("# ") and not line.startswith("# @package"):
            return line.removeprefix("# ")
    return ""
