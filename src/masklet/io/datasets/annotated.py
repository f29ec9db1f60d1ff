"""What an annotated data set gives: videos and pictures with their true masks, read when asked for."""

from __future__ import annotations

import difflib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any, Generic, Literal, TypeVar

import numpy as np
from jaxtyping import Bool

from masklet.errors import FormatError
from masklet.io.source import RecordedSource
from masklet.masks.rle import decode_masks
from masklet.types import FrameMasks, ObjectId, RgbImage, Rle, Size

MAX_MASK_BYTES = 2**32
"""The masks of one frame may take this much when decoded; a hostile file must not ask for more."""

ProblemKind = Literal[
    "no list",  # the file that says what belongs to the split; everything is taken
    "missing sequence",  # named in a list, not on disk
    "missing picture",  # annotated, but there is no such picture
    "no annotation",  # a picture or video without any mask
    "empty mask",  # an annotation whose mask has no pixel
    "size mismatch",
    "object ids",  # they do not count 1, 2, 3 ..., or differ from what the metadata say
    "unreadable",
    "double name",  # two items of one name; the first is kept
]


@dataclass(frozen=True, slots=True)
class Problem:
    """Something a reader went around; it never goes unsaid (see `AnnotatedSet.warnings`).

    Attributes:
        kind: one of the few words of `ProblemKind`, to count by.
        where: the sequence, picture or file.
        detail: what was expected and what came.
    """

    kind: ProblemKind
    where: str
    detail: str

    def __str__(self) -> str:
        return f"{self.where}: {self.kind}: {self.detail}"


@dataclass(frozen=True, eq=False)
class Truth:
    """The annotation of one frame. Masks of different objects may overlap.

    Attributes:
        frame_index: the frame's ordinal in its video, from 0.
        object_ids: the objects with a mask here; the mask may be empty.
        masks: (n, h, w) bool, one for each of them.
        void: (h, w) bool, pixels that count neither way, or None.
        unknown: objects that the annotators left out on this frame: neither present nor absent.
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
        """The mask of one object; all False where it is not in this frame."""
        if object_id not in self.object_ids:
            return np.zeros(self.size, bool)
        mask: Bool[np.ndarray, "h w"] = self.masks[self.object_ids.index(object_id)]
        return mask

    def as_masks(self) -> FrameMasks:
        """The same as a result with full scores, for drawing and writing."""
        scores = np.ones(len(self.object_ids), np.float32)
        return FrameMasks(self.frame_index, self.object_ids, self.masks, presence=scores, iou=scores)


@dataclass(frozen=True, kw_only=True)
class VideoSequence(ABC):
    """One annotated video. Nothing is open or in memory before it is asked for; pickles to worker processes.

    Attributes:
        name: unique in its data set; folders inside it are separated by ``/``.
        categories: what the set calls the objects, where it names them.
        seen: whether an object's category is one of the training split, where the set makes that difference.
        free_ids: the set's ids need not count 1, 2, 3 ...
    """

    name: str
    categories: Mapping[ObjectId, str] = field(default_factory=dict)
    seen: Mapping[ObjectId, bool] = field(default_factory=dict)
    free_ids: bool = False

    @abstractmethod
    def open(self) -> RecordedSource:
        """The frames; use it in a ``with`` block. `MediaError` if they cannot be read."""

    @abstractmethod
    def truth(self, frame_index: int) -> Truth:
        """The annotation of one of the `annotated` frames.

        Raises:
            FrameRangeError: the frame is not annotated.
            MediaError, FormatError: the annotation is unreadable, or not of the size of the pictures.
        """

    @property
    @abstractmethod
    def annotated(self) -> tuple[int, ...]:
        """The frames that have an annotation, in order."""

    @property
    @abstractmethod
    def size(self) -> Size:
        """(height, width) of the frames."""

    @property
    @abstractmethod
    def num_frames(self) -> int:
        """How many frames the video has."""

    @abstractmethod
    def problems(self) -> tuple[Problem, ...]:
        """What is odd about the sequence as far as names, numbers and headers tell; see `check` for all of it."""

    @cached_property
    def objects(self) -> Mapping[ObjectId, int]:
        """Every object with the first frame on which it has a pixel; reads all annotations, once."""
        first: dict[ObjectId, int] = {}
        for index in self.annotated:
            truth = self.truth(index)
            for object_id, mask in zip(truth.object_ids, truth.masks, strict=True):
                if object_id not in first and mask.any():
                    first[object_id] = index
        return dict(sorted(first.items()))

    def id_problems(self) -> tuple[Problem, ...]:
        """Object ids that do not count 1, 2, 3 ... (they are kept), or are not those the set's metadata names."""
        found = list(self.objects)
        odd = () if self.free_ids else odd_ids(found, self.name)
        if self.categories and set(self.categories) != set(found):
            told = f"the metadata name objects {sorted(self.categories)}, the masks hold {found}"
            odd = (*odd, Problem("object ids", self.name, told))
        return odd

    @property
    def original_ids(self) -> Mapping[ObjectId, str]:
        """What the set's own files call the objects, where that is not the id: the folder ``000`` of object 1."""
        return {}

    def __getstate__(self) -> dict[str, object]:  # caches stay behind
        return {item.name: self.__dict__[item.name] for item in fields(self)}


@dataclass(frozen=True, slots=True)
class InstanceMask:
    """One annotated mask of a picture.

    Attributes:
        rle: the mask.
        category: what it shows, or "".
        crowd: it covers a group of things that nobody told apart.
    """

    rle: Rle
    category: str = ""
    crowd: bool = False

    @property
    def area(self) -> int:
        """Number of pixels inside."""
        return self.rle.area


@dataclass(frozen=True, kw_only=True)
class ImageSample(ABC):
    """One annotated picture, read when asked for.

    Attributes:
        name: unique in its data set.
    """

    name: str

    @abstractmethod
    def picture(self) -> RgbImage:
        """(h, w, 3) uint8 RGB; `MediaError` if it cannot be read."""

    @abstractmethod
    def instances(self) -> tuple[InstanceMask, ...]:
        """Its masks as run-length codes; they may overlap. `FormatError` if the annotation is unreadable."""

    def masks(self) -> Bool[np.ndarray, "n h w"]:
        """All masks, decoded; for hundreds of masks decode some of `instances` instead."""
        codes = [instance.rle for instance in self.instances()]
        check_mask_bytes(len(codes), codes[0].size if codes else (0, 0), self.name)
        return decode_masks(codes)


Item = TypeVar("Item", VideoSequence, ImageSample)


@dataclass(frozen=True, kw_only=True)
class AnnotatedSet(Generic[Item]):
    """The sequences or pictures of one split, in natural order of their names.

    An item that is asked for is a fresh one: what it caches goes when it goes.

    Attributes:
        name: the data set's name in the table, or what the caller calls it.
        split: the split's name.
        items: the sequences or pictures.
        scored: whether the masks are public; else only the prompts are here, and a server scores predictions.
        warnings: what the reader went around while it listed them.
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
        """The item at a place or of a name; `FormatError` for an unknown name."""
        found: Item = replace(self.items[key if isinstance(key, int) else self._places([key])[0]])
        return found

    @property
    def names(self) -> tuple[str, ...]:
        """The names, in order."""
        return tuple(item.name for item in self.items)

    def only(self: Set, names: Sequence[str] | None = None, limit: int | None = None) -> Set:
        """The items of these names in their natural order, at most ``limit`` of them.

        Raises:
            FormatError: there is no item of that name; the nearest is suggested.
        """
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


Set = TypeVar("Set", bound="AnnotatedSet[Any]")


@dataclass(frozen=True, kw_only=True)
class VideoDataset(AnnotatedSet[VideoSequence]):
    """Annotated videos."""


@dataclass(frozen=True, kw_only=True)
class ImageDataset(AnnotatedSet[ImageSample]):
    """Annotated pictures."""


def check_mask_bytes(count: int, size: Size, where: str) -> None:
    """Refuse masks that would not fit in memory when decoded."""
    if count * size[0] * size[1] > MAX_MASK_BYTES:
        raise FormatError(
            f"expected masks of at most {MAX_MASK_BYTES} bytes, got {count} of {size[1]}x{size[0]}: {where}"
        )


def odd_ids(ids: Sequence[ObjectId], where: str) -> tuple[Problem, ...]:
    """A `Problem` if ids do not count 1, 2, 3 ...; they are used as they are."""
    if list(ids) == list(range(1, len(ids) + 1)):
        return ()
    shown = ", ".join(map(str, ids[:8])) + (" ..." if len(ids) > 8 else "")
    return (Problem("object ids", where, f"expected ids 1 to {len(ids)}, got {shown}; kept as they are"),)
