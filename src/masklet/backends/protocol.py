"""Protocol of a model for tracking and segmentation: a configuration and five methods, on any runtime."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from masklet.model.config import ModelConfig
from masklet.model.tensors import ChosenMask, ImageFeatures, MaskPrediction, MemoryTokens, PromptTensors


@runtime_checkable
class Model(Protocol):
    """Stateless model; see `masklet.model.sam2.Sam2`, which implements it, for arguments and results."""

    @property
    def config(self) -> ModelConfig:
        """Configuration of the model."""

    @property
    def device(self) -> torch.device:
        """Device of the input and output tensors."""

    @property
    def dtype(self) -> torch.dtype:
        """Dtype of features, memories and pointers."""

    def encode_image(self, pixels: Float[Tensor, "b 3 s s"]) -> ImageFeatures:
        """Encode images."""

    def condition(self, features: ImageFeatures, memory: MemoryTokens | None) -> ImageFeatures:
        """Condition the features of a frame on the memories of ``b`` objects, or on no memory."""

    def decode(self, features: ImageFeatures, prompts: PromptTensors) -> MaskPrediction:
        """Predict four candidate masks for the prompts of ``b`` objects."""

    def decode_above_iou(
        self, features: ImageFeatures, prompts: PromptTensors, min_iou: float
    ) -> tuple[Int[Tensor, " k"], Float[Tensor, "k 4 s s"], Float[Tensor, "b 4"]]:
        """Predict masks only for prompts with a high predicted IoU: their rows and logits, and the IoU of all."""

    def use_mask_as_output(self, features: ImageFeatures, mask: Float[Tensor, "b 1 s s"]) -> ChosenMask:
        """Return the user's mask as the output mask."""

    def encode_memory(self, features: ImageFeatures, chosen: ChosenMask, *, prompted: bool) -> Float[Tensor, "b n d"]:
        """Encode the masks of ``b`` objects to spatial memories."""
