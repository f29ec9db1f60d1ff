"""Videos as outputs: the frames with the masks drawn over them, or the objects cut out; with the source's audio."""

from __future__ import annotations

import contextlib
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import ClassVar, Unpack

import av
import av.error
import numpy as np
from av.codec import Codec
from av.codec.codec import UnknownCodecError
from av.container import OutputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from jaxtyping import UInt8, UInt16

from masklet.errors import OutputError
from masklet.io.audio import AudioFormat, AudioTracks
from masklet.io.container import ContainerVideo
from masklet.io.overlay import Style, draw_style
from masklet.io.result_builder import Result, VideoLike
from masklet.io.writer import StrPath, Writer, WriterOptions
from masklet.masks.soft import Edge, alpha_of
from masklet.types import FrameMasks, RgbImage, Size

DEFAULT_FPS = 25.0
"""Frame rate where neither the caller nor the source gives one."""

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


class VideoOptions(WriterOptions, total=False):
    """Arguments of every writer of a video; see `VideoWriter`."""

    fps: float | None
    audio: bool


class VideoWriter(Writer):
    """Base of videos with one image for each frame and its masks.

    Every frame keeps its distance in time from the first one written, so a variable frame rate survives; the audio of
    the source is kept, unless ``fps`` changes the times.

    Args:
        path: the file to write; its suffix selects the container and codec.
        fps: a constant frame rate instead of the times of ``like``.
        audio: whether to keep the audio of ``like``.
        options: as in `Writer`.

    Attributes:
        FORMATS: the formats by suffix.

    Raises:
        OutputError: an unknown suffix, a missing folder, no permission, no such encoder, or ``path`` is the source.
    """

    FORMATS: ClassVar[Mapping[str, VideoFormat]]

    def __init__(
        self, path: StrPath, *, fps: float | None = None, audio: bool = True, **options: Unpack[WriterOptions]
    ) -> None:
        path = Path(path)
        format = self.FORMATS.get(path.suffix.lower())
        if format is None:
            raise OutputError(
                f"cannot write {path}: expected a video named {', '.join(self.FORMATS)}, got {path.suffix!r}"
            )
        if fps is not None and not 0 < fps <= 1000:
            raise OutputError(
                f"cannot write {path}: expected more than 0 and at most 1000 frames per second, got {fps}"
            )
        check_encoder(format, path)
        super().__init__(path, **options)
        like = options.get("like")
        self._format = format
        self._clock = _Clock(like, fps)
        self._audio_source = like.source if audio and fps is None and isinstance(like, ContainerVideo) else None
        self._audio: AudioTracks | None = None
        self._size: Size | None = None
        self._container: OutputContainer | None = None
        self._end = Fraction(0)

    @abstractmethod
    def _draw(self, frame: RgbImage, masks: FrameMasks) -> Pixels:
        """Return the image to encode for a frame."""

    def _write(self, frame: RgbImage | None, masks: FrameMasks) -> None:
        frame = self._needed(frame, masks.frame_index)
        height, width, _ = frame.shape
        size = self._size = self._size or (height, width)
        if (height, width) != size or masks.masks.shape[1:] != size:
            raise OutputError(
                f"cannot write {self.path}: expected frame and masks of {size[1]}x{size[0]} pixels, got "
                f"{width}x{height} and {masks.masks.shape[2]}x{masks.masks.shape[1]} at frame {masks.frame_index}"
            )
        clock = self._clock
        pts = clock.pts(masks.frame_index)
        if pts is None:
            raise OutputError(f"cannot write {self.path}: frame {masks.frame_index} is not after the last one")
        if self._container is None:
            self._container = av.open(f"file:{self._output.path}", "w", format=self._format.container)
            self._stream = self._add_stream(self._container, size)
            if self._audio_source is not None:
                self._audio = AudioTracks(self._audio_source, self._container, self._format.audio, clock.start)
        image = self._draw(frame, masks)
        if self._format.even and (height % 2 or width % 2):  # repeat the last row or column
            image = np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        pixel_format = _PIXEL_FORMATS[image.shape[2], image.dtype.itemsize]
        encoded = VideoFrame.from_ndarray(np.ascontiguousarray(image), format=pixel_format)
        encoded = encoded.reformat(format=self._format.pix_fmt, dst_colorspace="ITU709", dst_color_range="MPEG")
        encoded.pts, encoded.time_base = pts, clock.time_base
        if self._audio is not None:
            self._audio.advance(float(pts * clock.time_base))
        self._container.mux(self._stream.encode(encoded))
        self._end = pts * clock.time_base + 1 / clock.rate

    def _add_stream(self, container: OutputContainer, size: Size) -> VideoStream:
        stream = container.add_stream(self._format.codec, rate=self._clock.rate, options=dict(self._format.options))
        assert isinstance(stream, VideoStream)
        stream.height, stream.width = (side + side % 2 if self._format.even else side for side in size)
        stream.pix_fmt = self._format.pix_fmt
        context = stream.codec_context
        context.time_base = self._clock.time_base
        context.color_range = _LIMITED
        context.colorspace = context.color_primaries = context.color_trc = _BT709
        return stream

    def _complete(self) -> None:
        assert self._container is not None
        self._container.mux(self._stream.encode(None))
        if self._audio is not None:
            self._audio.finish(float(self._end))
        self._close_encoder()

    def _close_encoder(self) -> None:
        if self._audio is not None:
            self._audio.close()
        if self._container is not None:
            self._container.close()

    def _close_output(self) -> None:
        with contextlib.suppress(av.error.FFmpegError, OSError):  # the file is deleted in any case
            self._close_encoder()


class OverlayWriter(VideoWriter):
    """An H.264 (``.mp4``, ``.mov``, ``.mkv``) or VP9 (``.webm``) video of the frames with their masks drawn over them.

    Args:
        path: the file to write.
        style: how masks are drawn.
        options: ``like``, ``provenance``, ``fps`` and ``audio``, as in `VideoWriter`.
    """

    FORMATS = VIDEO_FORMATS
    OPTIONS = ("style", "audio")

    def __init__(self, path: StrPath, *, style: Style | None = None, **options: Unpack[VideoOptions]) -> None:
        super().__init__(path, **options)
        self._style = style or Style()

    def _draw(self, frame: RgbImage, masks: FrameMasks) -> Pixels:
        return draw_style(frame, masks, self._style)


class CutoutWriter(VideoWriter):
    """A video of the objects with transparency around them: ProRes 4444 (``.mov``) or VP9 (``.webm``).

    Colors are those of the frame, not premultiplied; alpha is that of all objects together.

    Args:
        path: the file to write.
        edge: how masks become alpha.
        options: ``like``, ``provenance``, ``fps`` and ``audio``, as in `VideoWriter`.
    """

    FORMATS = ALPHA_FORMATS
    OPTIONS = ("edge", "audio")

    def __init__(self, path: StrPath, *, edge: Edge | None = None, **options: Unpack[VideoOptions]) -> None:
        super().__init__(path, **options)
        self._edge = edge or Edge()

    def _draw(self, frame: RgbImage, masks: FrameMasks) -> Pixels:
        return cutout(frame, masks, self._edge)


def cutout(frame: RgbImage, masks: FrameMasks, edge: Edge) -> UInt16[np.ndarray, "h w 4"]:
    """Add the alpha of all masks together to a frame, 16 bits a channel, not premultiplied."""
    alpha = alpha_of(np.asarray(masks.masks.any(axis=0)), edge, frame)
    pixels = np.empty((*frame.shape[:2], 4), np.uint16)
    pixels[..., :3] = frame.astype(np.uint16) * 257
    pixels[..., 3] = np.rint(alpha * 65535)
    return pixels


class _Clock:
    """Presentation times of the written frames: those of the source where it stores any, else a constant rate."""

    def __init__(self, like: VideoLike | None, fps: float | None) -> None:
        self._like = like if fps is None and not isinstance(like, Result) else None
        nominal = fps or (None if like is None else like.fps) or DEFAULT_FPS
        self.rate = Fraction(nominal).limit_denominator(1001)
        source_time_base = getattr(self._like, "time_base", None)
        self.time_base: Fraction = source_time_base or 1 / self.rate
        self._timed = source_time_base is not None
        self._first = 0
        self._last: int | None = None

    @property
    def start(self) -> float:
        """Time of the first frame written, in seconds on the source's clock."""
        return float(self._first * self.time_base)

    def pts(self, frame_index: int) -> int | None:
        """Return the time of a frame relative to the first one written, or None if it is not after the last one."""
        if self._timed and self._like is not None:
            pts = round(self._like.timestamps[frame_index] / self.time_base)
        else:
            pts = frame_index
        if self._last is None:
            self._first = pts
        elif pts <= self._last:
            return None
        self._last = pts
        return pts - self._first
