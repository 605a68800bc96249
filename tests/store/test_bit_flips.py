"""A hundred flipped bits in a store whose blocks share tensors: each is found, and none is read for what it was."""

import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch

from alsatian.blocks.candidate import Candidate
from alsatian.data.preprocessing import ImagePreprocessing, Preprocessing
from alsatian.data.text import TextPreprocessing
from alsatian.errors import StoreError
from alsatian.store.maintenance import verify
from alsatian.store.store import BlockStore
from tests.stores import share_small_tensors

FLIPS = 100
KINDS = ("blocks", "models", "sets", "assets")


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BlockStore:
    """A base, fine-tunes of some of its tensors, and one that needs a tokenizer; every read is verified."""
    share_small_tensors(monkeypatch)
    made = BlockStore(tmp_path / "store", verify="always")
    (tmp_path / "tokenizer.json").write_text('{"a": 0}')
    inputs: list[Preprocessing] = [ImagePreprocessing(8)] * 3
    inputs.append(TextPreprocessing.of(tmp_path / "tokenizer.json", 8))
    for i, preprocessing in enumerate(inputs):
        with made.adding() as adding:
            blocks = [
                [torch.arange(40.0) + j, torch.full((8,), float(10 * i + j)), torch.tensor(j)] for j in range(3)
            ]
            chain = tuple(adding.add_block("code", tensors, 4) for tensors in blocks)
            adding.add_model(Candidate(f"m{i}", chain, None, preprocessing))
    made.add_set("all", made.model_ids(), {"note": "x"})
    assert any(made.header(path.stem).elsewhere for path in made.root.glob("blocks/*/*"))
    assert verify(made) == []
    return made


def said(store: BlockStore, model_id: str) -> Any:
    """What there is to be read of a model."""
    model = store.model(model_id)
    read = [[t.tolist() for t in store.load_block(block.identity, model_id)] for block in model.blocks]
    assets = [(store.assets / digest).read_bytes() for digest in model.assets]
    return model.blocks, model.preprocessing.as_dict(), model.metadata, read, assets


def test_a_hundred_random_flips_are_found(store: BlockStore) -> None:
    whole = {model_id: said(store, model_id) for model_id in store.model_ids()}
    members = store.model_set("all")
    rng, refused, kinds = random.Random(0), 0, Counter[str]()
    for number in range(FLIPS):
        kind = KINDS[number % len(KINDS)]
        path = rng.choice(sorted(p for p in (store.root / kind).rglob("*") if p.is_file()))
        content = path.read_bytes()
        bit = rng.randrange(8 * len(content))
        path.write_bytes(content[: bit // 8] + bytes([content[bit // 8] ^ 1 << bit % 8]) + content[bit // 8 + 1 :])
        damaged = BlockStore(store.root, verify="always")
        problems = verify(damaged)
        assert any(str(path) in problem for problem in problems), (path, bit)
        assert all("\n" not in problem for problem in problems)
        for model_id, right in whole.items():
            try:
                found = said(damaged, model_id)
            except StoreError:
                refused += 1
            else:  # but for its tokenizer, which is read by its digest where it is used
                assert found[:4] == right[:4]
        if kind == "sets":
            with pytest.raises(StoreError, match=r"all\.json"):
                damaged.model_set("all")
        kinds[kind] += 1
        path.write_bytes(content)
    assert kinds == dict.fromkeys(KINDS, FLIPS // len(KINDS))
    assert refused >= FLIPS // 2
    assert verify(BlockStore(store.root)) == []
    assert {model_id: said(store, model_id) for model_id in store.model_ids()} == whole
    assert store.model_set("all") == members
