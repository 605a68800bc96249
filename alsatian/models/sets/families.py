"""Families of a hub, real or generated: a base model and its fine-tunes as ``save_pretrained`` folders.

Where there is no network, models of the base's architecture are generated with the overlap that the paper found
(Section 6.3): most fine-tunes keep the base's first blocks, the others share nothing. They are read through the
same path as downloaded ones.
"""

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from alsatian.blocks.segment import module_tensors
from alsatian.data.preprocessing import ImagePreprocessing
from alsatian.errors import ConfigError, nearest
from alsatian.files import make_folder, write_json
from alsatian.fingerprint import digest_json
from alsatian.models.model_set import ModelSet
from alsatian.models.reading.architectures import code_version, transformers_model
from alsatian.models.reading.features.extractor import feature_extractor
from alsatian.models.reading.features.pooling import HEAD_INPUT
from alsatian.models.reading.inputs.images import READING_VERSION
from alsatian.models.reading.inputs.settings import STATED, Reading
from alsatian.models.reading.parameters.loading import Loaded, quiet
from alsatian.models.reading.saved_models import open_folder
from alsatian.models.sets.distributions import changed_blocks, check_distribution
from alsatian.models.sets.hub import HubSet
from alsatian.models.sets.synthetic import drawn_anew, redraw
from alsatian.progress import Progress, unheard
from alsatian.store.store import BlockStore

SOURCES = ("generated", "hub")


@dataclass(frozen=True, kw_only=True)
class FamilySet:
    """A base and its fine-tunes.

    Attributes:
        name: for people; part of the models' ids.
        base: the base's id on the hub.
        source: ``"hub"`` or ``"generated"``.
        count: number of models, the base among them.
        sharing: share of them, 0 to 1, that have blocks in common with another, if they are generated.
        distribution: of the blocks that those change; see :mod:`alsatian.models.sets.distributions`.
        model: class of transformers, for generated ones.
        options: its configuration.
        size: height and width of the input in pixels.
        seed: of everything random.
        lock, offline: see :class:`alsatian.models.sets.hub.HubSet`.
    """

    name: str
    base: str
    source: str = "generated"
    count: int
    sharing: float
    distribution: str = "top_25"
    model: str
    options: Mapping[str, Any] = field(default_factory=dict)
    size: int = 224
    seed: int = 0
    lock: str | None = None
    offline: bool = False

    def __post_init__(self) -> None:
        if self.source not in SOURCES:
            raise ConfigError(f"model_set.source={self.source}: {nearest(self.source, SOURCES)}")
        if self.count < 2 or not 0 <= self.sharing <= 1 or self.seed < 0:
            raise ConfigError(
                f"model_set: count={self.count} must be at least 2, sharing={self.sharing} between 0 and 1 and "
                f"seed={self.seed} at least 0"
            )
        check_distribution(self.distribution)

    def open(self, store: BlockStore, device: str = "cpu", progress: Progress = unheard) -> ModelSet:
        """The model set from ``store``, for searches on ``device``; what is not there is fetched or made first.

        Raises:
            ConfigError: no model can be had.
        """
        if self.source == "hub":
            hub = HubSet(name=self.name, base=self.base, limit=self.count - 1, lock=self.lock, offline=self.offline)
            return hub.open(store, device, progress)
        key = f"{self.name}-{digest_json([asdict(self), code_version(), READING_VERSION])[:6]}"
        folder = store.root / "generated" / key
        names = [f"{key}-base", *(f"{key}-{i:03d}" for i in range(1, self.count))]
        if not all((folder / name).is_dir() for name in names):
            self._write(folder, names, store.architectures, progress)
        return HubSet(name=self.name, base=self.base, folder=str(folder)).open(store, device, progress)

    def _write(self, folder: Path, names: Sequence[str], architectures: Path, progress: Progress) -> None:
        """Write the models that are missing. Every draw is made, so that the others are as if made at once."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            full = transformers_model(self.model, self.options).eval()
        progress(f"making {folder.name}", 0, len(names))
        base = folder / names[0]
        self._save(full, base)
        loaded = open_folder(base, architectures, Reading(length=2))
        built, tensors = loaded.built, _by_names_of(loaded, full, ImagePreprocessing(self.size))
        start = {name: tensor.detach().clone() for name, tensor in tensors.items()}
        drawn = [i for i, segment in enumerate(built.segments) if any(drawn_anew(segment))]
        rng = np.random.default_rng(self.seed)
        kept = max(0, round(self.sharing * self.count) - 1)  # the base is the other one that shares
        sharing = set(rng.permutation(np.arange(1, self.count))[:kept].tolist())
        for i, name in enumerate(names[1:], start=1):
            progress(f"making {name}", i, len(names))
            # One that shares keeps the first block at least.
            some = min(changed_blocks(self.distribution, len(drawn), rng), len(drawn) - 1)
            new = some if i in sharing else len(drawn)
            if (folder / name).is_dir():
                continue
            with torch.no_grad():
                for tensor_name, tensor in tensors.items():
                    tensor.copy_(start[tensor_name])
                for position in drawn[len(drawn) - new :]:
                    segment = built.segments[position]
                    # Constants of the graph are no part of the module.
                    origin = [start.get(name, torch.empty(0)) for name in segment.parameter_names]
                    new_values = redraw(segment, origin, (self.seed, i))
                    for tensor_name, values in zip(segment.parameter_names, new_values, strict=True):
                        if tensor_name in tensors:
                            tensors[tensor_name].copy_(values)
            self._save(full, folder / name)
        progress(f"making {folder.name}", len(names), len(names))

    def _save(self, model: torch.nn.Module, folder: Path) -> None:
        """Write a folder that is whole or not there."""
        temporary = folder.with_name(f".{folder.name}.{os.getpid()}")
        shutil.rmtree(temporary, ignore_errors=True)
        make_folder(temporary)
        with quiet():
            model.save_pretrained(temporary)  # type: ignore[operator]
        write_json(temporary / STATED, {"size": self.size})
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(temporary, folder)


def _by_names_of(loaded: Loaded, full: Any, preprocessing: ImagePreprocessing) -> dict[str, torch.Tensor]:
    """The tensors of ``full`` by the names that they have in ``loaded``, which was read from its files."""
    if loaded.spec.pooling != HEAD_INPUT:
        return dict(module_tensors(feature_extractor(full, preprocessing.example())))
    # A base model is read as the body of its classifier.
    prefix = "body." if loaded.spec.name == type(full).__name__ else f"body.{full.base_model_prefix}."
    return {prefix + name: tensor for name, tensor in module_tensors(full).items()}
