"""Everything in a video: masklets of all that key frames show, tracked both ways, each thing once."""

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

PRESENT = 0.5
"""An object with at least this probability of being visible is there."""


@dataclass(frozen=True, kw_only=True)
class EverythingSettings:
    """How masklets are found.

    Attributes:
        every: frames from one key frame to the next; new things are looked for on key frames.
        max_objects: tracked at most; the best of the first key frames.
        same: what overlaps a known object by a larger IoU is that object.
        min_area: share of the picture that a thing must cover on the frame where it is found.
        patience: frames that a thing may be out of sight before it is no longer followed back in time.
        min_frames: a masklet that is visible on fewer frames is left out.
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
    """Masklets of everything in a recorded video (paper appendix E.1: proposals on key frames, then tracking).

    On the first key frame everything is an object; on later ones what no tracked object explains. Each object is
    tracked to the end of the video, and from where it was found back to where it came into sight. Two that turn out to
    be one thing become one masklet, under the older id.

    Args:
        model: from `masklet.load`.
        video: of known length.
        settings: how masklets are found.
        proposals: how key frames are searched, by default the "default" preset for the model; or what searches them,
            which can tell afterwards what became of the candidates (`AutomaticMasker.filtered`).
        progress: called with ("forward" or "back", frames done, frames in all).
        cancel: asked before each frame; True ends the work with what is done.

    Returns:
        Masklets with ``source="automatic"``, by id from 1 in the order they were found.

    Raises:
        MediaError: a live source.
    """
    search = _Search(model, video, settings or EverythingSettings(), proposals)
    tell = progress or (lambda _what, _done, _total: None)
    stop = cancel or (lambda: False)
    search.forward(tell, stop)
    search.back(tell, stop)
    return search.masklets()


class _Search:
    """The objects found so far and where each was found."""

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

    def forward(self, tell: Callable[[str, int, int], None], stop: Callable[[], bool]) -> None:
        """From key frame to key frame."""
        total = self.session.num_frames
        for key in range(0, total, self.settings.every):
            if stop():
                return
            self._look(key)
            if not self.found:
                continue
            end = min(key + self.settings.every + 1, total)  # the next key frame too: what is known is looked up there
            for out in self.session.propagate("forward", start=key, end=end, cancel=stop):
                tell("forward", out.frame_index + 1, total)

    def _look(self, key: int) -> None:
        """Make objects of what a key frame shows and nobody tracks."""
        proposals = self.masker.propose(self.session.video[key])
        known = [Rle.from_mask(mask) for mask in self.session.masks(key).masks if mask.any()] if self.found else []
        smallest = self.settings.min_area * self.session.size[0] * self.session.size[1]
        new: list[Rle] = []
        for rle in proposals.masks:
            room = self.settings.max_objects - len(self.found) - len(new)
            if (
                room > 0
                and rle.area >= smallest
                and overlap([rle], [*known, *new]).max(initial=0) <= self.settings.same
            ):
                new.append(rle)
        first = len(self.found) + 1
        prompts = {first + i: Prompts.from_mask(rle.to_mask()) for i, rle in enumerate(new)}
        if prompts:
            self.session.prompt_objects(key, prompts)
            self.found |= dict.fromkeys(prompts, key)

    def back(self, tell: Callable[[str, int, int], None], stop: Callable[[], bool]) -> None:
        """From where each object was found to where it came into sight."""
        keys = sorted({key for key in self.found.values() if key}, reverse=True)
        total, done = sum(keys), 0
        for key in keys:
            followed = {object_id for object_id, at in self.found.items() if at == key}
            missing = dict.fromkeys(followed, 0)
            for out in self.session.propagate("reverse", start=0, end=key + 1, objects=followed, cancel=stop):
                for object_id, presence in zip(out.object_ids, out.presence, strict=True):
                    missing[object_id] = 0 if presence >= PRESENT else missing[object_id] + 1
                    if missing[object_id] >= self.settings.patience:
                        followed.discard(object_id)
                tell("back", min(done + key - out.frame_index, total), total)
                if not followed:
                    break
            done += key

    def masklets(self) -> dict[ObjectId, Masklet]:
        """What is worth keeping."""
        found = {i: replace(m, source="automatic", prompted=()) for i, m in self.session.masklets().items()}
        merged = merge_same(found, self.settings.same)
        return {i: m for i, m in merged.items() if len(visible(m)) >= self.settings.min_frames}


def merge_same(masklets: Mapping[ObjectId, Masklet], same: float) -> dict[ObjectId, Masklet]:
    """Masklets of one thing as one: those that overlap by a mean IoU above ``same`` where both are visible.

    The older one keeps its frames and takes the other's where it is out of sight itself.
    """
    kept: dict[ObjectId, Masklet] = {}
    for object_id, masklet in masklets.items():
        twin = next((i for i, other in kept.items() if agreement(other, masklet) > same), None)
        if twin is None:
            kept[object_id] = masklet
        else:
            kept[twin] = _united(kept[twin], masklet)
    return kept


def agreement(one: Masklet, other: Masklet) -> float:
    """Mean IoU over the frames on which both are visible; 0 where there is none."""
    shared = sorted(visible(one) & visible(other))
    if not shared:
        return 0.0
    return float(np.mean([overlap([one.frames[i]], [other.frames[i]])[0, 0] for i in shared]))


def visible(masklet: Masklet) -> set[int]:
    """The frames on which its mask is not empty."""
    return {i for i, rle in masklet.frames.items() if rle.area}


def overlap(masks: list[Rle], others: Iterable[Rle]) -> Float64[np.ndarray, "n m"]:
    """IoU of every mask with every other, 0 to 1."""
    found, wanted = ([{"size": list(rle.size), "counts": rle.counts} for rle in codes] for codes in (masks, others))
    if not found or not wanted:
        return np.zeros((len(found), len(wanted)))
    iou: Float64[np.ndarray, "n m"] = coco.iou(found, wanted, [0] * len(wanted))
    return iou


def _united(older: Masklet, newer: Masklet) -> Masklet:
    taken = (visible(newer) - visible(older)) | (newer.frames.keys() - older.frames.keys())
    return replace(
        older,
        frames={**older.frames, **{i: newer.frames[i] for i in taken}},
        presence={**older.presence, **{i: newer.presence[i] for i in taken}},
        iou={**older.iou, **{i: newer.iou[i] for i in taken}},
    )
