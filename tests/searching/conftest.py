"""The family of tiny models, and the truth about it."""

from collections.abc import Callable

import pytest
import torch

from alsatian.blocks.store import BlockStore
from alsatian.data.digits import digits
from alsatian.models.model_set import ModelSet
from tests.searching.tiny_search import FEW, MODELS, PREPROCESSING, Known, Modules, eager


@pytest.fixture(scope="module")
def modules(tiny: Callable[[str], torch.nn.Module]) -> Modules:
    return {model: tiny(letters) for model, letters in MODELS.items()}


@pytest.fixture(scope="module")
def family(modules: Modules, tmp_path_factory: pytest.TempPathFactory) -> ModelSet:
    return ModelSet.from_modules(BlockStore(tmp_path_factory.mktemp("store")), modules, PREPROCESSING)


@pytest.fixture(scope="module")
def truth(modules: Modules) -> Known:
    return eager(modules, digits(FEW))
