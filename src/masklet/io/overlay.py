"""Draw masks and prompts over images, in several styles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np
from jaxtyping import Bool, UInt8
from PIL import Image, ImageFilter

from masklet.errors import OutputError
from masklet.io.palette import Color, color_of
from masklet.masks.boundary import Window, bounding_window
from masklet.masks.soft import Edge, alpha_of
from masklet.types import FrameMasks, ObjectId, Prompts, RgbImage

POSITIVE: Color = (40, 200, 90)
NEGATIVE: Color = (235, 60, 60)
WHITE: Color = (255, 255, 255)


def draw_overlay(
    frame: RgbImage,
    masks: FrameMasks,
    *,
    alpha: float = 0.5,
    outline: int | None = None,
    colors: Mapping[ObjectId, Color] | None = None,
) -> RgbImage:
    """Draw every mask over a frame, filled half transparent and outlined; returns a new array.

    Args:
        frame: (h, w, 3) uint8.
        masks: masks of the frame's size.
        alpha: opacity of the fill, 0 to 1.
        outline: width of the outline in pixels, drawn inside the mask; 0 for none, None to fit the frame's size.
        colors: object id -> (red, green, blue); other objects get their palette color.
    """
    width = max(1, round(min(frame.shape[:2]) / 300)) if outline is None else outline
    drawn = frame.copy()
    outlines = []
    for object_id, mask in zip(masks.object_ids, masks.masks, strict=True):
        if not mask.any():
            continue
        box = bounding_window(mask)
        color = (colors or {}).get(object_id) or color_of(object_id)
        _blend(drawn[box], mask[box], color, alpha)
        outlines.append((box, mask, color))
    for box, mask, color in outlines if width else []:  # after all fills: no fill covers an outline
        _blend(drawn[box], _rim(mask, box, width), color, 1.0)
    return drawn


def draw_prompts(frame: RgbImage, prompts: Prompts, *, color: Color = WHITE) -> RgbImage:
    """Draw clicks as dots (green with a plus, red with a minus) and the box over a frame; returns a new array."""
    drawn = frame.copy()
    scale = max(4.0, min(frame.shape[:2]) / 60)
    if prompts.box is not None:
        _draw_box(drawn, prompts.box.tolist(), max(2, round(scale / 5)), color)
    for (x, y), label in zip(prompts.points.tolist(), prompts.labels.tolist(), strict=True):
        _draw_click(drawn, (x, y), scale, positive=bool(label))
    return drawn


def _blend(pixels: UInt8[np.ndarray, "h w 3"], inside: Bool[np.ndarray, "h w"], color: Color, alpha: float) -> None:
    """Blend a color into the pixels inside, in place, through a table of 256 entries."""
    for channel, value in enumerate(color):
        table = np.rint(np.arange(256) * (1 - alpha) + value * alpha).astype(np.uint8)
        plane = pixels[..., channel]
        np.copyto(plane, table[plane], where=inside)


def _rim(mask: Bool[np.ndarray, "h w"], box: Window, width: int) -> Bool[np.ndarray, "a b"]:
    """Return the pixels of a mask within ``width`` steps of its outside; the border of the image is not outside."""
    rows, columns = box
    around = slice(max(rows.start - 1, 0), rows.stop + 1), slice(max(columns.start - 1, 0), columns.stop + 1)
    core = mask[around].copy()
    for step in range(width):
        shrunk = core.copy()
        shrunk[1:] &= core[:-1]
        shrunk[:-1] &= core[1:]
        shrunk[:, 1:] &= core[:, :-1]
        shrunk[:, :-1] &= core[:, 1:]
        if step % 2:  # alternating diamond and square steps make a round brush
            shrunk[1:, 1:] &= core[:-1, :-1]
            shrunk[:-1, :-1] &= core[1:, 1:]
            shrunk[1:, :-1] &= core[:-1, 1:]
            shrunk[:-1, 1:] &= core[1:, :-1]
        core = shrunk
    top, left = rows.start - around[0].start, columns.start - around[1].start
    height, breadth = rows.stop - rows.start, columns.stop - columns.start
    rim: Bool[np.ndarray, "a b"] = mask[box] & ~core[top : top + height, left : left + breadth]
    return rim


def _draw_box(frame: RgbImage, box: list[float], width: int, color: Color) -> None:
    """Draw lines of ``width`` pixels with a dark edge on both sides, so that they show on any image."""
    x0, y0, x1, y1 = (round(value) for value in box)
    for reach, shade in ((width + 2, (0, 0, 0)), (width, color)):
        low, high = reach // 2, reach - reach // 2
        top, left = max(y0 - low, 0), max(x0 - low, 0)
        for line in (
            (slice(top, y0 + high), slice(left, x1 + high)),
            (slice(max(y1 - low, 0), y1 + high), slice(left, x1 + high)),
            (slice(top, y1 + high), slice(left, x0 + high)),
            (slice(top, y1 + high), slice(max(x1 - low, 0), x1 + high)),
        ):
            frame[line] = shade


def _draw_click(frame: RgbImage, center: tuple[float, float], radius: float, *, positive: bool) -> None:
    """Draw an anti-aliased disc with a white ring and a white sign."""
    x, y = center
    left, top = max(int(x - radius - 2), 0), max(int(y - radius - 2), 0)
    patch = frame[top : int(y + radius + 3), left : int(x + radius + 3)]
    down, right = np.mgrid[0 : patch.shape[0], 0 : patch.shape[1]]
    across, along = np.abs(right + left - x), np.abs(down + top - y)
    distance = np.hypot(across, along)
    arm, half = radius * 0.5, max(0.9, radius * 0.13)
    sign = (across <= arm) & (along <= half)
    if positive:
        sign |= (along <= arm) & (across <= half)
    ring = radius * 0.22
    for inside, color in (
        (np.clip(radius + 1 - distance + 0.5, 0, 1) * 0.6, (0, 0, 0)),
        (np.clip(radius - distance + 0.5, 0, 1), WHITE),
        (np.clip(radius - ring - distance + 0.5, 0, 1), POSITIVE if positive else NEGATIVE),
        (sign.astype(float), WHITE),
    ):
        part = inside[..., None]
        patch[:] = np.rint(patch * (1 - part) + np.array(color) * part).astype(np.uint8)


StyleName = Literal["fill", "outline", "spotlight", "cutout", "blur", "pixelate", "desaturate", "erase"]
Region = Literal["objects", "background"]

_BACKGROUND_STYLES = ("spotlight", "cutout")
_DIM = 0.3  # brightness of the background in a spotlight


@dataclass(frozen=True, kw_only=True)
class Style:
    """Style of an overlay.

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
        region: the region that blur, pixelate, desaturate and erase change.
        alpha: opacity of the fill, 0 to 1.
        color: of fill, outline or background, instead of the palette or black.
        colors: object id -> color; takes precedence over ``color``.
        edge: softens the border of the changed region (not of fill and outline).

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
            raise OutputError(f"expected one of the styles {', '.join(get_args(StyleName))}, got {self.name!r}")
        if self.region not in get_args(Region):
            raise OutputError(f"expected one of the regions {', '.join(get_args(Region))}, got {self.region!r}")


def draw_style(frame: RgbImage, masks: FrameMasks, style: Style) -> RgbImage:
    """Draw the masks over a frame in a style; returns a new array."""
    if style.name in ("fill", "outline"):
        colors = dict.fromkeys(masks.object_ids, style.color) if style.color else {}
        painted = {i: color for i, color in {**colors, **style.colors}.items() if color}
        alpha = style.alpha if style.name == "fill" else 0.0
        width = None if style.name == "fill" else max(2, round(min(frame.shape[:2]) / 200))
        return draw_overlay(frame, masks, alpha=alpha, outline=width, colors=painted)
    amount = alpha_of(np.asarray(masks.masks.any(axis=0)), style.edge, frame)
    if style.region == "background" or style.name in _BACKGROUND_STYLES:
        amount = 1 - amount
    changed = _change(frame, style)
    mixed = np.rint(frame + amount[:, :, None] * (changed.astype(np.float32) - frame))
    return np.asarray(mixed, np.uint8)


def _change(frame: RgbImage, style: Style) -> RgbImage:
    """Return the whole frame as the changed region looks."""
    height, width, _ = frame.shape
    color = np.array(style.color or (0, 0, 0))
    image = Image.fromarray(frame)
    match style.name:
        case "spotlight":
            return np.asarray(np.rint(color + _DIM * (frame - color.astype(np.float32))), np.uint8)
        case "blur":
            return np.array(image.filter(ImageFilter.GaussianBlur(max(3.0, min(height, width) / 40))))
        case "pixelate":
            block = max(4, round(min(height, width) / 30))
            small = (max(1, round(width / block)), max(1, round(height / block)))
            coarse = image.resize(small, Image.Resampling.BOX)
            return np.array(coarse.resize((width, height), Image.Resampling.NEAREST))
        case "desaturate":
            return np.array(image.convert("L").convert("RGB"))
        case _:  # cutout and erase
            return np.full(frame.shape, color, np.uint8)
