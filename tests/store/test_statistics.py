"""How large a store is as files, blocks and tensors, in all and by family."""

from collections.abc import Sequence

import pytest
import torch

from alsatian.blocks.candidate import ArchitectureSpec, Candidate
from alsatian.data.preprocessing import ImagePreprocessing
from alsatian.errors import StoreError
from alsatian.store.statistics import Family, stats
from alsatian.store.store import BlockStore
from tests.stores import share_small_tensors

SMALL = 2  # values of a tensor that is too small to be shared
LARGE = 8


@pytest.fixture
def store(tmp_path, monkeypatch: pytest.MonkeyPatch) -> BlockStore:
    share_small_tensors(monkeypatch)
    return BlockStore(tmp_path / "store")


def tensor(value: float, count: int = LARGE) -> torch.Tensor:
    return torch.full((count,), float(value))


def add(store: BlockStore, model_id: str, *blocks: Sequence[torch.Tensor], name: str = "resnet18") -> None:
    with store.adding() as adding:
        chain = tuple(adding.add_block(f"code {i}", tensors, 4) for i, tensors in enumerate(blocks))
        spec = ArchitectureSpec("torchvision", name)
        adding.add_model(Candidate(model_id, chain, spec, ImagePreprocessing(8)))


def test_blocks_and_tensors_are_counted_once(store: BlockStore) -> None:
    """A base, a fine-tune of one tensor of one block, and one that shares a block with that alone."""
    add(store, "b/base", [tensor(1), tensor(2)], [tensor(3)])
    add(store, "a/bias", [tensor(1), tensor(4)], [tensor(3)])
    add(store, "c/more", [tensor(9), tensor(4)], [tensor(8)])
    found = stats(store)
    size = LARGE * 4
    assert (found.total_bytes, found.distinct_bytes) == (9 * size, 8 * size)
    assert (found.tensors, found.tensor_bytes) == (6, 6 * size)
    assert found.families == (Family("resnet18", "a/bias", 3, 9 * size, 8 * size, 6 * size, 6 * size),)
    files = sum(path.stat().st_size for path in store.root.glob("blocks/*/*.safetensors"))
    assert found.file_bytes == files > found.tensor_bytes


def test_a_family_has_one_architecture_and_shares_what_is_stored_once(store: BlockStore) -> None:
    """Neither a block without parameters nor small tensors that are equal make a family."""
    small = tensor(0, SMALL)
    add(store, "a", [tensor(1), small], [])
    add(store, "b", [tensor(2), small], [])
    add(store, "c", [tensor(2), tensor(5)], [])
    add(store, "d", [tensor(1)], name="vit_b_16")
    size, little = LARGE * 4, SMALL * 4
    assert stats(store).families == (
        Family("resnet18", "b", 2, 3 * size + little, 3 * size + little, 2 * size + little, 2 * size + little),
        Family("resnet18", "a", 1, size + little, size + little, size + little, size + little),
        Family("vit_b_16", "d", 1, size, size, size, size),
    )


def test_small_tensors_that_are_equal_count_once_though_stored_with_each_block(store: BlockStore) -> None:
    add(store, "a", [tensor(1), tensor(0, SMALL)])
    add(store, "b", [tensor(2), tensor(0, SMALL)])
    assert stats(store).tensor_bytes == 2 * 4 * LARGE + 4 * SMALL


@pytest.mark.parametrize("damage", ["missing", "damaged"])
def test_what_cannot_be_counted_is_an_error(store: BlockStore, damage: str) -> None:
    add(store, "a", [tensor(1)])
    (path,) = store.root.glob("blocks/*/*.safetensors")
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(b"")
    with pytest.raises(StoreError, match=path.stem):
        stats(store)


def test_an_empty_store_has_no_families(store: BlockStore) -> None:
    (store.root / "models").mkdir(parents=True)
    found = stats(store)
    assert (found.models, found.families, found.sharing_factor) == (0, (), 1.0)
