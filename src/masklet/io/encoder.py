"""Encoding pictures to a video file, every picture at its time, with the sound that belongs to it."""

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
from masklet.io.audio import AudioFormat, Sound
from masklet.io.source_url import FfmpegInput
from masklet.types import Size

Pixels = UInt8[np.ndarray, "h w c"] | UInt16[np.ndarray, "h w c"]
"""RGB, or RGB and alpha; the whole range of the type."""


@dataclass(frozen=True)
class VideoFormat:
    """A kind of video file.

    Attributes:
        container: FFmpeg's name of the file form.
        codec: FFmpeg's name of the encoder.
        pix_fmt: what the encoder takes.
        options: of the encoder.
        audio: the audio codecs it takes.
        even: whether sides must be even, because color is stored at half the size.
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
"""The video files that can be written, by suffix."""

ALPHA_FORMATS = {
    ".mov": VideoFormat(
        "mov", "prores_ks", "yuva444p10le", {"profile": "4444", "alpha_bits": "16", "vendor": "apl0"}, _MOV, even=False
    ),
    # the second picture that carries alpha has no time-saving variant: frames are not dropped, but it is slower
    ".webm": VideoFormat("webm", "libvpx-vp9", "yuva420p", _VP9 | {"auto-alt-ref": "0"}, _WEBM),
}
"""Those that hold transparency: ProRes 4444 and VP9."""

_INSTEAD = {"libx264": ".webm", "libvpx-vp9": ".mp4", "prores_ks": ".webm, or a folder of PNG pictures"}

_BT709 = 1  # FFmpeg's number for matrix, primaries and transfer of HD video
_LIMITED = 1  # and for luma from 16 to 235, which every player expects


def check_encoder(form: VideoFormat, path: Path) -> None:
    """Raise `OutputError` with a way out where this build of FFmpeg lacks the encoder."""
    try:
        Codec(form.codec, "w")
    except UnknownCodecError:
        raise OutputError(
            f"cannot write {path}: the FFmpeg of this PyAV has no encoder {form.codec}; "
            f"write {_INSTEAD.get(form.codec, 'another form')} instead, or install PyAV's own wheel (pip install av)"
        ) from None


class VideoEncoder:
    """Pictures of one size to a file, in the order of their times.

    Where sides must be even, odd ones are padded by repeating the last row or column.

    Args:
        path: the file; its name does not matter.
        form: what it becomes.
        size: (height, width) of the pictures.
        time_base: unit of all pts, in seconds.
        rate: nominal frames per second.
    """

    def __init__(self, path: Path, form: VideoFormat, size: Size, *, time_base: Fraction, rate: Fraction) -> None:
        height, width = size
        odd = (height % 2, width % 2) if form.even else (0, 0)
        self._pad = ((0, odd[0]), (0, odd[1]), (0, 0))
        self._form = form
        self._time_base = time_base
        self._tick = 1 / rate
        self._end = Fraction(0)
        self._sound: Sound | None = None
        self._container = av.open(f"file:{path}", "w", format=form.container)
        stream = self._container.add_stream(form.codec, rate=rate, options=dict(form.options))
        assert isinstance(stream, VideoStream)
        self._stream = stream
        self._stream.width, self._stream.height = width + odd[1], height + odd[0]
        self._stream.pix_fmt = form.pix_fmt
        context = self._stream.codec_context
        context.time_base = time_base
        context.color_range = _LIMITED
        context.colorspace = context.color_primaries = context.color_trc = _BT709

    def add_sound(self, source: FfmpegInput, start: float) -> None:
        """Take along the sound of a file from ``start`` seconds on; before the first picture."""
        self._sound = Sound(source, self._container, self._form.audio, start)

    def encode(self, picture: Pixels, pts: int) -> None:
        """Add a picture; ``pts`` must be greater than the last one."""
        padded = np.pad(picture, self._pad, mode="edge") if self._pad[0][1] or self._pad[1][1] else picture
        layout = {3: "rgb", 4: "rgba"}[picture.shape[2]]
        depth = (
            ("24" if layout == "rgb" else "") if picture.dtype == np.uint8 else ("48le" if layout == "rgb" else "64le")
        )
        frame = VideoFrame.from_ndarray(np.ascontiguousarray(padded), format=layout + depth)
        frame = frame.reformat(format=self._form.pix_fmt, dst_colorspace="ITU709", dst_color_range="MPEG")
        frame.pts, frame.time_base = pts, self._time_base
        if self._sound is not None:
            self._sound.advance(float(pts * self._time_base))
        self._container.mux(self._stream.encode(frame))
        self._end = pts * self._time_base + self._tick

    def finish(self) -> None:
        """Write what the codec still holds, the rest of the sound, and the end of the file."""
        self._container.mux(self._stream.encode(None))
        if self._sound is not None:
            self._sound.finish(float(self._end))
        self.close()

    def close(self) -> None:
        """Close the file as it is; harmless after `finish`."""
        if self._sound is not None:
            self._sound.close()
        self._container.close()
