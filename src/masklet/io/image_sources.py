"""Frame sources made of images: arrays, folders of image files, and animated or still image files."""

from __future__ import annotations

import os
from collections.abc import Generator, Sequence
from fractions import Fraction
from itertools import accumulate
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageOps

from masklet.errors import MediaError
from masklet.io.images import list_images, media_errors, open_image, open_picture, read_image_size, read_picture, to_rgb
from masklet.io.source import RecordedSource, checked_rate
from masklet.types import RgbImage


class ArrayVideo(RecordedSource):
    """An array or list of frames as a video; the frames are not copied until they are read.

    Args:
        frames: (t, h, w, 3) uint8 RGB, or a sequence of t such frames of one size.
        fps: frames per second, or None where they have no clock.

    Raises:
        MediaError: no frames, another shape or number type, frames of different sizes, or a rate that is none.
    """

    def __init__(self, frames: UInt8[np.ndarray, "t h w 3"] | Sequence[RgbImage], *, fps: float | None = None) -> None:
        if not len(frames):
            raise MediaError("expected at least one frame, got none")
        for index, frame in enumerate(frames):
            shape, dtype = np.shape(frame), getattr(frame, "dtype", type(frame))
            if len(shape) != 3 or shape[2] != 3 or 0 in shape or dtype != np.uint8:
                raise MediaError(f"expected frames of (h, w, 3) uint8, got {shape} {dtype} at frame {index}")
            if shape != frames[0].shape:
                raise MediaError(
                    f"expected {frames[0].shape[1]}x{frames[0].shape[0]} as in frame 0, "
                    f"got {shape[1]}x{shape[0]} at frame {index}"
                )
        height, width, _ = frames[0].shape
        super().__init__("the array", (height, width), checked_rate(fps))
        self._frames = frames

    def __len__(self) -> int:
        return len(self._frames)

    def _read(self, index: int) -> RgbImage:
        return self._frames[index].copy()

    def _stream(self) -> Generator[RgbImage]:
        for frame in self._frames:
            yield frame.copy()


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
        self.files = list_images(self.path)
        size = read_image_size(self.files[0])
        for file in self.files[1:]:
            if (other := read_image_size(file)) != size:
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


ANIMATED = frozenset({"GIF", "WEBP", "PNG", "TIFF"})
"""Formats whose further pictures are frames; in others (a phone's JPEG) they are previews and depth maps."""


class ImageFile(RecordedSource):
    """An animated GIF, WebP or PNG, the pages of a TIFF, or one still picture.

    Frames are what a viewer shows, each composed with those before it. An animation has timestamps; a still picture
    and TIFF pages have none.

    Args:
        path: the file.
        fps: frames per second of one that has no times.

    Raises:
        MediaError: missing, not a picture, damaged, pages of different sizes, or ``fps`` for one that has times.
    """

    path: Path

    def __init__(self, path: str | os.PathLike[str], *, fps: float | None = None) -> None:
        self.path = Path(path)
        with open_image(path) as image:
            self._count = int(getattr(image, "n_frames", 1)) if image.format in ANIMATED else 1
            first = self._rgb(image)
            duration = float(image.info.get("duration", 0))
        timed = self._count > 1 and duration > 0
        if timed and fps is not None:
            raise MediaError(f"frames per second are for pictures without times, not {path}")
        super().__init__(
            self.path.name, (first.shape[0], first.shape[1]), 1000 / duration if timed else checked_rate(fps)
        )
        self.time_base = Fraction(1, 1000) if timed else None
        self._starts: tuple[float, ...] | None = None
        self._image: Image.Image | None = None

    @property
    def timestamps(self) -> Sequence[float]:
        """Start of every frame in seconds, by the durations in the file; where it holds none, by ``fps``, if known."""
        if self.time_base is None:
            return super().timestamps
        if self._starts is None:
            durations = []
            with open_image(self.path) as image:
                for index in range(self._count):
                    image.seek(index)
                    image.load()  # some formats tell the duration only then
                    durations.append(image.info.get("duration", 0))
            self._starts = tuple(start / 1000 for start in accumulate(durations[:-1], initial=0))
        return self._starts

    def __len__(self) -> int:
        return self._count

    def _read(self, index: int) -> RgbImage:
        with media_errors(self.path):
            if self._image is None or index < self._image.tell():
                self._release()
                self._image = open_picture(self.path)  # anew, because animated PNGs do not always survive rewinding
            return self._frame(self._image, index)

    def _stream(self) -> Generator[RgbImage]:
        with open_image(self.path) as image:
            for index in range(self._count):
                yield self._frame(image, index)

    def _frame(self, image: Image.Image, index: int) -> RgbImage:
        image.seek(index)
        picture = self._rgb(image)
        if picture.shape[:2] != self.size:
            height, width = self.size
            raise MediaError(
                f"expected pages of one size, {width}x{height} as the first, "
                f"got {picture.shape[1]}x{picture.shape[0]} at page {index}: {self.path}"
            )
        return picture

    def _rgb(self, image: Image.Image) -> RgbImage:
        # only a still picture is turned: looking for EXIF data makes Pillow lose its place in an animated PNG
        return to_rgb(ImageOps.exif_transpose(image) if self._count == 1 else image, str(self.path))

    def _release(self) -> None:
        if self._image is not None:
            self._image.close()
