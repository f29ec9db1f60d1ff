"""Copy the audio of a video into another, cut and shifted to the frames that are written."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
import av.error
from av.audio.codeccontext import AudioCodecContext
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet

from masklet.io.decoder import FfmpegInput
from masklet.io.source import MediaWarning


@dataclass(frozen=True)
class AudioFormat:
    """Audio codecs of a container.

    Attributes:
        copied: codecs whose packets are copied as they are.
        encoder: FFmpeg's name of the encoder for all others.
    """

    copied: frozenset[str]
    encoder: str


class AudioTracks:
    """All audio tracks of a file, written packet by packet as the frames advance.

    Packets are copied where the container supports their codec; else the audio is transcoded, with more than two
    channels mixed to two. It stays in sync with the frames.

    Args:
        source: the file.
        target: the container to write to, before anything is written to it.
        format: audio codecs of that container.
        start: time in the source that becomes 0, in seconds.
    """

    def __init__(self, source: FfmpegInput, target: OutputContainer, format: AudioFormat, start: float) -> None:
        self._name = source.name
        self._source = source.open()
        self._target = target
        self._start = Fraction(start)
        self._tracks: dict[int, _Track] = {}
        for stream in self._source.streams.audio:
            if stream.codec_context is not None and stream.time_base:
                track = _Copied if stream.codec_context.name in format.copied else _Encoded
                self._tracks[stream.index] = track(stream, target, format)
        streams = [track.source for track in self._tracks.values()]
        self._packets: Iterator[Packet[Any]] = iter(self._source.demux(streams)) if streams else iter(())
        self._next: Packet[Any] | None = None

    def advance(self, until: float) -> None:
        """Write the audio up to a time in seconds after the first frame."""
        try:
            for packet in self._pending(Fraction(until)):
                for out in self._tracks[packet.stream.index].feed(packet, self._start):
                    self._target.mux(out)
        except av.error.InvalidDataError:
            self._packets = iter(())
            warnings.warn(f"the audio of {self._name} is damaged: it ends early", MediaWarning, stacklevel=2)

    def finish(self, end: float) -> None:
        """Write the audio up to its end, or up to ``end`` seconds."""
        self.advance(end)
        for track in self._tracks.values():
            for out in track.rest():
                self._target.mux(out)

    def close(self) -> None:
        """Close the source."""
        self._source.close()

    def _pending(self, until: Fraction) -> Iterator[Packet[AudioStream]]:
        while True:
            packet = self._next or next(self._packets, None)
            self._next = packet
            if packet is None:
                return
            if packet.pts is not None and packet.size:
                time = packet.pts * packet.time_base - self._start
                if time >= until:
                    return
                if time >= 0:
                    yield packet
            self._next = None


class _Copied:
    """A track whose packets are copied."""

    def __init__(self, source: AudioStream, target: OutputContainer, format: AudioFormat) -> None:
        self.source = source
        self._stream = target.add_stream_from_template(source)

    def feed(self, packet: Packet[AudioStream], start: Fraction) -> list[Packet[AudioStream]]:
        shift = round(start / packet.time_base)
        assert packet.pts is not None
        packet.pts -= shift
        packet.dts = packet.pts
        packet.stream = self._stream
        return [packet]

    def rest(self) -> list[Packet[AudioStream]]:
        return []


class _Encoded:
    """A track that is transcoded."""

    def __init__(self, source: AudioStream, target: OutputContainer, format: AudioFormat) -> None:
        self.source = source
        rate = 48000 if format.encoder == "libopus" else source.codec_context.sample_rate
        layout = "mono" if source.codec_context.channels == 1 else "stereo"
        stream = target.add_stream(format.encoder, rate=rate, layout=layout)
        assert isinstance(stream, AudioStream)
        self._stream = stream
        self._context: AudioCodecContext = stream.codec_context
        self._resampler: AudioResampler | None = None
        self._samples = 0
        self._offset: int | None = None

    def feed(self, packet: Packet[AudioStream], start: Fraction) -> list[Packet[AudioStream]]:
        if self._offset is None:
            assert packet.pts is not None
            self._offset = round((packet.pts * packet.time_base - start) * self._context.sample_rate)
        return [out for frame in packet.decode() for out in self._encode(frame)]

    def rest(self) -> list[Packet[AudioStream]]:
        return [*self._encode(None), *self._stream.encode(None)] if self._resampler else []

    def _encode(self, frame: av.AudioFrame | None) -> Iterator[Packet[AudioStream]]:
        if self._resampler is None:
            self._context.open(strict=False)
            self._resampler = AudioResampler(
                self._context.format.name,
                self._context.layout.name,
                self._context.sample_rate,
                self._context.frame_size,
            )
        for part in self._resampler.resample(frame):
            part.pts = (self._offset or 0) + self._samples
            part.time_base = Fraction(1, self._context.sample_rate)
            self._samples += part.samples
            yield from self._stream.encode(part)


_Track = _Copied | _Encoded
