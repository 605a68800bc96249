"""Single blocks and models in a store, and families of tiny models; searches add many at a time."""

from collections.abc import Mapping, Sequence
from functools import cache

import pytest
import torch

from alsatian.blocks.candidate import Block, Candidate
from alsatian.blocks.segment import Architecture, Segment
from alsatian.blocks.split import split
from alsatian.data.preprocessing import ImagePreprocessing
from alsatian.models.model_set import ModelSet
from alsatian.models.storing import add_module, match_segments
from alsatian.store.store import BlockStore
from tests.conftest import tiny_model

TINY = ImagePreprocessing(8)


def add_block(store: BlockStore, architecture: str, tensors: Sequence[torch.Tensor], output_bytes: int) -> Block:
    """Store the parameters of one block, unless they are there, and return the block."""
    with store.adding() as adding:
        return adding.add_block(architecture, tensors, output_bytes)


def add_model(store: BlockStore, candidate: Candidate) -> None:
    """Write the manifest of a model whose blocks are stored."""
    with store.adding() as adding:
        adding.add_model(candidate)


def share_small_tensors(monkeypatch: pytest.MonkeyPatch, nbytes: int = 16) -> None:
    """Have tensors be shared that are so small as those of tests."""
    for module in ("writer", "store_files", "parts"):
        monkeypatch.setattr(f"alsatian.store.{module}.WORTH_BYTES", nbytes)
    monkeypatch.setattr("alsatian.store.writer.NAME_BYTES", nbytes)


@cache
def _tiny_architecture() -> Architecture:
    return split(tiny_model("aaaa"), TINY.example())


def tiny_set(store: BlockStore, models: Mapping[str, str]) -> ModelSet:
    """Tiny models by id, each of its letters, as :meth:`ModelSet.from_modules` adds them; but all of them have one
    structure, and it is exported once."""
    built = _tiny_architecture()
    segments: dict[str, Segment] = {}
    candidates = []
    for model_id, letters in models.items():
        candidates.append(add_module(store, model_id, tiny_model(letters), built, None, TINY))
        match_segments(candidates[-1], built, store.root, segments)
    return ModelSet(tuple(candidates), store, segments)
