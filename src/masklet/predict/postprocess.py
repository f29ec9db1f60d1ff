"""From mask logits to masks at the size of the image: refinement, non-overlap, threshold, holes, specks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Float32
from torch import Tensor

from masklet.backends.protocol import Model
from masklet.geometry import logits_to_image
from masklet.masks.overlap import resolve_overlap
from masklet.masks.regions import fill_holes, remove_specks
from masklet.model.tensors import ChosenMask, pack_bits, to_host
from masklet.predict.confidence import confidence
from masklet.predict.refine import Refinement, refine_logits
from masklet.tracking.policies import MaskScores
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
        return self.clean(logits > self.threshold)

    def clean(self, masks: Bool[np.ndarray, "n h w"]) -> Bool[np.ndarray, "n h w"]:
        """Fill holes and remove specks."""
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


class DeviceMasks:
    """Masks of one frame on the model's device: what is computed there, before `finish` builds the result.

    Args:
        frame: shows the objects.
        chosen: a mask for each object.
        model: refines masks where ``postprocess`` says so.
        postprocess: of the masks.
        given: by object a mask that is final, or its prompts on this frame: a mask, which is final too, or clicks and
            a box, which refinement takes into account.
        with_logits: fill `FrameMasks.logits`.

    Attributes:
        tensors: to be copied to the host for `finish`.
    """

    def __init__(
        self,
        frame: Frame,
        chosen: Mapping[ObjectId, ChosenMask],
        model: Model,
        postprocess: PostProcess,
        *,
        given: Mapping[ObjectId, Region | Prompts],
        with_logits: bool = False,
    ) -> None:
        self._frame, self._object_ids, self._postprocess = frame, tuple(chosen), postprocess
        self._model, self._with_logits = model, with_logits
        self.tensors: list[Tensor] = []
        if not chosen:
            return
        self._rows = ChosenMask.cat(list(chosen.values()))
        self._known = [given.get(object_id) for object_id in chosen]
        drawn = [one.mask if isinstance(one, Prompts) else one for one in self._known]
        self._final = {row: mask for row, mask in enumerate(drawn) if mask is not None}
        self._on_host = with_logits or postprocess.non_overlap or postprocess.refine is not None
        self._computed = list(range(len(drawn)))
        if not (with_logits or postprocess.non_overlap):  # a final mask needs no logits
            self._computed = [row for row in self._computed if row not in self._final]
        self.tensors = [self._rows.object_score.sigmoid(), self._rows.iou]
        if not self._on_host and self._computed and self._rows.logits.device.type != "cpu":
            images = (logits_to_image(self._rows.logits[[row]].float(), frame.size)[0, 0] for row in self._computed)
            self.tensors.append(torch.stack([pack_bits(image > postprocess.threshold) for image in images]))

    def finish(self, host: Sequence[Tensor], scores: Mapping[ObjectId, MaskScores] | None) -> FrameMasks:
        """Build the result.

        Args:
            host: copies of `tensors`.
            scores: of tracked masks; the confidence of other masks is their predicted IoU. None leaves
                `FrameMasks.confidence` empty.
        """
        masks, logits = np.zeros((len(self._object_ids), *self._frame.size), bool), None
        if not self._object_ids:
            empty = np.zeros(0, np.float32)
            return FrameMasks(self._frame.index, (), masks, empty, empty, confidence=None if scores is None else empty)
        presence, iou, *packed = (t.numpy() for t in host)
        if self._on_host:
            logits = self._draw(masks)
        elif packed:
            height, width = self._frame.size
            bits = np.unpackbits(packed[0], axis=1, count=height * width)
            masks[self._computed] = self._postprocess.clean(bits.reshape(-1, height, width).astype(bool))
        else:
            _threshold(self._rows.logits, self._computed, masks, self._postprocess)
        for row, mask in self._final.items():
            masks[row] = mask
        confidences = None
        if scores is not None:
            name = self._model.config.name
            pairs = zip(self._object_ids, iou.tolist(), strict=True)
            values = [confidence(scores[i], name) if i in scores else own for i, own in pairs]
            confidences = np.array(values, np.float32)
        return FrameMasks(
            frame_index=self._frame.index,
            object_ids=self._object_ids,
            masks=masks,
            presence=presence.astype(np.float32),
            iou=iou.astype(np.float32),
            logits=logits if self._with_logits else None,
            confidence=confidences,
        )

    def _draw(self, masks: Bool[np.ndarray, "n h w"]) -> Float32[np.ndarray, "n h w"]:
        """Fill in masks from logits at the size of the frame, and return those."""
        prompts = [one if isinstance(one, Prompts) and one.mask is None else None for one in self._known]
        logits = frame_logits(
            self._frame,
            self._rows.logits[self._computed],
            [prompts[row] for row in self._computed],
            self._model,
            self._postprocess,
        )
        if self._computed:
            masks[self._computed] = self._postprocess.masks(logits)
        for mask in self._final.values() if self._postprocess.non_overlap else ():
            masks &= ~mask
        return logits


def frame_masks(
    frame: Frame,
    chosen: Mapping[ObjectId, ChosenMask],
    model: Model,
    postprocess: PostProcess,
    *,
    given: Mapping[ObjectId, Region | Prompts],
    scores: Mapping[ObjectId, MaskScores] | None = None,
    with_logits: bool = False,
) -> FrameMasks:
    """Build the result of one frame; arguments as for `DeviceMasks` and `DeviceMasks.finish`."""
    masks = DeviceMasks(frame, chosen, model, postprocess, given=given, with_logits=with_logits)
    return masks.finish(to_host(*masks.tensors), scores)


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
