"""Removes specks and fills holes of masks when they are shown or exported; stored masks stay as they are."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from jaxtyping import Bool
from sqlalchemy.orm import make_transient

from masklet.lru_cache import LruCache
from masklet.masks.regions import components, remove_specks
from masklet.studio.tables import FrameRow
from masklet.types import Rle, Size

CleanedMasks = LruCache[tuple[bytes, Size, "Cleaning"], Rle]
"""Cleaned masks by the digest of the stored mask (row numbers are reused)."""


@dataclass(frozen=True)
class Cleaning:
    """Areas in pixels up to which masks are cleaned; 0 leaves them alone.

    Attributes:
        specks: separate components up to this area are removed.
        holes: holes up to this area are filled.
    """

    specks: int = 0
    holes: int = 0

    def mask(self, mask: Rle) -> Rle:
        """Clean one mask."""
        if not (self.specks or self.holes) or not mask.area:
            return mask
        pixels = mask.to_mask()
        rows, columns = (np.flatnonzero(pixels.any(axis=axis)) for axis in (1, 0))
        top, bottom = max(0, int(rows[0]) - 1), int(rows[-1]) + 2
        left, right = max(0, int(columns[0]) - 1), int(columns[-1]) + 2
        crop = pixels[top:bottom, left:right]
        if self.holes:
            crop = self._filled(crop, top > 0, bottom < len(pixels), left > 0, right < pixels.shape[1])
        pixels[top:bottom, left:right] = remove_specks(crop, self.specks)
        return Rle.from_mask(pixels)

    def _filled(
        self, crop: Bool[np.ndarray, "h w"], above: bool, below: bool, left: bool, right: bool
    ) -> Bool[np.ndarray, "h w"]:
        """Fill the holes of a crop; background that continues beyond one of its sides is no hole."""
        labels, area = components(~crop)
        is_hole = np.concatenate([[False], area <= self.holes])
        sides = ((labels[0], above), (labels[-1], below), (labels[:, 0], left), (labels[:, -1], right))
        for side, continues in sides:
            if continues:
                is_hole[side] = False
        return np.asarray(crop | is_hole[labels])

    def rows(self, rows: Sequence[FrameRow], size: Size, cache: CleanedMasks) -> Sequence[FrameRow]:
        """Clean the masks of rows in place, but not those that a person drew; the rows leave their session."""
        for row in rows:
            if row.prompt is not None and json.loads(row.prompt)["mask"] is not None:
                continue
            key = blake2b(row.mask, digest_size=16).digest(), size, self
            mask = cache.get(key)
            if mask is None:
                mask = self.mask(Rle(size, row.mask))
                cache.put(key, mask)
            make_transient(row)  # nobody can write it back
            if row.area and not mask.area:  # an empty mask is right if the object is absent
                row.confidence = 1 - row.presence
            row.mask, row.area = mask.counts, mask.area
        return rows
