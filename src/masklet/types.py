"""Values of the public API: numpy arrays, RGB uint8 images, pixel coordinates (x, y), sizes (height, width)."""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float32, Int64, Shaped, UInt8, UInt16
from pycocotools import mask as coco

from masklet.errors import FormatError, PromptError, UnknownObjectError

ObjectId = int
"""Objects are identified by positive integers, so that a label map (0 = background) can hold them."""

MAX_LABEL = 65535
"""Highest object id that a label map can hold."""

Size = tuple[int, int]
"""(height, width) in pixels."""

RgbImage = UInt8[np.ndarray, "h w 3"]

Region = Bool[np.ndarray, "h w"]
"""Boolean mask of one image region."""

Source = Literal["manual", "assisted", "automatic"]

MAX_MASK_PIXELS = 2**28
"""Largest mask that run-length encoded input may describe (16,384 x 16,384): a few bytes must not demand terabytes."""

_MAX_DIGITS = 7  # base-32 digits of one run: 5 bits each, so 7 hold every signed difference of runs up to the maximum


@dataclass(frozen=True, slots=True)
class Rle:
    """One binary mask in COCO's compressed run-length encoding (column-major).

    The constructor checks nothing. Encodings from outside the program go through `from_coco`, `from_runs` or
    `validated`, because the C code behind `pycocotools` reads past the end of a truncated encoding.

    Attributes:
        size: (height, width) in pixels.
        counts: the compressed runs.
    """

    size: Size
    counts: bytes

    @classmethod
    def from_mask(cls, mask: Bool[np.ndarray, "h w"]) -> Rle:
        """Encode a mask."""
        code = coco.encode(np.asfortranarray(mask, dtype=np.uint8))
        height, width = code["size"]
        return cls((int(height), int(width)), bytes(code["counts"]))

    @classmethod
    def from_runs(cls, size: Size, runs: Sequence[int] | Int64[np.ndarray, " k"]) -> Rle:
        """Encode uncompressed runs, background first; runs of length 0 are merged, so equal masks encode equally.

        Raises:
            FormatError: the size is empty or too large, or the runs are not integers >= 0 that add up to it.
        """
        _check_mask_size(size)
        lengths = np.asarray(runs)
        if lengths.ndim != 1 or not len(lengths) or lengths.dtype.kind not in "iu":
            raise FormatError(f"expected a list of integers as runs, got {_repr(runs)}")
        lengths = _checked_runs(size, lengths)
        total = size[0] * size[1]
        edges, times = np.unique(np.cumsum(lengths)[:-1], return_counts=True)
        edges = edges[(times % 2 == 1) & (edges < total)]
        merged = np.diff(edges, prepend=0, append=total)
        code = coco.frPyObjects({"size": list(size), "counts": merged.tolist()}, *size)
        return cls(size, bytes(code["counts"]))

    @classmethod
    def from_coco(cls, value: object) -> Rle:
        """Read the JSON of COCO and SA-V: ``size`` [h, w] and ``counts``, compressed (text) or not (list of integers).

        Raises:
            FormatError: not a mapping, a key is missing or has the wrong type, or the encoding is corrupt.
        """
        if not isinstance(value, Mapping):
            raise FormatError(f"expected a mask as an object with 'size' and 'counts', got {_repr(value)}")
        size, counts = value.get("size"), value.get("counts")
        if not isinstance(size, Sequence) or len(size) != 2 or not all(type(n) is int for n in size):
            raise FormatError(f"expected 'size' as [height, width] in pixels, got {_repr(size)}")
        if isinstance(counts, str):
            counts = counts.encode(errors="surrogatepass")  # non-ASCII text becomes bytes that `runs` rejects
        if isinstance(counts, bytes):
            return cls((size[0], size[1]), counts).validated()
        if isinstance(counts, list) and all(type(n) is int for n in counts):
            return cls.from_runs((size[0], size[1]), counts)
        raise FormatError(f"expected 'counts' as text or a list of integers, got {_repr(counts)}")

    def to_coco(self) -> dict[str, object]:
        """Return the mask as COCO's JSON-able dict, with compressed ``counts``."""
        return {"size": list(self.size), "counts": self.counts.decode("ascii")}

    def to_mask(self) -> Bool[np.ndarray, "h w"]:
        """Decode to a boolean array of shape ``size``."""
        return np.asarray(coco.decode({"size": list(self.size), "counts": self.counts}), dtype=bool)

    def runs(self) -> Int64[np.ndarray, " k"]:
        """Decompress to the lengths of alternating runs down the columns, background first.

        The compressed form is a text of base-32 digits, lowest first, 5 bits in each character after 48, bit 5 set on
        all but the last digit of a number; from the fourth run on, the difference from the run two before is stored.

        Raises:
            FormatError: the size is empty or too large, or the encoding is corrupt: invalid characters, a truncated or
                oversized number, a negative run, or runs that do not add up to the size.
        """
        _check_mask_size(self.size)
        digits = np.frombuffer(self.counts, np.uint8).astype(np.int64) - 48
        if not len(digits) or digits.min() < 0 or digits.max() > 63:
            raise FormatError(f"expected run-length encoding of characters '0' to 'o', got {_repr(self.counts)}")
        ends = np.flatnonzero(digits < 32)
        starts = np.concatenate([[0], ends[:-1] + 1]) if len(ends) else ends
        if not len(ends) or ends[-1] != len(digits) - 1 or (ends - starts).max() >= _MAX_DIGITS:
            raise FormatError(f"run-length encoding is truncated or holds an oversized number: {_repr(self.counts)}")
        places = np.arange(len(digits)) - np.repeat(starts, ends - starts + 1)
        runs = np.add.reduceat((digits & 31) << (5 * places), starts)
        runs -= np.where(digits[ends] & 16, np.int64(1) << (5 * (ends - starts + 1)), 0)
        runs[1::2] = np.cumsum(runs[1::2])
        runs[2::2] = np.cumsum(runs[2::2])
        return _checked_runs(self.size, runs)

    def validated(self) -> Rle:
        """Return the same mask, with runs of length 0 merged; raise `FormatError` if the encoding is corrupt."""
        runs = self.runs()
        return Rle.from_runs(self.size, runs) if (runs[1:] == 0).any() else self

    @property
    def area(self) -> int:
        """Number of pixels inside the mask."""
        return int(coco.area({"size": list(self.size), "counts": self.counts}))


def _check_mask_size(size: Size) -> None:
    height, width = size
    if height < 1 or width < 1 or height * width > MAX_MASK_PIXELS:
        raise FormatError(f"expected a mask of 1 to {MAX_MASK_PIXELS} pixels, got {width}x{height}")


def _checked_runs(size: Size, runs: Shaped[np.ndarray, " k"]) -> Int64[np.ndarray, " k"]:
    total = size[0] * size[1]
    if runs.min() < 0 or runs.max() > total or int(runs.sum(dtype=np.float64)) != total:
        raise FormatError(f"expected runs >= 0 that add up to {total} pixels ({size[1]}x{size[0]}), got {_repr(runs)}")
    return runs.astype(np.int64)


def _repr(value: object) -> str:
    return reprlib.repr(value.tolist() if isinstance(value, np.ndarray) else value)


def _no_points() -> Float32[np.ndarray, "0 2"]:
    return np.zeros((0, 2), np.float32)


def _no_labels() -> Int64[np.ndarray, "0"]:
    return np.zeros(0, np.int64)


@dataclass(frozen=True, eq=False)
class Prompts:
    """Prompts for one object on one frame: clicks, a box or a mask (paper section 4), or the fact that it is absent.

    Build them with `click`, `from_box`, `from_mask` or `absent` and add clicks with `and_click`. A mask is taken as the
    correct output and cannot be combined with other prompts; to correct it, prompt the same frame again with clicks.
    Arrays are copied; a single point may have shape (2,).

    Attributes:
        points: (n, 2) float32, (x, y) in pixels; the center of the top-left pixel is (0, 0).
        labels: (n,) int64, 1 for a positive click, 0 for a negative one.
        box: (4,) float32, (x0, y0, x1, y1) in pixels, or None.
        mask: (h, w) bool at the size of the image, or None; all False if the object is absent.

    Raises:
        PromptError: non-finite values, points of another shape, labels other than 0 and 1, an inverted or empty box, a
            mask combined with clicks or a box, or no prompt at all.
    """

    points: Float32[np.ndarray, "n 2"] = field(default_factory=_no_points)
    labels: Int64[np.ndarray, " n"] = field(default_factory=_no_labels)
    box: Float32[np.ndarray, "4"] | None = None
    mask: Bool[np.ndarray, "h w"] | None = None

    def __post_init__(self) -> None:
        points, labels = _checked_points(self.points), _floats(self.labels, "labels").reshape(-1)
        if len(points) != len(labels):
            raise PromptError(f"expected one label for each point, got {len(points)} points and {len(labels)} labels")
        if not np.isin(labels, (0, 1)).all():
            listed = ", ".join(f"{label:g}" for label in np.unique(labels).tolist())
            raise PromptError(f"labels must be 1 (positive) or 0 (negative), got [{listed}]")
        object.__setattr__(self, "points", points)
        object.__setattr__(self, "labels", labels.astype(np.int64))
        if self.box is not None:
            object.__setattr__(self, "box", _checked_box(self.box))
        if self.mask is not None:
            object.__setattr__(self, "mask", _checked_mask(self.mask))
            if len(points) or self.box is not None:
                raise PromptError(
                    "a mask cannot be combined with clicks or a box: prompt with the mask first, then with clicks"
                )
        elif not len(points) and self.box is None:
            raise PromptError("expected a click, a box or a mask, got none of them")

    @classmethod
    def click(cls, x: float, y: float, *, positive: bool = True) -> Prompts:
        """Create one click at (x, y) in pixels."""
        return cls(_floats([[x, y]], "points"), np.array([int(positive)]))

    @classmethod
    def from_box(cls, x0: float, y0: float, x1: float, y1: float) -> Prompts:
        """Create a box from its top-left and bottom-right corners, in pixels."""
        return cls(box=_floats([x0, y0, x1, y1], "box"))

    @classmethod
    def from_mask(cls, mask: Bool[np.ndarray, "h w"]) -> Prompts:
        """Create a mask prompt at the size of the image from any numeric array; non-zero values are inside.

        Raises:
            PromptError: the mask is empty, not 2-D, or not numeric.
        """
        prompts = cls(mask=mask)
        if prompts.is_absent:
            raise PromptError("mask is empty: expected at least one pixel inside (for an absent object use absent())")
        return prompts

    @classmethod
    def absent(cls, size: Size) -> Prompts:
        """Mark the object as absent on this frame of ``size`` (height, width); it is not tracked beyond it.

        The object reappears where it is prompted again, or, with a memory policy that compares appearance
        (``memory="auto"``), where its appearance matches. Results tracked in the other direction are unchanged.

        Raises:
            PromptError: the size is not two positive integers.
        """
        if np.shape(size) != (2,) or not all(isinstance(side, int | np.integer) and side > 0 for side in size):
            raise PromptError(f"expected a size (height, width) in integer pixels, got {size!r}")
        return cls(mask=np.zeros(size, bool))

    @property
    def is_absent(self) -> bool:
        """Whether the prompts mark the object as absent on this frame."""
        return self.mask is not None and not self.mask.any()

    def and_click(self, x: float, y: float, *, positive: bool = True) -> Prompts:
        """Return the prompts with one more click at (x, y) in pixels."""
        point = _floats([[x, y]], "points")
        return replace(self, points=np.concatenate([self.points, point]), labels=np.append(self.labels, int(positive)))

    def to_json(self) -> dict[str, Any]:
        """Return a JSON-able dict that `from_json` reads: ``clicks`` [[x, y, label], ...], ``box`` [x0, y0, x1, y1] and
        ``mask`` (COCO run-length encoding), each only if present.
        """
        value: dict[str, Any] = {}
        if len(self.points):
            pairs = zip(self.points.tolist(), self.labels.tolist(), strict=True)
            value["clicks"] = [[x, y, label] for (x, y), label in pairs]
        if self.box is not None:
            value["box"] = self.box.tolist()
        if self.mask is not None:
            value["mask"] = Rle.from_mask(self.mask).to_coco()
        return value

    @classmethod
    def from_json(
        cls,
        value: object,
        *,
        size: Size | None = None,
        read_mask: Callable[[str], Bool[np.ndarray, "h w"]] | None = None,
    ) -> Prompts:
        """Read prompts from parsed JSON, as `to_json`, prompt files and earlier versions of masklet wrote them.

        Besides the keys of `to_json`: a click may be [x, y] (positive) or {"x", "y", "positive"}; ``points`` and
        ``labels`` may stand for ``clicks``; ``shown`` counts leading clicks that only selected a candidate mask and are
        skipped; ``absent`` true marks the object as absent. A key may be null.

        Args:
            value: the parsed JSON.
            size: (height, width) of the frame. ``absent`` needs it, and a run-length encoded ``mask`` of another size
                is rejected before it is decoded.
            read_mask: reads a ``mask`` that is given as a path.

        Raises:
            PromptError: an unknown key, a value of the wrong type, or prompts that `Prompts` rejects.
        """
        if not isinstance(value, Mapping):
            raise PromptError(f"expected prompts as a JSON object, got {_repr(value)}")
        unknown = [key for key in value if key not in _JSON_KEYS]
        if unknown:
            raise PromptError(f"unknown key {_repr(unknown[0])} in prompts; expected {', '.join(_JSON_KEYS)}")
        given = {key: part for key, part in value.items() if part is not None}
        clicks = _json_clicks(given)
        box = None if "box" not in given else _json_numbers(given["box"], 4, "a box [x0, y0, x1, y1]")
        mask = None if "mask" not in given else _json_mask(given["mask"], size, read_mask)
        if mask is not None and isinstance(given["mask"], str):
            mask = cls.from_mask(mask).mask  # an empty file is a mistake, not an absent object
        absent = given.get("absent", False)
        if type(absent) is not bool:
            raise PromptError(f"expected 'absent' as true or false, got {_repr(absent)}")
        if absent:
            if clicks or box is not None or mask is not None:
                raise PromptError("expected either 'absent' or clicks, a box or a mask, got both")
            if size is None:
                raise PromptError("'absent' is only possible on a frame of a video")
            return cls.absent(size)
        points = np.array([click[:2] for click in clicks], np.float32).reshape(-1, 2)
        return cls(
            points=points,
            labels=np.array([click[2] for click in clicks], np.int64),
            box=None if box is None else np.array(box, np.float32),
            mask=mask,
        )

    def check_inside(self, size: Size) -> None:
        """Raise `PromptError` unless every click, the box and the mask fit an image of ``size`` (height, width)."""
        height, width = size
        if self.mask is not None and self.mask.shape != (height, width):
            raise PromptError(
                f"expected a mask of {width}x{height} pixels (the size of the image), "
                f"got {self.mask.shape[1]}x{self.mask.shape[0]}"
            )
        for x, y in self.points.tolist():
            if not (0 <= x <= width and 0 <= y <= height):
                raise PromptError(f"click ({x:g}, {y:g}) is outside the image of {width}x{height} pixels")
        if self.box is not None:
            x0, y0, x1, y1 = self.box.tolist()
            if min(x0, y0) < 0 or x1 > width or y1 > height:
                raise PromptError(
                    f"box ({x0:g}, {y0:g}, {x1:g}, {y1:g}) is not inside the image of {width}x{height} pixels"
                )


_MAX_FLOAT = float(np.finfo(np.float32).max)

_JSON_KEYS = ("clicks", "box", "mask", "absent", "points", "labels", "shown")


def _json_clicks(given: Mapping[str, Any]) -> list[tuple[float, ...]]:
    """Return (x, y, label) of each click."""
    points, labels = given.get("points", []), given.get("labels", [])
    if not isinstance(points, list) or not isinstance(labels, list) or len(points) != len(labels):
        raise PromptError(f"expected as many 'labels' as 'points', got {_repr(labels)} and {_repr(points)}")
    clicks = given.get("clicks", [])
    if not isinstance(clicks, list):
        raise PromptError(f"expected 'clicks' as a list, got {_repr(clicks)}")
    read = [(*_json_numbers(point, 2, "a point [x, y]"), label) for point, label in zip(points, labels, strict=True)]
    for click in clicks:
        fields = [click.get("x"), click.get("y"), click.get("positive", True)] if isinstance(click, dict) else click
        if not isinstance(fields, list) or len(fields) not in (2, 3):
            raise PromptError(f"expected a click [x, y, 1 or 0], got {_repr(click)}")
        label = fields[2] if len(fields) == 3 else 1
        read.append((*_json_numbers(fields[:2], 2, "a click [x, y, 1 or 0]"), label))
    for x, y, label in read:
        if not isinstance(label, int | float) or label not in (0, 1):
            raise PromptError(f"expected 1 (positive) or 0 (negative) for the click ({x:g}, {y:g}), got {_repr(label)}")
    shown = given.get("shown", 0)
    if type(shown) is not int or not 0 <= shown <= len(read):
        raise PromptError(f"expected 'shown' from 0 to the {len(read)} clicks, got {_repr(shown)}")
    return read[shown:]


def _json_numbers(value: object, count: int, what: str) -> tuple[float, ...]:
    numbers = isinstance(value, list) and all(type(n) in (int, float) and abs(n) <= _MAX_FLOAT for n in value)
    if not isinstance(value, list) or not numbers or len(value) != count:
        raise PromptError(f"expected {what}, got {_repr(value)}")
    return tuple(value)


def _json_mask(
    value: object, size: Size | None, read_mask: Callable[[str], Bool[np.ndarray, "h w"]] | None
) -> Bool[np.ndarray, "h w"]:
    if isinstance(value, str):
        if read_mask is None:
            raise PromptError(f"expected a run-length encoded mask, got the path {_repr(value)}")
        return read_mask(value)
    found = value.get("size") if isinstance(value, Mapping) else None
    if size is not None and isinstance(found, list) and found != list(size):
        raise PromptError(f"expected a mask of size {list(size)} (height, width), got {_repr(found)}")
    try:
        return Rle.from_coco(value).to_mask()
    except FormatError as error:
        raise PromptError(str(error)) from None


def _floats(values: object, what: str) -> Float32[np.ndarray, "..."]:
    try:
        array = np.array(values, dtype=np.float32)  # a copy, independent of the caller's array
    except (TypeError, ValueError, OverflowError):
        raise PromptError(f"{what} must be numbers, got {reprlib.repr(values)}") from None
    if not np.isfinite(array).all():
        raise PromptError(f"{what} must be finite numbers, got {array.tolist()}")
    return array


def _checked_points(values: object) -> Float32[np.ndarray, "n 2"]:
    points = _floats(values, "points")
    if not points.size:
        return _no_points()
    if points.shape != (2,) and (points.ndim != 2 or points.shape[1] != 2):
        raise PromptError(f"expected points of shape (n, 2), (x, y) for each, got {points.shape}")
    return points.reshape(-1, 2)


def _checked_box(values: object) -> Float32[np.ndarray, "4"]:
    box = _floats(values, "box")
    if box.shape != (4,):
        raise PromptError(f"expected a box of 4 numbers (x0, y0, x1, y1), got shape {box.shape}")
    x0, y0, x1, y1 = box.tolist()
    if not (x0 < x1 and y0 < y1):
        raise PromptError(f"expected a box with x0 < x1 and y0 < y1, got ({x0:g}, {y0:g}, {x1:g}, {y1:g})")
    return box


def _checked_mask(values: Shaped[np.ndarray, "..."]) -> Bool[np.ndarray, "h w"]:
    try:
        mask = np.asarray(values)
    except ValueError:
        raise PromptError("expected a mask of shape (height, width), got rows of different lengths") from None
    if mask.ndim != 2:
        raise PromptError(f"expected a mask of shape (height, width), got {mask.shape}")
    if mask.dtype.kind not in "biuf":
        raise PromptError(f"mask must hold numbers, got {mask.dtype}")
    if not np.isfinite(mask).all():
        raise PromptError("mask must hold finite numbers, got NaN or infinity")
    return mask.astype(bool)


@dataclass(frozen=True, eq=False)
class MaskSet:
    """Masks of one image with their scores; indexing with integers, a slice or a bool array filters all fields at once.

    Attributes:
        masks: (n, h, w) bool at the size of the image.
        iou: (n,) float32, the IoU of each mask that the model predicts, 0 to 1.
        stability: (n,) float32 or None: stability score, the IoU between the mask at a higher and at a lower threshold.
        boxes: (n, 4) float32 (x0, y0, x1, y1) or None.
        low_res: (n, s, s) float32 mask logits at stride 4 of the model's input, or None; pass one as ``refine``.
    """

    masks: Bool[np.ndarray, "n h w"]
    iou: Float32[np.ndarray, " n"]
    stability: Float32[np.ndarray, " n"] | None = None
    boxes: Float32[np.ndarray, "n 4"] | None = None
    low_res: Float32[np.ndarray, "n s s"] | None = None

    def __len__(self) -> int:
        return len(self.masks)

    def __getitem__(self, index: int | slice | Sequence[int] | Shaped[np.ndarray, " k"]) -> MaskSet:
        chosen: slice | Shaped[np.ndarray, " k"]
        if isinstance(index, slice):
            chosen = index
        elif isinstance(index, int | np.integer):
            chosen = np.array([int(index)])
        else:
            chosen = np.asarray(index)
            chosen = chosen if chosen.size else chosen.astype(np.intp)  # an empty list becomes an array of floats
        return MaskSet(
            masks=self.masks[chosen],
            iou=self.iou[chosen],
            stability=None if self.stability is None else self.stability[chosen],
            boxes=None if self.boxes is None else self.boxes[chosen],
            low_res=None if self.low_res is None else self.low_res[chosen],
        )

    @property
    def best(self) -> MaskSet:
        """The mask with the highest predicted IoU, as a set of length 1."""
        return self[int(np.argmax(self.iou))]


@dataclass(frozen=True, eq=False)
class FrameMasks:
    """The masks of all objects on one frame.

    Attributes:
        frame_index: index of the frame in its video, from 0.
        object_ids: the object of each mask; an object appears from its first prompt on.
        masks: (n, h, w) bool at the size of the frame; all False if the object is absent.
        presence: (n,) float32, probability that the object is visible, 0 to 1.
        iou: (n,) float32, predicted IoU of the mask, 0 to 1.
        logits: (n, h, w) float32 mask logits at the size of the frame, if requested, else None.
        confidence: (n,) float32, calibrated probability that the mask is correct (see `masklet.predict.confidence`),
            or None on frames that were not tracked.
    """

    frame_index: int
    object_ids: tuple[ObjectId, ...]
    masks: Bool[np.ndarray, "n h w"]
    presence: Float32[np.ndarray, " n"]
    iou: Float32[np.ndarray, " n"]
    logits: Float32[np.ndarray, "n h w"] | None = None
    confidence: Float32[np.ndarray, " n"] | None = None

    def __len__(self) -> int:
        return len(self.object_ids)

    def __getitem__(self, object_id: ObjectId) -> Bool[np.ndarray, "h w"]:
        """Return the mask of one object.

        Raises:
            UnknownObjectError: the object has no mask on this frame.
        """
        mask: Bool[np.ndarray, "h w"] = self.masks[self.position(object_id)]
        return mask

    def position(self, object_id: ObjectId) -> int:
        """Return the row of an object in the arrays; raise `UnknownObjectError` if it has none."""
        try:
            return self.object_ids.index(object_id)
        except ValueError:
            known = ", ".join(map(str, self.object_ids)) or "none"
            raise UnknownObjectError(
                f"frame {self.frame_index} has no object {object_id} (objects here: {known})"
            ) from None

    def label_map(self) -> UInt8[np.ndarray, "h w"] | UInt16[np.ndarray, "h w"]:
        """Return an (h, w) label map: object ids, 0 for background; where masks overlap, the last object wins.

        The map is uint8 if every id is below 256, else uint16.

        Raises:
            FormatError: an id above 65535.
        """
        highest = max(self.object_ids, default=0)
        if highest > MAX_LABEL:
            raise FormatError(f"label maps hold object ids up to {MAX_LABEL}, got {highest}")
        labels = np.zeros(self.masks.shape[1:], np.uint16 if highest > 255 else np.uint8)
        for object_id, mask in zip(self.object_ids, self.masks, strict=True):
            labels[mask] = object_id
        return labels

    def rles(self) -> dict[ObjectId, Rle]:
        """Encode the masks as RLE."""
        return {i: Rle.from_mask(mask) for i, mask in zip(self.object_ids, self.masks, strict=True)}


@dataclass(frozen=True, eq=False)
class Masklet:
    """One object through a video: a mask and its scores for each frame on which it was tracked or prompted.

    Attributes:
        size: (height, width) of the video.
        frames: frame index -> mask; the mask is empty where the object is absent.
        presence: frame index -> probability that the object is visible, 0 to 1.
        iou: frame index -> predicted IoU, 0 to 1.
        confidence: frame index -> probability that the mask is correct, 0 to 1; only for tracked frames.
        prompted: frames with prompts for the object.
        name: user-defined name of the object, or "".
        source: "manual" (drawn), "assisted" (prompted and tracked) or "automatic" (found without prompts).
        model: name of the model that tracked it, or "".
    """

    object_id: ObjectId
    size: Size
    frames: dict[int, Rle] = field(default_factory=dict)
    presence: dict[int, float] = field(default_factory=dict)
    iou: dict[int, float] = field(default_factory=dict)
    prompted: tuple[int, ...] = ()
    name: str = ""
    source: Source = "assisted"
    model: str = ""
    confidence: dict[int, float] = field(default_factory=dict)


@runtime_checkable
class FrameSource(Protocol):
    """A source of frames: a file, a folder, a camera or an array.

    ``len()`` raises `TypeError` for a live stream, and ``[i]`` for a source that cannot seek. A frame is (h, w, 3)
    uint8 RGB; its index counts decoded frames from 0.
    """

    @property
    def size(self) -> Size:
        """(height, width) of every frame, as displayed (rotation applied)."""
        ...

    @property
    def fps(self) -> float | None:
        """Nominal frames per second, or None if there is no frame rate (a folder of images)."""
        ...

    @property
    def timestamps(self) -> Sequence[float]:
        """Presentation times of all frames known so far, in seconds."""
        ...

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[RgbImage]: ...

    def __getitem__(self, index: int) -> RgbImage: ...
