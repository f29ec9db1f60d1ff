"""TIFF stacks: what microscopes and their programs write."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from masklet.errors import MediaError
from masklet.io import Calibration, ImageFile, MediaWarning, StackVideo, open_video
from masklet.io.tiff import TiffHeader

VALUES = (np.arange(6 * 3 * 2 * 8 * 10) % 4096).reshape(6, 3, 2, 8, 10).astype(np.uint16)  # t z c y x
OME: dict[str, Any] = {
    "axes": "TZCYX",
    "Channel": {"Name": ["DAPI", "GFP"]},
    "PhysicalSizeX": 0.5,
    "PhysicalSizeXUnit": "µm",
    "PhysicalSizeY": 0.25,
    "PhysicalSizeYUnit": "µm",
    "TimeIncrement": 2.0,
    "TimeIncrementUnit": "min",
}


@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}, {"compression": "lzw"}, {"byteorder": ">"}])
def test_ome_tiff_reads_axes_channels_and_scale(tmp_path: Path, options: Any) -> None:
    path = tmp_path / "cells.ome.tif"
    tifffile.imwrite(path, VALUES, metadata=OME, **options)

    with open_video(path, axis="t,z=1", channels="GFP", scale=(0, 4095)) as video:
        assert isinstance(video, StackVideo)
        assert (len(video), video.size) == (6, (8, 10))
        assert video.calibration == Calibration(pixel_size=(0.25, 0.5), unit="µm", frame_interval=120.0)
        expected = np.round(VALUES[:, 1, 1] / 4095 * 255)
        assert np.array_equal([frame[..., 0] for frame in video], expected)
        assert np.array_equal(video[4][..., 1], expected[4])
    with open_video(path, axis="z,t=5", channels=[1, 0, 1], scale=(0, 4095)) as video:
        assert isinstance(video, StackVideo)
        assert np.array_equal(video[2][..., 1], np.round(VALUES[5, 2, 0] / 4095 * 255))
        assert video.calibration == Calibration(pixel_size=(0.25, 0.5), unit="µm")  # frames are depths, not moments
    with open_video(path, axis="t,z=max", channels=0, scale=(0, 4095)) as video:
        assert np.array_equal(video[3][..., 1], np.round(VALUES[3, :, 0].max(axis=0) / 4095 * 255))


def test_imagej_stacks(tmp_path: Path) -> None:
    metadata = {"axes": "TYX", "finterval": 3.0, "unit": "um"}
    tifffile.imwrite(tmp_path / "a.tif", VALUES[:, 0, 0], imagej=True, metadata=metadata, resolution=(2.0, 4.0))

    with open_video(tmp_path / "a.tif", scale=(0, 4095)) as video:
        assert isinstance(video, StackVideo)
        assert video.calibration == Calibration(pixel_size=(0.25, 0.5), unit="µm", frame_interval=3.0)
        assert np.array_equal(video[5][..., 0], np.round(VALUES[5, 0, 0] / 4095 * 255))


@pytest.mark.parametrize(
    ("values", "options", "frames", "channels"),
    [
        (np.linspace(-1, 1, 400, dtype=np.float32).reshape(5, 8, 10), {}, 5, 1),
        (np.linspace(0, 1, 80).reshape(8, 10), {}, 1, 1),
        (VALUES[:, 0, 0], {"bigtiff": True}, 6, 1),
        (VALUES[:, 0, 0].astype(np.int32), {"photometric": "minisblack"}, 6, 1),
        (VALUES[0, 0, 0], {"tile": (16, 16), "compression": "zstd"}, 1, 1),
        (VALUES[0, :, 0], {"photometric": "rgb", "planarconfig": "separate"}, 1, 3),
        (np.moveaxis(VALUES[0, :, 0], 0, 2), {"photometric": "rgb"}, 1, 3),
    ],
    ids=["float32", "float64", "BigTIFF", "signed", "tiles", "planes of color", "16-bit color"],
)
def test_numbers_of_every_kind(tmp_path: Path, values: np.ndarray, options: Any, frames: int, channels: int) -> None:
    tifffile.imwrite(tmp_path / "a.tif", values, **options)

    with open_video(tmp_path / "a.tif") as video:
        assert isinstance(video, StackVideo)
        assert (len(video), len(video.shown)) == (frames, channels)
        images = np.stack(list(video))
        assert np.array_equal(video[frames - 1], images[-1])
        assert channels == 3 or (images.min(), images.max()) == (0, 255)


def test_two_samples_are_two_channels(tmp_path: Path) -> None:
    values = np.stack([np.full((8, 10), 9), np.full((8, 10), 200)], axis=2).astype(np.uint8)
    tifffile.imwrite(tmp_path / "two.tif", values, photometric="minisblack", planarconfig="contig")

    with pytest.warns(MediaWarning, match="0, 1"):
        video = open_video(tmp_path / "two.tif")
    with video:
        assert (video[0] == 9).all()
    with open_video(tmp_path / "two.tif", channels=1) as video:
        assert (video[0] == 200).all()


def test_plain_pages_need_no_library(tmp_path: Path) -> None:
    pages = [Image.new("RGB", (6, 4), (40 * n, 0, 0)) for n in range(3)]
    pages[0].save(tmp_path / "plain.tif", save_all=True, append_images=pages[1:])
    tifffile.imwrite(tmp_path / "deep.tif", VALUES[:, 0, 0])
    script = (
        "import sys; sys.modules['tifffile'] = None\n"
        "from masklet import MissingExtraError, open_video\n"
        "print(len(open_video('plain.tif')))\n"
        "try: open_video('deep.tif')\n"
        "except MissingExtraError as error: print(error)"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=tmp_path)

    assert run.stdout.splitlines() == ["3", 'deep.tif needs an extra: pip install "masklet[tiff]"']
    with open_video(tmp_path / "plain.tif") as plain, open_video(tmp_path / "plain.tif", scale=(0, 80)) as scaled:
        assert isinstance(plain, ImageFile)
        assert [int(frame[0, 0, 0]) for frame in plain] == [0, 40, 80]
        assert [int(frame[0, 0, 0]) for frame in scaled] == [0, 128, 255]


def test_the_first_of_several_images_is_read_with_a_warning(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        writer.write(VALUES[:, 0, 0])
        writer.write(VALUES[0, 0, 0, :4])

    with pytest.warns(MediaWarning, match="2"):
        video = open_video(tmp_path / "a.tif")
    with video:
        assert len(video) == 6


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_a_cut_stack_is_one_media_error(
    tmp_path: Path, compression: str | None, capfd: pytest.CaptureFixture[str]
) -> None:
    noise = np.random.default_rng(0).integers(0, 65535, (9, 40, 50), dtype=np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", noise, compression=compression, metadata={"axes": "TYX"})
    (tmp_path / "cut.tif").write_bytes((tmp_path / "a.tif").read_bytes()[:15_000])

    with pytest.raises(MediaError, match=r"cut\.tif") as caught, open_video(tmp_path / "cut.tif") as video:
        list(video)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("content", [b"II*\0", b"II*\0\x08\0\0\0", b"MM\0*" + b"\xff" * 60, b"II+\0" + bytes(80)])
def test_a_header_that_leads_nowhere(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(content)

    assert not TiffHeader(path).is_geo
    with pytest.raises(MediaError, match=r"a\.tif"):
        open_video(path)
