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
from masklet.io.images import (
    list_images,
    media_errors,
    open_image,
    pillow_open,
    read_image_file,
    read_image_size,
    size_text,
    to_rgb,
)
from masklet.io.source import RecordedSource, check_fps
from masklet.types import RgbImage

ANIMATED = frozenset({"GIF", "WEBP", "PNG", "TIFF"})
"""Formats whose further images are frames; in others (a phone's JPEG) they are previews and depth maps."""


class ArrayVideo(RecordedSource):
    """A video in memory. Frames are copied when they are read.

    Args:
        frames: (t, h, w, 3) uint8 RGB, or a sequence of t such frames of one size.
        fps: frame rate, or None where the frames have no times.

    Raises:
        MediaError: no frames, a wrong shape or dtype, frames of different sizes, or an invalid ``fps``.
    """

    def __init__(self, frames: UInt8[np.ndarray, "t h w 3"] | Sequence[RgbImage], *, fps: float | None = None) -> None:
        if not len(frames):
            raise MediaError("expected at least one frame, got none")
        for index, frame in enumerate(frames):
            shape, dtype = np.shape(frame), getattr(frame, "dtype", type(frame))
            if len(shape) != 3 or shape[2] != 3 or 0 in shape or dtype != np.uint8:
                raise MediaError(f"expected frames of (h, w, 3) uint8, got {shape} {dtype} at frame {index}")
            if shape != frames[0].shape:
                sizes = f"expected {size_text(frames[0].shape)} as in frame 0, got {size_text(shape)}"
                raise MediaError(f"{sizes} at frame {index}")
        height, width, _ = frames[0].shape
        super().__init__("the array", (height, width), check_fps(fps))
        self._frames = frames

    def __len__(self) -> int:
        return len(self._frames)

    def _read(self, index: int) -> RgbImage:
        return self._frames[index].copy()


class FolderVideo(RecordedSource):
    """The images of a folder as a video, in natural order of their names (``9.jpg`` before ``10.jpg``).

    Hidden files and files without an image suffix are left out. Images are decoded when they are read, as `read_image`
    does; their sizes are checked at once.

    Args:
        path: the folder.
        fps: frame rate, or None where the images have no times.

    Attributes:
        files: the image files in order.

    Raises:
        MediaError: no such folder, no images in it, an unreadable image, images of different sizes, or an invalid
            ``fps``.
    """

    path: Path

    def __init__(self, path: str | os.PathLike[str], *, fps: float | None = None) -> None:
        self.path = Path(path)
        self.files = list_images(self.path)
        size = read_image_size(self.files[0])
        for file in self.files[1:]:
            if (other := read_image_size(file)) != size:
                sizes = f"{size_text(size)} as {self.files[0].name}, got {size_text(other)}"
                raise MediaError(f"expected images of one size, {sizes}: {file}")
        super().__init__(str(path), size, check_fps(fps))
        self.frame_names = tuple(file.name for file in self.files)

    def __len__(self) -> int:
        return len(self.files)

    def _read(self, index: int) -> RgbImage:
        pixels = read_image_file(self.files[index], self.name)
        if pixels.shape[:2] != self.size:
            raise MediaError(f"the image does not have the size in its header: {self.files[index]}")
        return pixels


class ImageFile(RecordedSource):
    """An animated GIF, WebP or PNG, the pages of a TIFF, or one still image.

    Frames of an animation are composed with those before them, as a viewer shows them, and have timestamps; still
    images and TIFF pages have none.

    Args:
        path: the file.
        fps: frame rate of a file that stores no times.

    Raises:
        MediaError: missing, not an image, damaged, pages of different sizes, or ``fps`` for a file that stores times.
    """

    path: Path

    def __init__(self, path: str | os.PathLike[str], *, fps: float | None = None) -> None:
        self.path = Path(path)
        with open_image(path) as image:
            self._count = int(getattr(image, "n_frames", 1)) if image.format in ANIMATED else 1
            height, width, _ = self._rgb(image).shape
            duration = float(image.info.get("duration", 0))
        timed = self._count > 1 and duration > 0
        if timed and fps is not None:
            raise MediaError(f"fps is for images without times, and this animation stores them: {path}")
        super().__init__(self.path.name, (height, width), 1000 / duration if timed else check_fps(fps))
        self.time_base = Fraction(1, 1000) if timed else None
        self._starts: tuple[float, ...] | None = None
        self._image: Image.Image | None = None

    @property
    def timestamps(self) -> Sequence[float]:
        """Start of every frame in seconds from the durations in the file, or from ``fps`` where it stores none."""
        if self.time_base is None:
            return super().timestamps
        if self._starts is None:
            durations = []
            with open_image(self.path) as image:
                for index in range(self._count):
                    image.seek(index)
                    image.load()  # some formats set the duration only here
                    durations.append(image.info.get("duration", 0))
            self._starts = tuple(start / 1000 for start in accumulate(durations[:-1], initial=0))
        return self._starts

    def __len__(self) -> int:
        return self._count

    def _read(self, index: int) -> RgbImage:
        with media_errors(self.path):
            if self._image is None or index < self._image.tell():
                self._release()
                self._image = pillow_open(self.path)  # opened again: animated PNGs do not always survive rewinding
            return self._frame(self._image, index)

    def _stream(self) -> Generator[RgbImage]:
        with open_image(self.path) as image:
            for index in range(self._count):
                yield self._frame(image, index)

    def _frame(self, image: Image.Image, index: int) -> RgbImage:
        image.seek(index)
        pixels = self._rgb(image)
        if pixels.shape[:2] != self.size:
            sizes = f"{size_text(self.size)} as the first, got {size_text(pixels.shape)} at page {index}"
            raise MediaError(f"expected pages of one size, {sizes}: {self.path}")
        return pixels

    def _rgb(self, image: Image.Image) -> RgbImage:
        # only still images are turned upright: reading EXIF data makes Pillow lose its place in an animated PNG
        return to_rgb(ImageOps.exif_transpose(image) if self._count == 1 else image, str(self.path))

    def _release(self) -> None:
        if self._image is not None:
            self._image.close()
