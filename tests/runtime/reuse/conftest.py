"""A family of tiny models in a store."""

from collections.abc import Callable

import pytest
import torch

from alsatian.blocks.store import BlockStore
from alsatian.models.model_set import ModelSet
from tests.searching.tiny_search import MODELS, PREPROCESSING


@pytest.fixture(scope="session")
def family(tiny: Callable[[str], torch.nn.Module], tmp_path_factory: pytest.TempPathFactory) -> ModelSet:
    modules = {model: tiny(letters) for model, letters in MODELS.items()}
    return ModelSet.from_modules(BlockStore(tmp_path_factory.mktemp("store")), modules, PREPROCESSING)
