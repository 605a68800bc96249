"""Pixels become what a model was trained on."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from alsatian.data import preprocessing
from alsatian.data.library_images import TransformedImages, plain
from alsatian.data.preprocessing import ImagePreprocessing, all_decoded, decoded
from alsatian.errors import AlsatianError, ConfigError

PLAIN = {"mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0)}


def images(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize("size", [1, 4, 8, 32])
@pytest.mark.parametrize("shape", [(3, 8, 8), (1, 8, 8), (3, 8, 8, 3), (2, 5, 9, 3)], ids=str)
def test_shape_type_and_range(shape: tuple[int, ...], size: int) -> None:
    preprocessing = ImagePreprocessing(size, **PLAIN)
    (pixels,) = preprocessing(images(*shape))
    assert pixels.shape == (shape[0], 3, size, size)
    assert pixels.dtype == torch.float32
    assert pixels.is_contiguous()
    assert 0 <= pixels.min() <= pixels.max() <= 1
    assert preprocessing.output_bytes * shape[0] == pixels.nbytes == pixels.untyped_storage().nbytes()


def test_images_of_the_right_size_keep_their_pixels() -> None:
    raw = images(4, 8, 8, 3)
    (pixels,) = ImagePreprocessing(8, **PLAIN)(raw)
    assert torch.equal(pixels, torch.from_numpy(raw).permute(0, 3, 1, 2).float() / 255)
    (grey,) = ImagePreprocessing(8, **PLAIN)(raw[..., 0])
    assert all(torch.equal(grey[:, channel], pixels[:, 0]) for channel in range(3))


def test_every_channel_has_its_own_mean_and_deviation() -> None:
    raw = np.full((1, 4, 4, 3), 255, np.uint8)
    (pixels,) = ImagePreprocessing(4, mean=(0.0, 0.5, 1.0), std=(1.0, 0.25, 0.5))(raw)
    assert pixels[0, :, 0, 0].tolist() == [1.0, 2.0, 0.0]
    (default,) = ImagePreprocessing(4)(raw)
    expected = [(1 - m) / s for m, s in zip((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), strict=True)]
    assert default[0, :, 0, 0].tolist() == pytest.approx(expected)


@pytest.mark.parametrize("size", [3, 8, 20])
def test_an_even_image_stays_even(size: int) -> None:
    (pixels,) = ImagePreprocessing(size, **PLAIN)(np.full((1, 8, 8), 51, np.uint8))
    assert torch.allclose(pixels, torch.tensor(0.2))


def test_shrinking_averages() -> None:
    """Antialiased: of every four columns one is white, and what remains is a quarter grey, not black."""
    stripes = np.zeros((1, 32, 32), np.uint8)
    stripes[:, :, ::4] = 255
    (pixels,) = ImagePreprocessing(8, **PLAIN)(stripes)
    assert torch.all((pixels[..., 1:-1] > 0.2) & (pixels[..., 1:-1] < 0.3))


def test_an_item_does_not_depend_on_its_batch() -> None:
    raw = images(5, 8, 8)
    (together,) = ImagePreprocessing(20)(raw)
    for i in range(5):
        assert torch.equal(together[i : i + 1], ImagePreprocessing(20)(raw[i : i + 1])[0])


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.int64])
@pytest.mark.parametrize("size", [8, 4])
def test_the_raw_items_are_never_changed(dtype: type, size: int) -> None:
    """Batches are views of the dataset, which is read again in later rounds. Other types may be refused."""
    raw = images(2, 8, 8).astype(dtype)
    before = raw.copy()
    try:
        ImagePreprocessing(size)(raw)
    except AlsatianError as error:
        assert "uint8" in str(error)  # noqa: PT017
    assert np.array_equal(raw, before)


def test_the_example_has_the_shape_of_the_input() -> None:
    (example,) = ImagePreprocessing(16).example()
    assert example.shape == (2, 3, 16, 16)
    assert ImagePreprocessing(16).example(5)[0].shape[0] == 5
    assert example.dtype == torch.float32


def test_settings_survive_a_trip_through_json() -> None:
    made = ImagePreprocessing(24, mean=(0.1, 0.2, 0.3), std=(0.4, 0.5, 0.6))
    back = ImagePreprocessing.from_settings(json.loads(json.dumps(made.as_dict())))
    assert back == made
    assert back.fingerprint == made.fingerprint


def test_every_setting_is_part_of_the_fingerprint() -> None:
    made = [
        ImagePreprocessing(8),
        ImagePreprocessing(9),
        ImagePreprocessing(8, mean=(0.485, 0.456, 0.4)),
        ImagePreprocessing(8, std=(0.229, 0.224, 0.2)),
    ]
    assert len({p.fingerprint for p in made}) == 4
    assert ImagePreprocessing(8).fingerprint == made[0].fingerprint


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"{i}.jpg" for i in range(7)]
    for i, path in enumerate(paths):
        Image.fromarray(images(40 + i, 30, 3, seed=i)).save(path)
    return paths


def test_files_are_decoded_on_several_threads_in_their_order(
    files: list[Path], two_threads: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = [decoded(path, 8) for path in files]
    where, both = set[int](), threading.Barrier(2, timeout=30)

    def noted(path: Path, size: int | None = None) -> np.ndarray:
        if path in files[:2]:
            both.wait()  # only two at once get past
        where.add(threading.get_ident())
        return decoded(path, size)

    monkeypatch.setattr(preprocessing, "decoded", noted)
    assert all(np.array_equal(a, b) for a, b in zip(all_decoded(files, 8), expected, strict=True))
    assert len(where) == 2
    assert threading.get_ident() not in where


@pytest.mark.parametrize(
    "prepare",
    [
        ImagePreprocessing(8),
        TransformedImages(
            "torchvision",
            plain({"crop_size": 8, "resize_size": 9, "interpolation": "bilinear", "mean": [0.5], "std": [0.5]}),
            8,
            8,
        ),
    ],
    ids=lambda p: p.kind,
)
def test_pixels_do_not_depend_on_threads(
    files: list[Path], two_threads: None, prepare: preprocessing.Preprocessing
) -> None:
    items = np.empty(len(files), object)
    items[:] = files
    (together,) = prepare(items)
    torch.set_num_threads(1)
    (alone,) = prepare(items)
    assert torch.equal(together, alone)
    assert torch.equal(together[2:3], prepare(items[2:3])[0])


def test_the_first_file_that_cannot_be_read_is_named(files: list[Path], two_threads: None) -> None:
    for number in (3, 5):
        files[number].write_bytes(b"no image")
    with pytest.raises(ConfigError, match=r"3\.jpg: cannot be read"):
        all_decoded(files)
    assert all_decoded([]) == []
