"""Mattes for compositing: the alpha of each object as PNG, TIFF or OpenEXR, or the objects cut out of each frame."""

from __future__ import annotations

import io
import os
import re
from pathlib import Path
from typing import Any, ClassVar, Unpack

import numpy as np
from jaxtyping import Float32
from PIL import Image

from masklet.errors import FormatError, needs
from masklet.io.exr import ExrStack
from masklet.io.images import media_errors, open_image
from masklet.io.result_builder import Result, ResultBuilder, numbered_files
from masklet.io.video_writer import cutout
from masklet.io.writer import FolderOptions, FolderWriter, StrPath
from masklet.masks.soft import Edge, alpha_of
from masklet.types import FrameMasks, ObjectId, RgbImage, Rle

LAYER = "matte"
"""The layer of OpenEXR mattes: the channel of object 3 is ``matte.object3``."""

NAMES = "maskletNames"
"""The header attribute of OpenEXR mattes with the object names, one line each: id, space, name."""

_MATTE = re.compile(r"(\d+)/(\d{5,})\.(png|tif)")
_CHANNEL = re.compile(rf"{LAYER}\.object(\d+)")


class AlphaWriter(FolderWriter):
    """Base of folder formats that store alpha; ``edge`` says how masks become alpha."""

    OPTIONS = ("edge",)

    def __init__(self, path: StrPath, *, edge: Edge | None = None, **options: Unpack[FolderOptions]) -> None:
        super().__init__(path, **options)
        self._edge = edge or Edge()

    def _alphas(self, frame: RgbImage | None, masks: FrameMasks) -> dict[ObjectId, Float32[np.ndarray, "h w"]]:
        """Compute the alpha of each object; `OutputError` if that needs the image of the frame."""
        if self._edge.detail:
            frame = self._needed(frame, masks.frame_index)
        return {i: alpha_of(mask, self._edge, frame) for i, mask in zip(masks.object_ids, masks.masks, strict=True)}


class PngMatteWriter(AlphaWriter):
    """A folder for each object with its alpha on each frame, ``3/00007.png``: 8-bit gray, white inside."""

    FILE_PATTERN = re.compile(r"\d+/\d{5,}\.png")
    SUFFIX: ClassVar[str] = "png"
    DTYPE: ClassVar[type[np.unsignedinteger]] = np.uint8

    def _write(self, frame: RgbImage | None, masks: FrameMasks) -> None:
        white = np.iinfo(self.DTYPE).max
        for object_id, alpha in self._alphas(frame, masks).items():
            folder = self._output.path / str(object_id)
            folder.mkdir(exist_ok=True)
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
        pixels = (cutout(self._needed(frame, masks.frame_index), masks, self._edge) // 257).astype(np.uint8)
        save_image(self._output.path / f"{masks.frame_index:05d}.png", pixels)


class ExrWriter(AlphaWriter):
    """Writes a folder of ``00007.exr`` with a half-float channel ``matte.object3``, 0 to 1, per object."""

    FILE_PATTERN = re.compile(r"(\d{5,})\.exr")

    def _write(self, frame: RgbImage | None, masks: FrameMasks) -> None:
        with needs("exr", self.path):
            import OpenEXR  # noqa: PLC0415
        channels = {f"{LAYER}.object{i}": alpha.astype(np.float16) for i, alpha in self._alphas(frame, masks).items()}
        if not channels:  # a file needs a channel
            channels = {f"{LAYER}.none": np.zeros(masks.masks.shape[1:], np.float16)}
        names = "\n".join(f"{i} {name}" for i, name in self.provenance.names.items() if i in masks.object_ids)
        header: dict[str, Any] = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
        if names:
            header[NAMES] = names
        buffer = io.BytesIO()  # written to a path, OpenEXR does not report a full disk
        OpenEXR.File(header, channels).write(buffer)
        (self._output.path / f"{masks.frame_index:05d}.exr").write_bytes(buffer.getvalue())


def read_mattes(folder: str | os.PathLike[str]) -> Result:
    """Read the masks of a folder written by `PngMatteWriter` or `TiffMatteWriter`: where alpha is at least one half."""
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


def read_exr_mattes(folder: str | os.PathLike[str]) -> Result:
    """Read a folder written by `ExrWriter`; a mask is where alpha is at least 0.5."""
    builder = ResultBuilder()
    for index, path in numbered_files(folder, ExrWriter.FILE_PATTERN, "mattes as 00000.exr"):
        stack = ExrStack(path)
        builder.start_frame(index, stack.size)
        owners = {place: int(m[1]) for place, name in enumerate(stack.channels) if (m := _CHANNEL.fullmatch(name))}
        planes = stack.read(0, list(owners)) if owners else np.zeros((1, 1, 0))
        for plane, object_id in zip(np.moveaxis(planes, 2, 0), owners.values(), strict=True):
            builder.add_mask(object_id, index, Rle.from_mask(plane >= 0.5))
        builder.names |= _names(path)
    return builder.build()


def _names(path: Path) -> dict[ObjectId, str]:
    import OpenEXR  # noqa: PLC0415  an extra, present where a file was opened

    with media_errors(path), OpenEXR.File(str(path), header_only=True) as file:
        lines = str(file.header().get(NAMES, "")).splitlines()
    return {int(i): name for i, _, name in (line.partition(" ") for line in lines) if i.isdecimal()}


def save_image(path: Path, pixels: np.ndarray) -> None:
    """Write an image to a temporary output, PNG or TIFF by its suffix.

    It is encoded in memory first, so that a full disk raises the same error for both formats.
    """
    buffer = io.BytesIO()
    png = path.suffix == ".png"
    options: dict[str, Any] = {"compress_level": 4} if png else {"compression": "tiff_adobe_deflate"}
    Image.fromarray(pixels).save(buffer, format="PNG" if png else "TIFF", **options)
    path.write_bytes(buffer.getvalue())
