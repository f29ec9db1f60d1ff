"""Effects of rendered frames, on the background and on the objects; preview and export draw the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from masklet.io.overlay import Region, Style, StyleName, draw_style
from masklet.io.palette import Color
from masklet.masks.rle import decode_masks
from masklet.studio.tables import FrameRow, ObjectRow
from masklet.types import FrameMasks, ObjectId, RgbImage, Rle, Size

Background = Literal["original", "blur", "pixelate", "desaturate", "darken", "erase"]
Foreground = Literal["overlay", "original", "outline", "blur", "pixelate", "desaturate", "erase"]

HexColor = Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")]

_STYLES: Mapping[str, StyleName] = {"overlay": "fill", "darken": "spotlight"}


class Effects(BaseModel):
    """How frames are rendered: effects on the background and on the objects, in a request or in code.

    Attributes:
        background: effect outside the objects.
        object: effect on the objects.
        color: of erased regions and of outlines as "#rrggbb"; by default black, and the colors of the objects.
        strength: opacity of the overlay, 0 to 1.
    """

    model_config = ConfigDict(extra="forbid")

    background: Background = "original"
    object: Foreground = "overlay"
    color: HexColor | None = None
    strength: Annotated[float, Field(ge=0, le=1)] = 0.5

    def draw(self, frame: RgbImage, masks: FrameMasks, colors: Mapping[ObjectId, Color]) -> RgbImage:
        """Return a copy of the frame with both effects; ``colors`` are those of the objects."""
        image = frame.copy()
        if self.background != "original":
            image = draw_style(image, masks, self._style(self.background, "background", colors))
        if self.object != "original":
            image = draw_style(image, masks, self._style(self.object, "objects", colors))
        return image

    def _style(self, effect: str, region: Region, colors: Mapping[ObjectId, Color]) -> Style:
        color = rgb(self.color) if self.color and effect in ("erase", "outline") else None
        own = {} if effect == "outline" and color else colors
        name = _STYLES.get(effect, effect)
        return Style(name=name, region=region, alpha=self.strength, color=color, colors=own)  # type: ignore[arg-type]


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
