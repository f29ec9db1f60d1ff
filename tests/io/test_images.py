"""Reading and writing single images and masks."""

from __future__ import annotations

import re
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from masklet.errors import MediaError, OutputError
from masklet.io import MediaWarning, read_image, read_mask, write_image

RED_THEN_BLUE = np.array([[[255, 0, 0], [0, 0, 255]]], np.uint8)  # 1 x 2 pixels


def _saved(folder: Path, image: Image.Image, name: str = "a.png", **options: Any) -> Path:
    image.save(folder / name, **options)
    return folder / name


def _palette(values: np.ndarray) -> Image.Image:
    image = Image.fromarray(values.astype(np.uint8)).convert("P")
    image.putpalette([0, 0, 0, 255, 0, 0, 0, 0, 255])
    return image


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (Image.fromarray(RED_THEN_BLUE), RED_THEN_BLUE),
        (Image.fromarray(np.array([[0, 200]], np.uint8)), [[[0] * 3, [200] * 3]]),
        (Image.fromarray(np.array([[False, True]])), [[[0] * 3, [255] * 3]]),
        (_palette(np.array([[1, 2]])), RED_THEN_BLUE),
        (Image.fromarray(np.array([[[9, 8, 7, 255], [6, 5, 4, 255]]], np.uint8)), [[[9, 8, 7], [6, 5, 4]]]),
        (Image.fromarray(np.array([[0, 257, 32896, 65535]], np.uint16)), [[[0] * 3, [1] * 3, [128] * 3, [255] * 3]]),
    ],
    ids=["rgb", "gray", "one bit", "palette", "opaque rgba", "16 bit"],
)
def test_every_kind_of_png_becomes_rgb(tmp_path: Path, image: Image.Image, expected: Any) -> None:
    pixels = read_image(_saved(tmp_path, image))

    assert pixels.dtype == np.uint8
    assert pixels.tolist() == np.asarray(expected).tolist()


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (Image.fromarray(np.array([[[9, 8, 7, 0], [6, 5, 4, 255]]], np.uint8)), [[[9, 8, 7], [6, 5, 4]]]),
        (Image.fromarray(np.array([[[9, 0], [6, 255]]], np.uint8), "LA"), [[[9] * 3, [6] * 3]]),
    ],
    ids=["color", "gray"],
)
def test_alpha_is_dropped_with_a_warning(tmp_path: Path, image: Image.Image, expected: Any) -> None:
    path = _saved(tmp_path, image)
    with pytest.warns(MediaWarning, match=r"a\.png"):
        assert read_image(path).tolist() == expected


def test_cmyk_becomes_rgb(tmp_path: Path) -> None:
    image = read_image(_saved(tmp_path, Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "a.jpg", quality=95))

    assert np.abs(image - np.array([254, 0, 0])).max() < 12


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(tmp_path: Path, orientation: int) -> None:
    upright = np.zeros((16, 32, 3), np.uint8)
    upright[:8, :8] = 255
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.swapaxes(0, 1),
        6: np.rot90(upright, 1),
        7: upright[::-1, ::-1].swapaxes(0, 1),
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = _saved(tmp_path, Image.fromarray(np.ascontiguousarray(stored)), exif=exif)

    assert np.array_equal(read_image(path), upright)
    assert np.array_equal(read_mask(path), upright[..., 0] > 0)


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (Image.fromarray(np.array([[0, 1, 255]], np.uint8)), [0, 1, 1]),
        (Image.fromarray(np.array([[False, True]])), [0, 1]),
        (_palette(np.array([[0, 1, 2]])), [0, 1, 1]),
        (Image.fromarray(np.array([[0, 1, 65535]], np.uint16)), [0, 1, 1]),
        (Image.fromarray(np.array([[[0, 0, 0], [0, 0, 1]]], np.uint8)), [0, 1]),
        (Image.fromarray(np.array([[[9, 9, 9, 127], [0, 0, 0, 128]]], np.uint8)), [0, 1]),
        (Image.fromarray(np.array([[[9, 9, 9, 255], [0, 0, 0, 255]]], np.uint8)), [1, 0]),
        (Image.fromarray(np.array([[[9, 0], [0, 255]]], np.uint8), "LA"), [0, 1]),
    ],
    ids=["gray", "one bit", "palette", "16 bit", "rgb", "cut-out", "opaque rgba", "gray cut-out"],
)
def test_masks_by_the_documented_rules(tmp_path: Path, image: Image.Image, expected: list[int]) -> None:
    mask = read_mask(_saved(tmp_path, image))

    assert mask.dtype == bool
    assert mask.tolist() == [[bool(value) for value in expected]]


@pytest.mark.parametrize("read", [read_image, read_mask])
def test_what_is_no_image_is_one_media_error(tmp_path: Path, read: Any) -> None:
    (tmp_path / "text.png").write_text("hello")
    (tmp_path / "empty.png").touch()
    path = _saved(tmp_path, Image.fromarray(np.random.default_rng(0).integers(0, 255, (50, 50, 3), dtype=np.uint8)))
    (tmp_path / "cut.png").write_bytes(path.read_bytes()[:2000])
    for name in ("nowhere.png", "", "text.png", "empty.png", "cut.png"):
        with pytest.raises(MediaError, match=re.escape(str(tmp_path / name))) as caught:
            read(tmp_path / name)
        assert "\n" not in str(caught.value)


def test_a_decompression_bomb_is_refused_by_its_header(tmp_path: Path) -> None:
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(bytes(100))), (b"IEND", b"")]
    data = b"\x89PNG\r\n\x1a\n"
    for kind, content in chunks:
        data += struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
    (tmp_path / "bomb.png").write_bytes(data)

    with pytest.raises(MediaError):
        read_image(tmp_path / "bomb.png")


def test_numbers_that_are_no_image_are_scaled(tmp_path: Path) -> None:
    values = np.linspace(-1, 1, 2001, dtype=np.float32).reshape(3, 667)
    path = _saved(tmp_path, Image.fromarray(values), "a.tif")

    assert read_image(path)[..., 0].ravel()[[0, 500, 2000]].tolist() == [0, 64, 255]
    assert read_image(path, scale=(0, 2))[..., 0].ravel()[[0, 1000, 1500, 2000]].tolist() == [0, 0, 64, 128]


def test_an_image_of_16_bits_takes_a_scale(tmp_path: Path) -> None:
    path = _saved(tmp_path, Image.fromarray(np.array([[100, 150, 200, 9999]], np.uint16)))

    assert read_image(path, scale=(100, 200))[0, :, 0].tolist() == [0, 128, 255, 255]
    with pytest.raises(MediaError, match="'GFP'"):
        read_image(path, channels="GFP")


@pytest.mark.parametrize("suffix", [".png", ".PNG", ".bmp", ".tif", ".jpg", ".webp"])
def test_what_is_written_is_read(tmp_path: Path, suffix: str) -> None:
    image = np.full((20, 30, 3), (200, 100, 50), np.uint8)
    write_image(tmp_path / f"a{suffix}", image)

    assert np.abs(read_image(tmp_path / f"a{suffix}").astype(int) - image).max() <= 4
    assert [file.name for file in tmp_path.iterdir()] == [f"a{suffix}"]


def test_a_mask_is_written_black_and_white(tmp_path: Path) -> None:
    mask = np.eye(5, dtype=bool)
    write_image(tmp_path / "m.png", mask)

    assert np.array_equal(read_mask(tmp_path / "m.png"), mask)
    assert np.array_equal(read_image(tmp_path / "m.png")[..., 0], mask * 255)


@pytest.mark.parametrize(("name", "message"), [("a.xyz", r"\.png.*'\.xyz'"), ("no/folder/a.png", "no/folder")])
def test_what_cannot_be_written_is_an_output_error(tmp_path: Path, name: str, message: str) -> None:
    with pytest.raises(OutputError, match=message):
        write_image(tmp_path / name, np.zeros((2, 2, 3), np.uint8))

    assert list(tmp_path.iterdir()) == []
