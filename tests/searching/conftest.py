"""The family of tiny models, and the truth about it."""

from collections.abc import Callable

import pytest
import torch

from alsatian.models.model_set import ModelSet
from alsatian.store.store import BlockStore
from tests.searching.tiny_search import MODELS, Known, Modules, eager, few
from tests.stores import tiny_set


@pytest.fixture(scope="module")
def modules(tiny: Callable[[str], torch.nn.Module]) -> Modules:
    return {model: tiny(letters) for model, letters in MODELS.items()}


@pytest.fixture(scope="module")
def family(tmp_path_factory: pytest.TempPathFactory) -> ModelSet:
    return tiny_set(BlockStore(tmp_path_factory.mktemp("store")), MODELS)


@pytest.fixture(scope="module")
def truth(modules: Modules) -> Known:
    return eager(modules, few())
