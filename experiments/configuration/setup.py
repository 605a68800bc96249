"""From a configuration to a run's parts. Data and model sets that several runs need are made once."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch

from alsatian import contents
from alsatian.api import resolve_device
from alsatian.blocks.kernels import arithmetic, check_choice
from alsatian.budgets import Budgets
from alsatian.costs.hardware import Hardware
from alsatian.costs.profiling.profile import profile
from alsatian.data.dataset import Dataset
from alsatian.fingerprint import digest_json
from alsatian.machines.settings import MachineSettings
from alsatian.models.model_set import ModelSet
from alsatian.models.sets.last_layers import cached_inputs, last_layers
from alsatian.progress import Progress, unheard
from alsatian.proxies.base import Proxy
from alsatian.runtime.cache.policies.base import CachePolicy
from alsatian.runtime.loading.settings import LoaderSettings
from alsatian.runtime.meter.measurement import check_settings
from alsatian.runtime.meter.surroundings import measure_beside
from alsatian.runtime.storage.regime import Storage
from alsatian.searching.rounds import check_on_bad_model
from alsatian.searching.strategy import Strategy
from alsatian.store.remote.folders import local_folder, with_local_paths
from alsatian.store.store import BlockStore
from alsatian.store.verified import LASTING_S
from experiments.configuration import menu
from experiments.configuration.components import as_plain, build
from experiments.configuration.composition import cells
from experiments.configuration.hardware import chosen_profile
from experiments.configuration.settings import check_run
from experiments.trackers.base import Tracker


@dataclass(frozen=True)
class Setup:
    """A run's parts, built from its configuration before anything is measured.

    ``hardware`` is what the configuration names, None for the machine at hand.
    """

    config: dict[str, Any]
    strategy: Strategy
    proxy: Proxy
    storage: Storage
    loader: LoaderSettings
    budgets: Budgets
    dataset: Dataset
    tracker: Tracker
    hardware: Hardware | None
    machine: MachineSettings

    def search_settings(self) -> dict[str, Any]:
        """Arguments of :func:`alsatian.search` that every search of this run has, but for models and data."""
        config = self.config
        return {
            "strategy": self.strategy,
            "proxies": self.proxy,
            "layers": config["layers"],
            "batch_size": config["batch_size"],
            "budget": self.budgets,
            "loader": self.loader,
            "storage": self.storage,
            "hardware": self.hardware,
            "device": config["device"]["name"],
            "kernels": config["kernels"],
            "numerics": config["numerics"],
            "verify": config["verify"],
            "on_bad_model": config["on_bad_model"],
            "machine": self.machine,
        }

    def computing(self, models: ModelSet) -> ModelSet:
        """``models`` with the kernels and numbers of the run."""
        return models.computed_by(self.config["kernels"], self.config["numerics"])

    def measure_hardware(self, models: ModelSet, progress: Progress, again: bool = False) -> Hardware:
        """What this machine needs for the run; what is not known below ``store_dir``, or everything ``again``, is
        measured. PyTorch has to use the run's threads already (see :func:`use_threads`)."""
        device, folder = resolve_device(self.config["device"]["name"]), models.store.root / "profiles"
        size = self.config["batch_size"]
        models = self.computing(models).verifying(self.storage.verify_blocks)
        with arithmetic(self.config["numerics"]):
            return profile(models, self.dataset, self.proxy, size, device, folder, progress, again)


class Parts:
    """Makes the parts of runs."""

    def __init__(self) -> None:
        self._datasets: dict[str, Dataset] = {}
        self._model_sets: dict[str, ModelSet] = {}

    def setup(self, config: Mapping[str, Any]) -> Setup:
        """The parts of the run with the resolved configuration ``config``, plain or Hydra's.

        Raises:
            ConfigError: a setting is not valid.
        """
        values: dict[str, Any] = as_plain(config)
        check_run(values)
        check_settings(values["meter"]["level"], values["meter"]["timeline"])
        check_on_bad_model(values["on_bad_model"])
        launcher = values.get("launcher", {})
        budgets, hardware = Budgets.read(values["cache"]), chosen_profile(values)
        device = values["device"]["name"]
        # A machine that is named may have what this one has not.
        named = device == "cuda" and hardware is not None
        computing = torch.device(device) if named else resolve_device(device)
        check_choice(values["kernels"], values["numerics"], computing)
        contents.keep_in(folder := local_folder(values["store_dir"], values["storage"].get("mirrors")))
        for name in ("dataset", "model_set"):  # what is generated beside a store elsewhere lies beside its mirror
            values[name] = with_local_paths(values[name], values["store_dir"], folder)
        if hardware is None:
            budgets.check_device(device)
        dataset = self._dataset(values)
        if values["last_layers"]:
            key = digest_json([values[name] for name in ("dataset", "model_set", "last_layers", "device")])
            if key not in self._datasets:
                models = self._whole(values, unheard)
                self._datasets[key] = cached_inputs(models, dataset, values["last_layers"])
            dataset = self._datasets[key]
        return Setup(
            config=values,
            strategy=strategy_of(values),
            proxy=build(values["proxy"], "score"),
            storage=build(values["storage"], Storage).at_most(launcher.get("bandwidth"), "launcher.bandwidth"),
            loader=build(values["loader"]),
            budgets=budgets,
            dataset=dataset,
            tracker=build(values["tracker"]),
            hardware=hardware,
            machine=build(values["machine"], MachineSettings),
        )

    def model_set(self, config: dict[str, Any], steps: Progress) -> ModelSet:
        """The model set of the run with configuration ``config``, made on first use.

        Raises:
            AlsatianError: it cannot be had.
        """
        models = self._whole(config, steps)
        return last_layers(models, config["last_layers"]) if config["last_layers"] else models

    def _dataset(self, config: Mapping[str, Any]) -> Dataset:
        if (key := digest_json(config["dataset"])) not in self._datasets:
            self._datasets[key] = build(config["dataset"], Dataset)
        return self._datasets[key]

    def _whole(self, config: dict[str, Any], steps: Progress) -> ModelSet:
        device, chosen, storage = config["device"]["name"], dict(config["model_set"]), config["storage"]
        data = self._datasets.get(digest_json(config["dataset"]))
        if data is not None and "modality" in chosen and chosen["modality"] is None:
            chosen["modality"] = data.modality  # of models with two towers the one that takes the data
        of_store = [storage[name] for name in ("deltas", "mirrors", "mirror_size")]
        key = digest_json([chosen, config["store_dir"], of_store, device])
        if key not in self._model_sets:
            store = BlockStore.under(config["store_dir"], build(storage, Storage))
            self._model_sets[key] = generator({"model_set": chosen}).open(store, device, steps)
            _verify(self._model_sets[key], steps)
        return self._model_sets[key]


def _verify(models: ModelSet, steps: Progress) -> None:
    """Verify all blocks of ``models`` that were not, so that no search does it for those that come after. What is
    damaged is for the search to meet, which may exclude the model."""
    store = models.store
    new = {b.identity for c in models.candidates for b in c.blocks if not store.knows(b.identity)}
    chains = [own for c in models.candidates if (own := new.intersection(b.identity for b in c.blocks))]
    if chains:
        time.sleep(LASTING_S)
    for done, own in enumerate(chains):
        steps("verifying", done, len(chains))
        for identity in sorted(own & new):
            store.holds(identity)
        new -= own
    if chains:
        steps("verifying", len(chains), len(chains))


def generator(config: Mapping[str, Any]) -> Any:
    """What makes the model set of ``config``; nothing is made yet.

    Raises:
        ConfigError: a setting of it is not valid.
    """
    return build(config["model_set"], "open")


@cache
def _own_choice() -> int:
    """PyTorch's own number of threads, asked for before the first run sets it."""
    return torch.get_num_threads()


def use_threads(config: dict[str, Any]) -> None:
    """Have PyTorch use as many threads as ``config`` says, or as it chose itself; what is measured says beside how
    many other runs of a launcher that is."""
    own = _own_choice()
    torch.set_num_threads(config["device"]["threads"] or own)
    launcher = config.get("launcher", {})
    measure_beside(0 if launcher.get("exclusive") else (launcher.get("workers") or 1) - 1)


def strategy_named(name: str) -> Strategy:
    """The strategy that ``strategy=<name>`` chooses.

    Raises:
        ConfigError: there is none.
    """
    (cell,) = cells([f"strategy={name}"])
    return strategy_of(cell.plain)


def of_plugin(group: str, name: str) -> Any:
    """The strategy, schedule or proxy that ``<group>=<name>`` chooses if it is a plugin's; if not, the ``name``, by
    which the package knows its own.

    Raises:
        ConfigError: there are plugins, but there is no such choice.
    """
    file = menu.choices(group).get(name)
    if not menu.plugins() or (file is not None and menu.origin(file) is None):
        return name
    (cell,) = cells([f"{group}={name}"])
    return strategy_of(cell.plain) if group == "strategy" else build(cell.plain[group])


def strategy_of(config: Mapping[str, Any]) -> Strategy:
    """The strategy that a configuration chooses.

    Raises:
        ConfigError: it cannot be made.
    """
    strategy: Strategy = build(
        config["strategy"],
        Strategy,
        schedule=build(config["schedule"], "rounds"),
        sharing=config["sharing"],
        order=build(config["order"], "__call__"),
        cache=build(config["cache"]["policy"], CachePolicy),
    )
    return strategy
