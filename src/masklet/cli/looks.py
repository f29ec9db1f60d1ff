"""Options that say how outputs look and what they are measured in, as the library takes them."""

from __future__ import annotations

import re
from typing import cast

from masklet.cli.options import LookOptions
from masklet.errors import OutputError
from masklet.io import Edge, OutputOptions, Style
from masklet.io.overlay import Region, StyleName
from masklet.io.palette import Color
from masklet.io.source import Calibration

_COLOR = re.compile(r"(?:(\d+):)?#?([0-9a-fA-F]{6})")
_NUMBER = r"(\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)"
_PIXEL_SIZE = re.compile(rf"{_NUMBER}(?:\s*[x×]\s*{_NUMBER})?\s*([^\W\d]\w*)")


def output_options(looks: LookOptions) -> OutputOptions:
    """What `masklet.open_writer` takes as options.

    Raises:
        OutputError: words that mean nothing.
    """
    edge = Edge(soften=looks.soften, detail=looks.detail, trimap=looks.trimap)
    colors = dict(map(parse_color, looks.colors))
    style = Style(
        name=cast("StyleName", looks.style),
        region=cast("Region", looks.region),
        color=colors.pop(None, None),
        colors={object_id: color for object_id, color in colors.items() if object_id is not None},
        edge=Edge(soften=looks.soften, detail=looks.detail),
    )
    return OutputOptions(
        style=style,
        edge=edge,
        calibration=calibration(looks.pixel_size, looks.frame_interval),
        tolerance=looks.tolerance,
        audio=not looks.mute,
    )


def parse_color(words: str) -> tuple[int | None, Color]:
    """Object and color of ``[OBJ:]#RRGGBB``; None for all objects."""
    match = _COLOR.fullmatch(words)
    if match is None:
        raise OutputError(f"--color {words!r}: expected [OBJ:]#RRGGBB, as #ff8800 or 2:#ff8800")
    red, green, blue = bytes.fromhex(match[2])
    return (int(match[1]) if match[1] else None), (red, green, blue)


def calibration(pixel_size: str | None, frame_interval: float | None) -> Calibration | None:
    """What ``--pixel-size`` and ``--frame-interval`` say; None where they say nothing."""
    if frame_interval is not None and not 0 < frame_interval < float("inf"):
        raise OutputError(f"--frame-interval {frame_interval}: expected seconds, more than 0")
    if pixel_size is None:
        return None if frame_interval is None else Calibration(frame_interval=frame_interval)
    match = _PIXEL_SIZE.fullmatch(pixel_size.strip())
    sides = [float(side) for side in match.groups()[:2] if side] if match else []
    if match is None or min(sides) <= 0:
        raise OutputError(f"--pixel-size {pixel_size!r}: expected a number and a unit, as '0.65 um' or '0.6x0.65 um'")
    return Calibration(pixel_size=(sides[0], sides[-1]), unit=match[3], frame_interval=frame_interval)
