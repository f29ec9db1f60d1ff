"""Contact sheets: selected frames of a video with their masks, side by side in one image."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image

from masklet.io import Writer, draw_overlay, draw_prompts
from masklet.types import FrameMasks, ObjectId, Prompts, RgbImage

GAP = 6
"""White pixels between frames."""


class ContactSheetWriter(Writer):
    """Draws selected frames with masks and prompts into one PNG image.

    Args:
        path: image to write.
        frames: indices of the frames on the sheet.
        prompts: by frame and object; drawn on their frames.
        columns: frames side by side.
        width: of a frame on the sheet, in pixels.
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
        self._selected = frozenset(frames)
        self._prompts = prompts
        self._columns = columns
        self._width = width
        self._tiles: list[RgbImage] = []

    def _write(self, frame: RgbImage | None, masks: FrameMasks) -> None:
        if masks.frame_index not in self._selected or frame is None:
            return
        drawn = draw_overlay(frame, masks)
        for prompts in self._prompts.get(masks.frame_index, {}).values():
            drawn = draw_prompts(drawn, prompts)
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


def evenly_spaced(frames: range, count: int) -> list[int]:
    """At most ``count`` frames at equal distances, the first and the last among them."""
    places = np.linspace(0, len(frames) - 1, min(count, len(frames)))
    return [frames[round(place)] for place in places]
