"""From mask logits to masks at the size of the image: refinement, non-overlap, threshold, holes, specks."""

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
from masklet.predict.confidence import ConfidenceInputs, confidence
from masklet.predict.refine import Refinement, refine_logits
from masklet.types import FrameMasks, FrameSource, ObjectId, Prompts, Region, RgbImage, Size


@dataclass(frozen=True, kw_only=True)
class PostProcess:
    """Postprocessing of masks; nothing by default, the same on every device.

    It never changes memories: tracking is the same whatever is chosen here. The order is: refinement, non-overlap,
    threshold, holes, specks.

    Attributes:
        threshold: a pixel is inside where its logit is above this.
        fill_holes: fill holes of at most so many pixels.
        remove_specks: remove components of at most so many pixels.
        non_overlap: where masks of several objects overlap, keep only the one with the highest logit.
        refine: segment each visible object again on a crop, for finer outlines (not masks given as prompts); None for
            no refinement.
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
            raise ValueError(
                "fill_holes and remove_specks are areas in pixels of at least 0, "
                f"got {self.fill_holes} and {self.remove_specks}"
            )

    def masks(self, logits: Float32[np.ndarray, "n h w"], *, same_object: bool = False) -> Bool[np.ndarray, "n h w"]:
        """Binary masks of logits; ``same_object`` for candidates of one object, which may overlap."""
        if self.non_overlap and not same_object and len(logits) > 1:
            logits = resolve_overlap(logits)
        masks: Bool[np.ndarray, "n h w"] = logits > self.threshold
        if self.fill_holes:
            masks = np.stack([fill_holes(m, self.fill_holes) for m in masks])
        if self.remove_specks:
            masks = np.stack([remove_specks(m, self.remove_specks) for m in masks])
        return masks


def full_size(logits: Tensor, size: Size) -> Float32[np.ndarray, "n h w"]:
    """Upsample (n, 1, s, s) mask logits to the size of the image, one at a time to bound memory."""
    images = [logits_to_image(row[None].float(), size)[0, 0].cpu().numpy() for row in logits]
    return np.stack(images) if images else np.zeros((0, *size), np.float32)


@dataclass(frozen=True)
class Frame:
    """A frame whose pixels are read only where they are needed.

    Attributes:
        index: of the frame.
        size: (height, width).
        pixels: returns the image; called where masks are refined.
    """

    index: int
    size: Size
    pixels: Callable[[], RgbImage]

    @classmethod
    def of(cls, video: FrameSource, index: int) -> Frame:
        """A frame of a video."""
        return cls(index, video.size, lambda: video[index])


def frame_logits(
    frame: Frame,
    logits: Float[Tensor, "n 1 s s"],
    prompts: list[Prompts | None],
    model: Model,
    postprocess: PostProcess,
) -> Float32[np.ndarray, "n h w"]:
    """Mask logits at the size of the frame, refined where ``postprocess`` says so.

    Args:
        logits: of each object.
        prompts: clicks and box that a mask answers on this frame, or None.
    """
    full = full_size(logits, frame.size)
    if postprocess.refine and len(full):
        full = refine_logits(model, frame.pixels(), full, postprocess.refine, prompts)
    return full


def frame_masks(
    frame: Frame,
    chosen: Mapping[ObjectId, ChosenMask],
    model: Model,
    postprocess: PostProcess,
    *,
    given: Mapping[ObjectId, Region | Prompts],
    confidence_inputs: Mapping[ObjectId, ConfidenceInputs] | None = None,
    with_logits: bool = False,
) -> FrameMasks:
    """Build the result of one frame.

    Args:
        chosen: a mask for each object.
        model: refines masks where ``postprocess`` says so.
        given: by object a mask that is final, or its prompts on this frame: a mask, which is final too, or clicks and
            a box, which refinement takes into account.
        confidence_inputs: of tracked masks; the confidence of other masks is their predicted IoU. None leaves
            `FrameMasks.confidence` empty.
        with_logits: fill `FrameMasks.logits`.
    """
    if not chosen:
        empty = np.zeros(0, np.float32)
        return FrameMasks(
            frame.index,
            (),
            np.zeros((0, *frame.size), bool),
            empty,
            empty,
            confidence=None if confidence_inputs is None else empty,
        )
    rows = ChosenMask.cat(list(chosen.values()))
    known = [given.get(object_id) for object_id in chosen]
    drawn = [one.mask if isinstance(one, Prompts) else one for one in known]
    final = {row: mask for row, mask in enumerate(drawn) if mask is not None}
    computed = list(range(len(rows)))
    if not (with_logits or postprocess.non_overlap):  # a final mask needs no logits
        computed = [row for row in computed if row not in final]
    masks, logits = np.zeros((len(rows), *frame.size), bool), None
    if with_logits or postprocess.non_overlap or postprocess.refine:
        prompts = [one if isinstance(one, Prompts) and one.mask is None else None for one in known]
        logits = frame_logits(frame, rows.logits[computed], [prompts[row] for row in computed], model, postprocess)
        if computed:
            masks[computed] = postprocess.masks(logits)
    else:
        _threshold(rows.logits, computed, masks, postprocess)
    for mask in final.values() if postprocess.non_overlap else ():
        masks &= ~mask
    for row, mask in final.items():
        masks[row] = mask
    iou = rows.iou.cpu().numpy().astype(np.float32)
    certain = None
    if confidence_inputs is not None:
        name, inputs = model.config.name, confidence_inputs
        certain = np.array(
            [confidence(inputs[i], name) if i in inputs else own for i, own in zip(chosen, iou.tolist(), strict=True)],
            np.float32,
        )
    return FrameMasks(
        frame_index=frame.index,
        object_ids=tuple(chosen),
        masks=masks,
        presence=rows.object_score.sigmoid().cpu().numpy().astype(np.float32),
        iou=iou,
        logits=logits if with_logits else None,
        confidence=certain,
    )


def _threshold(
    logits: Float[Tensor, "n 1 s s"], rows: list[int], masks: Bool[np.ndarray, "n h w"], postprocess: PostProcess
) -> None:
    """Fill in the masks of these rows one by one; empty masks need no full-size logits."""
    height, width = masks.shape[1:]
    peaks = logits.amax(dim=(1, 2, 3)).tolist()
    for row in rows:
        if peaks[row] > postprocess.threshold:
            full = logits_to_image(logits[[row]].float(), (height, width))[0]
            masks[row] = postprocess.masks(full.cpu().numpy())[0]
