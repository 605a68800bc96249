"""Settings that are of the wrong kind or mean nothing, refused by name before anything is made."""

import math
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from alsatian.errors import ConfigError, nearest
from alsatian.records.ranking import LAST, LAYERS

# The file that a run of each kind leaves.
FILES = {"search": "run.json", "layers": "blocks.json", "overlap": "overlap.json"}
# The experiment's name is a folder below results_dir.
_NAME = re.compile(r"\w[\w.+ -]*")


def check_kind(key: str, value: Any, usual: Any) -> None:
    """Refuse a ``value`` of another kind than the ``usual`` one of ``key``.

    Any scalar may stand for a text (a size is ``64MiB`` or a number). Where null is usual, anything may
    stand; whether null may stand for a number or a text is left to whoever reads the setting.

    Raises:
        ConfigError: names the key, the value and what is expected.
    """
    kind, fits = _kind(usual)
    if not fits(value):
        example = "" if isinstance(usual, Mapping) else f", e.g. {key}={str(usual).lower()}"
        raise ConfigError(f"{key}={value}: {kind} is expected{example}")


def _kind(usual: Any) -> tuple[str, Any]:
    """What a value has to be that takes the place of ``usual``, in words and as a test."""
    match usual:
        case None:
            return "anything", lambda value: True
        case bool():
            return "true or false", lambda value: isinstance(value, bool)
        case int():
            return "a whole number", lambda value: value is None or _number(value, int)
        case float():
            return "a finite number", lambda value: value is None or _number(value, int | float)
        case Mapping():
            return "a group of settings, each with a key of its own,", lambda value: isinstance(value, Mapping)
        case list():
            return "a list", lambda value: isinstance(value, list)
        case _:
            return "a text", lambda value: not isinstance(value, Mapping | list)


def _number(value: Any, kind: Any) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool) and math.isfinite(value)


def check_run(config: Mapping[str, Any]) -> None:
    """Refuse general settings with which a run cannot be carried out.

    Raises:
        ConfigError: names the setting, its value and what is expected.
    """
    for key in ("repeats", "batch_size"):
        if not _number(config[key], int) or config[key] < 1:
            raise ConfigError(f"{key}={config[key]}: must be a whole number of at least 1")
    if not _number(config["seed"], int) or config["seed"] < 0:
        raise ConfigError(f"seed={config['seed']}: must be a whole number of at least 0")
    threads = config["device"]["threads"]
    if threads is not None and (not _number(threads, int) or threads < 1):
        raise ConfigError(f"device.threads={threads}: must be a whole number of at least 1, or null")
    for key in ("results_dir", "store_dir"):
        if not isinstance(config[key], str) or not config[key]:
            raise ConfigError(f"{key}={config[key]}: must name a folder")
    if not isinstance(config["name"], str) or not _NAME.fullmatch(config["name"]):
        raise ConfigError(f"name={config['name']}: must be the name of a folder, e.g. name=my_experiment")
    if config["measure"] not in FILES:
        raise ConfigError(f"measure={config['measure']}: {nearest(str(config['measure']), FILES)}")
    last = config["last_layers"]
    if last is not None and (not _number(last, int) or last < 1):
        raise ConfigError(f"last_layers={last}: must be a whole number of at least 1, or null for whole models")
    chosen = config["layers"]
    if chosen not in LAYERS:
        raise ConfigError(f"layers={chosen}: {nearest(str(chosen), LAYERS)}")
    if chosen != LAST and (last is not None or config["measure"] != "search"):
        other = f"measure={config['measure']}" if last is None else f"last_layers={last}"
        raise ConfigError(f"layers={chosen}: only for searches of whole models, so not with {other}")
    limit = config["timeout_s"]
    if limit is not None and (not _number(limit, int | float) or not limit > 0):
        raise ConfigError(f"timeout_s={limit}: must be a positive number of seconds, or null for no limit")
    _check_writable(Path(config["results_dir"]))


def _check_writable(folder: Path) -> None:
    """Refuse a folder for results that cannot be made or written, before models are trained for minutes."""
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        reason = "is not writable" if there.is_dir() else "is not a folder"
        raise ConfigError(f"results_dir={folder}: {there} {reason}; choose another results_dir")
