"""What a pixel and a frame are in the world: physical size, time between frames, place on a map."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """The physical scale of a recording, as far as its file tells.

    Attributes:
        pixel_size: (height, width) of a pixel in ``unit``, or None.
        unit: of ``pixel_size``, such as "µm".
        frame_interval: seconds from one frame to the next, or None where frames are not moments or no interval is told.
    """

    pixel_size: tuple[float, float] | None = None
    unit: str = "µm"
    frame_interval: float | None = None


@dataclass(frozen=True, kw_only=True)
class GeoReference:
    """Where pixels lie on a map.

    Attributes:
        crs: coordinate reference system as well-known text (WKT).
        transform: (a, b, c, d, e, f) with x = a column + b row + c and y = d column + e row + f; column and row
            are 0 at the outer corner of the first pixel.
    """

    crs: str
    transform: tuple[float, float, float, float, float, float]
