"""The settings in a record's configuration: which of them make a run another run, and how two runs differ."""

import json
import re
from collections.abc import Mapping
from typing import Any

from alsatian.records.run import SCHEMA, Run

# Settings, by dotted key, that say where a run happens, who watches and when to give up. All others change
# what is measured or what its record holds: also fresh_process (allocators and caches start cold), the
# meter's settings (measuring costs time), verify and checkpoint (work of their own) and repeats. A folder repeats
# what on_bad_model says. What storage.verify_blocks says changes no result; times are compared only where it is the
# same.
NOT_IDENTITY = (
    "results_dir", "store_dir", "cache.ssd_dir", "force", "fail_fast", "timeout_s", "repeat_disturbed",
    "interleaved", "tracker", "launcher", "title", "sweep", "targets", "figure", "scaled", "network.desktop",
    "items.desktop", "dataset.images.root", "model_set.pool.root", "model_set.on_bad_model",
    "storage.verify_blocks", "storage.mirrors", "machine.address",
)  # fmt: skip
# Of the storage: as if they were not there where they are null, as in records of earlier versions.
_ONLY_IF_SET = ("deltas", "mirror_size")
PROFILE, DELTAS = "hardware.file", "storage.deltas"
"""Settings of which the content counts: of a file, and what the store holds of the models."""
_SHOWN = 5


def decisive(config: Mapping[str, Any], without: tuple[str, ...] = NOT_IDENTITY) -> dict[str, Any]:
    """``config`` without the settings, given by dotted key, that do not change what is measured, and without the
    machine where it is this process and settings of the storage that are not set, which records of earlier versions
    do not name."""
    kept = {}
    for key, value in config.items():
        if key in without or (key == "machine" and isinstance(value, Mapping) and value.get("name") == "local"):
            continue
        if key == "storage" and isinstance(value, Mapping):
            value = {name: one for name, one in value.items() if one is not None or name not in _ONLY_IF_SET}
        inner = tuple(name.removeprefix(f"{key}.") for name in without if name.startswith(f"{key}."))
        kept[key] = decisive(value, inner) if inner and isinstance(value, Mapping) else value
    return kept


def named(value: Any) -> Any:
    """``value``, plain data, with every component known by its name (``Lru``), wherever its file lies."""
    if isinstance(value, Mapping):
        return {key: _name(item) if key == "_target_" else named(item) for key, item in value.items()}
    return [named(item) for item in value] if isinstance(value, list | tuple) else value


def measured(config: Mapping[str, Any]) -> dict[str, Any]:
    """What ``config`` says about what is measured: equal for two runs that would measure the same."""
    return dict(named(decisive(config)))


def flat(config: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Dotted keys of a configuration and their values as a command line would say them.

    A component stands under its own key: ``order._target_: alsatian.planning.orders.dfs.Dfs`` is ``order=dfs``.
    """
    found: dict[str, str] = {}
    for key, value in config.items():
        if isinstance(value, Mapping) and value:
            found |= flat(value, f"{prefix}{key}.")
        elif key == "_target_" and prefix:
            found[prefix[:-1]] = choice(str(value))
        else:
            found[f"{prefix}{key}"] = value if isinstance(value, str) else compact(value)
    return found


def choice(target: str) -> str:
    """The word of the menu that stands for a class: its file's name, or its own if the file is called otherwise."""
    file, _, name = target.rpartition(".")
    own, file = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower(), file.rpartition(".")[2]
    return file if file.replace("_", "") in (own.replace("_", ""), "none") else own


def compact(value: Any) -> str:
    """``value`` as JSON on one line, with sorted keys."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def difference(before: Run, now: Run) -> str:
    """What makes ``now`` another run than ``before``: ``"batch_size 64 -> 32, code of strategy"``."""
    old, new = flat(decisive(before.config)), flat(decisive(now.config))
    changed = [
        f"{key} {old.get(key, 'none')} -> {new.get(key, 'none')}"
        for key in dict.fromkeys([*new, *old])
        if old.get(key, "null") != new.get(key, "null")
    ]
    keys = dict.fromkeys([*now.sources, *before.sources])
    changed += [
        f"{'content' if key in (PROFILE, DELTAS) else 'code'} of {key}"
        for key in keys
        if before.sources.get(key) != now.sources.get(key)
    ]
    changed += ["models"] * (before.model_set.digest != now.model_set.digest)
    changed += ["data"] * (before.dataset.digest != now.dataset.digest)
    if before.version != now.version:
        changed.insert(0, f"schema of records {before.version} -> {SCHEMA}")
    more = [f"{len(changed) - _SHOWN} more"] if len(changed) > _SHOWN else []
    return ", ".join([*changed[:_SHOWN], *more])


def _name(target: Any) -> str:
    return str(target).rpartition(".")[2]
