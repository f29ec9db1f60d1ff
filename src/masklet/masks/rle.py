"""Operations on run-length encoded masks: many at once, without decoding where that is possible."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int64
from pycocotools import mask as coco

from masklet.errors import FormatError
from masklet.types import Rle, Size


def rle_from_coco(value: object, size: Size, what: str) -> Rle:
    """Read a mask as `Rle.from_coco` does; `FormatError` unless it has the size of ``what``, such as "image"."""
    rle = Rle.from_coco(value)
    if rle.size != size:
        expected, got = (f"{width}x{height}" for height, width in (size, rle.size))
        raise FormatError(f"expected a mask of {expected} as the {what}, got {got}")
    return rle


def encode_masks(masks: Bool[np.ndarray, "n h w"]) -> list[Rle]:
    """Encode a stack of masks."""
    if not len(masks):
        return []
    codes = coco.encode(np.asfortranarray(masks.transpose(1, 2, 0), dtype=np.uint8))
    return [Rle((int(code["size"][0]), int(code["size"][1])), bytes(code["counts"])) for code in codes]


def decode_masks(rles: Sequence[Rle]) -> Bool[np.ndarray, "n h w"]:
    """Decode masks of one size to one array, (0, 0, 0) for none; `FormatError` for corrupt ones or several sizes."""
    if not rles:
        return np.zeros((0, 0, 0), bool)
    _check_one_size(rles)
    height, width = rles[0].size
    masks = np.empty((len(rles), height, width), bool)
    for mask, rle in zip(masks, rles, strict=True):
        runs = rle.runs()
        mask[:] = np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(width, height).T
    return masks


def areas(rles: Sequence[Rle]) -> Int64[np.ndarray, " n"]:
    """Count the pixels inside each mask."""
    return np.asarray(coco.area(_codes(rles)) if rles else [], np.int64)


def boxes(rles: Sequence[Rle]) -> Float32[np.ndarray, "n 4"]:
    """Compute the tightest half-open box (x0, y0, x1, y1) of each mask; zeros for an empty one."""
    if not rles:
        return np.zeros((0, 4), np.float32)
    box = np.asarray(coco.toBbox(_codes(rles)), np.float32)  # x, y, width, height
    box[:, 2:] += box[:, :2]
    return box


def iou(rles: Sequence[Rle], others: Sequence[Rle]) -> Float64[np.ndarray, "n m"]:
    """Compute the IoU of every mask with every other for matching, 0 to 1; empty masks match nothing (0)."""
    if not rles or not others:
        return np.zeros((len(rles), len(others)))
    codes = _codes([*rles, *others])
    return np.asarray(coco.iou(codes[: len(rles)], codes[len(rles) :], [0] * len(others)), np.float64)


def pair_iou(rle: Rle, other: Rle) -> float:
    """Compute the IoU of two masks, 0 to 1; two empty masks agree (1)."""
    return float(iou([rle], [other])[0, 0]) if rle.area or other.area else 1.0


def union(rles: Sequence[Rle]) -> Rle:
    """Merge at least one mask: the pixels inside any of them."""
    return _merge(rles, intersect=False)


def intersection(rles: Sequence[Rle]) -> Rle:
    """Intersect at least one mask: the pixels inside all of them."""
    return _merge(rles, intersect=True)


def _merge(rles: Sequence[Rle], *, intersect: bool) -> Rle:
    if not rles:
        raise FormatError("expected at least one mask to merge, got none")
    return Rle(rles[0].size, bytes(coco.merge(_codes(rles), intersect)["counts"]))


def _check_one_size(rles: Sequence[Rle]) -> None:
    sizes = sorted({rle.size for rle in rles})
    if len(sizes) > 1:
        raise FormatError(f"expected masks of one size, got {' and '.join(f'{w}x{h}' for h, w in sizes[:3])}")


def _codes(rles: Sequence[Rle]) -> list[dict[str, object]]:
    """Validate encodings of one size and convert them for pycocotools."""
    _check_one_size(rles)
    return [{"size": list(rle.size), "counts": rle.validated().counts} for rle in rles]
