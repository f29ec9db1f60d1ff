"""What FFmpeg opens, and one opened video stream: packets and their times, frames, seeking, upright RGB pixels."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from itertools import chain
from typing import NamedTuple

import av
import av.error
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.sidedata.sidedata import SideData
from av.stream import Disposition
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.reformatter import Colorspace, VideoReformatter
from av.video.stream import VideoStream
from jaxtyping import Int64

from masklet.errors import MediaError
from masklet.io.images import check_pixels, size_text
from masklet.io.tone_mapping import HLG, PQ, tone_map
from masklet.types import RgbImage

NOT_VIDEO = frozenset({"tty", "bin", "xbin", "adf", "idf"})
"""Demuxers that render any text file as images."""

MISSING_SECONDS = Fraction(1, 4)
"""A stream that ends this much before the duration in its header was truncated."""

UNSPECIFIED_MATRIX = 2  # numbers of ITU-T H.273, table 4
SUPPORTED_MATRICES = frozenset({0, 1, 2, 3, 4, 5, 6, 7, 9})
"""RGB, BT.709, unspecified, reserved, FCC, BT.601 twice, 240M, BT.2020."""

DOLBY_VISION = frozenset({"dvh1", "dvhe", "dva1", "dvav", "dav1"})
"""Codec tags of Dolby Vision without a backward-compatible layer (streams with one are tagged as HEVC or AV1)."""

INTERLACED = "is interlaced: both fields of a frame are kept as they are, so moving edges look like combs"
TRANSPARENT = "has transparency, which is dropped: the color under it is seen"

HD_WIDTH, HD_HEIGHT = 1280, 576
"""From this width on, or above this height, a frame without a stated matrix is taken as BT.709, as players do."""

OPEN_TIMEOUT = 10.0
"""Seconds to wait for a source to open."""

_RAW_FORMAT = re.compile(r"(\d{1,6})x(\d{1,6})(?:[,:]([a-z0-9_]+))?(?:[,:@](\d+(?:\.\d+|/\d+)?))?")

Orient = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True, kw_only=True)
class RawFormat:
    """Format of raw frames, which have no header.

    Attributes:
        width: in pixels.
        height: in pixels.
        pixels: FFmpeg's name of the pixel format, such as "rgb24", "bgr24", "gray", "yuv420p" or "gray16le".
        fps: frame rate, above 0 and at most 1000.

    Raises:
        MediaError: a value out of range, or an unknown pixel format.
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
    def parse(cls, text: str) -> RawFormat:
        """Parse ``"640x480"``, ``"640x480,bgr24"`` or ``"640x480,yuv420p,30000/1001"``; `MediaError` for others."""
        match = _RAW_FORMAT.fullmatch(text.strip().lower())
        if match is None or (match[4] or "").endswith("/0"):
            raise MediaError(f"expected WIDTHxHEIGHT,PIXELS,FPS as 640x480,rgb24,25, got {text!r}")
        width, height, pixels, fps = match.groups()
        return cls(width=int(width), height=int(height), pixels=pixels or "rgb24", fps=Fraction(fps or 25))

    @property
    def options(self) -> dict[str, str]:
        """Options of FFmpeg's rawvideo demuxer."""
        return {
            "video_size": f"{self.width}x{self.height}",
            "pixel_format": self.pixels,
            "framerate": f"{self.fps.numerator}/{self.fps.denominator}",
        }


@dataclass(frozen=True, kw_only=True)
class FfmpegInput:
    """Arguments with which FFmpeg opens a source.

    Attributes:
        url: what it opens.
        name: shown in messages; without the password and the query, which may hold a key.
        format: name of the input format, or None to detect it.
        options: of the protocol and the demuxer.
    """

    url: str
    name: str
    format: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, url: str, name: str, protocols: str, raw: RawFormat | None = None) -> FfmpegInput:
        """Describe a source without a header if ``raw`` is given; ``protocols`` are all that it may use."""
        options = {"protocol_whitelist": protocols} | (raw.options if raw else {})
        return cls(url=url, name=name, format="rawvideo" if raw else None, options=options)

    @property
    def scheme(self) -> str:
        """The protocol, such as "file" or "https"."""
        return self.url.partition(":")[0].lower()

    def open(self) -> InputContainer:
        """Open it; `MediaError` if that fails, or it is not in a supported format."""
        try:
            container = av.open(self.url, format=self.format, options=dict(self.options), timeout=OPEN_TIMEOUT)
        except av.error.InvalidDataError:
            raise MediaError(f"not a video or image in a supported format: {self.name}") from None
        except (av.error.FFmpegError, OSError, ValueError) as error:  # ValueError: an input format this build lacks
            raise MediaError(f"cannot open {self.name}: {getattr(error, 'strerror', None) or error}") from error
        if container.format.name in NOT_VIDEO:
            container.close()
            raise MediaError(f"not a video or image in a supported format: {self.name}")
        return container


class KeyPacket(NamedTuple):
    """A packet at which decoding can start; ``dts`` is its place in decoding order."""

    pts: int
    dts: int


@dataclass(frozen=True, eq=False)
class Timeline:
    """Presentation times of all frames, in order.

    Attributes:
        pts: (n,) strictly increasing, in units of ``time_base``.
        keys: in order of pts; empty where frames have no usable times and can only be counted from the start.
        time_base: seconds.
        decoded: whether it comes from decoded frames, rather than from packets alone.
    """

    pts: Int64[np.ndarray, " n"]
    keys: tuple[KeyPacket, ...]
    time_base: Fraction
    decoded: bool

    def __len__(self) -> int:
        return len(self.pts)

    @cached_property
    def seconds(self) -> tuple[float, ...]:
        """Presentation time of every frame in seconds."""
        return tuple(float(pts * self.time_base) for pts in self.pts.tolist())

    def index_of(self, pts: int | None) -> int | None:
        """Return the index of the frame with a presentation time, or None."""
        if pts is None:
            return None
        index = int(np.searchsorted(self.pts, pts))
        return index if index < len(self.pts) and self.pts[index] == pts else None

    def key_before(self, index: int) -> tuple[int, KeyPacket] | None:
        """Return the last key packet not after a frame, and the index of the key's own frame; None: the start."""
        place = bisect_right(self.keys, self.pts[index], key=lambda key: key.pts)
        if not place:
            return None
        key = self.keys[place - 1]
        return int(np.searchsorted(self.pts, key.pts)), key


@dataclass
class Scan:
    """The packets and frames of one pass over a stream, from which a `Timeline` is made.

    Attributes:
        time_base: unit of pts, in seconds.
        tick: nominal duration of a frame, in seconds.
        packets: pts of the packets whose frames are shown.
        frames: pts of the decoded frames.
        keys: the key packets.
        num_hidden: number of packets that are decoded as references and not shown.
    """

    time_base: Fraction
    tick: Fraction
    packets: list[int | None] = field(default_factory=list)
    frames: list[int | None] = field(default_factory=list)
    keys: list[KeyPacket] = field(default_factory=list)
    num_hidden: int = 0

    def add(self, packet: Packet[VideoStream]) -> None:
        """Record a packet."""
        pts = packet.pts
        if packet.is_discard:
            self.num_hidden += 1
        else:
            self.packets.append(pts)
        if packet.is_keyframe and pts is not None:
            self.keys.append(KeyPacket(pts, pts if packet.dts is None else packet.dts))

    def timeline(self, *, decoded: bool) -> Timeline:
        """Make the timeline of the decoded frames, or of the packets where nothing was decoded.

        Times that are missing, repeat or run backward do not identify frames: those are counted, ``tick`` apart.
        """
        pts = self.frames if decoded else sorted(self.packets, key=lambda time: -1 if time is None else time)
        times = np.array([time for time in pts if time is not None], np.int64)
        if len(times) < len(pts) or (np.diff(times) <= 0).any() or not self.keys:
            return Timeline(np.arange(len(pts)), (), self.tick, decoded)
        return Timeline(times, tuple(sorted(self.keys)), self.time_base, decoded)


class Decoder:
    """A container with one video stream selected; the first frame is decoded, so that size and rotation are known.

    Args:
        source: what to open.

    Attributes:
        frames: all frames from the first on, once; a packet that cannot be decoded is skipped and counted as damage.
        first: the first frame.
        size: (height, width) as displayed.
        rate: nominal frame rate, or None.
        time_base: unit of all pts, in seconds.
        declared_frames: number of frames in the header, 0 where it has none.
        num_damaged: number of packets and reads that failed so far.
        read_error: why reading ended before the end, or "".
        scan: packets and frames of the pass from the start.
        scanning: whether ``scan`` is still updated; a seek ends it, and so should the reader of an endless stream.
        notes: remarks on the colors for the user.

    Raises:
        MediaError: it cannot be opened, holds no video, or no frame can be decoded.
    """

    def __init__(self, source: FfmpegInput) -> None:
        self.name = name = source.name
        self.num_damaged = 0
        self.read_error = ""
        self._container = source.open()
        try:
            self._stream = stream = _select_stream(self._container, name)
            stream.thread_type = "AUTO"
            self.time_base: Fraction = stream.time_base or Fraction(1, 1000)
            self.rate: Fraction | None = stream.average_rate or stream.guessed_rate or None
            self.declared_frames = stream.frames
            self._declared_end = _parse_duration(stream.metadata.get("DURATION", ""))
            self.scan = Scan(self.time_base, 1 / Fraction(self.rate or 25))
            self.scanning = True
            frames = self._decode(self.packets())
            first = next(frames, None)
            if first is None:
                raise MediaError(f"no frame of {name} can be decoded")
            self.first = first
            self.frames: Iterator[VideoFrame] = chain((first,), frames)
            self._stored_size = (first.height, first.width)
            self._orient, transposed = _orientation(first)
            self.size = self._stored_size[::-1] if transposed else self._stored_size
            self._colors = ColorConverter(stream.codec_context, first, name)
            self.notes = self._colors.notes
            if stream.metadata.get("alpha_mode") == "1":  # WebM stores alpha as a second stream, which is not decoded
                self.notes.append(TRANSPARENT)
        except BaseException:
            self.close()
            raise

    def packets(self) -> Iterator[Packet[VideoStream]]:
        """Yield the packets from the current position in decoding order, and an empty one at the end.

        A read error ends them and is recorded; it is not raised.
        """
        try:
            for packet in self._container.demux(self._stream):
                if self.scanning and packet.size:
                    self.num_damaged += packet.is_corrupt
                    self.scan.add(packet)
                yield packet
        except av.error.FFmpegError as error:
            self.num_damaged += 1
            self.read_error = error.strerror or str(error)

    def _decode(self, packets: Iterator[Packet[VideoStream]]) -> Iterator[VideoFrame]:
        for packet in packets:
            try:
                frames = packet.decode()
            except av.error.FFmpegError:
                self.num_damaged += 1
                continue
            if self.scanning:
                self.scan.frames += [frame.pts for frame in frames]
            yield from frames

    def seek(self, key: KeyPacket) -> Iterator[VideoFrame] | None:
        """Return the frames from a key packet on, or None where seeking does not lead to a place before it."""
        self.scanning = False
        try:
            self._container.seek(key.dts, stream=self._stream, backward=True)
        except av.error.FFmpegError:
            return None
        return self.skip_to(key)

    def skip_to(self, key: KeyPacket) -> Iterator[VideoFrame] | None:
        """Read on without decoding until a key packet and return the frames from there; None if it does not come.

        Frames that are decoded after the key packet and displayed before it reference earlier frames: left out.
        """
        self.scanning = False
        self._stream.codec_context.flush_buffers()
        packets = self.packets()
        for packet in packets:
            if packet.is_keyframe and packet.pts == key.pts:
                frames = self._decode(chain((packet,), packets))
                return (frame for frame in frames if frame.pts is None or frame.pts >= key.pts)
            if packet.dts is not None and packet.dts > key.dts:
                break
        return None

    @property
    def is_complete(self) -> bool:
        """Whether a pass from start to end met no damage and as many packets and seconds as the header says."""
        scan = self.scan
        if not self.scanning or self.num_damaged or len(scan.packets) + scan.num_hidden < self.declared_frames:
            return False
        last = max((pts for pts in scan.packets if pts is not None), default=0)
        missing = self._declared_end - (last * scan.time_base + scan.tick)
        return missing <= max(MISSING_SECONDS, 3 * scan.tick)

    def rgb(self, frame: VideoFrame) -> RgbImage:
        """Convert a decoded frame to upright RGB pixels, as a new array.

        The matrix and range of the frame are used; more than 8 bits are rounded, high dynamic range is tone-mapped,
        alpha is dropped.

        Raises:
            MediaError: the frame does not have the size of the first one.
        """
        if (frame.height, frame.width) != self._stored_size:
            sizes = f"{size_text(self._stored_size)} to {frame.width}x{frame.height}"
            raise MediaError(f"{self.name} changes its frame size from {sizes}")
        return np.ascontiguousarray(self._orient(self._colors.rgb(frame)))

    def close(self) -> None:
        """Close the container; closing twice is harmless."""
        self._container.close()


class ColorConverter:
    """Converts the frames of one stream to RGB, with the matrix and range that each frame states.

    Args:
        context: of the decoder, after it has decoded a frame.
        first: that frame.
        name: of the stream, for messages.

    Attributes:
        notes: remarks on the conversion for the user.

    Raises:
        MediaError: FFmpeg cannot convert the stream's colors.
    """

    def __init__(self, context: VideoCodecContext, first: VideoFrame, name: str) -> None:
        if context.codec_tag in DOLBY_VISION:
            raise MediaError(
                f"{name} is Dolby Vision without a compatible layer, which masklet cannot convert; convert the video "
                "to BT.709 first"
            )
        if int(first.colorspace) not in SUPPORTED_MATRICES:
            raise MediaError(
                f"the colors of {name} use matrix {int(first.colorspace)} of ITU-T H.273, which masklet cannot "
                "convert; convert the video to BT.709 first"
            )
        self._transfer = int(context.color_trc or 0)
        self._reformatter = VideoReformatter()
        self.notes: list[str] = []
        if first.interlaced_frame:
            self.notes.append(INTERLACED)
        if any(component.is_alpha for component in first.format.components):
            self.notes.append(TRANSPARENT)

    def rgb(self, frame: VideoFrame) -> RgbImage:
        """Convert a frame to RGB pixels in stored orientation."""
        large = frame.width >= HD_WIDTH or frame.height > HD_HEIGHT
        # None: the matrix that the frame states, else FFmpeg's default, BT.601
        matrix = Colorspace.ITU709 if large and int(frame.colorspace) == UNSPECIFIED_MATRIX else None
        hdr = self._transfer in (PQ, HLG)
        rgb = self._reformatter.reformat(frame, format="rgb48le" if hdr else "rgb24", src_colorspace=matrix)
        return tone_map(rgb.to_ndarray(), self._transfer) if hdr else rgb.to_ndarray()


def _parse_duration(text: str) -> Fraction:
    """Parse "01:02:03.5", Matroska's duration of a stream (its header has no frame count), to seconds; else 0."""
    try:
        hours, minutes, seconds = map(Fraction, text.split(":"))
    except (ValueError, ZeroDivisionError):
        return Fraction(0)
    return hours * 3600 + minutes * 60 + seconds


def _select_stream(container: InputContainer, name: str) -> VideoStream:
    """Select the default video stream, or the largest; cover images are no videos."""
    streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not streams:
        raise MediaError(f"expected a video, found none in {name}{' (only audio)' if container.streams.audio else ''}")
    streams = [stream for stream in streams if stream.codec_context is not None]
    if not streams:
        raise MediaError(f"this FFmpeg has no decoder for the video in {name}")
    stream = max(streams, key=lambda s: (bool(s.disposition & Disposition.default), s.width * s.height))
    check_pixels(name, stream.height, stream.width)
    return stream


def _orientation(frame: VideoFrame) -> tuple[Orient, bool]:
    """Return how stored pixels are turned for display, and whether height and width change places.

    The display matrix maps a stored column p and row q to the displayed column a p + c q and row b p + d q (FFmpeg's
    ``av_display_rotation_get`` documents its layout); only quarter turns and reflections are applied.
    """
    side_data = frame.side_data.get("DISPLAYMATRIX")
    if not isinstance(side_data, SideData):
        return np.asarray, False
    a, b, _, c, d = np.frombuffer(bytes(side_data), np.int32)[:5].tolist()
    transposed = abs(b) + abs(c) > abs(a) + abs(d)
    flip_columns, flip_rows = (c < 0, b < 0) if transposed else (a < 0, d < 0)
    steps = (slice(None, None, -1 if flip_rows else 1), slice(None, None, -1 if flip_columns else 1))
    return lambda pixels: (pixels.swapaxes(0, 1) if transposed else pixels)[steps], transposed
