"""Every tensor is stored once, and blocks that share some come back as they were, whatever befalls their files."""

import random
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from alsatian.blocks.candidate import Block, Candidate
from alsatian.data.preprocessing import ImagePreprocessing
from alsatian.errors import StoreError
from alsatian.fingerprint import block_identity, parameter_fingerprint
from alsatian.progress import unheard
from alsatian.runtime.storage.regime import ALWAYS
from alsatian.store.files.tensor_index import FILE
from alsatian.store.maintenance import gc, verify
from alsatian.store.statistics import stats
from alsatian.store.store import BlockStore
from alsatian.store.upgrade import Upgraded, upgrade
from tests.stores import add_block, add_model, share_small_tensors

WEIGHT, BIAS, OTHER = torch.arange(100.0), torch.arange(30.0), torch.arange(50.0) + 0.5


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    share_small_tensors(monkeypatch)


@pytest.fixture
def store(tmp_path: Path) -> BlockStore:
    return BlockStore(tmp_path / "store")


def held(store: BlockStore) -> int:
    """Bytes of tensors in all block files."""
    return sum(
        one.nbytes for path in store.root.glob("blocks/*/*") for one in store.header(path.stem).held.values()
    )


def check(store: BlockStore, block: Block, tensors: Sequence[torch.Tensor]) -> None:
    """The block comes back, to somebody who knows nothing of the store and verifies all."""
    found = BlockStore(store.root, ALWAYS, kept=False).load_block(block.identity, "m")
    assert len(found) == len(tensors)
    for one, other in zip(found, tensors, strict=True):
        assert one.dtype == other.dtype
        assert torch.equal(one, other)
        assert one.untyped_storage().nbytes() == one.nbytes


def model(store: BlockStore, name: str, *blocks: Block) -> None:
    add_model(store, Candidate(name, blocks, None, ImagePreprocessing(8)))


def test_a_tensor_that_blocks_have_in_common_is_stored_once(store: BlockStore) -> None:
    base = add_block(store, "code", [WEIGHT, BIAS], 4)
    tuned = add_block(store, "code", [WEIGHT, BIAS + 1], 4)
    elsewhere = add_block(store, "other code", [BIAS + 1, OTHER, WEIGHT], 4)
    check(store, base, [WEIGHT, BIAS])
    check(store, tuned, [WEIGHT, BIAS + 1])
    check(store, elsewhere, [BIAS + 1, OTHER, WEIGHT])
    assert held(store) == sum(t.nbytes for t in (WEIGHT, BIAS, BIAS, OTHER))
    assert tuned.parameter_bytes == WEIGHT.nbytes + BIAS.nbytes


def test_so_it_is_within_a_block_and_among_blocks_that_are_added_together(store: BlockStore) -> None:
    with store.adding() as adding:
        twice = adding.add_block("code", [WEIGHT, WEIGHT.clone(), BIAS], 4)
        tuned = adding.add_block("code", [BIAS, WEIGHT, OTHER], 4)
    check(store, twice, [WEIGHT, WEIGHT, BIAS])
    check(store, tuned, [BIAS, WEIGHT, OTHER])
    assert held(store) == WEIGHT.nbytes + BIAS.nbytes + OTHER.nbytes


def test_type_and_shape_tell_tensors_apart(store: BlockStore) -> None:
    zeros = [torch.zeros(64), torch.zeros(8, 8), torch.zeros(64, dtype=torch.int32)]
    blocks = [add_block(store, "code", [one], 4) for one in zeros]
    for block, tensor in zip(blocks, zeros, strict=True):
        check(store, block, [tensor])
    assert held(store) == 3 * 256


def test_small_tensors_are_not_looked_for_elsewhere(store: BlockStore) -> None:
    add_block(store, "code", [WEIGHT, torch.tensor(1.0)], 4)
    other = add_block(store, "code", [BIAS, torch.tensor(1.0)], 4)
    assert not store.header(other.identity).elsewhere


def test_collecting_garbage_keeps_what_is_found_by_way_of_others(store: BlockStore) -> None:
    """A block that is written again may not hold any more what others look for in it."""
    middle = add_block(store, "code", [WEIGHT, BIAS], 4)
    model(store, "m", last := add_block(store, "code", [WEIGHT, OTHER], 4))
    store.block_path(middle.identity).unlink()
    (store.root / FILE).unlink()
    first = add_block(store, "code", [WEIGHT, BIAS + 1], 4)
    add_block(store, "code", [WEIGHT, BIAS], 4)
    assert store.header(last.identity).elsewhere == {0: (middle.identity, 0)}
    assert store.header(middle.identity).elsewhere == {0: (first.identity, 0)}
    files = {store.block_path(block.identity) for block in (last, middle, first)}
    assert store.files_of([last.identity]) == files
    assert gc(store, grace_s=0).files == ()
    check(store, last, [WEIGHT, OTHER])


def test_small_tensors_are_shared_where_a_large_one_is(store: BlockStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("alsatian.store.writer.WORTH_BYTES", WEIGHT.nbytes)
    base = add_block(store, "code", [WEIGHT, BIAS, OTHER], 4)
    with store.adding() as adding:
        tuned = adding.add_block("code", [WEIGHT, BIAS, OTHER + 1], 4)
        more = adding.add_block("code", [WEIGHT + 1, BIAS, OTHER + 1], 4)
        last = adding.add_block("code", [WEIGHT + 1, BIAS, OTHER + 2], 4)
    assert set(store.header(tuned.identity).held) == {2}
    assert set(store.header(more.identity).held) == {0, 1, 2}
    assert store.header(last.identity).elsewhere == {0: (more.identity, 0), 1: (more.identity, 1)}
    turned = add_block(store, "code", [WEIGHT, OTHER, BIAS], 4)
    assert set(store.header(turned.identity).held) == {1, 2}
    check(store, base, [WEIGHT, BIAS, OTHER])
    check(store, tuned, [WEIGHT, BIAS, OTHER + 1])
    check(store, more, [WEIGHT + 1, BIAS, OTHER + 1])
    check(store, last, [WEIGHT + 1, BIAS, OTHER + 2])


def test_collecting_garbage_keeps_what_others_need(store: BlockStore) -> None:
    base = add_block(store, "code", [WEIGHT, BIAS], 4)
    tuned = add_block(store, "code", [WEIGHT, BIAS + 1], 4)
    loose = add_block(store, "code", [OTHER], 4)
    model(store, "tuned", tuned)
    removed = gc(store, grace_s=0)
    assert removed.files == (store.block_path(loose.identity),)
    check(store, tuned, [WEIGHT, BIAS + 1])
    store.manifest_path("tuned").unlink()
    gc(store, grace_s=0)
    assert not store.block_path(base.identity).exists()
    again = add_block(store, "code", [WEIGHT, BIAS + 2], 4)
    check(store, again, [WEIGHT, BIAS + 2])


def test_collecting_garbage_does_nothing_where_it_is_not_known_what_is_needed(store: BlockStore) -> None:
    add_block(store, "code", [WEIGHT, BIAS], 4)
    tuned = add_block(store, "code", [WEIGHT, BIAS + 1], 4)
    model(store, "tuned", tuned)
    path = store.block_path(tuned.identity)
    path.write_bytes(path.read_bytes()[:-1])
    before = sorted(store.root.glob("blocks/*/*"))
    with pytest.raises(StoreError, match=path.name):
        gc(store, grace_s=0)
    assert sorted(store.root.glob("blocks/*/*")) == before


def test_a_file_that_another_needs_and_that_is_damaged_or_gone_is_named(store: BlockStore) -> None:
    base = add_block(store, "code", [WEIGHT, BIAS], 4)
    tuned = add_block(store, "code", [WEIGHT, BIAS + 1], 4)
    model(store, "tuned", tuned)
    path = store.block_path(base.identity)
    whole = path.read_bytes()
    at = store.header(base.identity).held[0].offset
    path.write_bytes(whole[:at] + b"x" + whole[at + 1 :])
    with pytest.raises(StoreError, match=f"{base.identity}.*content does not match its name.*'m'"):
        store.load_block(tuned.identity, "m")
    assert any(path.name in line for line in verify(store))
    path.unlink()
    with pytest.raises(StoreError, match=f"{tuned.identity}.*'m'.*{base.identity}"):
        store.load_block(tuned.identity, "m")
    assert not store.holds_all(store.model("tuned"))
    assert any(path.name in line for line in verify(store))
    # Adding what is needed again mends it.
    add_block(store, "code", [WEIGHT, BIAS + 1], 4)
    check(store, tuned, [WEIGHT, BIAS + 1])
    assert verify(store) == []


def test_a_block_that_was_damaged_may_share_what_others_took_over(store: BlockStore) -> None:
    base = add_block(store, "code", [WEIGHT, BIAS], 4)
    first = add_block(store, "code", [WEIGHT, BIAS + 1], 4)
    path = store.block_path(base.identity)
    path.write_bytes(path.read_bytes()[:-1])
    second = add_block(store, "code", [WEIGHT, BIAS + 2], 4)
    assert add_block(store, "code", [WEIGHT, BIAS], 4) == base
    for block, bias in ((base, BIAS), (first, BIAS + 1), (second, BIAS + 2)):
        check(store, block, [WEIGHT, bias])


@pytest.mark.parametrize("content", [None, b"damaged" * 1000], ids=["gone", "damaged"])
def test_without_the_index_sharing_goes_on_as_before(store: BlockStore, content: bytes | None) -> None:
    add_block(store, "code", [WEIGHT, BIAS], 4)
    if content is None:
        (store.root / FILE).unlink()
    else:
        (store.root / FILE).write_bytes(content)
    tuned = add_block(store, "code", [WEIGHT, BIAS + 1], 4)
    check(store, tuned, [WEIGHT, BIAS + 1])
    assert held(store) == WEIGHT.nbytes + 2 * BIAS.nbytes


def file_bytes(store: BlockStore) -> int:
    return sum(path.stat().st_size for path in store.root.rglob("*.safetensors"))


def as_before(store: BlockStore, architecture: str, tensors: Sequence[torch.Tensor]) -> Block:
    """A block file as the first version wrote it."""
    identity = block_identity(architecture, parameter_fingerprint(tensors))
    path = store.block_path(identity)
    path.parent.mkdir(parents=True, exist_ok=True)
    named = {str(i): tensor.clone() for i, tensor in enumerate(tensors)}
    save_file(named, path, {"architecture": architecture})
    return Block(identity, sum(tensor.nbytes for tensor in tensors), 4)


def test_files_of_the_first_version_are_read_and_upgraded(store: BlockStore) -> None:
    content = [[WEIGHT, BIAS], [WEIGHT, BIAS + 1], [OTHER, WEIGHT], []]
    blocks = [as_before(store, "code", tensors) for tensors in content]
    for block, tensors in zip(blocks, content, strict=True):
        check(store, block, tensors)
        assert add_block(store, "code", tensors, 4) == block
    model(store, "first", *blocks[:2])
    model(store, "second", *blocks[1:])
    before = stats(store)
    assert before.tensor_bytes == 3 * WEIGHT.nbytes + 2 * BIAS.nbytes + OTHER.nbytes
    size = file_bytes(store)
    done = upgrade(store, unheard)
    assert done == Upgraded(3, size, file_bytes(store))
    for block, tensors in zip(blocks, content, strict=True):
        check(store, block, tensors)
    after = stats(store)
    assert after.tensor_bytes == WEIGHT.nbytes + 2 * BIAS.nbytes + OTHER.nbytes
    assert (after.total_bytes, after.distinct_bytes) == (before.total_bytes, before.distinct_bytes)
    assert verify(store) == []
    assert upgrade(store, unheard) == Upgraded(0, done.after, done.after)


def test_a_damaged_file_stops_an_upgrade_and_nothing_is_lost(store: BlockStore) -> None:
    content = [[WEIGHT, BIAS], [WEIGHT, BIAS + 1]]
    blocks = [as_before(store, "code", tensors) for tensors in content]
    model(store, "first", blocks[0])
    model(store, "second", blocks[1])
    path = store.block_path(blocks[1].identity)
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + b"x")
    with pytest.raises(StoreError, match=f"{path.name}.*'second'"):
        upgrade(store, unheard)
    check(store, blocks[0], content[0])
    path.write_bytes(whole)
    upgrade(store, unheard)
    for block, tensors in zip(blocks, content, strict=True):
        check(store, block, tensors)


def test_one_that_describes_another_block_than_its_name_says_is_found(store: BlockStore) -> None:
    block = add_block(store, "code", [WEIGHT], 4)
    model(store, "m", block)
    path = store.block_path(block.identity)
    from alsatian.store.files.block_content import content

    content(block.identity, "code", [OTHER], [parameter_fingerprint([OTHER])], {}).write(path)
    assert any(path.name in line for line in verify(store))


@pytest.mark.parametrize("seed", range(20))
def test_whatever_is_added_removed_and_damaged_is_read_or_refused(store: BlockStore, seed: int) -> None:
    draw = random.Random(seed)
    pool = [torch.full((draw.randrange(1, 20),), float(i)) for i in range(6)]
    known: dict[Block, list[torch.Tensor]] = {}
    for _ in range(40):
        action = draw.choice(["add", "add", "add", "damage", "remove", "collect", "forget"])
        if action == "add":
            tensors = [draw.choice(pool) for _ in range(draw.randrange(4))]
            block = add_block(store, draw.choice("ab"), tensors, 4)
            known[block] = tensors
            model(store, block.identity[:8], block)
            check(store, block, tensors)
        elif not store.root.exists():
            continue
        elif action == "collect":
            for line in verify(store):
                assert "blocks" in line or "block" in line
            try:
                gc(store, grace_s=0)
            except StoreError:
                continue
        elif action == "forget":
            (store.root / FILE).unlink(missing_ok=True)
        elif paths := sorted(store.root.glob("blocks/*/*")):
            path = draw.choice(paths)
            data = path.read_bytes()
            path.unlink()
            if action == "damage":
                at = draw.randrange(len(data))
                path.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        for block, tensors in known.items():
            try:
                found = store.load_block(block.identity, "m")
            except StoreError:
                continue
            assert all(torch.equal(one, other) for one, other in zip(found, tensors, strict=True))
