"""Options that say what input files leave open, as the library takes them."""

from __future__ import annotations

from typing import Any

from masklet.cli.options import InputOptions
from masklet.io.intensity import parse_scale
from masklet.io.source_url import RawFormat


def still_keywords(options: InputOptions) -> dict[str, Any]:
    """Arguments of `masklet.read_image`.

    Raises:
        MediaError: words that mean nothing.
    """
    return {
        "axis": options.axis,
        "channels": None if options.channel is None else [part.strip() for part in options.channel.split(",")],
        "scale": None if options.scale is None else parse_scale(options.scale),
    }


def video_keywords(options: InputOptions) -> dict[str, Any]:
    """Arguments of `masklet.open_video`.

    Raises:
        MediaError: words that mean nothing.
    """
    raw = None if options.raw is None else RawFormat.parse(options.raw)
    return {**still_keywords(options), "fps": options.fps, "raw": raw}
