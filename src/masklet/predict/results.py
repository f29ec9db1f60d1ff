"""Mask logits of the model to masks at the size of the picture, and what may be done to them on the way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32
from torch import Tensor

from masklet.geometry import logits_to_picture
from masklet.masks.overlap import resolve_overlap
from masklet.masks.regions import fill_holes, remove_specks
from masklet.model.tensors import ChosenMask
from masklet.types import FrameMasks, ObjectId, Size


@dataclass(frozen=True, kw_only=True)
class PostProcess:
    """What happens to masks between the model and the caller; nothing by default, the same on every device.

    It never touches memories: tracking is the same whatever is chosen here.

    Attributes:
        threshold: a pixel is inside where its logit is above this.
        fill_holes: holes of at most so many pixels are filled.
        remove_specks: separate pieces of at most so many pixels are removed.
        non_overlap: where masks of several objects overlap, only the one with the larger logit stays.
    """

    threshold: float = 0.0
    fill_holes: int = 0
    remove_specks: int = 0
    non_overlap: bool = False

    def __post_init__(self) -> None:
        if not np.isfinite(self.threshold):
            raise ValueError(f"threshold must be a finite number, got {self.threshold}")
        if self.fill_holes < 0 or self.remove_specks < 0:
            raise ValueError("fill_holes and remove_specks are areas in pixels and cannot be negative")

    def masks(self, logits: Float32[np.ndarray, "n h w"], *, one_picture: bool = True) -> Bool[np.ndarray, "n h w"]:
        """Binary masks of logits; ``one_picture=False`` for candidates of the same object, which may overlap."""
        if self.non_overlap and one_picture and len(logits) > 1:
            logits = resolve_overlap(logits)
        masks: Bool[np.ndarray, "n h w"] = logits > self.threshold
        if self.fill_holes:
            masks = np.stack([fill_holes(m, self.fill_holes) for m in masks])
        if self.remove_specks:
            masks = np.stack([remove_specks(m, self.remove_specks) for m in masks])
        return masks


def full_size(logits: Tensor, size: Size) -> Float32[np.ndarray, "n h w"]:
    """(n, 1, s, s) mask logits at the size of the picture, one at a time so that many objects need little memory."""
    pictures = [logits_to_picture(row[None].float(), size)[0, 0].cpu().numpy() for row in logits]
    return np.stack(pictures) if pictures else np.zeros((0, *size), np.float32)


def frame_masks(
    frame_index: int,
    chosen: Mapping[ObjectId, ChosenMask],
    size: Size,
    *,
    postprocess: PostProcess,
    drawn: Mapping[ObjectId, Bool[np.ndarray, "h w"]],
    with_logits: bool = False,
) -> FrameMasks:
    """What the caller gets for one frame.

    Args:
        frame_index: the frame.
        chosen: a mask for each object.
        size: (height, width) of the frame.
        postprocess: what to do to masks.
        drawn: masks that are known, such as those the user gave for this frame; they are shown as they are.
        with_logits: fill `FrameMasks.logits`.
    """
    if not chosen:
        empty = np.zeros(0, np.float32)
        return FrameMasks(frame_index, (), np.zeros((0, *size), bool), empty, empty)
    rows = ChosenMask.cat(list(chosen.values()))
    truths = {row: drawn[object_id] for row, object_id in enumerate(chosen) if object_id in drawn}
    seen = list(range(len(rows)))
    if not (with_logits or postprocess.non_overlap):  # a mask that is given needs no logits
        seen = [row for row in seen if row not in truths]
    logits = full_size(rows.logits[seen], size)
    masks = np.zeros((len(rows), *size), bool)
    if seen:
        masks[seen] = postprocess.masks(logits)
    for truth in truths.values() if postprocess.non_overlap else ():
        masks &= ~truth
    for row, truth in truths.items():
        masks[row] = truth
    return FrameMasks(
        frame_index=frame_index,
        object_ids=tuple(chosen),
        masks=masks,
        presence=rows.object_score.sigmoid().cpu().numpy().astype(np.float32),
        iou=rows.iou.cpu().numpy().astype(np.float32),
        logits=logits if with_logits else None,
    )
