"""Run-length codes of masks: many at once, checked, and in the forms that COCO and SA-V files hold."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float32, Int64, Shaped
from pycocotools import mask as coco

from masklet.errors import FormatError
from masklet.types import Rle, Size

MAX_PIXELS = 2**28
"""The largest mask a code may describe (16,384 x 16,384): a few hostile bytes must not ask for terabytes."""

_MAX_DIGITS = 7  # base-32 digits of one run: 5 bits each, so 7 hold every signed difference of runs up to MAX_PIXELS


def encode_masks(masks: Bool[np.ndarray, "n h w"]) -> list[Rle]:
    """One code for each mask."""
    if not len(masks):
        return []
    codes = coco.encode(np.asfortranarray(masks.transpose(1, 2, 0), dtype=np.uint8))
    return [Rle((int(code["size"][0]), int(code["size"][1])), bytes(code["counts"])) for code in codes]


def decode_masks(rles: Sequence[Rle]) -> Bool[np.ndarray, "n h w"]:
    """Masks of one size as one array; (0, 0, 0) for no codes.

    Raises:
        FormatError: a code is corrupt, or the sizes differ.
    """
    if not rles:
        return np.zeros((0, 0, 0), bool)
    _check_one_size(rles)
    height, width = rles[0].size
    masks = np.empty((len(rles), height, width), bool)
    for mask, rle in zip(masks, rles, strict=True):
        runs = runs_of(rle)
        mask[:] = np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(width, height).T
    return masks


def areas(rles: Sequence[Rle]) -> Int64[np.ndarray, " n"]:
    """Number of pixels inside each mask."""
    return np.asarray(coco.area(_codes(rles)) if rles else [], np.int64)


def boxes(rles: Sequence[Rle]) -> Float32[np.ndarray, "n 4"]:
    """Tightest half-open box (x0, y0, x1, y1) of each mask, zeros for an empty one."""
    if not rles:
        return np.zeros((0, 4), np.float32)
    box = np.asarray(coco.toBbox(_codes(rles)), np.float32)  # x, y, width, height
    box[:, 2:] += box[:, :2]
    return box


def iou(rles: Sequence[Rle], others: Sequence[Rle]) -> Float32[np.ndarray, "n m"]:
    """Intersection over union of every mask with every other, 0 to 1; two empty masks have 0."""
    if not rles or not others:
        return np.zeros((len(rles), len(others)), np.float32)
    codes = _codes([*rles, *others])
    return np.asarray(coco.iou(codes[: len(rles)], codes[len(rles) :], [0] * len(others)), np.float32)


def union(rles: Sequence[Rle]) -> Rle:
    """The pixels inside any of the masks (at least one mask)."""
    return _merge(rles, intersect=False)


def intersection(rles: Sequence[Rle]) -> Rle:
    """The pixels inside all of the masks (at least one mask)."""
    return _merge(rles, intersect=True)


def _merge(rles: Sequence[Rle], *, intersect: bool) -> Rle:
    if not rles:
        raise FormatError("expected at least one mask to merge, got none")
    return Rle(rles[0].size, bytes(coco.merge(_codes(rles), intersect)["counts"]))


def runs_of(rle: Rle) -> Int64[np.ndarray, " k"]:
    """The uncompressed runs of a code: lengths of alternating stretches down the columns, outside first.

    A compressed code is a text of base-32 digits, lowest first, 5 bits in each character after 48, bit 5 set on all
    but the last digit of a number; from the fourth run on, the difference to the run two before is kept. Everything
    is checked here, because the C code behind `pycocotools` reads past the end of a code that breaks off.

    Raises:
        FormatError: the size is not a mask's, or the code is corrupt: bad characters, a number that breaks off or is
            too long, a negative run, runs that do not add up to the size.
    """
    _check_size(rle.size)
    digits = np.frombuffer(rle.counts, np.uint8).astype(np.int64) - 48
    if not len(digits) or digits.min() < 0 or digits.max() > 63:
        raise FormatError(f"expected run-length code of characters '0' to 'o', got {_shown(rle.counts)}")
    ends = np.flatnonzero(digits < 32)
    starts = np.concatenate([[0], ends[:-1] + 1]) if len(ends) else ends
    if not len(ends) or ends[-1] != len(digits) - 1 or (ends - starts).max() >= _MAX_DIGITS:
        raise FormatError(f"run-length code breaks off or holds a number that is too long: {_shown(rle.counts)}")
    places = np.arange(len(digits)) - np.repeat(starts, ends - starts + 1)
    runs = np.add.reduceat((digits & 31) << (5 * places), starts)
    runs -= np.where(digits[ends] & 16, np.int64(1) << (5 * (ends - starts + 1)), 0)
    runs[1::2] = np.cumsum(runs[1::2])
    runs[2::2] = np.cumsum(runs[2::2])
    return _checked_runs(rle.size, runs)


def rle_of_runs(size: Size, runs: Sequence[int] | Int64[np.ndarray, " k"]) -> Rle:
    """The code of uncompressed runs; runs of length 0 are merged, so that equal masks have equal codes.

    Raises:
        FormatError: the size is not a mask's, or the runs are not whole numbers >= 0 that add up to it.
    """
    _check_size(size)
    lengths = np.asarray(runs)
    if lengths.ndim != 1 or not len(lengths) or lengths.dtype.kind not in "iu":
        raise FormatError(f"expected a list of whole numbers as runs, got {_shown(runs)}")
    lengths = _checked_runs(size, lengths)
    total = size[0] * size[1]
    edges, times = np.unique(np.cumsum(lengths)[:-1], return_counts=True)
    edges = edges[(times % 2 == 1) & (edges < total)]
    merged = np.diff(edges, prepend=0, append=total)
    code = coco.frPyObjects({"size": list(size), "counts": merged.tolist()}, *size)
    return Rle(size, bytes(code["counts"]))


def checked(rle: Rle) -> Rle:
    """The same code if it is sound, merged if it holds runs of length 0; `FormatError` if it is corrupt."""
    runs = runs_of(rle)
    return rle_of_runs(rle.size, runs) if (runs[1:] == 0).any() else rle


def from_coco(value: object) -> Rle:
    """The code in a COCO or SA-V file: ``size`` [h, w] and ``counts``, compressed (text) or not (list of numbers).

    Raises:
        FormatError: it is no mapping, a key is missing or holds something else, or the code is corrupt.
    """
    if not isinstance(value, Mapping):
        raise FormatError(f"expected a mask as an object with 'size' and 'counts', got {_shown(value)}")
    size, counts = value.get("size"), value.get("counts")
    if not isinstance(size, Sequence) or len(size) != 2 or not all(type(n) is int for n in size):
        raise FormatError(f"expected 'size' as [height, width] in pixels, got {_shown(size)}")
    if isinstance(counts, str):
        counts = counts.encode(errors="surrogatepass")  # what is not ASCII becomes bytes that no code holds
    if isinstance(counts, bytes):
        return checked(Rle((size[0], size[1]), counts))
    if isinstance(counts, list) and all(type(n) is int for n in counts):
        return rle_of_runs((size[0], size[1]), counts)
    raise FormatError(f"expected 'counts' as text or a list of whole numbers, got {_shown(counts)}")


def to_coco(rle: Rle) -> dict[str, object]:
    """What a COCO or SA-V file holds for a mask; goes to JSON as it is."""
    return {"size": list(rle.size), "counts": rle.counts.decode("ascii")}


def _check_size(size: Size) -> None:
    height, width = size
    if height < 1 or width < 1 or height * width > MAX_PIXELS:
        raise FormatError(f"expected a mask of 1 to {MAX_PIXELS} pixels, got {width}x{height}")


def _checked_runs(size: Size, runs: Shaped[np.ndarray, " k"]) -> Int64[np.ndarray, " k"]:
    total = size[0] * size[1]
    if runs.min() < 0 or runs.max() > total or int(runs.sum(dtype=np.float64)) != total:
        raise FormatError(f"expected runs >= 0 that add up to {total} pixels ({size[1]}x{size[0]}), got {_shown(runs)}")
    return runs.astype(np.int64)


def _check_one_size(rles: Sequence[Rle]) -> None:
    sizes = sorted({rle.size for rle in rles})
    if len(sizes) > 1:
        raise FormatError(f"expected masks of one size, got {' and '.join(f'{w}x{h}' for h, w in sizes[:3])}")


def _codes(rles: Sequence[Rle]) -> list[dict[str, object]]:
    """Sound codes of one size, as pycocotools takes them."""
    _check_one_size(rles)
    return [{"size": list(rle.size), "counts": checked(rle).counts} for rle in rles]


def _shown(value: object) -> str:
    return reprlib.repr(value.tolist() if isinstance(value, np.ndarray) else value)
