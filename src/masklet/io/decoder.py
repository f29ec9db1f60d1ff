"""One opened video stream: packets, decoded frames, seeking to a key packet, conversion to upright RGB."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import chain

import av
import av.error
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.sidedata.sidedata import SideData
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from masklet.errors import MediaError
from masklet.io.color import TRANSPARENT, ColorConverter
from masklet.io.images import check_pixels
from masklet.io.source_url import OPEN_TIMEOUT, FfmpegInput
from masklet.io.timeline import KeyPacket, Scan
from masklet.types import RgbImage

NOT_VIDEO = frozenset({"tty", "bin", "xbin", "adf", "idf"})
"""Demuxers that render any text file as images."""

MISSING_SECONDS = Fraction(1, 4)
"""A stream that ends this much before the duration in its header was truncated."""

Orient = Callable[[np.ndarray], np.ndarray]


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
        self._container = _open(source)
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
                    self.scan.add_packet(packet.pts, packet.dts, key=packet.is_keyframe, hidden=packet.is_discard)
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
        if not self.scanning or self.num_damaged:
            return False
        return self.scan.is_complete(self.declared_frames, self._declared_end, MISSING_SECONDS)

    def rgb(self, frame: VideoFrame) -> RgbImage:
        """Convert a decoded frame to upright RGB pixels, as a new array.

        The matrix and range of the frame are used (`masklet.io.color` describes the defaults); more than 8 bits are
        rounded, high dynamic range is tone-mapped, alpha is dropped.

        Raises:
            MediaError: the frame does not have the size of the first one.
        """
        if (frame.height, frame.width) != self._stored_size:
            height, width = self._stored_size
            raise MediaError(
                f"{self.name} changes its frame size from {width}x{height} to {frame.width}x{frame.height}"
            )
        return np.ascontiguousarray(self._orient(self._colors.rgb(frame)))

    def close(self) -> None:
        """Close the container; closing twice is harmless."""
        self._container.close()


def _open(source: FfmpegInput) -> InputContainer:
    name = source.name
    try:
        container = av.open(source.url, format=source.format, options=dict(source.options), timeout=OPEN_TIMEOUT)
    except av.error.InvalidDataError:
        raise MediaError(f"not a video or image in a supported format: {name}") from None
    except (av.error.FFmpegError, OSError, ValueError) as error:  # ValueError: an input format this build lacks
        raise MediaError(f"cannot open {name}: {getattr(error, 'strerror', None) or error}") from error
    if container.format.name in NOT_VIDEO:
        container.close()
        raise MediaError(f"not a video or image in a supported format: {name}")
    return container


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
