"""Clips drawn for people: frames with masks and prompts, and sheets of them with captions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Bool, UInt8
from PIL import Image, ImageDraw, ImageFont

from masklet.io.overlay import draw_overlay, draw_prompts
from masklet.train.callbacks import Ask, Shown
from masklet.train.unroll import BOTTOM_RIGHT, TOP_LEFT
from masklet.types import FrameMasks, Prompts, RgbImage

GAP, CAPTION = 4, 15
PAPER, INK = (24, 24, 24), (220, 220, 220)

Frames = UInt8[np.ndarray, "t s s 3"]
Masks = Bool[np.ndarray, "t n s s"]
Sheet = UInt8[np.ndarray, "rows columns 3"]


def draw_frames(frames: Frames, masks: Masks, asks: Sequence[Ask] = (), *, tile: int) -> list[RgbImage]:
    """Every frame with its masks and the prompts given on it, ``tile`` pixels wide and high."""
    scale = tile / frames.shape[1]
    drawn = []
    for index, (frame, found) in enumerate(zip(frames, masks, strict=True)):
        picture = np.asarray(Image.fromarray(draw_overlay(frame, _as_masks(found))).resize((tile, tile)))
        for ask in {ask.object_index: ask for ask in asks if ask.frame == index}.values():  # the last has all clicks
            for prompts in _as_prompts(ask, scale):
                picture = draw_prompts(picture, prompts)
        drawn.append(picture)
    return drawn


def draw_shown(shown: Shown, *, tile: int = 128, frames: int = 8) -> Sheet:
    """Three rows of a clip's first frames: the prompts with the truth, the answers, the truth; one below the other."""
    part = slice(0, frames)
    rows = [
        draw_frames(shown.frames[part], masks[part], asks, tile=tile)
        for masks, asks in ((shown.truth & False, shown.asks), (shown.found, ()), (shown.truth, ()))
    ]
    captions = ("prompts", "answers", "truth")
    return draw_sheet(zip(captions, rows, strict=True))


def draw_sheet(rows: Iterable[tuple[str, Sequence[RgbImage]]]) -> Sheet:
    """Rows of pictures, all of one size, each row with a line of text below."""
    listed = list(rows)
    tile, columns = listed[0][1][0].shape[0], max(len(pictures) for _, pictures in listed)
    step = tile + GAP
    sheet = Image.new("RGB", (columns * step, len(listed) * (step + CAPTION)), PAPER)
    drawing, font = ImageDraw.Draw(sheet), ImageFont.load_default(11)
    for row, (caption, pictures) in enumerate(listed):
        top = row * (step + CAPTION)
        for column, picture in enumerate(pictures):
            sheet.paste(Image.fromarray(picture), (column * step, top))
        drawing.text((2, top + tile + 1), caption, INK, font)
    return np.asarray(sheet)


def _as_masks(masks: Bool[np.ndarray, "n s s"]) -> FrameMasks:
    scores = np.ones(len(masks), np.float32)
    return FrameMasks(0, tuple(range(1, len(masks) + 1)), masks, presence=scores, iou=scores)


def _as_prompts(ask: Ask, scale: float) -> list[Prompts]:
    """Clicks and box of one object, in pixels of the drawing; nothing on a frame where it was only followed."""
    corners = [point for point, label in zip(ask.points, ask.labels, strict=True) if label in (TOP_LEFT, BOTTOM_RIGHT)]
    clicks = [i for i, label in enumerate(ask.labels) if label in (0, 1)]
    if not corners and not clicks:
        return []
    return [
        Prompts(
            points=ask.points[clicks] * scale,
            labels=np.array([ask.labels[i] for i in clicks], np.int64),
            box=(np.concatenate(corners) * scale).astype(np.float32) if corners else None,
        )
    ]
