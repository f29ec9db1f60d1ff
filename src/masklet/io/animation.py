"""RgbImage files as a frame source: animations frame by frame, a still picture as a video of one frame."""

from __future__ import annotations

import os
from collections.abc import Generator, Sequence
from fractions import Fraction
from itertools import accumulate
from pathlib import Path

from PIL import Image, ImageOps

from masklet.errors import MediaError
from masklet.io.image_files import open_picture, opened_picture, reading_picture, to_rgb
from masklet.io.source import RecordedSource, checked_rate
from masklet.types import RgbImage

ANIMATED = frozenset({"GIF", "WEBP", "PNG", "TIFF"})
"""Formats whose further pictures are frames; in others (a phone's JPEG) they are previews and depth maps."""


class PictureFile(RecordedSource):
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
        with opened_picture(path) as image:
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
            with opened_picture(self.path) as image:
                for index in range(self._count):
                    image.seek(index)
                    image.load()  # some formats tell the duration only then
                    durations.append(image.info.get("duration", 0))
            self._starts = tuple(start / 1000 for start in accumulate(durations[:-1], initial=0))
        return self._starts

    def __len__(self) -> int:
        return self._count

    def _read(self, index: int) -> RgbImage:
        with reading_picture(self.path):
            if self._image is None or index < self._image.tell():
                self._release()
                self._image = open_picture(self.path)  # anew, because animated PNGs do not always survive rewinding
            return self._frame(self._image, index)

    def _stream(self) -> Generator[RgbImage]:
        with opened_picture(self.path) as image:
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
