"""Texts and image files as raw items."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from alsatian.data.dataset import make_dataset, raw_bytes
from alsatian.data.docstrings import TARGET_TOPICS, docstring_pool, stdlib_docstrings
from alsatian.data.images import image_files, labelled_images
from alsatian.data.preprocessing import ImagePreprocessing
from alsatian.data.text import TextPreprocessing, text_items
from alsatian.errors import ConfigError, StoreError


@pytest.fixture
def tokenizer(tmp_path: Path) -> Path:
    made = Tokenizer(WordLevel({"[UNK]": 0, "[PAD]": 1, "a": 2, "b": 3}, unk_token="[UNK]"))
    made.pre_tokenizer = Whitespace()
    path = tmp_path / "tokenizer.json"
    made.save(str(path))
    return path


def test_texts_are_cut_and_padded(tokenizer: Path) -> None:
    ids, mask = TextPreprocessing.of(tokenizer, 3)(text_items(["a b a b", "b", ""]))
    assert ids[0].tolist() == [2, 3, 2]
    assert ids[1, 0] == 3
    assert mask.tolist() == [[1, 1, 1], [1, 0, 0], [0, 0, 0]]
    assert ids.nbytes + mask.nbytes == 3 * TextPreprocessing.of(tokenizer, 3).output_bytes


def test_the_tokenizer_is_part_of_the_identity_but_its_place_is_not(tokenizer: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "copy.json"
    elsewhere.write_bytes(tokenizer.read_bytes())
    first = TextPreprocessing.of(tokenizer, 8)
    assert first == TextPreprocessing.of(elsewhere, 8)
    assert first.fingerprint == TextPreprocessing.of(elsewhere, 8).fingerprint
    assert first.fingerprint != TextPreprocessing.of(tokenizer, 9).fingerprint
    elsewhere.write_text(elsewhere.read_text().replace('"a"', '"z"'))
    assert first.fingerprint != TextPreprocessing.of(elsewhere, 8).fingerprint


def test_a_changed_or_missing_tokenizer_is_an_error(tokenizer: Path) -> None:
    preprocessing = TextPreprocessing.of(tokenizer, 7)
    tokenizer.write_text(tokenizer.read_text() + " ")
    with pytest.raises(StoreError, match="not the tokenizer"):
        preprocessing(text_items(["a"]))
    tokenizer.unlink()
    with pytest.raises(StoreError, match="cannot read the tokenizer"):
        preprocessing(text_items(["a"]))
    with pytest.raises(ConfigError, match="too short"):
        TextPreprocessing("0" * 64, 1)


def test_digests_tell_texts_apart() -> None:
    labels = np.array([0, 1, 0, 1])
    one = make_dataset("t", text_items(["a", "b", "c", "d"]), labels)
    two = make_dataset("t", text_items(["a", "b", "c", "e"]), labels)
    assert one.digest == make_dataset("t", text_items(["a", "b", "c", "d"]), labels).digest
    assert one.digest != two.digest
    assert raw_bytes(text_items(["é", "ab"])) == 4


def test_docstrings_of_both_pools_are_disjoint() -> None:
    target, labels = docstring_pool(target=True)
    source, _ = docstring_pool(target=False)
    assert not set(target) & set(source)
    assert set(labels) == set(range(len(TARGET_TOPICS)))
    assert np.bincount(labels).min() > 50
    assert len(stdlib_docstrings(60).train_items) == 45
    with pytest.raises(ConfigError, match="docstrings on 8 topics"):
        stdlib_docstrings(7)


def test_image_files_are_decoded_when_prepared(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for kind in ("cat", "dog"):
        (tmp_path / kind).mkdir()
        for i in range(5):
            pixels = rng.integers(0, 256, (10 + i, 12, 3), np.uint8)
            Image.fromarray(pixels).save(tmp_path / kind / f"{i}.png")
    data = image_files(str(tmp_path))
    (pixels_out,) = ImagePreprocessing(8)(data.train_items)
    assert pixels_out.shape == (8, 3, 8, 8)
    assert raw_bytes(data.train_items) == sum(path.stat().st_size for path in data.train_items)
    assert data.digest == image_files(str(tmp_path)).digest
    (tmp_path / "cat" / "0.png").write_bytes(b"no image")
    with pytest.raises(ConfigError, match=r"0\.png: cannot be read as an image"):
        ImagePreprocessing(8)(labelled_images(str(tmp_path), Path("data"))[0])


def test_a_folder_without_classes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="fewer than two classes"):
        labelled_images(str(tmp_path), Path("data"))
    with pytest.raises(ConfigError, match="no folder of images"):
        labelled_images(str(tmp_path / "missing"), Path("data"))
