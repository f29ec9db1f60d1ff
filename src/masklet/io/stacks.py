"""Which files and folders are stacks rather than pictures, and what opens them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from jaxtyping import Shaped
from PIL import Image, ImageOps

from masklet.errors import MediaError
from masklet.io.axes import AxisChoice, default_scale
from masklet.io.exr import MAGIC, ExrStack
from masklet.io.geo import GeoStack
from masklet.io.image_files import is_picture, opened_picture, to_rgb
from masklet.io.stack import FileSequence, Stack
from masklet.io.tiff import TiffHeader, open_tiff
from masklet.io.zarr_stack import is_zarr, open_zarr

Opener = Callable[[], Stack]


def stack_opener(path: Path, choice: AxisChoice | None = None, *, wanted: bool = False) -> Opener | None:
    """What opens a file, or a Zarr folder, as a stack; None where it is a picture or a video.

    Args:
        path: an existing file or folder.
        choice: which axis counts frames; not None says that a stack is wanted.
        wanted: whether pictures of 8 bits should be opened as stacks too (to choose a channel or a scale).

    Raises:
        MediaError: an axis is chosen in a picture that has none.
    """
    if path.is_dir():
        return partial(open_zarr, path, choice) if is_zarr(path) else None
    header = TiffHeader(path)
    if header.is_tiff:
        if header.is_geo:
            return partial(GeoStack, path, choice)
        return partial(open_tiff, path, choice) if header.is_stack or wanted or choice else None
    exr = _begins_with(path, MAGIC)
    if not exr and not (wanted and is_picture(path)):
        return None
    if choice:
        raise MediaError(f"a picture has no axis to choose: {path}")
    return partial(ExrStack if exr else PictureStack, path)


def sequence_opener(files: Sequence[Path], name: str, *, wanted: bool = False) -> Opener | None:
    """What opens pictures as one stack, where the first is a stack or one is wanted; else None."""
    if stack_opener(files[0], wanted=wanted) is None:
        return None
    return partial(FileSequence, files, _open_one, name)


def _open_one(file: Path) -> Stack:
    opener = stack_opener(file, wanted=True)
    if opener is None:
        raise MediaError(f"not a picture that masklet can read: {file}")
    return opener()


def _begins_with(path: Path, magic: bytes) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(magic)) == magic
    except OSError as error:
        raise MediaError(f"cannot open {path}: {error.strerror}") from error


class PictureStack(Stack):
    """A picture file whose numbers are to be scaled: gray of 8 or 16 bits, or colors.

    Raises:
        MediaError: not a picture, or a damaged one.
    """

    num_frames = 1

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self._path = path
        values = self._values()
        self.size = (values.shape[0], values.shape[1])
        self.channels = ("red", "green", "blue") if values.shape[2] == 3 else ("",)
        self.is_color = values.shape[2] == 3
        self.scale = default_scale(values.dtype, is_color=self.is_color)

    def _values(self) -> Shaped[np.ndarray, "h w k"]:
        with opened_picture(self._path) as image:
            upright: Image.Image = ImageOps.exif_transpose(image)
            if upright.mode == "L" or upright.mode.startswith(("I", "F")):
                return np.array(upright)[:, :, None]
            return to_rgb(upright, self.name)

    def read(self, frame: int, channels: Sequence[int]) -> Shaped[np.ndarray, "h w k"]:
        return self._values()[:, :, list(channels)]
