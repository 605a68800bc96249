"""Interpolations: what a configuration file writes where another setting decides, such as ``${at_scale:{…}}``."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from typing import Any

from omegaconf import OmegaConf
from omegaconf.grammar_parser import parse
from omegaconf.grammar_visitor import GrammarVisitor

from alsatian.errors import ConfigError
from experiments.configuration import menu

MISSING = "???"
"""Stands for a value that has to be given."""


# Scales at which a setting is the laptop's where it says nothing of them.
_LIKE_LAPTOP = ("paper", "desktop")


def _at_scale(values: dict[str, Any], *, _root_: Mapping[str, Any]) -> Any:
    """``${at_scale:{laptop:16,ci:4}}``: the value for the scale; the laptop's for others but ci."""
    chosen = _root_["scale"]
    return _pick("laptop" if chosen in _LIKE_LAPTOP and chosen not in values else chosen, values)


def _pick(choice: Any, values: dict[Any, Any]) -> Any:
    """``${pick:${paper.items},{2000:64,8000:256}}``: the value that another setting picks; it may be null."""
    by_name = {text(key): value for key, value in values.items()}
    name = text(choice)
    if name not in by_name:
        raise ConfigError(f"{name} is not among {', '.join(by_name)} here; choose one of these")
    value = by_name[name]
    # A bare list would be taken for a single value that is of no valid kind.
    return OmegaConf.create(value) if isinstance(value, list | dict) else value


def text(value: Any) -> str:
    """``value`` as a word of a command line says it."""
    return "null" if value is None else str(value)


def _both(first: Sequence[Any], second: Sequence[Any]) -> Any:
    """``${both:${figure.scaled.ci},["more"]}``: what two lists hold, one behind the other."""
    return OmegaConf.create([*first, *second])


def _name_of(target: str) -> str:
    """``${name_of:${order._target_}}``: the choice that a class stands for, which its file is called after."""
    return target.split(".")[-2]


def _published(network: str, setting: str) -> Any:
    """``${published:vit_l_32,size}``: a setting of a network as the paper's figures have it."""
    return menu.read(menu.CONF / "network" / f"{network}.yaml")["paper"][setting]


_RESOLVERS: dict[str, Callable[..., Any]] = {
    "at_scale": _at_scale,
    "pick": _pick,
    "both": _both,
    "name_of": _name_of,
    "published": _published,
}


def register() -> None:
    """Make them known to OmegaConf, which keeps them for the whole process."""
    for name, resolver in _RESOLVERS.items():
        OmegaConf.register_new_resolver(name, resolver, replace=True)


def is_interpolation(value: Any) -> bool:
    """Whether ``value`` is a text that depends on other settings."""
    return isinstance(value, str) and "${" in value


def resolved(config: dict[str, Any], value: Any) -> Any:
    """``value``, plain data of ``config``, without interpolations: what ``OmegaConf.resolve`` makes of it, in less
    time.

    Raises:
        Exception: there is an interpolation that is wrong, or of a kind that no file of the menu uses.
    """
    return _Values(config).of(value)


_parse = cache(parse)


class _Values:
    """Values of the settings of ``root``. OmegaConf's own grammar says what an interpolation means."""

    def __init__(self, root: dict[str, Any]) -> None:
        self._root = root
        self._visitor = GrammarVisitor(self._at, self._call, None)

    def __getitem__(self, key: str) -> Any:
        return self.of(self._root[key])

    def of(self, value: Any) -> Any:
        """``value`` without interpolations, as a copy."""
        if isinstance(value, dict):
            return {key: self.of(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.of(item) for item in value]
        if not is_interpolation(value):
            return value
        found = self._visitor.visit(_parse(value))
        if OmegaConf.is_config(found):
            found = OmegaConf.to_container(found)
        if is_interpolation(found) or found == MISSING:
            raise ValueError(value)
        return found

    def _at(self, key: str, memo: object) -> Any:
        """The value of a dotted key; relative ones are not known."""
        node: Any = self._root
        for part in key.split("."):
            node = node[part]
            if not isinstance(node, dict):
                node = self.of(node)
        if node == MISSING:
            raise ValueError(key)
        return self.of(node)

    def _call(self, name: str, args: tuple[Any, ...], args_str: tuple[str, ...]) -> Any:
        resolver = _RESOLVERS[name]
        return (partial(resolver, _root_=self) if name == "at_scale" else resolver)(*args)
