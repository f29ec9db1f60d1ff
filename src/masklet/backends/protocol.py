"""What tracking and segmenters need of a model, whatever runs it: a configuration and the five verbs."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from masklet.model.config import ModelConfig
from masklet.model.tensors import ChosenMask, ImageFeatures, MaskPrediction, MemoryTokens, PromptTensors


@runtime_checkable
class Model(Protocol):
    """Five pure verbs; see `masklet.model.sam2.Sam2`, which is one, for what each of them takes and gives."""

    @property
    def config(self) -> ModelConfig:
        """What the model is."""

    @property
    def device(self) -> torch.device:
        """Where the tensors it takes and gives are."""

    @property
    def dtype(self) -> torch.dtype:
        """Number type of the features, memories and pointers it gives."""

    def encode_image(self, pixels: Float[Tensor, "b 3 s s"]) -> ImageFeatures:
        """See a picture."""

    def condition(self, features: ImageFeatures, memory: MemoryTokens | None) -> ImageFeatures:
        """Look at a picture with the memory of ``b`` objects, or with none."""

    def decode(self, features: ImageFeatures, prompts: PromptTensors) -> MaskPrediction:
        """Answer the prompts of ``b`` objects with four candidates each."""

    def decode_above_iou(
        self, features: ImageFeatures, prompts: PromptTensors, min_iou: float
    ) -> tuple[Int[Tensor, " k"], Float[Tensor, "k 4 s s"], Float[Tensor, "b 4"]]:
        """As `decode`, with masks only where one of candidates 1 to 3 promises ``min_iou``: rows, logits, all IoU."""

    def use_mask_as_output(self, features: ImageFeatures, mask: Float[Tensor, "b 1 s s"]) -> ChosenMask:
        """Take the user's mask as the answer."""

    def encode_memory(self, features: ImageFeatures, chosen: ChosenMask, *, prompted: bool) -> Float[Tensor, "b d h w"]:
        """Remember ``b`` masks on a picture."""
