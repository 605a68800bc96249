"""A flipped bit anywhere in a store is found by ``verify``, or changes nothing that a search or a reader gets."""

import json
import random
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alsatian.api import search
from alsatian.data.dataset import Dataset, make_dataset
from alsatian.data.text import text_items
from alsatian.errors import AlsatianError
from alsatian.models.reading import architectures
from alsatian.models.sets.synthetic import SyntheticSet
from alsatian.proxies.linear import Linear
from alsatian.searching.schedules import Exhaustive
from alsatian.searching.strategy import Strategy
from alsatian.store.maintenance import verify
from alsatian.store.store import BlockStore

IMAGES = SyntheticSet(
    name="images",
    count=3,
    architecture="VisionTransformer",
    options={
        "image_size": 16, "patch_size": 8, "num_layers": 1, "num_heads": 2, "hidden_dim": 16, "mlp_dim": 32,
    },
    size=16,
)  # fmt: skip
# Its architecture has tables among its constants, and its models a tokenizer.
TEXTS = SyntheticSet(
    name="texts",
    count=2,
    source="transformers",
    architecture="BertModel",
    options={
        "vocab_size": 200, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
        "intermediate_size": 32, "max_position_embeddings": 8,
    },
    size=None,
    length=8,
)  # fmt: skip
LABELS = np.arange(12) % 2
PIXELS = np.random.default_rng(0).integers(0, 256, (12, 16, 16), np.uint8)
DATA: Mapping[str, Dataset] = {
    "images": make_dataset("images", PIXELS, LABELS),
    "texts": make_dataset("texts", text_items([f"text {i} of {i % 2}" for i in range(12)]), LABELS),
}
KINDS = {
    "blocks": "blocks/*/*.safetensors",
    "manifests": "models/*.json",
    "architectures": "architectures/*",
    "sets": "sets/*.json",
    "tokenizers": "assets/*",
}
EACH = 16


@dataclass(frozen=True)
class Whole:
    """A store with nothing wrong, and what it says."""

    root: Path
    said: Any


def said(root: Path) -> Any:
    """All that can be read of the store: what describes sets and models, and every model's features.

    Architectures are read anew, as another process would.
    """
    features = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(architectures, "_library", {})
        for description in (IMAGES, TEXTS):
            found = search(
                description.open(BlockStore(root)),
                DATA[description.name],
                strategy=Strategy(schedule=Exhaustive()),
                proxies=Linear(epochs=1),
                batch_size=8,
                verify=True,
            )
            features |= found.rounds[-1].fingerprints
    store = BlockStore(root)
    descriptions = [json.loads(path.read_bytes()) for path in sorted((root / "sets").iterdir())]
    return descriptions, [store.model(model_id) for model_id in store.model_ids()], features


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    root = tmp_path_factory.mktemp("whole")
    for description in (IMAGES, TEXTS):
        description.open(BlockStore(root))
    assert verify(BlockStore(root)) == []
    return Whole(root, said(root))


@pytest.fixture
def root(whole: Whole, tmp_path: Path) -> Path:
    """A copy to damage."""
    shutil.copytree(whole.root, tmp_path / "store")
    return tmp_path / "store"


def flip(path: Path, bit: int) -> None:
    content = bytearray(path.read_bytes())
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)


@pytest.mark.parametrize("number", range(EACH))
@pytest.mark.parametrize("kind", KINDS)
def test_a_random_flipped_bit_is_found_or_harmless(whole: Whole, root: Path, kind: str, number: int) -> None:
    draw = random.Random(f"{kind} {number}")
    # Every file of the kind in turn, so that none is left out by chance.
    files = sorted(root.glob(KINDS[kind]))
    path = files[number % len(files)]
    flip(path, draw.randrange(8 * path.stat().st_size))
    problems = verify(BlockStore(root))
    if problems:
        assert all("\n" not in problem for problem in problems)
        assert any(str(path.with_suffix("")) in problem for problem in problems)
    else:
        assert said(root) == whole.said


def change(path: Path, old: bytes, new: bytes) -> None:
    """Replace the last ``old`` in a file by ``new``, which differs in one bit."""
    (bits,) = {(a ^ b).bit_count() for a, b in zip(old, new, strict=True)} - {0}
    assert bits == 1
    before, found, after = path.read_bytes().rpartition(old)
    assert found
    path.write_bytes(before + new + after)


# Each gives a file that reads well and says something else. Is it refused, or made again?
TELLING = {
    "a parameter": ("blocks/*/*.safetensors", None, True),
    "the mean": ("models/images-*-01.json", (b"0.485", b"0.484"), False),
    "a block's size": ("models/images-*-01.json", (b'"output_bytes": 1', b'"output_bytes": 3'), False),
    "the library": ("models/images-*-01.json", (b'"source": "torchvision"', b'"source": "uorchvision"'), False),
    "a member": ("sets/images-*.json", (b'-01"', b'-00"'), False),
    "a set's note": ("sets/images-*.json", (b"random", b"randoo"), False),
    "an argument": ("architectures/*.json", (b'"float": "0x1.', b'"float": "0x3.'), False),
    "a constant": ("architectures/*.safetensors", None, False),
    "a word's number": ("assets/*", (b'"a":', b'"q":'), True),
}


@pytest.mark.parametrize(("files", "bytes_of", "refused"), TELLING.values(), ids=TELLING)
def test_a_flip_that_tells_is_found_and_never_used(
    whole: Whole, root: Path, files: str, bytes_of: tuple[bytes, bytes] | None, refused: bool
) -> None:
    """What depends on it is refused, or made again as it was."""
    path = max(root.glob(files), key=lambda path: path.stat().st_size)
    if bytes_of is None:
        flip(path, 8 * path.stat().st_size - 8)  # in the lowest digits of the last number
    else:
        change(path, *bytes_of)
    (problem,) = verify(BlockStore(root))
    assert problem.startswith(str(path.with_suffix("")))
    if refused:
        with pytest.raises(AlsatianError, match=path.stem):
            said(root)
    else:
        assert said(root) == whole.said


@pytest.mark.parametrize("kind", ["manifests", "sets"])
def test_what_has_no_digest_is_found(root: Path, kind: str) -> None:
    """A flipped bit in the word ``digest`` makes it so."""
    path = min(root.glob(KINDS[kind]))
    change(path, b'"digest"', b'"digesu"')
    (problem,) = verify(BlockStore(root))
    assert problem.startswith(f"{path}: ")
    assert "no digest" in problem
