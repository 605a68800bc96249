"""The parts of a search that :mod:`alsatian.api` puts together."""

import contextlib
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple, Self

import torch

from alsatian.budgets import Budgets, Size
from alsatian.costs.hardware import Hardware, SegmentCost
from alsatian.costs.model import CostModel
from alsatian.data.dataset import Dataset
from alsatian.data.preprocessing import Preprocessing
from alsatian.fingerprint import digest_json
from alsatian.machines.cluster.machine import ClusterMachine
from alsatian.machines.cluster.ray_machine import ray_machine
from alsatian.machines.real import real_machine
from alsatian.machines.settings import MachineSettings
from alsatian.models.inner.candidates import layer_candidates, of_one_size
from alsatian.models.model_set import ModelSet
from alsatian.models.sets.listed import ListedSet
from alsatian.models.source_heads import source_heads
from alsatian.progress import Progress
from alsatian.proxies.base import Head, Proxy, needs_head
from alsatian.proxies.named import check_labels, usual
from alsatian.records.ranking import LAST, MEAN, LayerChoice
from alsatian.runtime.engine import Engine
from alsatian.runtime.features import Features, Keep, unkept
from alsatian.runtime.layers import WHOLE, Layers
from alsatian.runtime.memory import free_bytes
from alsatian.runtime.meter.meter import Meter
from alsatian.runtime.reuse.feature_cache import FeatureCache, Reused
from alsatian.runtime.storage.regime import Storage
from alsatian.searching.checkpoint import Checkpoint
from alsatian.searching.search import Search
from alsatian.store.store import BlockStore
from alsatian.units import parse_bytes

STORE = "store"
"""The folder that keeps models named by words, if no other is given."""
AUTO = "auto"
# Of the memory that is free, for blocks and intermediates; the rest is for features, items and the libraries.
_SHARE = 0.5
# Of that, at most, for blocks; the rest is for intermediates.
_BLOCKS_SHARE = 0.5


@dataclass
class Opened:
    """Candidates that can be searched.

    Attributes:
        modules: those that they were given as, if they were.
        folder: of the store, if it is a temporary one, which goes with this.
    """

    models: ModelSet
    modules: Mapping[str, torch.nn.Module] = field(default_factory=dict)
    folder: "tempfile.TemporaryDirectory[str] | None" = None

    def __deepcopy__(self, memo: object) -> Self:
        return self  # of which nothing changes, and the folder has to stay for both

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "folder": None}  # which stays with the process that made it


def opened(
    given: ModelSet | Mapping[str, torch.nn.Module] | Sequence[str | Path],
    prepares: Mapping[str, Preprocessing],
    store: Path | None,
    storage: Storage,
    device: torch.device,
    on_bad_model: str,
    modality: str | None,
    progress: Progress,
) -> Opened:
    """The candidates that are ``given`` as a set, as modules by id, or by words.

    Raises:
        AlsatianError: one cannot be read or split.
    """
    if isinstance(given, ModelSet):
        return Opened(given)
    if isinstance(given, Mapping):
        folder = tempfile.TemporaryDirectory(prefix="alsatian-") if store is None else None
        blocks = BlockStore.under(folder.name if folder else store or "", storage)
        return Opened(ModelSet.from_modules(blocks, given, prepares, device, on_bad_model), given, folder)
    words = ListedSet(models=list(given), on_bad_model=on_bad_model, modality=modality)
    return Opened(words.open(BlockStore.under(store or STORE, storage), device.type, progress))


class Scope(NamedTuple):
    """What is extracted and scored of models.

    Attributes:
        models: that can be scored so; the others are refused.
        candidates: whose features are extracted: the models, or all of their layers.
        layers: which of them belong to one model.
    """

    models: ModelSet
    candidates: ModelSet
    layers: Layers

    def computed_by(self, kernels: str, numerics: str) -> "Scope":
        """The same with the kernels and numbers chosen; see :mod:`alsatian.blocks.kernels`."""
        models = self.models.computed_by(kernels, numerics)
        same = self.candidates is self.models
        candidates = models if same else self.candidates.computed_by(kernels, numerics)
        return self._replace(models=models, candidates=candidates)

    def costs_on(self, hardware: Hardware) -> Hardware:
        """``hardware``, which knows the models, with blocks that pool layers; these are taken to cost nothing."""
        own = {segment.fingerprint for segment in self.models.segments.values()}
        all_code = {segment.fingerprint for segment in self.candidates.segments.values()}
        free = dict.fromkeys(all_code - own, SegmentCost(((1, 0.0),)))
        return replace(hardware, segments={**hardware.segments, **free})


def scope_of(choice: LayerChoice, models: ModelSet, on_bad_model: str, device: torch.device) -> Scope:
    """``models`` as they are, or with all of their layers, as ``choice`` says.

    Raises:
        BadModelError: layers differ in size, so that they have no mean, and such models are not to be excluded.
        StoreError: the blocks that pool cannot be written.
    """
    if choice == LAST:
        return Scope(models, models, WHOLE)
    candidates, ids = layer_candidates(models, device)
    if choice == MEAN:
        models = of_one_size(models, candidates, ids, on_bad_model)
        ids = {candidate.id: ids[candidate.id] for candidate in models.candidates}
        wanted = {layer for own in ids.values() for layer in own}
        candidates = replace(candidates, candidates=tuple(c for c in candidates.candidates if c.id in wanted))
    return Scope(models, candidates, Layers(choice, ids))


class Earlier(NamedTuple):
    """The items of a search, in the order in which most features of earlier searches can be reused.

    Attributes:
        dataset: the items.
        features: that are reused, on the CPU.
        keep: is told of features that are new.
        reused: how much that is; None where nobody asked.
    """

    dataset: Dataset
    features: Features
    keep: Keep
    reused: Reused | None


def earlier_features(
    reuse: bool,
    scope: Scope,
    dataset: Dataset,
    batch_size: int,
    device: torch.device,
    bits: Sequence[str],
    machine: MachineSettings,
) -> Earlier:
    """What earlier searches leave to a search in ``scope`` on ``machine``; nothing without ``reuse``. Either way
    its batches are settled. ``bits`` are settings that change the last bits of features."""
    dataset = dataset.in_batches(batch_size, len(scope.models.candidates))
    if not reuse:
        return Earlier(dataset, {}, unkept, None)
    candidates, what = scope.candidates, "layer" if scope.layers.of else "model"
    session = FeatureCache(candidates.store.features).session(
        candidates.candidates, dataset, batch_size, device, bits, machine.surroundings
    )
    return Earlier(session.dataset, session.features, session.keep, replace(session.reused, what=what))


def checkpoint_in(folder: Path | None, *facts: Any) -> Checkpoint | None:
    """Where a search that depends on ``facts``, plain data, keeps finished rounds; None without a folder."""
    return None if folder is None else Checkpoint(folder, digest_json(list(facts)))


def ready(proxies: Sequence[Proxy], classes: int) -> tuple[Proxy, ...]:
    """``proxies``, or the usual one, for labels that are classes or (0 of them) numbers.

    Raises:
        ConfigError: one does not take such labels.
    """
    chosen = tuple(proxies) or (usual(classes),)
    for proxy in chosen:
        check_labels(proxy, classes)
    return chosen


def machine_of(
    chosen: MachineSettings,
    search: Search,
    costs: CostModel | None,
    models: ModelSet,
    dataset: Dataset,
    proxies: Sequence[Proxy],
    meter: Meter,
    bits: Sequence[str],
    keep: Keep,
    **settings: Any,
) -> contextlib.AbstractContextManager[Engine | ClusterMachine]:
    """The ``chosen`` machine for ``search``; further arguments are those of
    :func:`~alsatian.machines.real.real_machine`, and ``bits`` are kernels and numerics."""
    settings |= {"keep": keep, **search.for_machine()}
    if not chosen.on_workers:
        return real_machine(models, dataset, proxies, meter, **settings)
    settings |= {"strategy": search.strategy, "limits": search.limits, "kernels": bits[0], "numerics": bits[1]}
    return ray_machine(models, dataset, proxies, meter, chosen, costs=costs, **settings)


def heads_for(proxies: Sequence[Proxy], models: ModelSet) -> dict[str, Head]:
    """The candidates' own classifiers, if one of ``proxies`` needs them.

    Raises:
        ConfigError: a candidate has none that is known.
    """
    needed = any(map(needs_head, proxies))
    return source_heads(models.store, models.candidates) if needed else {}


def divided(memory: Size, models: ModelSet, device: torch.device) -> Budgets:
    """``memory``, a size or ``"auto"``, divided between blocks and intermediates.

    Raises:
        ConfigError: it is no size.
    """
    whole = int(_SHARE * free_bytes(device)) if memory == AUTO else parse_bytes(memory, "memory") or 0
    blocks = max(1, min(models.distinct_bytes, int(_BLOCKS_SHARE * whole)))
    return Budgets(budget=max(1, whole - blocks), block_budget=blocks)
