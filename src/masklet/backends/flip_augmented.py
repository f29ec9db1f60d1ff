"""Horizontal-flip test-time augmentation: average the predictions for the image and its mirror image."""

from __future__ import annotations

from dataclasses import replace

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor

from masklet.backends.protocol import Model
from masklet.model.config import ModelConfig
from masklet.model.tensors import ChosenMask, ImageFeatures, MaskPrediction, MemoryTokens, PromptTensors


class FlipAugmented:
    """Model with flip test-time augmentation: it averages the predictions for each image and its mirror image.

    It implements `masklet.backends.protocol.Model` and needs twice the time and memory of the base model: features,
    memories and pointers are concatenated along the channels, features of the mirror image flipped back.

    Attributes:
        model: the base model.
        config: its configuration with twice the channels.
    """

    def __init__(self, model: Model) -> None:
        config = model.config
        self.model = model
        self.config: ModelConfig = replace(
            config,
            name=f"{config.name}-mirrored",
            embed_dim=2 * config.embed_dim,
            memory_dim=2 * config.memory_dim,
        )

    @property
    def device(self) -> torch.device:
        """Device of the input and output tensors."""
        return self.model.device

    @property
    def dtype(self) -> torch.dtype:
        """Dtype of features, memories and pointers."""
        return self.model.dtype

    def encode_image(self, pixels: Float[Tensor, "b 3 s s"]) -> ImageFeatures:
        """Encode images; see `Sam2.encode_image`."""
        return _concatenated(self.model.encode_image(pixels), self.model.encode_image(pixels.flip(-1)))

    def condition(self, features: ImageFeatures, memory: MemoryTokens | None) -> ImageFeatures:
        """Condition features on the memories of ``b`` objects; see `Sam2.condition`."""
        memories = (None, None) if memory is None else _separated_memory(memory)
        pairs = zip(_separated(features), memories, strict=True)
        original, flipped = (self.model.condition(*pair) for pair in pairs)
        return features.with_embedding(torch.cat([original.embedding, flipped.embedding.flip(-1)], dim=1))

    def decode(self, features: ImageFeatures, prompts: PromptTensors) -> MaskPrediction:
        """Predict four candidate masks for the prompts of ``b`` objects; see `Sam2.decode`."""
        original_features, flipped_features = _separated(features)
        original = self.model.decode(original_features, prompts)
        flipped = self.model.decode(flipped_features, _flipped_prompts(prompts, features.image_size))
        return MaskPrediction(
            (original.logits + flipped.logits.flip(-1)) / 2,
            (original.iou + flipped.iou) / 2,
            torch.cat([original.pointers, flipped.pointers], dim=-1),
            (original.object_score + flipped.object_score) / 2,
        )

    def decode_above_iou(
        self, features: ImageFeatures, prompts: PromptTensors, min_iou: float
    ) -> tuple[Int[Tensor, " k"], Float[Tensor, "k 4 s s"], Float[Tensor, "b 4"]]:
        """Predict masks only for prompts with a high predicted IoU; see `Sam2.decode_above_iou`."""
        prediction = self.decode(features, prompts)
        rows = (prediction.iou[:, 1:] >= min_iou).any(dim=1).nonzero()[:, 0]
        return rows, prediction.logits[rows], prediction.iou

    def use_mask_as_output(self, features: ImageFeatures, mask: Float[Tensor, "b 1 s s"]) -> ChosenMask:
        """Return the user's mask as the output mask; see `Sam2.use_mask_as_output`."""
        original_features, flipped_features = _separated(features)
        original = self.model.use_mask_as_output(original_features, mask)
        flipped = self.model.use_mask_as_output(flipped_features, mask.flip(-1))
        return replace(original, pointer=torch.cat([original.pointer, flipped.pointer], dim=-1))

    def encode_memory(self, features: ImageFeatures, chosen: ChosenMask, *, prompted: bool) -> Float[Tensor, "b n d"]:
        """Encode the masks of ``b`` objects to spatial memories; see `Sam2.encode_memory`."""
        original_features, flipped_features = _separated(features)
        pointer, flipped_pointer = _halves(chosen.pointer, dim=-1)
        flipped_mask = replace(chosen, pointer=flipped_pointer, logits=chosen.logits.flip(-1))
        original = self.model.encode_memory(original_features, replace(chosen, pointer=pointer), prompted=prompted)
        flipped = self.model.encode_memory(flipped_features, flipped_mask, prompted=prompted)
        return torch.cat([original, flipped], dim=-1)


def base_model(model: Model) -> Model:
    """Return the model that holds the weights: the model itself, or the base model of `FlipAugmented`."""
    return model.model if isinstance(model, FlipAugmented) else model


def _concatenated(original: ImageFeatures, flipped: ImageFeatures) -> ImageFeatures:
    """Concatenate features along the channels, those of the mirror image flipped back."""
    pairs = zip(original.maps, flipped.maps, strict=True)
    return ImageFeatures(*(torch.cat([a, b.flip(-1)], dim=1) for a, b in pairs))


def _separated(features: ImageFeatures) -> tuple[ImageFeatures, ImageFeatures]:
    """Split features into those of the image and of its mirror image, as the base model encoded them."""
    maps = [_halves(one, dim=1) for one in features.maps]
    return ImageFeatures(*(one for one, _ in maps)), ImageFeatures(*(other.flip(-1) for _, other in maps))


def _separated_memory(memory: MemoryTokens) -> tuple[MemoryTokens, MemoryTokens]:
    """Split memories into those of the image and of its mirror image."""
    (maps, flipped_maps), (pointers, flipped_pointers) = (_halves(t, dim=-1) for t in (memory.maps, memory.pointers))
    return replace(memory, maps=maps, pointers=pointers), replace(memory, maps=flipped_maps, pointers=flipped_pointers)


def _flipped_prompts(prompts: PromptTensors, side: int) -> PromptTensors:
    """Flip prompts horizontally: clicks are pixel centers, corners of boxes lie between pixels."""
    x, corner = prompts.points[..., 0], prompts.labels >= 2
    other = (x * corner).sum(dim=1, keepdim=True) - x
    points = torch.stack([torch.where(corner, side - other, side - 1 - x), prompts.points[..., 1]], dim=-1)
    mask = prompts.mask_logits
    return replace(prompts, points=points, mask_logits=None if mask is None else mask.flip(-1))


def _halves(both: Shaped[Tensor, "..."], *, dim: int) -> tuple[Shaped[Tensor, "..."], Shaped[Tensor, "..."]]:
    first, second = both.chunk(2, dim=dim)
    return first, second
