"""Encoding pictures to a video file: H.264 or VP9, every picture at its time."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from masklet.types import Picture, Size

FORMS = {  # suffix -> container, codec, options of the codec
    ".mp4": ("mp4", "libx264", {"crf": "18", "preset": "veryfast"}),
    ".mov": ("mov", "libx264", {"crf": "18", "preset": "veryfast"}),
    ".mkv": ("matroska", "libx264", {"crf": "18", "preset": "veryfast"}),
    ".webm": ("webm", "libvpx-vp9", {"crf": "28", "b": "0", "deadline": "realtime", "cpu-used": "6", "row-mt": "1"}),
}
"""The video files that can be written."""

_BT709 = 1  # FFmpeg's number for matrix, primaries and transfer of HD video
_LIMITED = 1  # and for luma from 16 to 235, which every player expects


class VideoEncoder:
    """Pictures of one size to a file, in the order of their times.

    Odd sizes are padded by repeating the last row or column, because the usual 4:2:0 colors need even ones.

    Args:
        path: the file; its name does not matter.
        suffix: a key of `FORMS`.
        size: (height, width) of the pictures.
        time_base: unit of all pts, in seconds.
        rate: nominal frames per second.
    """

    def __init__(self, path: Path, suffix: str, size: Size, *, time_base: Fraction, rate: Fraction) -> None:
        container, codec, options = FORMS[suffix]
        height, width = size
        self._pad = ((0, height % 2), (0, width % 2), (0, 0))
        self._time_base = time_base
        self._container = av.open(f"file:{path}", "w", format=container)
        stream = self._container.add_stream(codec, rate=rate, options=options)
        assert isinstance(stream, VideoStream)
        self._stream = stream
        self._stream.width, self._stream.height = width + width % 2, height + height % 2
        self._stream.pix_fmt = "yuv420p"
        context = self._stream.codec_context
        context.time_base = time_base
        context.color_range = _LIMITED
        context.colorspace = context.color_primaries = context.color_trc = _BT709

    def encode(self, picture: Picture, pts: int) -> None:
        """Add a picture; ``pts`` must be greater than the last one."""
        padded = np.pad(picture, self._pad, mode="edge") if self._pad[0][1] or self._pad[1][1] else picture
        frame = VideoFrame.from_ndarray(np.ascontiguousarray(padded), format="rgb24")
        frame = frame.reformat(format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG")
        frame.pts, frame.time_base = pts, self._time_base
        self._container.mux(self._stream.encode(frame))

    def finish(self) -> None:
        """Write what the codec still holds, and the end of the file."""
        self._container.mux(self._stream.encode(None))
        self._container.close()

    def close(self) -> None:
        """Close the file as it is; harmless after `finish`."""
        self._container.close()
