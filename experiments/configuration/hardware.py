"""The hardware that times are predicted for: this machine, one that comes with the project, or a file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from alsatian.costs.hardware import Hardware
from alsatian.errors import ConfigError, nearest
from experiments.configuration.words import CONF

MEASURED = "measured"
_FOLDER = CONF / "hardware"


def shipped_profile(name: str) -> Hardware:
    """The profile called ``name`` that comes with the project.

    Raises:
        ConfigError: there is none.
    """
    path = _FOLDER / f"{name}.json"
    if not path.is_file():
        valid = sorted(file.stem for file in _FOLDER.glob("*.json"))
        raise ConfigError(f"hardware.name={name}: there is no such profile; {nearest(name, [*valid, MEASURED])}")
    return Hardware.read(path)


def chosen_profile(config: Mapping[str, Any]) -> Hardware | None:
    """The profile that the group ``hardware`` of ``config`` names; None for this machine's.

    Raises:
        ConfigError: there is none, or its file is none.
    """
    chosen = config["hardware"]
    if chosen["file"] is not None:
        return Hardware.read(Path(chosen["file"]))
    return None if chosen["name"] == MEASURED else shipped_profile(chosen["name"])
