"""Automatic masklets: segment all objects on key frames and track them both ways through the video."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float64
from pycocotools import mask as coco

from masklet.backends.protocol import Model
from masklet.predict.automatic_masks import AutomaticMasker, AutomaticSettings
from masklet.predict.session import VideoSession
from masklet.types import FrameSource, Masklet, ObjectId, Prompts, Rle

MIN_PRESENCE = 0.5
"""An object counts as visible from this probability on."""


@dataclass(frozen=True, kw_only=True)
class EverythingSettings:
    """Settings of automatic masklets.

    Attributes:
        every: frames from one key frame to the next; new objects are searched on key frames.
        max_objects: maximum number of objects; the best masks of the earliest key frames are taken.
        same: a mask that overlaps a tracked object by a larger IoU is not a new object.
        min_area: minimum share of the image that a new object covers.
        patience: reverse tracking of an object ends after this many frames without it.
        min_frames: remove masklets that are visible on fewer frames.
    """

    every: int = 30
    max_objects: int = 64
    same: float = 0.5
    min_area: float = 0.001
    patience: int = 10
    min_frames: int = 2

    def __post_init__(self) -> None:
        for name in ("every", "max_objects", "patience", "min_frames"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")


def track_everything(
    model: Model,
    video: FrameSource,
    settings: EverythingSettings | None = None,
    *,
    proposals: AutomaticSettings | AutomaticMasker | None = None,
    progress: Callable[[str, int, int], None] | None = None,
    cancel: Callable[[], bool] | None = None,
) -> dict[ObjectId, Masklet]:
    """Track all objects of a recorded video (paper appendix E.1: proposals on key frames, then tracking).

    On the first key frame every mask becomes an object, on later ones every mask that no tracked object overlaps. Each
    object is tracked to the end of the video, and from its key frame back to where it appeared. Masklets that turn out
    to show the same object are merged under the lower id.

    Args:
        proposals: settings of mask generation on key frames, by default the preset "default" for the model; or the
            `AutomaticMasker` to use, whose ``filtered`` then has the counts of candidates.
        progress: called with ("forward" or "back", frames done, frames in all).
        cancel: called before each frame; True ends tracking, and the masklets so far are returned.

    Returns:
        Masklets with ``source="automatic"``, with ids from 1 in the order in which they were found.

    Raises:
        MediaError: a live source.
    """
    search = _Search(model, video, settings or EverythingSettings(), proposals)
    report = progress or (lambda _direction, _done, _total: None)
    is_cancelled = cancel or (lambda: False)
    search.track_forward(report, is_cancelled)
    search.track_back(report, is_cancelled)
    return search.masklets()


class _Search:
    """The objects found so far, with the key frame of each."""

    def __init__(
        self,
        model: Model,
        video: FrameSource,
        settings: EverythingSettings,
        proposals: AutomaticSettings | AutomaticMasker | None,
    ) -> None:
        self.session = VideoSession(model, video)
        self.masker = proposals if isinstance(proposals, AutomaticMasker) else AutomaticMasker(model, proposals)
        self.settings = settings
        self.found: dict[ObjectId, int] = {}

    def track_forward(self, report: Callable[[str, int, int], None], is_cancelled: Callable[[], bool]) -> None:
        """Find new objects on each key frame and track all objects up to the next one."""
        total = self.session.num_frames
        for key in range(0, total, self.settings.every):
            if is_cancelled():
                return
            self._add_new_objects(key)
            if not self.found:
                continue
            end = min(key + self.settings.every + 1, total)  # with the next key frame
            for out in self.session.propagate("forward", start=key, end=end, cancel=is_cancelled):
                report("forward", out.frame_index + 1, total)

    def _add_new_objects(self, key: int) -> None:
        """Prompt the masks of a key frame that no tracked object overlaps."""
        proposals = self.masker.propose(self.session.video[key])
        tracked = [Rle.from_mask(mask) for mask in self.session.masks(key).masks if mask.any()] if self.found else []
        min_area = self.settings.min_area * self.session.size[0] * self.session.size[1]
        new: list[Rle] = []
        for rle in proposals.masks:
            room = self.settings.max_objects - len(self.found) - len(new)
            if (
                room > 0
                and rle.area >= min_area
                and overlap([rle], [*tracked, *new]).max(initial=0) <= self.settings.same
            ):
                new.append(rle)
        first = len(self.found) + 1
        prompts = {first + i: Prompts.from_mask(rle.to_mask()) for i, rle in enumerate(new)}
        if prompts:
            self.session.prompt_objects(key, prompts)
            self.found |= dict.fromkeys(prompts, key)

    def track_back(self, report: Callable[[str, int, int], None], is_cancelled: Callable[[], bool]) -> None:
        """Track each object in reverse from its key frame to where it appeared."""
        keys = sorted({key for key in self.found.values() if key}, reverse=True)
        total, done = sum(keys), 0
        for key in keys:
            active = {object_id for object_id, first in self.found.items() if first == key}
            missing = dict.fromkeys(active, 0)
            for out in self.session.propagate("reverse", start=0, end=key + 1, objects=active, cancel=is_cancelled):
                for object_id, presence in zip(out.object_ids, out.presence, strict=True):
                    missing[object_id] = 0 if presence >= MIN_PRESENCE else missing[object_id] + 1
                    if missing[object_id] >= self.settings.patience:
                        active.discard(object_id)
                report("back", min(done + key - out.frame_index, total), total)
                if not active:
                    break
            done += key

    def masklets(self) -> dict[ObjectId, Masklet]:
        """Return the merged masklets that are visible on enough frames."""
        found = {i: replace(m, source="automatic", prompted=()) for i, m in self.session.masklets().items()}
        merged = merge_same(found, self.settings.same)
        return {i: m for i, m in merged.items() if len(visible(m)) >= self.settings.min_frames}


def merge_same(masklets: Mapping[ObjectId, Masklet], same: float) -> dict[ObjectId, Masklet]:
    """Merge masklets of the same object: those whose mean IoU, where both are visible, is above ``same``.

    The masklet with the lower id takes the other's masks on the frames where it is not visible itself.
    """
    merged: dict[ObjectId, Masklet] = {}
    for object_id, masklet in masklets.items():
        duplicate = next((i for i, other in merged.items() if agreement(other, masklet) > same), None)
        if duplicate is None:
            merged[object_id] = masklet
        else:
            merged[duplicate] = _merge(merged[duplicate], masklet)
    return merged


def agreement(one: Masklet, other: Masklet) -> float:
    """Compute the mean IoU over the frames on which both are visible; 0 if there are none."""
    shared = sorted(visible(one) & visible(other))
    if not shared:
        return 0.0
    return float(np.mean([overlap([one.frames[i]], [other.frames[i]])[0, 0] for i in shared]))


def visible(masklet: Masklet) -> set[int]:
    """Return the frames on which the mask is not empty."""
    return {i for i, rle in masklet.frames.items() if rle.area}


def overlap(masks: list[Rle], others: Iterable[Rle]) -> Float64[np.ndarray, "n m"]:
    """Compute the IoU of every mask with every other, 0 to 1, without validating the encodings again."""
    first, second = ([{"size": list(rle.size), "counts": rle.counts} for rle in rles] for rles in (masks, others))
    if not first or not second:
        return np.zeros((len(first), len(second)))
    iou: Float64[np.ndarray, "n m"] = coco.iou(first, second, [0] * len(second))
    return iou


def _merge(older: Masklet, newer: Masklet) -> Masklet:
    taken = (visible(newer) - visible(older)) | (newer.frames.keys() - older.frames.keys())
    return replace(
        older,
        frames={**older.frames, **{i: newer.frames[i] for i in taken}},
        presence={**older.presence, **{i: newer.presence[i] for i in taken}},
        iou={**older.iou, **{i: newer.iou[i] for i in taken}},
    )
