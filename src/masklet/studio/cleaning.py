"""Specks and holes: taken out of masks on their way to the page and into exports; what is stored stays as it was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from jaxtyping import Bool
from sqlalchemy.orm import make_transient

from masklet.lru_cache import LruCache
from masklet.masks.regions import components, remove_specks
from masklet.studio.frame_codec import is_drawn
from masklet.studio.tables import FrameRow, ProjectRow
from masklet.types import Rle, Size

Masks = LruCache[tuple[bytes, Size, "Cleaning"], Rle]
"""Clean masks by the digest of what they come from: numbers of rows are given again when the rows are gone."""


def clean_masks() -> Masks:
    """Room for clean masks, so that playing a range again is quick."""
    return LruCache(16 * 2**20, lambda mask: 200 + len(mask.counts))


@dataclass(frozen=True)
class Cleaning:
    """What is cleaned away.

    Attributes:
        specks: separate pieces of at most so many pixels are removed.
        holes: holes of at most so many pixels are filled.
    """

    specks: int = 0
    holes: int = 0

    @classmethod
    def of(cls, project: ProjectRow) -> Cleaning:
        """As a project has it."""
        return cls(project.specks, project.holes)

    def mask(self, mask: Rle) -> Rle:
        """A mask without them."""
        if not (self.specks or self.holes) or not mask.area:
            return mask
        pixels = mask.to_mask()
        rows, columns = (np.flatnonzero(pixels.any(axis=axis)) for axis in (1, 0))
        top, bottom = max(0, int(rows[0]) - 1), int(rows[-1]) + 2
        left, right = max(0, int(columns[0]) - 1), int(columns[-1]) + 2
        part = pixels[top:bottom, left:right]
        edges = (top > 0, bottom < len(pixels), left > 0, right < pixels.shape[1])
        pixels[top:bottom, left:right] = remove_specks(_filled(part, self.holes, edges), self.specks)
        return Rle.from_mask(pixels)

    def rows(self, rows: Sequence[FrameRow], size: Size, kept: Masks) -> Sequence[FrameRow]:
        """Rows as they are shown; masks that somebody drew stay as drawn."""
        for row in rows if self.specks or self.holes else ():
            if is_drawn(row):
                continue
            key = blake2b(row.mask, digest_size=16).digest(), size, self
            mask = kept.get(key)
            if mask is None:
                mask = self.mask(Rle(size, row.mask))
                kept.put(key, mask)
            make_transient(row)  # nobody can write it back
            row.mask, row.area = mask.counts, mask.area
        return rows


def _filled(part: Bool[np.ndarray, "h w"], holes: int, edges: tuple[bool, bool, bool, bool]) -> Bool[np.ndarray, "h w"]:
    """A cut-out with its holes filled; what goes on beyond its top, bottom, left or right edge is none."""
    if not holes:
        return part
    labels, area = components(~part)
    small = np.concatenate([[False], area <= holes])
    for line, goes_on in zip((labels[0], labels[-1], labels[:, 0], labels[:, -1]), edges, strict=True):
        if goes_on:
            small[line] = False
    return np.asarray(part | small[labels])
