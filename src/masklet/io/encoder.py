"""Encode frames to a video file, each at its presentation time, together with the audio of the source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.codec import Codec
from av.codec.codec import UnknownCodecError
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from jaxtyping import UInt8, UInt16

from masklet.errors import OutputError
from masklet.io.audio import AudioFormat, AudioTracks
from masklet.io.source_url import FfmpegInput
from masklet.types import Size

Pixels = UInt8[np.ndarray, "h w c"] | UInt16[np.ndarray, "h w c"]
"""RGB, or RGB and alpha; the whole range of the type."""


@dataclass(frozen=True)
class VideoFormat:
    """Container and codec of a video file.

    Attributes:
        container: FFmpeg's name of the container.
        codec: FFmpeg's name of the encoder.
        pix_fmt: pixel format that the encoder takes.
        options: of the encoder.
        audio: the audio codecs it takes.
        even: whether sides must be even, because chroma is stored at half the size.
    """

    container: str
    codec: str
    pix_fmt: str
    options: Mapping[str, str]
    audio: AudioFormat
    even: bool = True


_MP4 = AudioFormat(frozenset({"aac", "mp3", "ac3", "eac3", "alac"}), "aac")
_MOV = AudioFormat(_MP4.copied | {"pcm_s16le", "pcm_s16be", "pcm_s24le", "pcm_s24be", "pcm_f32le"}, "aac")
_MKV = AudioFormat(_MOV.copied | {"opus", "flac", "vorbis", "dts"}, "aac")
_WEBM = AudioFormat(frozenset({"opus", "vorbis"}), "libopus")

_H264 = {"crf": "18", "preset": "veryfast"}
_VP9 = {"crf": "28", "b": "0", "deadline": "realtime", "cpu-used": "6", "row-mt": "1"}

VIDEO_FORMATS = {
    ".mp4": VideoFormat("mp4", "libx264", "yuv420p", _H264, _MP4),
    ".mov": VideoFormat("mov", "libx264", "yuv420p", _H264, _MOV),
    ".mkv": VideoFormat("matroska", "libx264", "yuv420p", _H264, _MKV),
    ".webm": VideoFormat("webm", "libvpx-vp9", "yuv420p", _VP9, _WEBM),
}
"""Formats of videos without transparency, by suffix."""

ALPHA_FORMATS = {
    ".mov": VideoFormat(
        "mov", "prores_ks", "yuva444p10le", {"profile": "4444", "alpha_bits": "16", "vendor": "apl0"}, _MOV, even=False
    ),
    # alpha is a second image, which does not support alternate reference frames
    ".webm": VideoFormat("webm", "libvpx-vp9", "yuva420p", _VP9 | {"auto-alt-ref": "0"}, _WEBM),
}
"""Formats of videos with transparency, by suffix: ProRes 4444 and VP9."""

_INSTEAD = {"libx264": ".webm", "libvpx-vp9": ".mp4", "prores_ks": ".webm, or a folder of PNG images"}

_PIXEL_FORMATS = {(3, 1): "rgb24", (4, 1): "rgba", (3, 2): "rgb48le", (4, 2): "rgba64le"}  # by channels and bytes

_BT709 = 1  # FFmpeg's number for matrix, primaries and transfer of HD video
_LIMITED = 1  # and for luma from 16 to 235, which every player expects


def check_encoder(format: VideoFormat, path: Path) -> None:
    """Raise `OutputError` with an alternative where this build of FFmpeg lacks the encoder."""
    try:
        Codec(format.codec, "w")
    except UnknownCodecError:
        raise OutputError(
            f"cannot write {path}: the FFmpeg of this PyAV has no encoder {format.codec}; "
            f"write {_INSTEAD.get(format.codec, 'another format')} instead, or install PyAV's wheel (pip install av)"
        ) from None


class VideoEncoder:
    """Encodes frames of one size to a file, in the order of their times.

    Where sides must be even, odd ones are padded by repeating the last row or column.

    Args:
        path: the file; its suffix does not matter.
        format: container and codec.
        size: (height, width) of the frames.
        time_base: unit of all pts, in seconds.
        rate: nominal frame rate.
    """

    def __init__(self, path: Path, format: VideoFormat, size: Size, *, time_base: Fraction, rate: Fraction) -> None:
        height, width = size
        odd = (height % 2, width % 2) if format.even else (0, 0)
        self._pad = ((0, odd[0]), (0, odd[1]), (0, 0))
        self._format = format
        self._time_base = time_base
        self._tick = 1 / rate
        self._end = Fraction(0)
        self._audio: AudioTracks | None = None
        self._container = av.open(f"file:{path}", "w", format=format.container)
        stream = self._container.add_stream(format.codec, rate=rate, options=dict(format.options))
        assert isinstance(stream, VideoStream)
        self._stream = stream
        self._stream.width, self._stream.height = width + odd[1], height + odd[0]
        self._stream.pix_fmt = format.pix_fmt
        context = self._stream.codec_context
        context.time_base = time_base
        context.color_range = _LIMITED
        context.colorspace = context.color_primaries = context.color_trc = _BT709

    def add_audio(self, source: FfmpegInput, start: float) -> None:
        """Add the audio of a file from ``start`` seconds on; before the first frame."""
        self._audio = AudioTracks(source, self._container, self._format.audio, start)

    def encode(self, image: Pixels, pts: int) -> None:
        """Add a frame; ``pts`` must be greater than the last one."""
        padded = np.pad(image, self._pad, mode="edge") if self._pad[0][1] or self._pad[1][1] else image
        pixel_format = _PIXEL_FORMATS[image.shape[2], image.dtype.itemsize]
        frame = VideoFrame.from_ndarray(np.ascontiguousarray(padded), format=pixel_format)
        frame = frame.reformat(format=self._format.pix_fmt, dst_colorspace="ITU709", dst_color_range="MPEG")
        frame.pts, frame.time_base = pts, self._time_base
        if self._audio is not None:
            self._audio.advance(float(pts * self._time_base))
        self._container.mux(self._stream.encode(frame))
        self._end = pts * self._time_base + self._tick

    def finish(self) -> None:
        """Write what the codec still holds, the rest of the audio, and the end of the file."""
        self._container.mux(self._stream.encode(None))
        if self._audio is not None:
            self._audio.finish(float(self._end))
        self.close()

    def close(self) -> None:
        """Close the file as it is; harmless after `finish`."""
        if self._audio is not None:
            self._audio.close()
        self._container.close()
