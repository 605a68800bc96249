"""The hardware that times are predicted for: this machine, one that comes with the project, or a file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from alsatian.costs.hardware import Hardware
from alsatian.errors import ConfigError, nearest
from experiments.configuration.menu import choices

MEASURED = "measured"


def shipped_profile(name: str) -> Hardware:
    """The profile called ``name`` that comes with the project or a plugin.

    Raises:
        ConfigError: there is none.
    """
    files = {path.stem: path.with_suffix(".json") for path in choices("hardware").values()}
    valid = [stem for stem, path in files.items() if path.is_file()]
    if name not in valid:
        raise ConfigError(f"hardware.name={name}: there is no such profile; {nearest(name, [*valid, MEASURED])}")
    return Hardware.read(files[name])


def chosen_profile(config: Mapping[str, Any]) -> Hardware | None:
    """The profile that the group ``hardware`` of ``config`` names; None for this machine's.

    Raises:
        ConfigError: there is none, or its file is none.
    """
    chosen = config["hardware"]
    if chosen["file"] is not None:
        return Hardware.read(Path(chosen["file"]))
    return None if chosen["name"] == MEASURED else shipped_profile(chosen["name"])
