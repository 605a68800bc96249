"""The words of a command line before anything is composed: read, and refused where they name what there is not."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException

from alsatian.errors import ConfigError, first_line, nearest
from experiments.configuration import menu
from experiments.configuration.plugins import KEY


def parse(words: Sequence[str]) -> list[Override]:
    """Hydra's overrides.

    Raises:
        ConfigError: a word cannot be read.
    """
    parser = OverridesParser.create()
    found = []
    for word in words:
        try:
            found += parser.parse_overrides([word])
        except HydraException as error:
            meant = [f"'{group}={word}'" for group in menu.groups_with(word)]
            hint = f"did you mean {' or '.join(meant)}?" if meant else "write key=value"
            raise ConfigError(f"cannot read '{word}': {first_line(error)}; {hint}") from None
    return found


def check_names(
    overrides: Sequence[Override], keys_of: Callable[[tuple[str, ...]], Mapping[str, Any]]
) -> dict[str, Any]:
    """Refuse unknown groups' choices and unknown keys, with the nearest valid name, and what is set twice.

    ``keys_of`` gives the dotted keys, with values, of the composition that choices of
    groups make.

    Returns what the keys would be if they were not set.

    Raises:
        ConfigError: names the word.
    """
    groups = set(menu.groups())
    names = [override.key_or_group for override in overrides]
    # Choices first: what keys there are depends on them.
    for override, key in zip(overrides, names, strict=True):
        if override.is_delete():
            raise ConfigError(f"{override.input_line}: nothing can be left out; write key=value")
        if key in groups:
            _check_choice(override, list(menu.choices(key)))
        elif key.startswith("hydra."):
            raise ConfigError(
                f"{override.input_line}: settings of Hydra itself have no effect here; {KEY}=FOLDER has choices of "
                "your own join the menu"
            )
    if twice := next((key for key in names if names.count(key) > 1), None):
        raise ConfigError(f"{twice}: is set twice in one line; write it once")
    usual: dict[str, Any] = {}
    for override, key in zip(overrides, names, strict=True):
        if key in groups:
            continue
        # Keys may come with a choice made in the same words, so they are looked up in that composition.
        keys = keys_of(_picked(overrides, groups))
        if key in keys and override.is_add():
            raise ConfigError(f"+{key}: there is such a key already; write {key}=…")
        if key in keys:
            usual[key] = keys[key]
        elif not ((override.is_add() or override.is_force_add()) and _is_open(key, keys)):
            raise ConfigError(f"{key}: there is no such key; {nearest(key, {*keys, *groups, KEY})}")
    return usual


def _check_choice(override: Override, valid: Sequence[str]) -> None:
    key = override.key_or_group
    if override.is_add() or override.is_force_add():
        raise ConfigError(f"{override.input_line}: every group has its choice; write {key}=…, without +")
    for name in _values(override):
        if name not in valid:
            raise ConfigError(f"{key}={name}: there is no such {key}; {nearest(name, valid)}")


def _is_open(key: str, keys: Mapping[str, Any]) -> bool:
    """Whether ``key``, which is not among ``keys``, may be added: what it belongs to says itself what it takes, or
    it is among the keys that only some experiments have."""
    parts = key.split(".")
    above = next((k for n in range(len(parts) - 1, 0, -1) if (k := ".".join(parts[:n])) in keys), None)
    if above is not None and isinstance(keys[above], dict) and (not keys[above] or "_target_" in keys[above]):
        return True
    return parts[0] not in menu.read(menu.CONF / f"{menu.MAIN}.yaml") and any(
        parts[0] in menu.read(file) for file in menu.choices("experiment").values()
    )


def _values(override: Override) -> list[str]:
    if override.is_sweep_override():
        return [str(value) for value in override.sweep_string_iterator()]
    return [str(override.value())]


def _picked(overrides: Sequence[Override], groups: set[str]) -> tuple[str, ...]:
    """The group choices among ``overrides``."""
    return tuple(f"{o.key_or_group}={_values(o)[0]}" for o in overrides if o.key_or_group in groups)
