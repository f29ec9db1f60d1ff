"""Film strips for reports: a few frames or versions of an image with true and predicted masks drawn in, as PNG."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, UInt8
from PIL import Image

from masklet.evaluate.scoring import frame_masks
from masklet.io import draw_overlay
from masklet.io.datasets import VideoSequence
from masklet.masks.rle import decode_masks, encode_masks
from masklet.types import FrameMasks, ObjectId, RgbImage, Rle

TILE_WIDTH, MAX_TILE_HEIGHT = 208, 260
GAP = 4
"""Pixels between tiles."""

NUM_TILES = 6


class MaskHistory:
    """Run-length encoded masks of the frames of a sequence, until the frames of its film strip are chosen."""

    def __init__(self) -> None:
        self._frames: dict[int, dict[ObjectId, Rle]] = {}

    def add(self, masks: FrameMasks) -> None:
        """Add the masks of a frame to those of other objects that it has already."""
        codes = dict(zip(masks.object_ids, encode_masks(masks.masks), strict=True))
        self._frames.setdefault(masks.frame_index, {}).update(codes)

    def __getitem__(self, frame_index: int) -> FrameMasks | None:
        """Return the masks of a frame, or None if it has none."""
        codes = self._frames.get(frame_index)
        if not codes:
            return None
        return frame_masks(frame_index, decode_masks(list(codes.values())), tuple(codes))


def sequence_strip(
    sequence: VideoSequence, j: dict[int, float], predicted: MaskHistory
) -> tuple[bytes, dict[str, list[int] | list[float]]]:
    """Draw true masks above predicted ones for evenly spaced frames of a sequence and its worst frame.

    Args:
        sequence: the sequence.
        j: mean J of its objects on each scored frame, 0 to 1.
        predicted: the predicted masks.

    Returns:
        the PNG file, and the frames it shows with their J.
    """
    scored = sorted(j)
    worst = min(scored[1:-1] or scored, key=j.__getitem__)
    chosen = spread(scored, worst)
    rows: tuple[list[RgbImage], list[RgbImage]] = ([], [])
    with sequence.open() as video:
        for frame in chosen:
            image = video[frame]
            rows[0].append(tile(image, sequence.truth(frame).as_masks()))
            rows[1].append(tile(image, predicted[frame]))
    return film_strip(rows), {"frames": chosen, "J": [j[frame] for frame in chosen]}


def image_strip(image: RgbImage, versions: Sequence[Bool[np.ndarray, "n h w"]]) -> bytes:
    """Draw an image with each of several versions of its masks."""
    return film_strip([[tile(image, frame_masks(0, masks)) for masks in versions]])


def spread(frames: Sequence[int], worst: int | None, count: int = NUM_TILES) -> list[int]:
    """Choose ``count`` evenly spaced frames, but replace the one closest to ``worst`` by it."""
    places = np.linspace(0, len(frames) - 1, min(count, len(frames))).round().astype(int)
    chosen = [frames[place] for place in places]
    if worst is not None and worst not in chosen:
        nearest = min(range(len(chosen)), key=lambda place: abs(chosen[place] - worst))
        chosen[nearest] = worst
    return chosen


def tile(image: RgbImage, masks: FrameMasks | None) -> UInt8[np.ndarray, "h2 w2 3"]:
    """Draw masks into an image and scale it to a tile of the strip."""
    height, width = image.shape[:2]
    scale = min(TILE_WIDTH / width, MAX_TILE_HEIGHT / height)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    drawn = image if masks is None else draw_overlay(image, masks, outline=max(1, round(1.2 / scale)))
    return np.asarray(Image.fromarray(drawn).resize(size, Image.Resampling.LANCZOS))


def film_strip(rows: Sequence[Sequence[RgbImage]]) -> bytes:
    """Compose rows of tiles of one size into a PNG file with a small palette, so that a page can hold many."""
    height, width, _ = rows[0][0].shape
    size = (len(rows[0]) * (width + GAP) - GAP, len(rows) * (height + GAP) - GAP)
    sheet = Image.new("RGB", size, (128, 128, 128))
    for top, row in enumerate(rows):
        for left, image in enumerate(row):
            sheet.paste(Image.fromarray(image), (left * (width + GAP), top * (height + GAP)))
    data = io.BytesIO()
    sheet.quantize(192, Image.Quantize.MEDIANCUT).save(data, format="PNG", optimize=True)
    return data.getvalue()
