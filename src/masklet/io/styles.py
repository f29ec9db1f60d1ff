"""What an overlay video shows: the objects filled, outlined, lit or hidden, and what happens to the background."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np
from PIL import Image, ImageFilter

from masklet.errors import OutputError
from masklet.io.overlay import draw_overlay
from masklet.io.palette import Color
from masklet.masks.soft import Edge, alpha_of
from masklet.types import FrameMasks, ObjectId, RgbImage

StyleName = Literal["fill", "outline", "spotlight", "cutout", "blur", "pixelate", "desaturate", "erase"]
Region = Literal["objects", "background"]

_BACKGROUND_STYLES = ("spotlight", "cutout")
_DIM = 0.3  # how much of the background's light a spotlight leaves
_BLACK: Color = (0, 0, 0)


@dataclass(frozen=True, kw_only=True)
class Style:
    """How an overlay looks.

    ==========  =================================================================
    fill        objects half transparent in their colors, with an outline
    outline     objects outlined in their colors
    spotlight   the background darkened
    cutout      the background in one color
    blur        the objects (or the background) out of focus
    pixelate    the objects (or the background) in coarse blocks
    desaturate  the objects (or the background) in gray
    erase       the objects (or the background) in one color
    ==========  =================================================================

    Attributes:
        name: one of these.
        region: what is changed, where the style leaves the choice.
        alpha: how much of the fill's color is seen, 0 to 1.
        color: of everything that is painted, instead of the objects' colors or black.
        colors: object id -> color, before ``color``.
        edge: softens the border between what is changed and what is not (not of fill and outline).

    Raises:
        OutputError: no such style or region.
    """

    name: StyleName = "fill"
    region: Region = "objects"
    alpha: float = 0.5
    color: Color | None = None
    colors: Mapping[ObjectId, Color] = field(default_factory=dict)
    edge: Edge = field(default_factory=Edge)

    def __post_init__(self) -> None:
        if self.name not in get_args(StyleName):
            raise OutputError(f"expected a style of {', '.join(get_args(StyleName))}, got {self.name!r}")
        if self.region not in get_args(Region):
            raise OutputError(f"expected a region of {', '.join(get_args(Region))}, got {self.region!r}")


def draw_style(frame: RgbImage, masks: FrameMasks, style: Style) -> RgbImage:
    """The frame in a style, as a new array.

    Args:
        frame: (h, w, 3) uint8.
        masks: masks of the frame's size.
        style: what it should look like.
    """
    if style.name in ("fill", "outline"):
        colors = dict.fromkeys(masks.object_ids, style.color) if style.color else {}
        painted = {i: color for i, color in {**colors, **style.colors}.items() if color}
        alpha = style.alpha if style.name == "fill" else 0.0
        width = None if style.name == "fill" else max(2, round(min(frame.shape[:2]) / 200))
        return draw_overlay(frame, masks, alpha=alpha, outline=width, colors=painted)
    amount = alpha_of(np.asarray(masks.masks.any(axis=0)), style.edge, frame)
    if style.region == "background" or style.name in _BACKGROUND_STYLES:
        amount = 1 - amount
    changed = _CHANGES[style.name](frame, style.color or _BLACK)
    mixed = np.rint(frame + amount[:, :, None] * (changed.astype(np.float32) - frame))
    return np.asarray(mixed, np.uint8)


def _blurred(frame: RgbImage, color: Color) -> RgbImage:
    return np.array(Image.fromarray(frame).filter(ImageFilter.GaussianBlur(max(3.0, min(frame.shape[:2]) / 40))))


def _pixelated(frame: RgbImage, color: Color) -> RgbImage:
    height, width, _ = frame.shape
    block = max(4, round(min(height, width) / 30))
    few = (max(1, round(width / block)), max(1, round(height / block)))
    small = Image.fromarray(frame).resize(few, Image.Resampling.BOX)
    return np.array(small.resize((width, height), Image.Resampling.NEAREST))


def _gray(frame: RgbImage, color: Color) -> RgbImage:
    return np.array(Image.fromarray(frame).convert("L").convert("RGB"))


def _dimmed(frame: RgbImage, color: Color) -> RgbImage:
    return np.asarray(np.rint(np.array(color) + _DIM * (frame - np.array(color, np.float32))), np.uint8)


def _painted(frame: RgbImage, color: Color) -> RgbImage:
    return np.full(frame.shape, color, np.uint8)


_CHANGES: dict[str, Callable[[RgbImage, Color], RgbImage]] = {
    "spotlight": _dimmed,
    "cutout": _painted,
    "blur": _blurred,
    "pixelate": _pixelated,
    "desaturate": _gray,
    "erase": _painted,
}
