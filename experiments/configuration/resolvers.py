"""Resolvers: what a configuration file may write where another setting decides, such as ``${at_scale:{…}}``."""

from typing import Any

from omegaconf import DictConfig, OmegaConf

from alsatian.errors import ConfigError


def _at_scale(values: dict[str, Any], *, _root_: DictConfig) -> Any:
    """``${at_scale:{laptop:16,ci:4}}``: the value for the scale; the paper's is the laptop's unless given."""
    scale = "laptop" if _root_.scale == "paper" and "paper" not in values else _root_.scale
    return _pick(scale, values)


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


def _name_of(target: str) -> str:
    """``${name_of:${order._target_}}``: the choice that a class stands for, which its file is called after."""
    return target.split(".")[-2]


def register() -> None:
    """Make them known to OmegaConf, which keeps them for the whole process."""
    for name, resolver in (("at_scale", _at_scale), ("pick", _pick), ("name_of", _name_of)):
        OmegaConf.register_new_resolver(name, resolver, replace=True)
