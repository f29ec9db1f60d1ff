"""Options of written results: overlay style, colors, mattes, polygons, measurements, sound."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, cast

import typer

from masklet.cli.options import OUTPUT_PANEL
from masklet.errors import OutputError

if TYPE_CHECKING:
    from masklet.io import OutputOptions
    from masklet.io.overlay import Region, StyleName
    from masklet.io.palette import Color
    from masklet.io.source import Calibration

_COLOR = re.compile(r"(?:(\d+):)?#?([0-9a-fA-F]{6})")
_NUMBER = r"(\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)"
_PIXEL_SIZE = re.compile(rf"{_NUMBER}(?:\s*[x×]\s*{_NUMBER})?\s*([^\W\d]\w*)")


@dataclass(frozen=True, kw_only=True)
class WriterOptions:
    """How results are drawn and measured; see `masklet.io.OutputOptions`."""

    style: Annotated[
        str,
        typer.Option(
            help="Overlay style: fill, outline, spotlight, cutout, blur, pixelate, desaturate or erase.",
            rich_help_panel=OUTPUT_PANEL,
        ),
    ] = "fill"
    region: Annotated[
        str,
        typer.Option(
            "--on",
            help="Region that blur, pixelate, desaturate and erase change: objects or background.",
            rich_help_panel=OUTPUT_PANEL,
        ),
    ] = "objects"
    color: Annotated[
        list[str],
        typer.Option(
            metavar="[OBJ:]#RRGGBB",
            help="Overlay color of all objects, or of one; may be repeated.",
            rich_help_panel=OUTPUT_PANEL,
        ),
    ] = field(default_factory=list)
    soften: Annotated[
        float,
        typer.Option(
            min=0,
            metavar="PIXELS",
            help="Width over which edges of mattes and cut-outs are blurred.",
            rich_help_panel=OUTPUT_PANEL,
        ),
    ] = 0.0
    detail: Annotated[
        int,
        typer.Option(
            min=0,
            metavar="PIXELS",
            help="Distance from the mask's edge within which a matte follows the image (hair, leaves).",
            rich_help_panel=OUTPUT_PANEL,
        ),
    ] = 0
    trimap: Annotated[
        int,
        typer.Option(
            min=0,
            metavar="PIXELS",
            help="Width of the gray band along the edges of mattes, for a matting tool.",
            rich_help_panel=OUTPUT_PANEL,
        ),
    ] = 0
    tolerance: Annotated[
        float,
        typer.Option(
            min=0,
            metavar="PIXELS",
            help="Largest deviation of simplified polygons; 0 is exact.",
            rich_help_panel=OUTPUT_PANEL,
        ),
    ] = 0.0
    pixel_size: Annotated[
        str | None,
        typer.Option(
            metavar="[HEIGHTx]WIDTH UNIT",
            help="Size of a pixel for measurements, as '0.65 um', if the file does not store it.",
            rich_help_panel=OUTPUT_PANEL,
        ),
    ] = None
    frame_interval: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            help="Time between frames for measurements, if the file does not store it.",
            rich_help_panel=OUTPUT_PANEL,
        ),
    ] = None
    no_audio: Annotated[
        bool,
        typer.Option("--no-audio", help="Write videos without the source's audio.", rich_help_panel=OUTPUT_PANEL),
    ] = False

    def output_options(self) -> OutputOptions:
        """The options of `masklet.open_writer`; `OutputError` for a value that cannot be parsed."""
        from masklet.io import Edge, OutputOptions, Style

        colors = dict(map(parse_color, self.color))
        style = Style(
            name=cast("StyleName", self.style),
            region=cast("Region", self.region),
            color=colors.pop(None, None),
            colors={object_id: color for object_id, color in colors.items() if object_id is not None},
            edge=Edge(soften=self.soften, detail=self.detail),
        )
        return OutputOptions(
            style=style,
            edge=Edge(soften=self.soften, detail=self.detail, trimap=self.trimap),
            calibration=parse_calibration(self.pixel_size, self.frame_interval),
            tolerance=self.tolerance,
            audio=not self.no_audio,
        )


def parse_color(text: str) -> tuple[int | None, Color]:
    """Object id (None: all objects) and color of ``[OBJ:]#RRGGBB``."""
    match = _COLOR.fullmatch(text)
    if match is None:
        raise OutputError(f"--color {text!r}: expected [OBJ:]#RRGGBB, as #ff8800 or 2:#ff8800")
    red, green, blue = bytes.fromhex(match[2])
    return (int(match[1]) if match[1] else None), (red, green, blue)


def parse_calibration(pixel_size: str | None, frame_interval: float | None) -> Calibration | None:
    """The calibration of ``--pixel-size`` and ``--frame-interval``; None without either."""
    from masklet.io.source import Calibration

    if frame_interval is not None and not 0 < frame_interval < float("inf"):
        raise OutputError(f"--frame-interval {frame_interval}: expected seconds, more than 0")
    if pixel_size is None:
        return None if frame_interval is None else Calibration(frame_interval=frame_interval)
    match = _PIXEL_SIZE.fullmatch(pixel_size.strip())
    sides = [float(side) for side in match.groups()[:2] if side] if match else []
    if match is None or min(sides) <= 0:
        raise OutputError(f"--pixel-size {pixel_size!r}: expected a number and a unit, as '0.65 um' or '0.6x0.65 um'")
    return Calibration(pixel_size=(sides[0], sides[-1]), unit=match[3], frame_interval=frame_interval)
