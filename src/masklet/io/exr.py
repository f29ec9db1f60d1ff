"""OpenEXR renderings and film scans as stacks of one frame."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Int32, Shaped

from masklet.errors import MediaError, needs
from masklet.io.images import check_pixels, media_errors
from masklet.io.stack import Stack

EXR_MAGIC = b"\x76\x2f\x31\x01"


class ExrStack(Stack):
    """The first part of an OpenEXR file; its values are linear light, so 0 to 1 is shown through the sRGB curve.

    Pixels outside the data window are 0; pixels outside the display window are cropped. Channels are R, G, B, A and Y,
    then the others by name, such as "Z" or "diffuse.R".
    """

    scale = (0.0, 1.0)
    is_linear = True
    num_frames = 1

    def __init__(self, path: Path) -> None:
        with needs("exr", path):
            import OpenEXR  # noqa: PLC0415  an extra
        self.name = str(path)
        with media_errors(path), OpenEXR.File(str(path), header_only=True) as file:
            header = dict(file.header())
            names = {channel.name for channel in header["channels"]}
        if "deep" in str(header.get("type", "")):
            raise MediaError(f"OpenEXR with deep pixels is not supported: {path}")
        if any((channel.xSampling, channel.ySampling) != (1, 1) for channel in header["channels"]):
            raise MediaError(f"OpenEXR with subsampled channels is not supported: {path}")
        self._left, self._top, right, bottom = _window(header["displayWindow"])
        self._data = _window(header["dataWindow"])
        self.size = (bottom - self._top + 1, right - self._left + 1)
        check_pixels(self.name, *self.size)
        check_pixels(self.name, self._data[3] - self._data[1] + 1, self._data[2] - self._data[0] + 1)
        self.is_color = {"R", "G", "B"} <= names
        colors = [name for name in ("R", "G", "B", "A", "Y") if name in names]
        self.channels = (*colors, *sorted(names - set(colors)))

    def read(self, frame: int, channels: Sequence[int]) -> Shaped[np.ndarray, "h w k"]:
        import Imath  # noqa: PLC0415  comes with OpenEXR
        import OpenEXR  # noqa: PLC0415  an extra, present where a file was opened

        names = [self.channels[channel] for channel in channels]
        with media_errors(self.name):
            file = OpenEXR.InputFile(self.name)  # OpenEXR.File prints errors, and reads every channel
            try:
                planes = file.channels(names, Imath.PixelType(Imath.PixelType.FLOAT))
            finally:
                file.close()
        left, top, right, bottom = self._data
        if any(len(plane) != 4 * (bottom - top + 1) * (right - left + 1) for plane in planes):
            raise MediaError(f"the image does not have the size in its header: {self.name}")
        shape = (bottom - top + 1, right - left + 1)
        pixels = np.stack([np.frombuffer(plane, np.float32).reshape(shape) for plane in planes], axis=2)
        height, width = self.size
        shown = np.zeros((height, width, len(names)), np.float32)
        x, y = left - self._left, top - self._top  # where the data window starts in the display window
        into = shown[max(y, 0) : y + pixels.shape[0], max(x, 0) : x + pixels.shape[1]]
        into[:] = pixels[max(-y, 0) :, max(-x, 0) :][: into.shape[0], : into.shape[1]]
        return shown


def _window(corners: Sequence[Int32[np.ndarray, " 2"]]) -> tuple[int, int, int, int]:
    (left, top), (right, bottom) = corners
    return int(left), int(top), int(right), int(bottom)
