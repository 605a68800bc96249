"""A model's last layers alone, over what the layers before them computed: scoring with a cached input."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch

from alsatian.blocks.segment import State
from alsatian.data.dataset import Batch, Dataset
from alsatian.data.preprocessing import Preprocessing
from alsatian.errors import ConfigError
from alsatian.files import make_folder, write_bytes
from alsatian.fingerprint import digest_json
from alsatian.models.layers import layers
from alsatian.models.model_set import ModelSet

BATCH = 16


@dataclass(frozen=True)
class SavedState(Preprocessing):
    """Items are files, each with the state of one item between two blocks; they only have to be read.

    Attributes:
        shapes: of the state's tensors, without the batch.
        dtypes: their types, as PyTorch calls them.
    """

    kind = "state"

    shapes: tuple[tuple[int, ...], ...]
    dtypes: tuple[str, ...]

    @classmethod
    def like(cls, state: State) -> "SavedState":
        """For items of ``state``."""
        return cls(tuple(tuple(t.shape[1:]) for t in state), tuple(str(t.dtype).rpartition(".")[2] for t in state))

    def settings(self) -> dict[str, Any]:
        return {"shapes": [list(shape) for shape in self.shapes], "dtypes": list(self.dtypes)}

    @property
    def output_bytes(self) -> int:
        """Bytes of the state, per item."""
        return sum(t[0].nbytes for t in self.example(1))

    def example(self, batch: int = 2) -> State:
        """A state of zeros."""
        kinds = [getattr(torch, name) for name in self.dtypes]
        return tuple(torch.zeros(batch, *s, dtype=kind) for s, kind in zip(self.shapes, kinds, strict=True))

    def __call__(self, items: np.ndarray) -> State:
        """Paths (N,) -> tensors (N, …)."""
        try:
            read = [safetensors.torch.load_file(path) for path in items]
            return tuple(torch.stack([one[str(i)] for one in read]) for i in range(len(self.shapes)))
        except (OSError, KeyError, RuntimeError, safetensors.SafetensorError) as error:
            raise ConfigError(f"{items[0]}: no saved input of a layer ({error}); delete its folder") from None


def last_layers(models: ModelSet, count: int) -> ModelSet:
    """The last ``count`` layers of the only model in ``models``.

    Raises:
        ConfigError: there are several models, or not as many layers.
    """
    candidate, start = _cut(models, count)
    state = _before(models, candidate.preprocessing.example(), start)
    behind = replace(
        candidate,
        id=f"{candidate.id}-last-{count}",
        blocks=candidate.blocks[start:],
        architecture=None,
        preprocessing=SavedState.like(state),
    )
    return ModelSet((behind,), models.store, models.segments)


def cached_inputs(models: ModelSet, dataset: Dataset, count: int) -> Dataset:
    """The inputs of these layers for every item of ``dataset``, in files beside the store; made if missing."""
    candidate, start = _cut(models, count)
    key = digest_json([models.digest, dataset.digest, count])[:12]
    folder = models.store.root / "inputs" / key
    make_folder(folder)

    def files(items: int, test: bool) -> np.ndarray:
        paths = np.empty(items, object)
        paths[:] = [folder / f"{'test' if test else 'train'}-{i:06d}.safetensors" for i in range(items)]
        for begin in range(0, items, BATCH):
            batch = Batch(0, begin, min(begin + BATCH, items), test)
            wanted = paths[batch.start : batch.stop]
            if not all(path.exists() for path in wanted):
                _save(_before(models, candidate.preprocessing(dataset.items(batch)), start), wanted)
        return paths

    train, test = files(len(dataset.train_items), False), files(len(dataset.test_items), True)
    return replace(dataset, name=f"{dataset.name}_inputs", train_items=train, test_items=test)


def _save(state: State, paths: np.ndarray) -> None:
    for i, path in enumerate(paths):
        tensors = {str(n): t[i].contiguous().cpu() for n, t in enumerate(state)}
        write_bytes(Path(path), safetensors.torch.save(tensors))


def _cut(models: ModelSet, count: int) -> tuple[Any, int]:
    """The model, and the first block of its last ``count`` layers."""
    if len(models.candidates) != 1:
        raise ConfigError(
            f"last_layers={count}: the set has {len(models.candidates)} models; the input of a layer belongs to "
            "one model, so write model_set.count=1"
        )
    (candidate,) = models.candidates
    chain = layers([models.segments[block.identity] for block in candidate.blocks])
    if not 0 < count < len(chain):
        raise ConfigError(f"last_layers={count}: the model has {len(chain)} layers; choose 1 to {len(chain) - 1}")
    return candidate, chain[-count].start


@torch.no_grad()
def _before(models: ModelSet, state: State, stop: int) -> State:
    """``state`` behind the first ``stop`` blocks of the only model."""
    (candidate,) = models.candidates
    for block in candidate.blocks[:stop]:
        segment = models.segments[block.identity]
        state = segment(state, segment.prepare(models.store.load_block(block.identity, candidate.id)))
    return state
