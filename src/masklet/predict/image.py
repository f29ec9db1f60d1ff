"""Segment still pictures: encode once, prompt as often as you like."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, overload

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor

from masklet.backends.protocol import Model
from masklet.errors import PromptError
from masklet.geometry import resize_to_square
from masklet.model.mask_selection import select_masks, stability_score
from masklet.model.tensors import ImageFeatures, MaskPrediction, PromptTensors
from masklet.predict.click_refinement import combine_with_previous
from masklet.predict.postprocess import PostProcess, full_size
from masklet.predict.preprocessing import image_tensor, mask_tensor, prompt_tensors
from masklet.predict.refine import refine_logits
from masklet.tracking.step import decode_prompts
from masklet.types import MaskSet, Prompts, RgbImage, Size

MASK_PROMPT_LOGIT = 6.0
"""A mask given as a prompt for a picture goes in as logits of +- this: confident, but open to correction."""

STABILITY_OFFSET = 1.0


@dataclass(frozen=True, eq=False)
class EncodedImage:
    """A picture as the model sees it; prompt it with `ImageSegmenter.segment`.

    Attributes:
        features: from the image encoder, ready for the mask decoder.
        size: (height, width) of the picture in pixels.
        picture: the picture itself, only where masks are to be refined.
    """

    features: ImageFeatures
    size: Size
    pixels: RgbImage | None = None


class ImageSegmenter:
    """Masks in still pictures.

        image = segmenter.encode(pixels)
        masks = segmenter.segment(image, Prompts.click(500, 375), candidates=3)

    It keeps nothing between calls, so one can serve many pictures and threads.

    Args:
        model: from `masklet.load`.
        postprocess: what to do to masks; nothing by default.
    """

    def __init__(self, model: Model, *, postprocess: PostProcess | None = None) -> None:
        self.model = model
        self.postprocess = postprocess or PostProcess()

    @torch.inference_mode()
    def encode(self, picture: RgbImage) -> EncodedImage:
        """See a picture, (h, w, 3) uint8 RGB.

        Raises:
            MediaError: an array of another shape or type.
        """
        pixels = image_tensor(picture, self.model.config.image_size, self.model.device)
        features = self.model.condition(self.model.encode_image(pixels), None)
        kept = picture if self.postprocess.refine else None
        return EncodedImage(features, (picture.shape[0], picture.shape[1]), kept)

    @overload
    def segment(
        self,
        image: EncodedImage,
        prompts: Prompts,
        *,
        candidates: Literal[1, 3] = 1,
        refine: MaskSet | None = None,
        ambiguous: bool | None = None,
    ) -> MaskSet: ...

    @overload
    def segment(
        self,
        image: EncodedImage,
        prompts: Sequence[Prompts],
        *,
        candidates: Literal[1, 3] = 1,
        refine: MaskSet | None = None,
        ambiguous: bool | None = None,
    ) -> list[MaskSet]: ...

    @torch.inference_mode()
    def segment(
        self,
        image: EncodedImage,
        prompts: Prompts | Sequence[Prompts],
        *,
        candidates: Literal[1, 3] = 1,
        refine: MaskSet | None = None,
        ambiguous: bool | None = None,
    ) -> MaskSet | list[MaskSet]:
        """Answer prompts: clicks, a box, a box with clicks, or a rough mask to be improved.

        Args:
            image: from `encode`.
            prompts: of one object, or a list of them for several objects, answered as one batch.
            candidates: 1 for the answer, 3 for all that are sensible, best first.
            refine: an earlier answer for the same objects, one mask for each (``masks.best``), to start from.
            ambiguous: whether the single answer comes from the candidates for ambiguous prompts; None leaves it to
                the prompts and the model: a single click is ambiguous (`ModelConfig.ranked_clicks`), all else is not.

        Returns:
            A `MaskSet` with ``low_res`` and ``stability`` filled (stability between logits -1 and +1, at a quarter
            of the model's input size), or a list of them for a list of prompts.

        Raises:
            PromptError: prompts outside the picture, a mask of another size, a ``refine`` that does not fit, or a
                second look asked for at a picture that another segmenter encoded.
        """
        asked = [prompts] if isinstance(prompts, Prompts) else list(prompts)
        if candidates not in (1, 3):
            raise PromptError(f"candidates must be 1 or 3, got {candidates}")
        if not asked:
            return []
        tensors = self._tensors(image, asked, refine)
        prediction, ranked = decode_prompts(self.model, image.features, tensors)
        if ambiguous is not None:
            ranked = torch.full_like(ranked, ambiguous)
        sets = []
        for row, (said, told) in enumerate(zip(asked, tensors, strict=True)):
            low_res, iou = self._chosen(prediction.rows([row]), ranked[[row]], candidates)
            if candidates == 1 and self.model.config.guided_corrections:
                low_res = combine_with_previous(low_res, told.mask_logits, said, image.size)
            sets.append(self._mask_set(low_res, iou, image, said))
        return sets[0] if isinstance(prompts, Prompts) else sets

    def _tensors(self, image: EncodedImage, asked: list[Prompts], refine: MaskSet | None) -> list[PromptTensors]:
        previous = self._previous(refine, len(asked), image.features.image_size)
        tensors = []
        for row, prompts in enumerate(asked):
            if not isinstance(prompts, Prompts):
                raise PromptError(f"expected Prompts or a list of them, got {type(prompts).__name__}")
            prompts.check_inside(image.size)
            if prompts.mask is not None and refine is not None:
                raise PromptError("a mask stands alone: expected either a mask or refine, got both")
            if prompts.is_absent:
                raise PromptError("expected something to segment, but the prompt says that the object is absent")
            start = None if previous is None else previous[row : row + 1]
            if prompts.mask is not None:
                start = self._as_logits(prompts, image.features.image_size)
            tensors.append(
                prompt_tensors(prompts, image.size, image.features.image_size, device=self.model.device, previous=start)
            )
        return tensors

    def _as_logits(self, prompts: Prompts, image_size: int) -> Tensor:
        inside = resize_to_square(mask_tensor(prompts, image_size, self.model.device), image_size // 4)
        return (2 * inside - 1) * MASK_PROMPT_LOGIT

    def _previous(self, refine: MaskSet | None, count: int, image_size: int) -> Tensor | None:
        if refine is None:
            return None
        side = image_size // 4
        low_res: Float32[np.ndarray, "n s s"] | None = refine.low_res
        if low_res is None or low_res.shape != (count, side, side):
            came = "no low_res" if low_res is None else f"shape {low_res.shape}"
            raise PromptError(f"refine needs low_res logits of shape ({count}, {side}, {side}), got {came}")
        return torch.from_numpy(low_res.copy()).to(self.model.device)[:, None]

    def _chosen(
        self, prediction: MaskPrediction, ranked: Tensor, candidates: Literal[1, 3]
    ) -> tuple[Float[Tensor, "n 1 s s"], Float[Tensor, " n"]]:
        """Logits and predicted IoU of the answer, or of all that are sensible, best first."""
        if candidates == 1:
            chosen = select_masks(prediction, ranked, self.model.config.min_stability)
            return chosen.logits, chosen.iou
        order = prediction.iou[0, 1:].argsort(descending=True) + 1
        return prediction.logits[0, order][:, None], prediction.iou[0, order]

    def _mask_set(
        self, low_res: Float[Tensor, "n 1 s s"], iou: Float[Tensor, " n"], image: EncodedImage, said: Prompts
    ) -> MaskSet:
        logits, steady = full_size(low_res, image.size), stability_score(low_res[:, 0], STABILITY_OFFSET)
        if self.postprocess.refine:
            if image.pixels is None:
                raise PromptError("a second look needs the picture: encode it with this segmenter")
            told = [said] * len(logits) if said.mask is None else []
            logits = refine_logits(self.model, image.pixels, logits, self.postprocess.refine, told)
            # The next click corrects what was shown.
            low_res = resize_to_square(torch.from_numpy(logits)[:, None], image.features.image_size // 4)
        return MaskSet(
            masks=self.postprocess.masks(logits, same_object=True),
            iou=iou.cpu().numpy(),
            stability=steady.cpu().numpy(),
            low_res=low_res[:, 0].cpu().numpy(),
        )
