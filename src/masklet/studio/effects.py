"""Effects of rendered frames, on the background and on the objects; preview and export draw the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from masklet.io.overlay import Region, Style, StyleName, draw_style
from masklet.io.palette import Color
from masklet.masks.rle import decode_masks
from masklet.studio.tables import FrameRow, ObjectRow
from masklet.types import FrameMasks, ObjectId, RgbImage, Rle, Size

Background = Literal["original", "blur", "pixelate", "desaturate", "darken", "erase"]
Foreground = Literal["overlay", "original", "outline", "blur", "pixelate", "desaturate", "erase"]

_STYLES: Mapping[str, StyleName] = {"overlay": "fill", "darken": "spotlight"}


@dataclass(frozen=True, kw_only=True)
class Effects:
    """How frames are rendered.

    Attributes:
        background: effect outside the objects.
        object: effect on the objects.
        color: of erased regions and of outlines; by default black, and the colors of the objects.
        strength: opacity of the overlay, 0 to 1.
        colors: of the objects.
    """

    background: Background = "original"
    object: Foreground = "overlay"
    color: Color | None = None
    strength: float = 0.5
    colors: Mapping[ObjectId, Color] = field(default_factory=dict)

    def draw(self, frame: RgbImage, masks: FrameMasks) -> RgbImage:
        """Return a copy of the frame with both effects."""
        image = frame.copy()
        if self.background != "original":
            image = draw_style(image, masks, self._style(self.background, "background"))
        if self.object != "original":
            image = draw_style(image, masks, self._style(self.object, "objects"))
        return image

    def _style(self, effect: str, region: Region) -> Style:
        colors = {} if effect == "outline" and self.color else self.colors
        color = self.color if effect in ("erase", "outline") else None
        name = _STYLES.get(effect, effect)
        return Style(name=name, region=region, alpha=self.strength, color=color, colors=colors)  # type: ignore[arg-type]


def frame_masks(frame: int, rows: Sequence[FrameRow], size: Size) -> FrameMasks:
    """Decode the rows of a frame; without rows, a frame without objects."""
    return FrameMasks(
        frame_index=frame,
        object_ids=tuple(row.object_id for row in rows),
        masks=decode_masks([Rle(size, row.mask) for row in rows]) if rows else np.zeros((0, *size), bool),
        presence=np.array([row.presence for row in rows], np.float32),
        iou=np.array([row.iou for row in rows], np.float32),
    )


def rgb(color: str) -> Color:
    """Convert "#rrggbb" to (red, green, blue)."""
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)


def object_colors(rows: Sequence[ObjectRow]) -> dict[ObjectId, Color]:
    """Return the colors of objects by id."""
    return {row.object_id: rgb(row.color) for row in rows}
