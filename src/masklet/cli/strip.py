"""A strip of frames with their masks in one picture: what a video shows, for a page."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image

from masklet.io import Writer, draw_overlay, draw_prompts
from masklet.types import FrameMasks, ObjectId, Prompts, RgbImage

GAP = 6
"""White pixels between frames."""


class StripWriter(Writer):
    """Some frames of a video in one picture, with masks and prompts drawn in.

    Args:
        path: the picture to write.
        frames: which frames.
        prompts: by frame and object.
        columns: frames side by side.
        width: of a frame in the strip, in pixels.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        frames: Sequence[int],
        prompts: Mapping[int, Mapping[ObjectId, Prompts]],
        columns: int = 3,
        width: int = 426,
    ) -> None:
        super().__init__(path)
        self._wanted = frozenset(frames)
        self._prompts = prompts
        self._columns = columns
        self._width = width
        self._tiles: list[RgbImage] = []

    def _write(self, frame: RgbImage | None, masks: FrameMasks) -> None:
        if masks.frame_index not in self._wanted or frame is None:
            return
        drawn = draw_overlay(frame, masks)
        for asked in self._prompts.get(masks.frame_index, {}).values():
            drawn = draw_prompts(drawn, asked)
        height = max(1, round(self._width * frame.shape[0] / frame.shape[1]))
        self._tiles.append(np.asarray(Image.fromarray(drawn).resize((self._width, height), Image.Resampling.LANCZOS)))

    def _complete(self) -> None:
        height, width, _ = self._tiles[0].shape
        columns = min(self._columns, len(self._tiles))
        rows = -(-len(self._tiles) // columns)
        sheet = np.full((rows * (height + GAP) - GAP, columns * (width + GAP) - GAP, 3), 255, np.uint8)
        for place, tile in enumerate(self._tiles):
            top, left = place // columns * (height + GAP), place % columns * (width + GAP)
            sheet[top : top + height, left : left + width] = tile
        Image.fromarray(sheet).save(self._output.path, format="PNG")


def spread(frames: range, count: int) -> list[int]:
    """``count`` frames evenly from the first to the last."""
    places = np.linspace(0, len(frames) - 1, min(count, len(frames)))
    return [frames[round(place)] for place in places]
