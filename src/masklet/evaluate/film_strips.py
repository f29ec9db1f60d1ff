"""Film strips for reports: a few frames with the truth above and the prediction below."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, UInt8
from PIL import Image

from masklet.io import draw_overlay
from masklet.masks.rle import decode_masks, encode_masks
from masklet.types import FrameMasks, ObjectId, RgbImage, Rle

TILE_WIDTH, MAX_TILE_HEIGHT = 208, 260
GAP = 4
"""Transparent pixels between tiles."""

NUM_TILES = 6


class Reel:
    """The masks of some frames as codes, until it is clear which of them are shown."""

    def __init__(self) -> None:
        self._frames: dict[int, dict[ObjectId, Rle]] = {}

    def add(self, masks: FrameMasks) -> None:
        """Keep the masks of a frame; objects join those that are there already."""
        codes = dict(zip(masks.object_ids, encode_masks(masks.masks), strict=True))
        self._frames.setdefault(masks.frame_index, {}).update(codes)

    def __getitem__(self, frame_index: int) -> FrameMasks | None:
        """The masks of a frame, or None where there are none."""
        codes = self._frames.get(frame_index)
        if not codes:
            return None
        return numbered(decode_masks(list(codes.values())), tuple(codes), frame_index)


def numbered(
    masks: Bool[np.ndarray, "n h w"], object_ids: tuple[ObjectId, ...] = (), frame_index: int = 0
) -> FrameMasks:
    """Masks as a result, for drawing; their ids count from 1 where none are given."""
    scores = np.ones(len(masks), np.float32)
    ids = object_ids or tuple(range(1, len(masks) + 1))
    return FrameMasks(frame_index, ids, masks, presence=scores, iou=scores)


def spread(frames: Sequence[int], worst: int | None, count: int = NUM_TILES) -> list[int]:
    """``count`` frames from the first to the last, evenly, but the one nearest to the worst is the worst."""
    places = np.linspace(0, len(frames) - 1, min(count, len(frames))).round().astype(int)
    chosen = [frames[place] for place in places]
    if worst is not None and worst not in chosen:
        nearest = min(range(len(chosen)), key=lambda place: abs(chosen[place] - worst))
        chosen[nearest] = worst
    return chosen


def tile(picture: RgbImage, masks: FrameMasks | None) -> UInt8[np.ndarray, "h2 w2 3"]:
    """A frame in the size of the strip, its masks drawn in."""
    height, width = picture.shape[:2]
    scale = min(TILE_WIDTH / width, MAX_TILE_HEIGHT / height)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    drawn = picture if masks is None else draw_overlay(picture, masks, outline=max(1, round(1.2 / scale)))
    return np.asarray(Image.fromarray(drawn).resize(size, Image.Resampling.LANCZOS))


def film_strip(rows: Sequence[Sequence[RgbImage]]) -> bytes:
    """Rows of tiles of one size as a PNG of few colors, so that a page can hold many."""
    height, width, _ = rows[0][0].shape
    sheet = Image.new(
        "RGB",
        (len(rows[0]) * (width + GAP) - GAP, len(rows) * (height + GAP) - GAP),
        (128, 128, 128),
    )
    for top, row in enumerate(rows):
        for left, picture in enumerate(row):
            sheet.paste(Image.fromarray(picture), (left * (width + GAP), top * (height + GAP)))
    data = io.BytesIO()
    sheet.quantize(192, Image.Quantize.MEDIANCUT).save(data, format="PNG", optimize=True)
    return data.getvalue()
