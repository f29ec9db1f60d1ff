"""Mattes for compositing: the alpha of each object as images, or the objects cut out of each frame."""

from __future__ import annotations

import io
import os
import re
from pathlib import Path
from typing import Any, ClassVar, Unpack

import numpy as np
from PIL import Image

from masklet.errors import FormatError, OutputError
from masklet.io.images import open_image
from masklet.io.result_builder import Result, ResultBuilder
from masklet.io.video_writer import cutout
from masklet.io.writer import FolderOptions, FolderWriter
from masklet.masks.soft import Edge, alpha_of
from masklet.types import FrameMasks, RgbImage, Rle

_MATTE = re.compile(r"(\d+)/(\d{5,})\.(png|tif)")


class AlphaWriter(FolderWriter):
    """Base of folder formats that store alpha; ``edge`` says how masks become alpha."""

    def __init__(
        self, path: str | os.PathLike[str], *, edge: Edge | None = None, **options: Unpack[FolderOptions]
    ) -> None:
        super().__init__(path, **options)
        self._edge = edge or Edge()

    def _check_image(self, frame: RgbImage | None, masks: FrameMasks) -> None:
        if frame is None and self._edge.detail:
            raise OutputError(f"cannot write {self.path}: fine detail needs the image of frame {masks.frame_index}")


class PngMatteWriter(AlphaWriter):
    """A folder for each object with its alpha on each frame, ``3/00007.png``: 8-bit gray, white inside."""

    FILE_PATTERN = re.compile(r"\d+/\d{5,}\.png")
    SUFFIX: ClassVar[str] = "png"
    DTYPE: ClassVar[type[np.unsignedinteger]] = np.uint8

    def _write(self, frame: RgbImage | None, masks: FrameMasks) -> None:
        self._check_image(frame, masks)
        white = np.iinfo(self.DTYPE).max
        for object_id, mask in zip(masks.object_ids, masks.masks, strict=True):
            folder = self._output.path / str(object_id)
            folder.mkdir(exist_ok=True)
            alpha = np.asarray(alpha_of(mask, self._edge, frame))
            save_image(folder / f"{masks.frame_index:05d}.{self.SUFFIX}", np.rint(alpha * white).astype(self.DTYPE))

    def _drop_frame(self, frame_index: int) -> None:
        for file in self._output.path.glob(f"*/{frame_index:05d}.{self.SUFFIX}"):
            file.unlink()


class TiffMatteWriter(PngMatteWriter):
    """A folder for each object with its alpha on each frame, ``3/00007.tif``: 16-bit gray, white inside."""

    FILE_PATTERN = re.compile(r"\d+/\d{5,}\.tif")
    SUFFIX = "tif"
    DTYPE = np.uint16


class CutoutFolderWriter(AlphaWriter):
    """Each frame as a PNG with transparency around the objects, ``00007.png``; colors are not premultiplied."""

    FILE_PATTERN = re.compile(r"\d{5,}\.png")

    def _write(self, frame: RgbImage | None, masks: FrameMasks) -> None:
        if frame is None:
            raise OutputError(f"cannot write {self.path}: it needs the image of frame {masks.frame_index}")
        pixels = (cutout(frame, masks, self._edge) // 257).astype(np.uint8)
        save_image(self._output.path / f"{masks.frame_index:05d}.png", pixels)


def read_mattes(folder: str | os.PathLike[str]) -> Result:
    """Read the masks of a folder written by `PngMatteWriter` or `TiffMatteWriter`: where alpha is at least one half.

    Raises:
        FormatError: no such folder, no mattes in it, or mattes of several sizes.
        MediaError: an image cannot be read.
    """
    found = []
    for path in Path(folder).glob("*/*"):
        match = _MATTE.fullmatch(path.relative_to(folder).as_posix())
        if match and int(match[1]) > 0:
            found.append((int(match[2]), int(match[1]), path))
    if not found:
        raise FormatError(f"expected mattes as OBJECT/00000.png, found none: {folder}")
    builder = ResultBuilder()
    for frame_index, object_id, path in sorted(found):
        with open_image(path) as image:
            if image.mode not in ("1", "L", "P") and not image.mode.startswith("I"):
                raise FormatError(f"expected a gray image, got the mode {image.mode}: {path}")
            values = np.asarray(image)
        half = 1 if image.mode in ("1", "P") else 32768 if image.mode.startswith("I") else 128
        builder.add_mask(object_id, frame_index, Rle.from_mask(values >= half))
    return builder.build()


def save_image(path: Path, pixels: np.ndarray) -> None:
    """Write an image to a temporary output, PNG or TIFF by its suffix.

    It is encoded in memory first, so that a full disk raises the same error for both formats.
    """
    buffer = io.BytesIO()
    png = path.suffix == ".png"
    options: dict[str, Any] = {"compress_level": 4} if png else {"compression": "tiff_adobe_deflate"}
    Image.fromarray(pixels).save(buffer, format="PNG" if png else "TIFF", **options)
    path.write_bytes(buffer.getvalue())
