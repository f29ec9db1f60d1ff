"""Frames without any header: the form that the caller must tell."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

import av

from masklet.errors import MediaError
from masklet.io.image_files import check_pixels

_WORDS = re.compile(r"(\d{1,6})x(\d{1,6})(?:[,:]([a-z0-9_]+))?(?:[,:@](\d+(?:\.\d+|/\d+)?))?")


@dataclass(frozen=True, kw_only=True)
class RawForm:
    """How raw frames follow each other.

    Attributes:
        width: in pixels.
        height: in pixels.
        pixels: FFmpeg's name of the pixel format, such as "rgb24", "bgr24", "gray", "yuv420p" or "gray16le".
        fps: frames per second.

    Raises:
        MediaError: no size, no such pixel format, or no rate.
    """

    width: int
    height: int
    pixels: str = "rgb24"
    fps: Fraction = Fraction(25)

    def __post_init__(self) -> None:
        check_pixels("raw frames", self.height, self.width)
        try:
            av.VideoFormat(self.pixels)
        except ValueError:
            raise MediaError(f"expected a pixel format such as rgb24, gray or yuv420p, got {self.pixels!r}") from None
        if not 0 < self.fps <= 1000:
            raise MediaError(f"expected more than 0 and at most 1000 frames per second, got {self.fps}")

    @classmethod
    def parse(cls, text: str) -> RawForm:
        """From words: ``"640x480"``, ``"640x480,bgr24"`` or ``"640x480,yuv420p,30000/1001"``.

        Raises:
            MediaError: something else.
        """
        match = _WORDS.fullmatch(text.strip().lower())
        if match is None or (match[4] or "").endswith("/0"):
            raise MediaError(f"expected WIDTHxHEIGHT,PIXELS,FPS as 640x480,rgb24,25, got {text!r}")
        width, height, pixels, fps = match.groups()
        return cls(width=int(width), height=int(height), pixels=pixels or "rgb24", fps=Fraction(fps or 25))

    @property
    def options(self) -> dict[str, str]:
        """For FFmpeg's raw video input."""
        return {
            "video_size": f"{self.width}x{self.height}",
            "pixel_format": self.pixels,
            "framerate": f"{self.fps.numerator}/{self.fps.denominator}",
        }
