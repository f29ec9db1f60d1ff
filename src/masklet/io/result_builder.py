"""Results as values: the masklets of one video, built mask by mask or frame by frame."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePath
from typing import Any

import numpy as np
from jaxtyping import Float32, Shaped

from masklet.errors import FormatError, OutputError
from masklet.masks.rle import decode_masks, encode_masks
from masklet.types import MAX_MASK_PIXELS, FrameMasks, FrameSource, Masklet, ObjectId, Rle, Size, Source

MAX_FRAMES = 2**24
"""Upper bound of frame counts in untrusted files (a week at 27 frames per second)."""

UNNAMED = "object"
"""The label of objects without a name, in formats that need one."""


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Origin of a result, as stored in result files.

    Attributes:
        names: object id -> name given by the user.
        prompted: object id -> frames on which the user prompted it.
        source: how the objects were found.
        model: name of the model.
    """

    names: Mapping[ObjectId, str] = field(default_factory=dict)
    prompted: Mapping[ObjectId, tuple[int, ...]] = field(default_factory=dict)
    source: Source = "assisted"
    model: str = ""


@dataclass(frozen=True, kw_only=True)
class Result:
    """The masklets of one video.

    Attributes:
        masklets: object id -> its masks and scores, in the order of the ids.
        size: (height, width) of the video; None where it is unknown and there is no mask.
        num_frames: of the whole video, as far as it is known.
        fps: nominal frame rate, or None.
        video: name of the video, such as ``dog.mp4``, or "".
        frame_names: file name of each frame where the video is a folder of images, else empty.
    """

    masklets: Mapping[ObjectId, Masklet]
    size: Size | None
    num_frames: int
    fps: float | None = None
    video: str = ""
    frame_names: tuple[str, ...] = ()

    def __len__(self) -> int:
        return self.num_frames

    def __iter__(self) -> Iterator[FrameMasks]:
        return (self.frame(index) for index in range(self.num_frames))

    @property
    def provenance(self) -> Provenance:
        """Origin of the masklets; source and model are those of the first."""
        first = next(iter(self.masklets.values()), Masklet(0, (1, 1)))
        return Provenance(
            names={i: one.name for i, one in self.masklets.items() if one.name},
            prompted={i: one.prompted for i, one in self.masklets.items() if one.prompted},
            source=first.source,
            model=first.model,
        )

    @property
    def frame_indices(self) -> list[int]:
        """The frames on which at least one object has a (possibly empty) mask, in order."""
        return sorted({index for one in self.masklets.values() for index in one.frames})

    def visible(self, index: int) -> Iterator[tuple[Masklet, Rle]]:
        """Yield the objects that have a pixel on a frame, with their masks."""
        for masklet in self.masklets.values():
            rle = masklet.frames.get(index)
            if rle is not None and rle.area:
                yield masklet, rle

    def frame(self, index: int) -> FrameMasks:
        """Return the masks of the objects that have one on a frame; NaN for missing scores."""
        present = [one for one in self.masklets.values() if index in one.frames]
        size = self.size or (1, 1)
        masks = decode_masks([one.frames[index] for one in present]) if present else np.zeros((0, *size), bool)
        return FrameMasks(
            frame_index=index,
            object_ids=tuple(one.object_id for one in present),
            masks=masks,
            presence=_scores([one.presence.get(index) for one in present]),
            iou=_scores([one.iou.get(index) for one in present]),
        )

    def image_name(self, index: int) -> str:
        """Return the file name of a frame, or one made of the video name and the index, as ``dog/00007.jpg``."""
        return image_name(self.video, self.frame_names, index)

    def only(self, object_ids: frozenset[ObjectId]) -> Result:
        """Return the result with these objects alone; `OutputError` if it does not contain one of them."""
        unknown = sorted(object_ids - set(self.masklets))
        if unknown:
            known = ", ".join(map(str, self.masklets)) or "none"
            raise OutputError(f"the result has no object {unknown[0]} (its objects: {known})")
        return replace(self, masklets={i: one for i, one in self.masklets.items() if i in object_ids})


def _scores(values: list[float | None]) -> Float32[np.ndarray, " n"]:
    return np.array([np.nan if value is None else value for value in values], np.float32)


VideoLike = FrameSource | Result
"""Where a writer takes the properties of the video from: the source of the frames, or a result that was read."""


def video_metadata(like: VideoLike | None, stop: int) -> dict[str, Any]:
    """Return the fields of `Result` that a source supplies; ``stop`` is the last frame written + 1."""
    if like is None:
        return {}
    if isinstance(like, Result):
        return {"num_frames": like.num_frames, "fps": like.fps, "video": like.video, "frame_names": like.frame_names}
    try:
        num_frames = len(like)
    except TypeError:  # a live source does not know its length
        num_frames = stop
    return {
        "num_frames": max(num_frames, stop),
        "fps": like.fps,
        "video": Path(getattr(like, "path", None) or str(getattr(like, "file_name", ""))).name,
        "frame_names": tuple(getattr(like, "frame_names", ())),
    }


def image_name(video: str, frame_names: Sequence[str], index: int) -> str:
    """Return the name of a frame; see `Result.image_name`."""
    if index < len(frame_names) and frame_names[index]:
        return frame_names[index]
    stem = PurePath(video).stem
    return f"{stem}/{index:05d}.jpg" if stem else f"{index:05d}.jpg"


def check_size(height: object, width: object) -> Size:
    """Return (height, width) as stored in a file; `FormatError` unless they are the size of an image."""
    if type(height) is not int or type(width) is not int or min(height, width) < 1 or height * width > MAX_MASK_PIXELS:
        raise FormatError(f"expected height and width in pixels, got {height!r} and {width!r}")
    return height, width


def numbered_files(folder: str | os.PathLike[str], pattern: re.Pattern[str], expected: str) -> list[tuple[int, Path]]:
    """List the files whose names match a pattern by the number in its first group; `FormatError` if there are none."""
    files = [(int(match[1]), path) for path in Path(folder).glob("*") if (match := pattern.fullmatch(path.name))]
    if not files:
        raise FormatError(f"expected {expected}, found none: {folder}")
    return sorted(files)


class ResultBuilder:
    """Collects masklets frame by frame as run-length codes.

    Attributes:
        size: (height, width), known from the first frame on.
        stop: last frame + 1.
        names: object id -> name.
    """

    def __init__(self, size: Size | None = None) -> None:
        self.size = size
        self.stop = 0
        self.names: dict[ObjectId, str] = {}
        self._masklets: dict[ObjectId, Masklet] = {}
        self._frames: list[int] = []

    def start_frame(self, frame_index: object, size: Size | None = None) -> int:
        """Add a frame of a file, with or without masks, and return its index; `FormatError` unless it can be one."""
        if type(frame_index) is not int or not 0 <= frame_index < MAX_FRAMES:
            raise FormatError(f"expected frame numbers from 0, got {frame_index!r}")
        self.size = self.size or size
        self.stop = max(self.stop, frame_index + 1)
        self._frames.append(frame_index)
        return frame_index

    def add_frame(self, masks: FrameMasks) -> None:
        """Add one frame; scores that are NaN are left out. Raises as `add_mask`."""
        height, width = masks.masks.shape[1:]
        self.size = self.size or (height, width)
        self.stop = max(self.stop, masks.frame_index + 1)
        for place, (object_id, rle) in enumerate(zip(masks.object_ids, encode_masks(masks.masks), strict=True)):
            self.add_mask(object_id, masks.frame_index, rle, presence=masks.presence[place], iou=masks.iou[place])

    def add_mask(
        self,
        object_id: ObjectId,
        frame_index: int,
        rle: Rle,
        *,
        presence: float | np.float32 | None = None,
        iou: float | np.float32 | None = None,
    ) -> None:
        """Add one mask, and its scores where they are known.

        Raises:
            FormatError: the object has a mask on that frame already, or the mask is of another size.
        """
        self.size = self.size or rle.size
        masklet = self.masklet(object_id)
        if frame_index in masklet.frames:
            raise FormatError(f"object {object_id} has two masks on frame {frame_index}")
        if rle.size != self.size:
            sizes = f"{self.size[1]}x{self.size[0]} pixels, got {rle.size[1]}x{rle.size[0]}"
            raise FormatError(f"expected masks of {sizes} at frame {frame_index}")
        self.stop = max(self.stop, frame_index + 1)
        masklet.frames[frame_index] = rle
        for values, score in ((masklet.presence, presence), (masklet.iou, iou)):
            if score is not None and not np.isnan(score):
                values[frame_index] = float(str(score))  # the shortest decimal of the float32, such as 0.9

    def drop_frame(self, frame_index: int) -> None:
        """Remove the masks and scores of a frame; the objects stay."""
        for masklet in self._masklets.values():
            for values in (masklet.frames, masklet.presence, masklet.iou):
                values.pop(frame_index, None)

    def masklet(self, object_id: ObjectId) -> Masklet:
        """Return the masklet of an object, empty at first; `FormatError` unless the id is a positive integer."""
        if type(object_id) is not int or object_id < 1:
            raise FormatError(f"expected object ids from 1, got {object_id!r}")
        return self._masklets.setdefault(object_id, Masklet(object_id, self.size or (1, 1)))

    def add_object(self, object_id: ObjectId, name: object) -> None:
        """Add an object, with or without masks, and its name."""
        self.masklet(object_id)
        self.names[object_id] = str(name)

    def add_label(self, object_id: ObjectId, label: object) -> None:
        """Name an object by the label of a mask, unless it has a name; `UNNAMED` stands for no name."""
        self.names.setdefault(object_id, "" if label == UNNAMED else str(label))

    def add_label_map(
        self, frame_index: int, labels: Shaped[np.ndarray, "h w"], owners: Mapping[int, ObjectId] | None = None
    ) -> None:
        """Add a frame and its objects from a label map; ``owners`` are the objects of labels that are no ids."""
        self.start_frame(frame_index, (labels.shape[0], labels.shape[1]))
        for label in np.unique(labels[labels > 0]).tolist():
            self.add_mask(label if owners is None else owners[label], frame_index, Rle.from_mask(labels == label))

    def fill_missing(self, frame_indices: Iterable[int] | None = None) -> None:
        """Give every object an empty mask on frames where it has none, for formats that imply absence.

        Args:
            frame_indices: by default the frames of `start_frame`.
        """
        empty = Rle.from_mask(np.zeros(self.size or (1, 1), bool))
        frames = self._frames if frame_indices is None else list(frame_indices)
        for masklet in self._masklets.values():
            for index in frames:
                masklet.frames.setdefault(index, empty)

    def build(self, provenance: Provenance | None = None, **video: Any) -> Result:
        """Return the result; ``video`` are fields of `Result` that replace those derived from the masks."""
        origin = provenance or Provenance(names=self.names)
        masklets = {
            object_id: replace(
                masklet,
                size=self.size or (1, 1),
                name=origin.names.get(object_id, ""),
                prompted=tuple(origin.prompted.get(object_id, ())),
                source=origin.source,
                model=origin.model,
            )
            for object_id, masklet in sorted(self._masklets.items())
        }
        known = {"size": self.size, "num_frames": self.stop} | {k: v for k, v in video.items() if v is not None}
        return Result(masklets=masklets, **known)
