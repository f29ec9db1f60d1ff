"""Where every picture of a video stream stands in time, and where decoding can start."""

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
    """Presentation times of all pictures, in order.

    Attributes:
        pts: (n,) strictly increasing, in units of ``time_base``.
        keys: in order of pts; empty where pictures can only be counted from the start.
        time_base: seconds.
        certain: whether every picture was seen decoded, rather than expected from its packet.
    """

    pts: Int64[np.ndarray, " n"]
    keys: tuple[KeyPacket, ...]
    time_base: Fraction
    certain: bool

    def __len__(self) -> int:
        return len(self.pts)

    @cached_property
    def seconds(self) -> tuple[float, ...]:
        """Presentation time of every picture."""
        return tuple(float(pts * self.time_base) for pts in self.pts.tolist())

    @property
    def counted(self) -> bool:
        """Whether pictures have no times of their own that would tell them apart."""
        return not self.keys

    def position(self, pts: int | None) -> int | None:
        """Index of the picture with this time, or None."""
        if pts is None:
            return None
        index = int(np.searchsorted(self.pts, pts))
        return index if index < len(self.pts) and self.pts[index] == pts else None

    def key_before(self, index: int) -> tuple[int, KeyPacket] | None:
        """The last key packet not after a picture, and the index of the first picture it gives; None: the start."""
        times = [key.pts for key in self.keys]
        place = int(np.searchsorted(times, self.pts[index], side="right")) - 1
        if place < 0:
            return None
        return int(np.searchsorted(self.pts, times[place])), self.keys[place]


@dataclass
class Scan:
    """What one pass over a stream has seen; becomes a `Timeline`."""

    time_base: Fraction
    tick: Fraction
    packets: list[int | None] = field(default_factory=list)
    pictures: list[int | None] = field(default_factory=list)
    keys: list[KeyPacket] = field(default_factory=list)
    hidden: int = 0

    def see_packet(self, pts: int | None, dts: int | None, *, key: bool, hidden: bool) -> None:
        """Note a packet; a hidden one is decoded for the sake of others and not shown."""
        if hidden:
            self.hidden += 1
        else:
            self.packets.append(pts)
        if key and pts is not None:
            self.keys.append(KeyPacket(pts, pts if dts is None else dts))

    @property
    def num_packets(self) -> int:
        return len(self.packets) + self.hidden

    @property
    def end(self) -> Fraction:
        """When the last packet's picture gives way, in seconds."""
        return max((pts for pts in self.packets if pts is not None), default=0) * self.time_base + self.tick

    def timeline(self, *, decoded: bool) -> Timeline:
        """The timeline by the pictures that came out, or by the packets where nothing was decoded.

        Times that are missing, repeat or run backward do not tell pictures apart: those are counted, ``tick`` apart.
        """
        seen = self.pictures if decoded else sorted(self.packets, key=lambda pts: -1 if pts is None else pts)
        times = np.array([pts for pts in seen if pts is not None], np.int64)
        if len(times) < len(seen) or (np.diff(times) <= 0).any() or not self.keys:
            return Timeline(np.arange(len(seen)), (), self.tick, decoded)
        return Timeline(times, tuple(sorted(self.keys)), self.time_base, decoded)
