"""Segment still images: encode once, then prompt any number of times."""

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
from masklet.model.mask_decoder import select_masks, stability_score
from masklet.model.tensors import ImageFeatures, MaskPrediction, PromptTensors
from masklet.predict.click_refinement import combine_with_previous
from masklet.predict.postprocess import PostProcess, full_size
from masklet.predict.preprocessing import image_tensor, mask_tensor, prompt_tensors
from masklet.predict.refine import refine_logits
from masklet.tracking.step import decode_prompts
from masklet.types import MaskSet, Prompts, RgbImage, Size

MASK_PROMPT_LOGIT = 6.0
"""Absolute logit of a mask prompt: high enough to be trusted, low enough to be corrected by the decoder."""

STABILITY_OFFSET = 1.0
"""Stability is the IoU of the masks at the logits +1 and -1."""


@dataclass(frozen=True, eq=False)
class EncodedImage:
    """An encoded image, to be prompted with `ImageSegmenter.segment`.

    Attributes:
        features: image features without memory, as the mask decoder takes them.
        size: (height, width) of the image in pixels.
        pixels: the image itself if its masks are refined on crops (`PostProcess.refine`), else None.
    """

    features: ImageFeatures
    size: Size
    pixels: RgbImage | None = None


class ImageSegmenter:
    """Segments objects in still images from clicks, boxes and masks.

        image = segmenter.encode(pixels)
        masks = segmenter.segment(image, Prompts.click(500, 375), candidates=3)

    It has no state between calls, so one instance can serve many images and threads.
    """

    def __init__(self, model: Model, *, postprocess: PostProcess | None = None) -> None:
        self.model = model
        self.postprocess = postprocess or PostProcess()

    @torch.inference_mode()
    def encode(self, image: RgbImage) -> EncodedImage:
        """Encode an image, (h, w, 3) uint8 RGB.

        Raises:
            MediaError: an array of another shape or type.
        """
        tensor = image_tensor(image, self.model.config.image_size, self.model.device)
        features = self.model.condition(self.model.encode_image(tensor), None)
        return EncodedImage(features, (image.shape[0], image.shape[1]), image if self.postprocess.refine else None)

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
        """Segment the prompted objects: from clicks, a box, a box with clicks, or a rough mask.

        Args:
            prompts: of one object, or a list with the prompts of several objects, decoded as one batch.
            candidates: 1 for the best mask, 3 for the three candidates of the decoder, best first (paper section 4).
            refine: an earlier result for the same objects to start from, with one mask for each (``masks.best``).
            ambiguous: whether the single mask is chosen among the three candidates for ambiguous prompts; by default
                only for as few clicks as `ModelConfig.ranked_clicks` says.

        Returns:
            A `MaskSet` with ``low_res`` and ``stability`` filled (stability between logits -1 and +1, at a quarter
            of the model's input size), or a list of them for a list of prompts.

        Raises:
            PromptError: prompts outside the image, a mask of another size, a ``refine`` of another shape, or an image
                encoded by a segmenter without `PostProcess.refine` where this one has it.
        """
        prompt_list = [prompts] if isinstance(prompts, Prompts) else list(prompts)
        if candidates not in (1, 3):
            raise PromptError(f"candidates must be 1 or 3, got {candidates}")
        if not prompt_list:
            return []
        tensors = self._prompt_tensors(image, prompt_list, refine)
        prediction, ranked = decode_prompts(self.model, image.features, tensors)
        if ambiguous is not None:
            ranked = torch.full_like(ranked, ambiguous)
        sets = []
        for row, (prompt, tensor) in enumerate(zip(prompt_list, tensors, strict=True)):
            low_res, iou = self._choose(prediction.rows([row]), ranked[[row]], candidates)
            if candidates == 1 and self.model.config.guided_corrections:
                low_res = combine_with_previous(low_res, tensor.mask_logits, prompt, image.size)
            sets.append(self._mask_set(low_res, iou, image, prompt))
        return sets[0] if isinstance(prompts, Prompts) else sets

    def _prompt_tensors(
        self, image: EncodedImage, prompt_list: list[Prompts], refine: MaskSet | None
    ) -> list[PromptTensors]:
        """Check the prompts of each object and convert them, with the logits that decoding starts from."""
        previous = self._previous(refine, len(prompt_list), image.features.image_size)
        tensors = []
        for row, prompts in enumerate(prompt_list):
            if not isinstance(prompts, Prompts):
                raise PromptError(f"expected Prompts or a list of them, got {type(prompts).__name__}")
            prompts.check_inside(image.size)
            if prompts.mask is not None and refine is not None:
                raise PromptError("expected either a mask prompt or refine, got both")
            if prompts.is_absent:
                raise PromptError("expected clicks, a box or a mask, got a prompt that marks the object as absent")
            start = None if previous is None else previous[row : row + 1]
            if prompts.mask is not None:
                start = self._mask_prompt_logits(prompts, image.features.image_size)
            tensors.append(
                prompt_tensors(prompts, image.size, image.features.image_size, device=self.model.device, previous=start)
            )
        return tensors

    def _mask_prompt_logits(self, prompts: Prompts, image_size: int) -> Tensor:
        inside = resize_to_square(mask_tensor(prompts, image_size, self.model.device), image_size // 4)
        return (2 * inside - 1) * MASK_PROMPT_LOGIT

    def _previous(self, refine: MaskSet | None, count: int, image_size: int) -> Tensor | None:
        if refine is None:
            return None
        side = image_size // 4
        low_res: Float32[np.ndarray, "n s s"] | None = refine.low_res
        if low_res is None or low_res.shape != (count, side, side):
            actual = "no low_res" if low_res is None else f"shape {low_res.shape}"
            raise PromptError(f"refine needs low_res logits of shape ({count}, {side}, {side}), got {actual}")
        return torch.from_numpy(low_res.copy()).to(self.model.device)[:, None]

    def _choose(
        self, prediction: MaskPrediction, ranked: Tensor, candidates: Literal[1, 3]
    ) -> tuple[Float[Tensor, "n 1 s s"], Float[Tensor, " n"]]:
        """Return the logits and predicted IoU of the best mask, or of the three candidates, best first."""
        if candidates == 1:
            chosen = select_masks(prediction, ranked, self.model.config.min_stability)
            return chosen.logits, chosen.iou
        order = prediction.iou[0, 1:].argsort(descending=True) + 1
        return prediction.logits[0, order][:, None], prediction.iou[0, order]

    def _mask_set(
        self, low_res: Float[Tensor, "n 1 s s"], iou: Float[Tensor, " n"], image: EncodedImage, prompts: Prompts
    ) -> MaskSet:
        logits, stability = full_size(low_res, image.size), stability_score(low_res[:, 0], STABILITY_OFFSET)
        if self.postprocess.refine:
            if image.pixels is None:
                raise PromptError("refinement needs the pixels of the image: encode it with this segmenter")
            answered = [prompts] * len(logits) if prompts.mask is None else []
            logits = refine_logits(self.model, image.pixels, logits, self.postprocess.refine, answered)
            # The next click starts from the mask shown to the user, which is the refined one.
            low_res = resize_to_square(torch.from_numpy(logits)[:, None], image.features.image_size // 4)
        return MaskSet(
            masks=self.postprocess.masks(logits, same_object=True),
            iou=iou.cpu().numpy(),
            stability=stability.cpu().numpy(),
            low_res=low_res[:, 0].cpu().numpy(),
        )
