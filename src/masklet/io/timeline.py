"""Presentation times of the frames of a video stream, and the packets at which decoding can start."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property

import numpy as np
from jaxtyping import Int64


@dataclass(frozen=True, order=True)
class KeyPacket:
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

    @cached_property
    def _key_pts(self) -> Int64[np.ndarray, " k"]:
        return np.array([key.pts for key in self.keys], np.int64)

    def index_of(self, pts: int | None) -> int | None:
        """Return the index of the frame with a presentation time, or None."""
        if pts is None:
            return None
        index = int(np.searchsorted(self.pts, pts))
        return index if index < len(self.pts) and self.pts[index] == pts else None

    def key_before(self, index: int) -> tuple[int, KeyPacket] | None:
        """Return the last key packet not after a frame, and the index of the key's own frame; None: the start."""
        place = int(np.searchsorted(self._key_pts, self.pts[index], side="right")) - 1
        if place < 0:
            return None
        key = self.keys[place]
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

    def add_packet(self, pts: int | None, dts: int | None, *, key: bool, hidden: bool) -> None:
        """Record a packet."""
        if hidden:
            self.num_hidden += 1
        else:
            self.packets.append(pts)
        if key and pts is not None:
            self.keys.append(KeyPacket(pts, pts if dts is None else dts))

    def is_complete(self, num_frames: int, end: Fraction, tolerance: Fraction) -> bool:
        """Return whether there were as many packets and seconds as the header says (``tolerance`` in seconds)."""
        last = max((pts for pts in self.packets if pts is not None), default=0)
        missing = end - (last * self.time_base + self.tick)
        return len(self.packets) + self.num_hidden >= num_frames and missing <= max(tolerance, 3 * self.tick)

    def timeline(self, *, decoded: bool) -> Timeline:
        """Make the timeline of the decoded frames, or of the packets where nothing was decoded.

        Times that are missing, repeat or run backward do not identify frames: those are counted, ``tick`` apart.
        """
        pts = self.frames if decoded else sorted(self.packets, key=lambda time: -1 if time is None else time)
        times = np.array([time for time in pts if time is not None], np.int64)
        if len(times) < len(pts) or (np.diff(times) <= 0).any() or not self.keys:
            return Timeline(np.arange(len(pts)), (), self.tick, decoded)
        return Timeline(times, tuple(sorted(self.keys)), self.time_base, decoded)
