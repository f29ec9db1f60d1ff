"""A folder of pictures as a frame source."""

from __future__ import annotations

import os
import re
from collections.abc import Generator
from pathlib import Path

from PIL import Image

from masklet.errors import MediaError
from masklet.io.image_files import opened_picture, read_picture
from masklet.io.source import RecordedSource, checked_rate
from masklet.types import RgbImage, Size

PICTURE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".ppm", ".pgm", ".jp2", ".avif", ".exr"}
)
_ORIENTATION = 0x0112
_SIDEWAYS = frozenset({5, 6, 7, 8})


class FolderVideo(RecordedSource):
    """The pictures of a folder as a video, in natural order of their names (``9.jpg`` before ``10.jpg``).

    Any names; hidden files and files that are no pictures by their suffix are left out. Pictures are read when asked
    for, by the rules of `read_image`; their sizes are checked at once.

    Args:
        path: the folder.
        fps: frames per second, or None: the pictures have no clock.

    Attributes:
        files: the pictures in order.

    Raises:
        MediaError: no such folder, no pictures in it, one that cannot be read, or one of another size.
    """

    path: Path

    def __init__(self, path: str | os.PathLike[str], *, fps: float | None = None) -> None:
        self.path = Path(path)
        self.files = pictures_in(self.path)
        size = picture_size(self.files[0])
        for file in self.files[1:]:
            if (other := picture_size(file)) != size:
                raise MediaError(
                    f"expected pictures of one size, {size[1]}x{size[0]} as {self.files[0].name}, "
                    f"got {other[1]}x{other[0]}: {file}"
                )
        super().__init__(str(path), size, checked_rate(fps))
        self.frame_names = tuple(file.name for file in self.files)

    def __len__(self) -> int:
        return len(self.files)

    def _read(self, index: int) -> RgbImage:
        picture = read_picture(self.files[index], self.name)
        if picture.shape[:2] != self.size:
            raise MediaError(f"the picture is not of the size its header said: {self.files[index]}")
        return picture

    def _stream(self) -> Generator[RgbImage]:
        for index in range(len(self)):
            yield self._read(index)


def pictures_in(folder: Path) -> tuple[Path, ...]:
    """The pictures of a folder in natural order, hidden files left out; `MediaError` if there are none."""
    if not folder.is_dir():
        raise MediaError(f"expected a folder of pictures, found {'a file' if folder.exists() else 'nothing'}: {folder}")
    try:
        names = [f for f in folder.iterdir() if f.suffix.lower() in PICTURE_SUFFIXES and f.name[0] != "."]
    except OSError as error:
        raise MediaError(f"cannot read the folder {folder}: {error.strerror}") from error
    if not names:
        raise MediaError(f"no pictures in the folder {folder}")
    return tuple(sorted(names, key=lambda file: natural_key(file.name)))


def natural_key(name: str) -> tuple[list[str | int], str]:
    """Sorts names as people count: digits by value, letters whatever their case."""
    parts = re.split(r"(\d+)", name.casefold())
    return [int(part) if place % 2 else part for place, part in enumerate(parts)], name


def picture_size(file: Path) -> Size:
    """(height, width) of a picture as displayed, from its header alone; `MediaError` if it has none."""
    with opened_picture(file) as image:
        exif = Image.Image.getexif(image)  # the PNG class's own method would decode the whole picture
        sideways = exif.get(_ORIENTATION) in _SIDEWAYS
        return (image.width, image.height) if sideways else (image.height, image.width)
