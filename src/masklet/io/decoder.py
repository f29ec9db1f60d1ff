"""One opened video stream: packets, decoded pictures, seeking to a key packet, conversion to upright RGB."""

from __future__ import annotations

from collections.abc import Callable, Generator
from fractions import Fraction

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
from masklet.io.source_url import SECONDS_TO_OPEN, FfmpegInput
from masklet.io.timeline import KeyPacket, Scan, Timeline
from masklet.types import RgbImage

NOT_VIDEO = frozenset({"tty", "bin", "xbin", "adf", "idf"})
"""Demuxers that draw any text file as pictures."""

MISSING_SECONDS = Fraction(1, 4)
"""A stream that ends so much before the end its header tells was cut off."""

Turn = Callable[[np.ndarray], np.ndarray]


class Decoder:
    """A container with one video stream chosen; the first picture is decoded, so that size and rotation are known.

    Args:
        address: where it is.

    Attributes:
        first: the first decoded picture; `pictures` gives it again.
        size: (height, width) as displayed.
        rate: nominal frames per second, or None.
        time_base: unit of all pts, in seconds.
        promised: number of pictures by the header, 0 where it does not say.
        damaged: number of packets and reads that failed so far.
        broken: why reading ended before the end, or "".
        scan: what has passed since the start; None after a seek.
        notes: what a viewer should know about the colors, in words.

    Raises:
        MediaError: it cannot be opened, holds no video, or no picture can be decoded.
    """

    def __init__(self, address: FfmpegInput) -> None:
        self.name = name = address.name
        self.damaged = 0
        self.broken = ""
        self._container = _open(address)
        try:
            self._stream = _video_stream(self._container, name)
            self._stream.thread_type = "AUTO"
            self.time_base: Fraction = self._stream.time_base or Fraction(1, 1000)
            rate = self._stream.average_rate or self._stream.guessed_rate
            self.rate: Fraction | None = rate or None
            self.promised = self._stream.frames
            self._promised_end = _told_duration(self._stream.metadata.get("DURATION", ""))
            self.scan: Scan | None = Scan(self.time_base, 1 / Fraction(self.rate or 25))
            self._pictures = self._decode(self.packets())
            first = next(self._pictures, None)
            if first is None:
                raise MediaError(f"no picture in {name} can be decoded")
            self.first = first
            self._stored = (first.height, first.width)
            self._turn, transposed = _upright(first)
            self.size = self._stored[::-1] if transposed else self._stored
            self._colors = ColorConverter(self._stream.codec_context, first, name)
            self.notes = self._colors.notes
            if self._stream.metadata.get("alpha_mode") == "1":  # WebM's alpha is a stream of its own, not decoded
                self.notes.append(TRANSPARENT)
        except BaseException:
            self.close()
            raise

    def packets(self) -> Generator[Packet[VideoStream]]:
        """The packets of the stream in decoding order from where it stands, and an empty one at the end.

        A read that fails ends them: what stands before is kept.
        """
        try:
            for packet in self._container.demux(self._stream):
                if self.scan is not None and packet.size:
                    self.damaged += packet.is_corrupt
                    self.scan.see_packet(packet.pts, packet.dts, key=packet.is_keyframe, hidden=packet.is_discard)
                yield packet
        except av.error.FFmpegError as error:
            self.damaged += 1
            self.broken = error.strerror or str(error)

    def pictures(self) -> Generator[VideoFrame]:
        """All pictures from the first on; a packet that cannot be decoded is skipped and counted as damage."""
        yield self.first
        yield from self._pictures

    def decode(self, packet: Packet[VideoStream]) -> list[VideoFrame]:
        """The pictures that a packet brings out."""
        try:
            frames = packet.decode()
        except av.error.FFmpegError:
            self.damaged += 1
            return []
        if self.scan is not None:
            self.scan.pictures += [frame.pts for frame in frames]
        return frames

    def _decode(self, packets: Generator[Packet[VideoStream]]) -> Generator[VideoFrame]:
        for packet in packets:
            yield from self.decode(packet)

    def pictures_from(self, key: KeyPacket) -> Generator[VideoFrame] | None:
        """The pictures from a key packet on, or None where seeking does not bring us before it.

        Pictures that are decoded after the key packet and shown before it would need what came earlier: left out.
        """
        self.scan = None
        try:
            self._container.seek(key.dts, stream=self._stream, backward=True)
        except av.error.FFmpegError:
            return None
        return self.pictures_at(key)

    def pictures_at(self, key: KeyPacket) -> Generator[VideoFrame] | None:
        """As `pictures_from`, by reading on from here without decoding until the key packet comes."""
        self.scan = None
        self._stream.codec_context.flush_buffers()
        packets = self.packets()
        for packet in packets:
            if packet.is_keyframe and packet.pts == key.pts:
                return self._shown_from(key, packet, packets)
            if packet.dts is not None and packet.dts > key.dts:
                break
        return None

    def _shown_from(
        self, key: KeyPacket, packet: Packet[VideoStream], packets: Generator[Packet[VideoStream]]
    ) -> Generator[VideoFrame]:
        for frames in (self.decode(packet), self._decode(packets)):
            for frame in frames:
                if frame.pts is None or frame.pts >= key.pts:
                    yield frame

    @property
    def complete(self) -> bool:
        """Whether a pass from start to end met no damage and as many packets, or seconds, as the header says."""
        if self.scan is None or self.damaged or self.promised > self.scan.num_packets:
            return False
        return self._promised_end - self.scan.end <= max(MISSING_SECONDS, 3 * self.scan.tick)

    def timeline(self, *, decoded: bool) -> Timeline:
        """What a pass from start to end has seen, by the decoded pictures or by the packets alone."""
        assert self.scan is not None, "the pass was interrupted by a seek"
        return self.scan.timeline(decoded=decoded)

    def rgb(self, frame: VideoFrame) -> RgbImage:
        """A decoded picture as (h, w, 3) uint8 RGB, upright, a fresh array.

        By the matrix and range the picture states (`masklet.io.color` says what happens where it states none); more
        than 8 bits are rounded, high dynamic range is brought to a screen's, alpha is dropped.

        Raises:
            MediaError: the picture is of another size than the first one.
        """
        if (frame.height, frame.width) != self._stored:
            height, width = self._stored
            raise MediaError(
                f"{self.name} changes size from {width}x{height} to {frame.width}x{frame.height} on the way"
            )
        return np.ascontiguousarray(self._turn(self._colors.rgb(frame)))

    def close(self) -> None:
        """Close the container; closing twice is harmless."""
        self._container.close()

    def __enter__(self) -> Decoder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _open(address: FfmpegInput) -> InputContainer:
    name = address.name
    try:
        container = av.open(address.url, format=address.form, options=dict(address.options), timeout=SECONDS_TO_OPEN)
    except av.error.InvalidDataError:
        raise MediaError(f"not a video or picture that masklet can read: {name}") from None
    except (av.error.FFmpegError, OSError, ValueError) as error:  # ValueError: an input form this build lacks
        raise MediaError(f"cannot open {name}: {getattr(error, 'strerror', None) or error}") from error
    if container.format.name in NOT_VIDEO:
        container.close()
        raise MediaError(f"not a video or picture that masklet can read: {name}")
    return container


def _told_duration(words: str) -> Fraction:
    """Seconds of "01:02:03.5", as Matroska tells the duration of a stream (whose header counts no frames); else 0."""
    try:
        hours, minutes, seconds = (Fraction(part) for part in words.split(":"))
    except (ValueError, ZeroDivisionError):
        return Fraction(0)
    return hours * 3600 + minutes * 60 + seconds


def _video_stream(container: InputContainer, name: str) -> VideoStream:
    streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
    if not streams:
        raise MediaError(f"expected a video, found none in {name}{' (only sound)' if container.streams.audio else ''}")
    streams = [stream for stream in streams if stream.codec_context is not None]
    if not streams:
        raise MediaError(f"no decoder here for the video in {name}")
    stream = max(streams, key=lambda s: (bool(s.disposition & Disposition.default), s.width * s.height))
    check_pixels(name, stream.height, stream.width)
    return stream


def _upright(frame: VideoFrame) -> tuple[Turn, bool]:
    """How stored pixels become displayed ones by the display matrix, and whether height and width change places.

    The matrix maps a stored column p and row q to the displayed column a p + c q and row b p + d q (FFmpeg's
    ``av_display_rotation_get`` tells its layout); only quarter turns and mirrors are used.
    """
    side = frame.side_data.get("DISPLAYMATRIX")
    if not isinstance(side, SideData):
        return _as_is, False
    a, b, _, c, d = np.frombuffer(bytes(side), np.int32)[:5].tolist()
    transposed = abs(b) + abs(c) > abs(a) + abs(d)
    flip_columns, flip_rows = (c < 0, b < 0) if transposed else (a < 0, d < 0)
    steps = (slice(None, None, -1 if flip_rows else 1), slice(None, None, -1 if flip_columns else 1))
    return lambda pixels: (pixels.swapaxes(0, 1) if transposed else pixels)[steps], transposed


def _as_is(pixels: np.ndarray) -> np.ndarray:
    return pixels
