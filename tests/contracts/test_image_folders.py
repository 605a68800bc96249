"""Folders of images as people have them: every odd file is read as Pillow shows it, left out by name, or refused.

Expected pixels are those of Pillow or follow from the definition of the format.
"""

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from alsatian.data.dataset import Dataset
from alsatian.data.gate.bad_items import BadItemError
from alsatian.data.gate.pixels import look
from alsatian.data.images import image_files, labelled_images
from alsatian.data.preprocessing import ImagePreprocessing, decoded
from alsatian.errors import ConfigError

SIDES = (12, 20)  # height and width
COLOURS = np.random.default_rng(0).integers(0, 256, (*SIDES, 3), np.uint8)
OTHER = 255 - COLOURS


def save(path: Path, pixels: np.ndarray = COLOURS, mode: str | None = None, **settings: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(path, **settings)
    return path


def folder(root: Path, classes: tuple[str, ...] = ("cat", "dog"), each: int = 6, ending: str = "png") -> Path:
    rng = np.random.default_rng(1)
    for name in classes:
        for i in range(each):
            save(root / name / f"{i}.{ending}", rng.integers(0, 256, (*SIDES, 3), np.uint8))
    return root


def names(data: Dataset) -> set[str]:
    return {"/".join(path.parts[-2:]) for path in (*data.train_items, *data.test_items)}


def skipped(data: Dataset) -> dict[str, tuple[int, tuple[str, ...]]]:
    assert data.summary is not None
    return {one.reason: (one.items, one.examples) for one in data.summary.skipped}


@pytest.mark.parametrize(
    ("ending", "mode"),
    [
        *((ending, "RGB") for ending in ("jpg", "jpeg", "jfif", "png", "bmp", "webp", "tif", "tiff", "ppm", "tga")),
        *((ending, "RGB") for ending in ("avif", "jp2", "pcx", "sgi", "dib", "JPG", "PNG")),
        *(("png", mode) for mode in ("L", "1", "P")),
        *(("tif", mode) for mode in ("L", "1", "P", "CMYK", "YCbCr")),
        ("jpg", "L"),
        ("jpg", "CMYK"),
        ("gif", "P"),
        ("pgm", "L"),
        ("pbm", "1"),
    ],
)
def test_every_format_and_mode_is_what_pillow_makes_of_it(tmp_path: Path, ending: str, mode: str) -> None:
    path = save(tmp_path / f"a.{ending}", mode=mode)
    with Image.open(path) as image:
        expected = np.asarray(image.convert("RGB"))
        small = np.asarray(image.convert("RGB").resize((8, 8), Image.Resampling.BILINEAR))
    assert np.array_equal(decoded(path), expected)
    assert np.array_equal(decoded(path, 8), small)


@pytest.mark.parametrize("ending", ["png", "tif", "pgm"])
def test_16_bits_are_scaled_by_their_range(tmp_path: Path, ending: str) -> None:
    deep = np.random.default_rng(0).integers(0, 65536, SIDES).astype(np.uint16)
    path = save(tmp_path / f"a.{ending}", deep)
    assert np.array_equal(decoded(path)[..., 0], np.rint(deep / 257))
    assert np.array_equal(decoded(path)[..., 0], decoded(path)[..., 2])


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.linspace(0, 1, 240).reshape(SIDES), np.linspace(0, 255, 240)),
        (np.linspace(0.25, 0.5, 240).reshape(SIDES), np.linspace(0.25, 0.5, 240) * 255),
        (np.linspace(-3, 7, 240).reshape(SIDES), np.linspace(0, 255, 240)),
        (np.full(SIDES, 9.0), np.zeros(240)),
    ],
)
def test_floats_are_scaled_by_their_range(tmp_path: Path, values: np.ndarray, expected: np.ndarray) -> None:
    path = save(tmp_path / "a.tif", values.astype(np.float32))
    assert np.abs(decoded(path)[..., 1].astype(float).ravel() - expected).max() <= 0.5 + 1e-4


def test_32_bit_integers_are_scaled_by_their_own_range(tmp_path: Path) -> None:
    values = np.linspace(-100_000, 900_000, 240).reshape(SIDES).astype(np.int32)
    path = save(tmp_path / "a.tif", values)
    assert np.abs(decoded(path)[..., 0].ravel() - np.linspace(0, 255, 240)).max() <= 0.5 + 1e-3


def test_floats_that_are_not_finite_are_a_bad_file(tmp_path: Path) -> None:
    path = save(tmp_path / "a.tif", np.full(SIDES, np.nan, np.float32))
    with pytest.raises(
        ConfigError, match=r"a\.tif: cannot be read as an image \(it has pixels that are not finite"
    ):
        decoded(path)


# What a viewer does with an image whose EXIF orientation is so, by the definition of EXIF.
UPRIGHT: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: lambda a: np.rot90(a, 1),
}


@pytest.mark.parametrize("ending", ["png", "jpg", "webp", "tif"])
@pytest.mark.parametrize("orientation", UPRIGHT)
def test_exif_orientation_is_applied(tmp_path: Path, orientation: int, ending: str) -> None:
    plain = save(tmp_path / f"plain.{ending}")
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = save(tmp_path / f"a.{ending}", exif=exif.tobytes())
    assert np.array_equal(decoded(path), UPRIGHT[orientation](decoded(plain)))
    seen = look(path)
    assert (seen.height, seen.width) == decoded(path).shape[:2]
    assert bool(seen.notes) == (orientation != 1)


ALPHA = np.random.default_rng(2).integers(0, 256, SIDES, np.uint8)
# Of files that hold colours with alpha.
TRANSPARENT = {
    "RGBA": np.dstack([COLOURS, ALPHA]),
    "LA": np.dstack([COLOURS[..., 0], ALPHA]),
}


@pytest.mark.parametrize("background", [(255, 255, 255), (0, 0, 0), (10, 200, 30)])
@pytest.mark.parametrize("mode", TRANSPARENT)
def test_alpha_is_composed_on_the_stated_background(tmp_path: Path, mode: str, background: Any) -> None:
    for name in ("cat", "dog"):
        for i in range(2):
            save(tmp_path / name / f"{i}.png", TRANSPARENT[mode])
    data = image_files(str(tmp_path), background="white" if background == (255, 255, 255) else background)
    share = ALPHA[..., None] / 255
    pixels = TRANSPARENT[mode][..., :-1]
    expected = share * pixels + (1 - share) * np.array(background)
    assert np.abs(decoded(data.train_items[0]) - expected).max() <= 1
    assert data.summary is not None
    (note,) = data.summary.notes
    assert note == f"transparency is composed on rgb{background} (4 images)"


def test_a_transparent_colour_is_composed_too(tmp_path: Path) -> None:
    palette = Image.fromarray(COLOURS).quantize(8)
    palette.save(tmp_path / "a.gif", transparency=3)
    colours = np.asarray(palette.convert("RGB"))
    expected = np.where(np.asarray(palette)[..., None] == 3, 255, colours)
    assert np.array_equal(decoded(tmp_path / "a.gif"), expected)


@pytest.mark.parametrize("ending", ["gif", "png", "tiff", "webp", "avif"])
def test_the_first_frame_is_used_and_that_is_said(tmp_path: Path, ending: str) -> None:
    folder(tmp_path)
    settings = {"lossless": True} if ending == "webp" else {}
    first, second = Image.fromarray(COLOURS), Image.fromarray(OTHER)
    path = tmp_path / "cat" / f"moving.{ending}"
    first.save(path, save_all=True, append_images=[second], **settings)
    with Image.open(path) as image:
        assert image.n_frames == 2  # type: ignore[attr-defined]
        expected = np.asarray(image.convert("RGB"))
    assert np.array_equal(decoded(path), expected)
    summary = image_files(str(tmp_path)).summary
    assert summary is not None
    assert "only the first frame or page is used (1 image)" in summary.notes


def test_what_is_no_image_is_left_out_and_listed(tmp_path: Path) -> None:
    folder(tmp_path)
    for name in ("cat/.DS_Store", "cat/._0.png", ".git/config", "__MACOSX/cat/._0.png", "cat/Thumbs.db"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    for name in ("README.md", "cat/notes.txt", "cat/labels.csv", "dog/a.json", "dog/b.json"):
        (tmp_path / name).write_text("x")
    data = image_files(str(tmp_path))
    assert names(data) == {f"{kind}/{i}.png" for kind in ("cat", "dog") for i in range(6)}
    assert skipped(data) == {
        "hidden": (5, (".git", "__MACOSX", "cat/.DS_Store")),
        "beside the folders of the classes, so without a class": (1, ("README.md",)),
        "no image by the name": (4, ("cat/labels.csv", "cat/notes.txt", "dog/a.json")),
    }


def test_the_summary_says_what_there_is(tmp_path: Path) -> None:
    folder(tmp_path, ("emu", "ant", "owl"), each=10)
    save(tmp_path / "owl" / "big.png", np.zeros((30, 50), np.uint8))
    summary = image_files(str(tmp_path)).summary
    assert summary is not None
    assert [(one.name, one.items) for one in summary.classes] == [("ant", 10), ("emu", 10), ("owl", 11)]
    assert (summary.source, summary.train_items, summary.test_items) == (str(tmp_path), 25, 6)
    assert summary.images is not None
    assert summary.images.modes == {"RGB": 30, "L": 1}
    assert (summary.images.width, summary.images.height) == ((20, 50), (12, 30))
    assert all(len(line) <= 80 for line in summary.text("own").splitlines())


def test_links_are_followed_and_loops_end(tmp_path: Path) -> None:
    root = folder(tmp_path / "root")
    folder(tmp_path / "elsewhere", ("more",), each=6)
    (root / "bat").symlink_to(tmp_path / "elsewhere" / "more")
    (root / "cat" / "inside").symlink_to(tmp_path / "elsewhere")
    (root / "cat" / "up").symlink_to("..")
    (root / "cat" / "self").symlink_to(".")
    (root / "cat" / "gone.png").symlink_to("nowhere")
    (root / "cat" / "round").symlink_to("round")
    (root / "dog" / "one.png").symlink_to(root / "dog" / "0.png")
    data = image_files(str(root))
    assert data.summary is not None
    assert {one.name: one.items for one in data.summary.classes} == {"bat": 6, "cat": 12, "dog": 7}
    assert skipped(data) == {
        "a link that leads nowhere": (2, ("cat/gone.png", "cat/round")),
        "a link to a folder that is read anyway": (2, ("cat/self", "cat/up")),
    }
    assert data.summary.warnings == ("6 image files are linked into more than one class",)


def broken(kind: str) -> bytes:
    """A file of an image that cannot be decoded."""
    if kind == "empty":
        return b""
    if kind == "text":
        return b"<html>404</html>"
    path, file = Path(kind), io.BytesIO()
    large = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(large).save(file, path.suffix[1:])
    content = file.getvalue()
    return content[: len(content) * 2 // 3] if path.stem == "cut" else content[:30]


BROKEN = [
    "empty",
    "text",
    "cut.jpeg",
    "cut.png",
    "cut.bmp",
    "cut.webp",
    "cut.gif",
    "cut.tiff",
    "head.jpeg",
    "head.png",
]


@pytest.mark.parametrize("kind", BROKEN)
def test_a_bad_file_is_found_before_anything_runs(tmp_path: Path, kind: str) -> None:
    folder(tmp_path)
    (tmp_path / "dog" / "bad.jpg").write_bytes(broken(kind))
    with pytest.raises(ConfigError, match=r"1 of 13 files cannot be read as an image; .*dog/bad\.jpg \(") as error:
        image_files(str(tmp_path))
    assert "\n" not in str(error.value)


def test_an_image_of_absurd_size_is_a_bad_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder(tmp_path)
    save(tmp_path / "cat" / "huge.png", np.zeros((99, 99), np.uint8))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(ConfigError, match=r"1 of 13 files .*huge\.png \(Image size \(9801 pixels\) exceeds limit"):
        image_files(str(tmp_path))


@pytest.mark.filterwarnings("ignore::UserWarning:PIL.*")
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "TIFF", "WEBP", "BMP"])
def test_what_the_check_lets_pass_can_be_decoded(tmp_path: Path, kind: str) -> None:
    """Of JPEG files the check decodes a small image only; random damage must not tell the two apart."""
    file, random = io.BytesIO(), np.random.default_rng(3)
    Image.fromarray(random.integers(0, 256, (64, 64, 3), np.uint8)).save(file, kind)
    outcomes = set()
    for case in range(60):
        content = bytearray(file.getvalue())
        for place in random.integers(0, len(content) if case % 2 else 100, case % 3):
            content[place] = random.integers(256)
        path = tmp_path / "a"
        path.write_bytes(content[: random.integers(len(content))] if case % 4 == 0 else content)
        found = []
        for read in (look, decoded):
            try:
                read(path)
                found.append(True)
            except BadItemError:
                found.append(False)
        assert found[0] == found[1], case
        outcomes.add(found[0])
    assert outcomes == {True, False}


def test_all_bad_files_are_named_together(tmp_path: Path) -> None:
    folder(tmp_path)
    for place, kind in enumerate(BROKEN):
        (tmp_path / ("cat", "dog")[place % 2] / f"{kind}.png").write_bytes(broken(kind))
    with pytest.raises(ConfigError, match=f"{len(BROKEN)} of {12 + len(BROKEN)} files") as error:
        image_files(str(tmp_path))
    assert all(f"{kind}.png (" in str(error.value) for kind in BROKEN)


def test_bad_files_are_left_out_up_to_a_share(tmp_path: Path) -> None:
    folder(tmp_path, each=19)
    (tmp_path / "cat" / "bad.png").write_bytes(b"")
    data = image_files(str(tmp_path), on_bad_item="skip")
    assert len(data.train_items) + len(data.test_items) == 38
    assert skipped(data) == {"cannot be read as an image": (1, ("cat/bad.png (of no format that is known)",))}
    (tmp_path / "cat" / "worse.png").write_bytes(b"")
    with pytest.raises(ConfigError, match=r"2 of 40 files cannot .* more than bad_share=0.04 allows"):
        image_files(str(tmp_path), on_bad_item="skip", bad_share=0.04)
    assert len(image_files(str(tmp_path), on_bad_item="skip", bad_share=0.05).test_items) == 8


@pytest.mark.parametrize("settings", [{"on_bad_item": "ignore"}, {"bad_share": 1.5}, {"background": "whitish"}])
def test_a_setting_that_means_nothing_is_refused(tmp_path: Path, settings: dict[str, Any]) -> None:
    folder(tmp_path)
    with pytest.raises(ConfigError, match=next(iter(settings))):
        image_files(str(tmp_path), **settings)


def test_a_class_that_lost_all_its_files_is_an_error(tmp_path: Path) -> None:
    folder(tmp_path, ("cat", "dog", "emu"), each=20)
    save(tmp_path / "owl" / "0.png").write_bytes(b"")
    with pytest.raises(ConfigError, match="class 'owl' has no file that can be read"):
        image_files(str(tmp_path), on_bad_item="skip", bad_share=0.5)
    (tmp_path / "owl" / "0.png").rename(tmp_path / "owl" / "0.txt")
    with pytest.raises(ConfigError, match=r"has a class \('owl'\) without any image"):
        image_files(str(tmp_path))


@pytest.mark.parametrize(
    ("parts", "test", "train"),
    [
        (("train", "test"), ("test",), ("train",)),
        (("train", "val"), ("val",), ("train",)),
        (("train", "valid"), ("valid",), ("train",)),
        (("Train", "Validation"), ("Validation",), ("Train",)),
        (("train", "val", "test"), ("test",), ("train", "val")),
    ],
)
def test_folders_of_parts_are_the_parts(
    tmp_path: Path, parts: tuple[str, ...], test: tuple[str, ...], train: tuple[str, ...]
) -> None:
    for place, part in enumerate(parts):
        folder(tmp_path / part, each=3 + place)
    data = image_files(str(tmp_path))
    for items, own in ((data.test_items, test), (data.train_items, train)):
        assert {path.relative_to(tmp_path).parts[0] for path in items} == set(own)
        assert len(items) == sum(2 * (3 + parts.index(part)) for part in own)
    for items, labels in ((data.test_items, data.test_labels), (data.train_items, data.train_labels)):
        assert [("cat", "dog")[label] for label in labels] == [path.parent.name for path in items]
    assert data.summary is not None
    assert data.summary.split == f"the folder {test[0]} is the test part, {' and '.join(train)} the training part"


def test_with_training_folders_alone_the_test_part_is_drawn(tmp_path: Path) -> None:
    data = image_files(str(folder(tmp_path / "train").parent))
    assert (data.classes, len(data.train_items), len(data.test_items)) == (2, 10, 2)


def test_parts_that_cannot_be_told_from_classes_are_refused_or_said(tmp_path: Path) -> None:
    folder(tmp_path / "a", ("train", "test"))  # images of trains and tests
    summary = image_files(str(tmp_path / "a")).summary
    assert summary is not None
    assert summary.warnings == ("'test', 'train' taken as classes, since they hold no folders of classes",)
    folder(tmp_path / "b" / "train")
    folder(tmp_path / "b", ("test",))
    with pytest.raises(
        ConfigError, match=r"b/test' is named as a part of the data but holds no folders of classes"
    ):
        image_files(str(tmp_path / "b"))
    folder(tmp_path / "c" / "val")
    folder(tmp_path / "c" / "test")
    with pytest.raises(ConfigError, match="holds the parts test, val but no part 'train'"):
        image_files(str(tmp_path / "c"))
    folder(tmp_path / "d" / "train")
    folder(tmp_path / "d", ("car",))
    summary = image_files(str(tmp_path / "d")).summary
    assert summary is not None
    assert summary.warnings == ("'train' taken as classes, since other folders are beside them",)


def test_a_class_without_items_in_a_part_is_said(tmp_path: Path) -> None:
    folder(tmp_path / "train", ("cat", "dog", "emu"))
    folder(tmp_path / "test", ("cat", "dog"))
    summary = image_files(str(tmp_path)).summary
    assert summary is not None
    assert summary.warnings == ("1 class without an item to test with: emu",)


def test_a_folder_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder(tmp_path)

    def refused(place: Path) -> Any:
        raise PermissionError(13, "Permission denied", str(place))

    monkeypatch.setattr(Path, "iterdir", refused)
    with pytest.raises(ConfigError, match=r"cannot be read \(Permission denied\)"):
        image_files(str(tmp_path))


def test_names_that_are_no_text_do_no_harm(tmp_path: Path) -> None:
    folder(tmp_path, each=20)
    odd = os.fsencode(tmp_path) + b"/cat/\xff.png"
    Path(os.fsdecode(odd)).write_bytes(b"")
    data = image_files(str(tmp_path), on_bad_item="skip")
    assert skipped(data)["cannot be read as an image"][1] == ("cat/\\udcff.png (of no format that is known)",)


def test_an_odd_file_beside_others_changes_no_other_image(tmp_path: Path) -> None:
    """Features do not depend on what else is in a batch."""
    paths = np.empty(4, object)
    paths[:] = [
        save(tmp_path / "a.png"),
        save(tmp_path / "b.png", TRANSPARENT["RGBA"]),
        save(tmp_path / "c.tif", np.linspace(0, 1, 240).reshape(SIDES).astype(np.float32)),
        save(tmp_path / "d.jpg", mode="CMYK"),
    ]
    (together,) = ImagePreprocessing(8)(paths)
    for place in range(4):
        assert (ImagePreprocessing(8)(paths[place : place + 1])[0] == together[place]).all()


def test_candidates_are_trained_on_the_same_files(tmp_path: Path) -> None:
    folder(tmp_path)
    (tmp_path / "cat" / ".hidden.png").write_bytes(b"")
    paths, labels = labelled_images(str(tmp_path), Path("data"))
    assert [path.parent.name for path in paths] == ["cat"] * 6 + ["dog"] * 6
    assert labels.tolist() == [0] * 6 + [1] * 6
