"""From a configuration to a run's parts. Data and model sets that several runs need are made once."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import hydra
import torch
from omegaconf import DictConfig, OmegaConf

from alsatian.blocks.fingerprint import digest_json
from alsatian.blocks.store import BlockStore
from alsatian.data.dataset import Dataset
from alsatian.errors import ConfigError
from alsatian.models.model_set import ModelSet
from alsatian.proxies.base import Proxy
from alsatian.runtime.storage import Storage
from alsatian.searching.api import resolve_device
from alsatian.searching.strategy import Strategy
from alsatian.units import parse_bytes
from experiments.trackers.base import Tracker

Steps = Callable[[str, int, int], None]
"""Called with what is being prepared, how many steps are done, and how many there are."""


@dataclass(frozen=True)
class Setup:
    """A run's parts, built from its configuration before anything is measured."""

    config: dict[str, Any]
    strategy: Strategy
    proxy: Proxy
    storage: Storage
    dataset: Dataset
    tracker: Tracker


class Parts:
    """Makes the parts of runs."""

    def __init__(self) -> None:
        self._datasets: dict[str, Dataset] = {}
        self._model_sets: dict[str, ModelSet] = {}

    def setup(self, config: DictConfig) -> Setup:
        """The parts of the run with the resolved configuration ``config``.

        Raises:
            ConfigError: a setting is not valid.
        """
        plain = OmegaConf.to_container(config, resolve=True)
        assert isinstance(plain, dict)
        values = {str(key): value for key, value in plain.items()}
        _check(values)
        key = digest_json(values["dataset"])
        if key not in self._datasets:
            self._datasets[key] = _build(config.dataset)
        return Setup(
            config=values,
            strategy=_strategy(config),
            proxy=_build(config.proxy),
            storage=_build(config.storage),
            dataset=self._datasets[key],
            tracker=_build(config.tracker),
        )

    def model_set(self, config: dict[str, Any], steps: Steps) -> ModelSet:
        """The model set of the run with configuration ``config``, made on first use.

        Raises:
            AlsatianError: it cannot be had.
        """
        device = config["device"]["name"]
        key = digest_json([config["model_set"], config["store_dir"], device])
        if key not in self._model_sets:
            generator = _build(OmegaConf.create(config["model_set"]))
            # Every read is verified, so that no strategy pays for what another has checked before.
            store = BlockStore(config["store_dir"], verify="always")
            self._model_sets[key] = generator.open(store, device, steps)
        return self._model_sets[key]


@cache
def _own_choice() -> int:
    """PyTorch's own number of threads, asked for before the first run sets it."""
    return torch.get_num_threads()


def use_threads(config: dict[str, Any]) -> None:
    """Have PyTorch use as many threads as ``config`` says, or as it chose itself."""
    own = _own_choice()
    torch.set_num_threads(config["device"]["threads"] or own)


def _check(config: dict[str, Any]) -> None:
    """Settings that no part checks when it is built."""
    for name in ("repeats", "batch_size"):
        if type(config[name]) is not int or config[name] < 1:
            raise ConfigError(f"{name}={config[name]}: must be a whole number of at least 1")
    for name in ("force", "fail_fast", "fresh_process"):
        if not isinstance(config[name], bool):
            raise ConfigError(f"{name}={config[name]}: must be true or false")
    limit = config["timeout_s"]
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int | float) or not limit > 0):
        raise ConfigError(f"timeout_s={limit}: must be a positive number of seconds, or null for no limit")
    parse_bytes(config["cache"]["budget"], "cache.budget")
    parse_bytes(config["cache"]["block_budget"], "cache.block_budget")
    resolve_device(config["device"]["name"])


def _strategy(config: DictConfig) -> Strategy:
    strategy: Strategy = _build(
        config.strategy,
        schedule=_build(config.schedule),
        sharing=config.sharing,
        order=_build(config.order),
        cache=_build(config.cache.policy),
    )
    return strategy


def _build(config: DictConfig, **parts: Any) -> Any:
    """Instantiate a component; errors in its settings become one line."""
    try:
        # Parts are handed over in a call of their own: Hydra would turn dataclasses back into configuration.
        return hydra.utils.instantiate(config, _partial_=True, _convert_="all")(**parts)
    except (hydra.errors.InstantiationException, TypeError, ValueError) as error:
        reason = str(error.__cause__ or error).strip().splitlines()[0]
        raise ConfigError(f"{config.get('_target_')}: {reason}") from None
