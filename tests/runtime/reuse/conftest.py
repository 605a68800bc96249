"""A family of tiny models in a store."""

import pytest

from alsatian.models.model_set import ModelSet
from alsatian.store.store import BlockStore
from tests.searching.tiny_search import MODELS
from tests.stores import tiny_set


@pytest.fixture(scope="session")
def family(tmp_path_factory: pytest.TempPathFactory) -> ModelSet:
    return tiny_set(BlockStore(tmp_path_factory.mktemp("store")), MODELS)
