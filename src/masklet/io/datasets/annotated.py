"""Annotated videos and images with their ground-truth masks; frames and masks are read on access."""

from __future__ import annotations

import difflib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any, Generic, Literal, TypeVar

import numpy as np
from jaxtyping import Bool

from masklet.errors import FormatError, FrameRangeError
from masklet.io.source import RecordedSource
from masklet.masks.rle import decode_masks
from masklet.types import FrameMasks, ObjectId, RgbImage, Rle, Size

MAX_MASK_BYTES = 2**32
"""Limit for the decoded masks of one frame, so that a hostile file cannot exhaust the memory."""

ProblemKind = Literal[
    "no list",  # the list of the split is missing; everything is used
    "missing sequence",  # listed, but not on disk
    "missing image",  # annotated, but not on disk
    "no annotation",  # an image or video without any mask
    "empty mask",  # an annotation whose mask has no pixel
    "size mismatch",
    "object ids",  # not 1, 2, 3 ..., or not those of the metadata
    "unreadable",
    "double name",  # two items of one name; the first is used
]


@dataclass(frozen=True, slots=True)
class Problem:
    """An irregularity that a reader worked around or skipped (see `AnnotatedSet.warnings`).

    Attributes:
        where: the sequence, image or file.
        detail: what was expected and what was found.
    """

    kind: ProblemKind
    where: str
    detail: str

    def __str__(self) -> str:
        return f"{self.where}: {self.kind}: {self.detail}"


@dataclass(frozen=True, eq=False)
class Truth:
    """The ground truth of one frame. Masks of different objects may overlap, and may be empty.

    Attributes:
        masks: (n, h, w) bool, one for each of ``object_ids``.
        void: (h, w) bool, pixels that are excluded from scoring, or None.
        unknown: objects that were not annotated on this frame: neither present nor absent.
    """

    frame_index: int
    object_ids: tuple[ObjectId, ...]
    masks: Bool[np.ndarray, "n h w"]
    void: Bool[np.ndarray, "h w"] | None = None
    unknown: frozenset[ObjectId] = frozenset()

    @property
    def size(self) -> Size:
        """(height, width) of the annotation."""
        return self.masks.shape[1], self.masks.shape[2]

    def __getitem__(self, object_id: ObjectId) -> Bool[np.ndarray, "h w"]:
        """Return the mask of one object; all False if it is not in this frame."""
        if object_id not in self.object_ids:
            return np.zeros(self.size, bool)
        mask: Bool[np.ndarray, "h w"] = self.masks[self.object_ids.index(object_id)]
        return mask

    def as_masks(self) -> FrameMasks:
        """Return the masks as a result with scores of 1, for drawing and writing."""
        scores = np.ones(len(self.object_ids), np.float32)
        return FrameMasks(self.frame_index, self.object_ids, self.masks, presence=scores, iou=scores)


@dataclass(frozen=True, kw_only=True)
class VideoSequence(ABC):
    """One annotated video. Files are opened on access; sequences can be pickled for worker processes.

    Attributes:
        name: unique in its data set; folders inside it are separated by ``/``.
        categories: category of each object, where the data set names it.
        seen: whether the category of each object occurs in the training split, where the data set distinguishes that.
        free_ids: the ids of the data set need not be 1, 2, 3 ...
    """

    name: str
    categories: Mapping[ObjectId, str] = field(default_factory=dict)
    seen: Mapping[ObjectId, bool] = field(default_factory=dict)
    free_ids: bool = False

    @abstractmethod
    def open(self) -> RecordedSource:
        """Open the frames, for a ``with`` block; `MediaError` if they cannot be read."""

    def truth(self, frame_index: int) -> Truth:
        """Read the ground truth of one of the `annotated` frames.

        Raises:
            FrameRangeError: the frame is not annotated.
            MediaError, FormatError: the annotation is unreadable, or differs in size from the frames.
        """
        if frame_index not in self.annotated:
            raise FrameRangeError(f"frame {frame_index} of {self.name} has no annotation")
        return self._truth(frame_index)

    @abstractmethod
    def _truth(self, frame_index: int) -> Truth:
        """Read the ground truth of an annotated frame."""

    @property
    @abstractmethod
    def annotated(self) -> tuple[int, ...]:
        """Indices of the frames that have an annotation, in order."""

    @property
    @abstractmethod
    def size(self) -> Size:
        """(height, width) of the frames."""

    @property
    @abstractmethod
    def num_frames(self) -> int:
        """Number of frames of the video."""

    @abstractmethod
    def problems(self) -> Iterator[Problem]:
        """Find irregularities in file names, counts and headers; `check` finds all of them."""

    @cached_property
    def objects(self) -> Mapping[ObjectId, int]:
        """First frame on which each object has a pixel. Reads all annotations, once."""
        first: dict[ObjectId, int] = {}
        for index in self.annotated:
            truth = self.truth(index)
            for object_id, mask in zip(truth.object_ids, truth.masks, strict=True):
                if object_id not in first and mask.any():
                    first[object_id] = index
        return dict(sorted(first.items()))

    def id_problems(self) -> Iterator[Problem]:
        """Find object ids that are not 1, 2, 3 ..., or not those that the metadata name; ids are used unchanged."""
        ids = list(self.objects)
        if not self.free_ids and ids != list(range(1, len(ids) + 1)):
            shown = ", ".join(map(str, ids[:8])) + (" ..." if len(ids) > 8 else "")
            yield Problem("object ids", self.name, f"expected ids 1 to {len(ids)}, got {shown}; kept as is")
        if self.categories and set(self.categories) != set(ids):
            detail = f"the metadata name objects {sorted(self.categories)}, the masks contain {ids}"
            yield Problem("object ids", self.name, detail)

    @property
    def original_ids(self) -> Mapping[ObjectId, str]:
        """Names of the objects in the files, where they differ from the ids: the folder ``000`` of object 1."""
        return {}

    def __getstate__(self) -> dict[str, object]:  # without caches
        return {item.name: self.__dict__[item.name] for item in fields(self)}


@dataclass(frozen=True, slots=True)
class InstanceMask:
    """One annotated mask of an image; ``crowd``: it covers a group of objects (COCO's ``iscrowd``)."""

    rle: Rle
    category: str = ""
    crowd: bool = False

    @property
    def area(self) -> int:
        """Number of pixels in the mask."""
        return self.rle.area


@dataclass(frozen=True, kw_only=True)
class ImageSample(ABC):
    """One annotated image, read on access; ``name`` is unique in its data set."""

    name: str

    @abstractmethod
    def pixels(self) -> RgbImage:
        """Read the image, (h, w, 3) uint8 RGB; `MediaError` if that fails."""

    @abstractmethod
    def instances(self) -> tuple[InstanceMask, ...]:
        """Read its masks as RLE; they may overlap. `FormatError` if the annotation is unreadable."""

    def masks(self) -> Bool[np.ndarray, "n h w"]:
        """Decode all masks; of an image with hundreds, decode a selection of `instances` instead."""
        codes = [instance.rle for instance in self.instances()]
        check_mask_bytes(len(codes), codes[0].size if codes else (0, 0), self.name)
        return decode_masks(codes)


Item = TypeVar("Item", VideoSequence, ImageSample)
Set = TypeVar("Set", bound="AnnotatedSet[Any]")


@dataclass(frozen=True, kw_only=True)
class AnnotatedSet(Generic[Item]):
    """The sequences or images of one split, in natural order of their names.

    Indexing returns a new copy of an item, so that its caches are freed with it.

    Attributes:
        scored: whether all masks are public; else only the first mask of each object is, and a server scores
            predictions.
        warnings: irregularities found while listing the items.
    """

    name: str
    split: str
    items: tuple[Item, ...] = field(repr=False)
    scored: bool = True
    warnings: tuple[Problem, ...] = ()

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[Item]:
        return (self[place] for place in range(len(self)))

    def __getitem__(self, key: int | str) -> Item:
        """Return the item at an index or of a name; `FormatError` for an unknown name."""
        found: Item = replace(self.items[key if isinstance(key, int) else self._places([key])[0]])
        return found

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the items, in order."""
        return tuple(item.name for item in self.items)

    def only(self: Set, names: Sequence[str] | None = None, limit: int | None = None) -> Set:
        """Select items by name, in natural order, at most ``limit`` of them; `FormatError` for an unknown name."""
        chosen = sorted(set(self._places(names))) if names is not None else list(range(len(self)))
        return replace(self, items=tuple(self.items[place] for place in chosen[:limit]))

    def _places(self, names: Sequence[str]) -> list[int]:
        known = {name: place for place, name in enumerate(self.names)}
        for name in names:
            if name not in known:
                near = difflib.get_close_matches(name, known, 1)
                hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(list(known)[:5])} ..."
                raise FormatError(f"{self.name} {self.split} has no {name!r}; {hint}")
        return [known[name] for name in names]


@dataclass(frozen=True, kw_only=True)
class VideoDataset(AnnotatedSet[VideoSequence]):
    """A data set of annotated videos."""


@dataclass(frozen=True, kw_only=True)
class ImageDataset(AnnotatedSet[ImageSample]):
    """A data set of annotated images."""


def check_mask_bytes(count: int, size: Size, where: str) -> None:
    """Raise `FormatError` if ``count`` decoded masks would exceed `MAX_MASK_BYTES`."""
    if count * size[0] * size[1] > MAX_MASK_BYTES:
        raise FormatError(
            f"expected masks of at most {MAX_MASK_BYTES} bytes, got {count} of {size[1]}x{size[0]}: {where}"
        )
