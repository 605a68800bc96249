"""The hardware that times are predicted for: this machine, one that comes with the project, or a file."""

from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from alsatian.api import resolve_device
from alsatian.costs.hardware import Hardware
from alsatian.costs.profiling.profile import profile
from alsatian.data.dataset import Dataset
from alsatian.errors import ConfigError, nearest
from alsatian.models.model_set import ModelSet
from alsatian.progress import Progress, unheard
from alsatian.proxies.base import Proxy

MEASURED = "measured"
_FOLDER = resources.files("conf").joinpath("hardware")


def named(name: str) -> Hardware:
    """The profile called ``name`` that comes with the project.

    Raises:
        ConfigError: there is none.
    """
    path = Path(str(_FOLDER.joinpath(f"{name}.json")))
    if not path.is_file():
        valid = [file.name.removesuffix(".json") for file in _FOLDER.iterdir() if file.name.endswith(".json")]
        raise ConfigError(f"hardware.name={name}: there is no such profile; {nearest(name, [*valid, MEASURED])}")
    return Hardware.read(path)


def given(config: Mapping[str, Any]) -> Hardware | None:
    """The profile that the group ``hardware`` of ``config`` names; None for this machine's.

    Raises:
        ConfigError: there is none, or its file is none.
    """
    chosen = config["hardware"]
    if chosen["file"] is not None:
        return Hardware.read(Path(chosen["file"]))
    return None if chosen["name"] == MEASURED else named(chosen["name"])


def measured(
    config: Mapping[str, Any],
    models: ModelSet,
    dataset: Dataset,
    proxy: Proxy,
    progress: Progress = unheard,
    again: bool = False,
) -> Hardware:
    """What this machine needs for the run with ``config``; what is not known below ``store_dir``, or everything
    ``again``, is measured. PyTorch has to use the run's threads already."""
    device = resolve_device(config["device"]["name"])
    folder = models.store.root / "profiles"
    return profile(models, dataset, proxy, config["batch_size"], device, folder, progress, again)
