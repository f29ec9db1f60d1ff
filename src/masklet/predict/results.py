"""Mask logits of the model to masks at the size of the picture, and what may be done to them on the way."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Float32
from torch import Tensor

from masklet.backends.protocol import Model
from masklet.geometry import logits_to_image
from masklet.masks.overlap import resolve_overlap
from masklet.masks.regions import fill_holes, remove_specks
from masklet.model.tensors import ChosenMask
from masklet.predict.refine import Refinement, second_look
from masklet.types import FrameMasks, FrameSource, ObjectId, Prompts, Region, RgbImage, Size


@dataclass(frozen=True, kw_only=True)
class PostProcess:
    """What happens to masks between the model and the caller; nothing by default, the same on every device.

    It never touches memories: tracking is the same whatever is chosen here. The order is: second look, overlap,
    threshold, holes, specks.

    Attributes:
        threshold: a pixel is inside where its logit is above this.
        fill_holes: holes of at most so many pixels are filled.
        remove_specks: separate pieces of at most so many pixels are removed.
        non_overlap: where masks of several objects overlap, only the one with the larger logit stays.
        refine: a second look at each object that is there, for finer outlines (not at masks that are drawn); None for
            none.
    """

    threshold: float = 0.0
    fill_holes: int = 0
    remove_specks: int = 0
    non_overlap: bool = False
    refine: Refinement | None = None

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
    pictures = [logits_to_image(row[None].float(), size)[0, 0].cpu().numpy() for row in logits]
    return np.stack(pictures) if pictures else np.zeros((0, *size), np.float32)


@dataclass(frozen=True)
class Frame:
    """A frame that need not be decoded.

    Attributes:
        index: of the frame.
        size: (height, width).
        picture: gives its pixels; called where masks are refined.
    """

    index: int
    size: Size
    picture: Callable[[], RgbImage]

    @classmethod
    def of(cls, video: FrameSource, index: int) -> Frame:
        """A frame of a video."""
        return cls(index, video.size, lambda: video[index])


def frame_masks(
    frame: Frame,
    chosen: Mapping[ObjectId, ChosenMask],
    model: Model,
    postprocess: PostProcess,
    *,
    given: Mapping[ObjectId, Region | Prompts],
    with_logits: bool = False,
) -> FrameMasks:
    """What the caller gets for one frame.

    Args:
        frame: the frame.
        chosen: a mask for each object.
        model: takes a second look where ``postprocess`` asks for it.
        postprocess: what to do to masks.
        given: a mask that is known and shown as it is, or what was said about an object on this frame: a mask, which is
            shown too, or clicks and a box, which a second look hears.
        with_logits: fill `FrameMasks.logits`.
    """
    size = frame.size
    if not chosen:
        empty = np.zeros(0, np.float32)
        return FrameMasks(frame.index, (), np.zeros((0, *size), bool), empty, empty)
    rows = ChosenMask.cat(list(chosen.values()))
    known = [given.get(object_id) for object_id in chosen]
    drawn = [one.mask if isinstance(one, Prompts) else one for one in known]
    truths = {row: mask for row, mask in enumerate(drawn) if mask is not None}
    seen = list(range(len(rows)))
    if not (with_logits or postprocess.non_overlap):  # a mask that is given needs no logits
        seen = [row for row in seen if row not in truths]
    masks, logits = np.zeros((len(rows), *size), bool), None
    if with_logits or postprocess.non_overlap or postprocess.refine:
        logits = full_size(rows.logits[seen], size)
        if postprocess.refine and seen:
            said = [one if isinstance(one, Prompts) and one.mask is None else None for one in known]
            logits = second_look(model, frame.picture(), logits, postprocess.refine, [said[row] for row in seen])
        if seen:
            masks[seen] = postprocess.masks(logits)
    else:
        _threshold(rows.logits, seen, masks, postprocess)
    for truth in truths.values() if postprocess.non_overlap else ():
        masks &= ~truth
    for row, truth in truths.items():
        masks[row] = truth
    return FrameMasks(
        frame_index=frame.index,
        object_ids=tuple(chosen),
        masks=masks,
        presence=rows.object_score.sigmoid().cpu().numpy().astype(np.float32),
        iou=rows.iou.cpu().numpy().astype(np.float32),
        logits=logits if with_logits else None,
    )


def _threshold(
    logits: Float[Tensor, "n 1 s s"], rows: list[int], masks: Bool[np.ndarray, "n h w"], postprocess: PostProcess
) -> None:
    """Fill in the masks of these rows one by one: their logits are four times as large, and empty masks need none."""
    height, width = masks.shape[1:]
    peaks = logits.amax(dim=(1, 2, 3)).tolist()
    for row in rows:
        if peaks[row] > postprocess.threshold:
            picture = logits_to_image(logits[[row]].float(), (height, width))[0]
            masks[row] = postprocess.masks(picture.cpu().numpy())[0]
