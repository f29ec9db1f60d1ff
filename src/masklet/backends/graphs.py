"""The five verbs as functions of plain tensors, ready to be written down as graphs: what each takes and gives.

A graph knows no None and no lists: absent points are points with the label -1, an absent mask is one that `has_mask`
denies, and "nothing is remembered" is a graph of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from masklet.geometry import logits_to_image
from masklet.model.config import ModelConfig
from masklet.model.prompt_encoder import draw_prompts
from masklet.model.sam2 import MEMORY_BIAS, MEMORY_SCALE, Sam2
from masklet.model.tensors import ImageFeatures, MemoryTokens

NO_POINT: Final = -1
"""Label of a point that is not there; a graph is given at least one point for each object."""

Axis = int | str
"""A length, or the name of one that may vary."""

LENGTHS: Final = {"pictures": 2, "objects": 3, "maps": 4, "pointers": 5, "points": 6}
"""Axes that vary, with the lengths they have while a graph is written: all different, none 1, so that none is lost."""


@dataclass(frozen=True)
class Signature:
    """What a graph takes and gives, by name and in order.

    Attributes:
        inputs: axes of each input.
        outputs: names of the outputs.
        number_types: of the inputs that are not float32.
    """

    inputs: dict[str, tuple[Axis, ...]]
    outputs: tuple[str, ...]
    number_types: dict[str, torch.dtype]

    def example(self) -> dict[str, Tensor]:
        """Inputs of the right shapes and number types, all zero."""
        return {
            name: torch.zeros(
                [LENGTHS[axis] if isinstance(axis, str) else axis for axis in axes],
                dtype=self.number_types.get(name, torch.float32),
            )
            for name, axes in self.inputs.items()
        }


class Verb(nn.Module):
    """A function from named tensors to a tuple of tensors."""

    def __init__(self, model: Sam2) -> None:
        super().__init__()
        self.model = model

    def forward(self, given: dict[str, Tensor]) -> tuple[Tensor, ...]:
        raise NotImplementedError


class EncodeImage(Verb):
    """Pixels to features."""

    def forward(self, given: dict[str, Tensor]) -> tuple[Tensor, ...]:
        features = self.model.encode_image(given["pixels"])
        return features.embedding, features.stride8, features.stride4


class Condition(Verb):
    """One picture, seen with the memory of each object."""

    def forward(self, given: dict[str, Tensor]) -> tuple[Tensor, ...]:
        slots = given["map_slots"]
        slots = torch.where(slots < 0, slots + self.model.config.memory_frames, slots)
        scale = torch.cat([given["map_scale"], given["pointer_scale"]], dim=1)
        memory = MemoryTokens(given["maps"], slots, given["pointers"], given["pointer_times"], scale)
        return (self.model.condition(_features(given), memory).embedding,)


class ConditionEmpty(Verb):
    """Pictures, seen with nothing to remember."""

    def forward(self, given: dict[str, Tensor]) -> tuple[Tensor, ...]:
        return (self.model.condition(_features(given), None).embedding,)


class Decode(Verb):
    """Four candidates for each object; a row of the embedding for each."""

    def forward(self, given: dict[str, Tensor]) -> tuple[Tensor, ...]:
        features, labels = _features(given), given["labels"]
        config, encoder = self.model.config, self.model.sam_prompt_encoder
        mask = given["mask_logits"].clamp(-config.refine_limit, config.refine_limit)
        has_mask = given["has_mask"][:, None, None, None]
        if config.draw_prompts:
            over, fresh = (draw_prompts(given["points"], labels, start, features.image_size) for start in (mask, None))
            mask = torch.where(has_mask, over, fresh)
            has_mask = has_mask | (labels != NO_POINT).any(dim=1)[:, None, None, None]
        dense = torch.where(has_mask, encoder.dense(mask, features.grid), encoder.dense(None, features.grid))
        sparse = encoder.sparse(given["points"], labels.clamp(min=0), features.image_size)
        real = F.pad(labels != NO_POINT, (0, 1))[..., None]
        sparse = torch.where(real, sparse, encoder.not_a_point_embed.weight)
        image_code = encoder.pe_layer.grid(*features.grid)
        skips = (features.stride8, features.stride4)
        answer = self.model.answer(features.embedding + dense, image_code, sparse, skips)
        return answer.logits, answer.iou, answer.pointers, answer.object_score


class AdoptMask(Verb):
    """The user's mask as logits, with its pointer and presence."""

    shrink: Tensor

    def __init__(self, model: Sam2) -> None:
        super().__init__(model)
        # Not every run time resizes with antialiasing; a product with what resizing makes of single pixels is the same.
        size = model.config.image_size
        pixels = torch.eye(size)[None, None]
        shrink = F.interpolate(pixels, (size // 4, size), mode="bilinear", antialias=True)[0, 0]
        self.register_buffer("shrink", shrink)

    def forward(self, given: dict[str, Tensor]) -> tuple[Tensor, ...]:
        mask = given["mask"]
        chosen = self.model.use_mask_as_output(_features(given, mask.shape[0]), mask)
        logits = self.shrink @ (mask * MEMORY_SCALE + MEMORY_BIAS) @ self.shrink.T
        return logits, chosen.iou, chosen.pointer, chosen.object_score


class EncodeMemory(Verb):
    """Masks on one picture to spatial memories."""

    def forward(self, given: dict[str, Tensor]) -> tuple[Tensor, ...]:
        logits, prompted = given["logits"], given["prompted"][:, None, None, None]
        features = _features(given, logits.shape[0])
        full = logits_to_image(logits, (features.image_size, features.image_size))
        probability = torch.where(prompted, (full > 0).float(), full.sigmoid())
        return (self.model.remember(features, probability, given["object_score"]),)


def _features(given: dict[str, Tensor], count: int = -1) -> ImageFeatures:
    """The features among the inputs; skip features that a verb is not given it does not look at.

    Args:
        given: the inputs.
        count: rows the embedding gets. OpenVINO (2026.4) adds one row to several wrongly where it fuses the sum into
            a convolution.
    """
    embedding = given["embedding"].expand(count, -1, -1, -1)
    return ImageFeatures(embedding, given.get("stride8", embedding), given.get("stride4", embedding))


VERBS: Final[dict[str, type[Verb]]] = {
    "encode_image": EncodeImage,
    "condition": Condition,
    "condition_empty": ConditionEmpty,
    "decode": Decode,
    "use_mask_as_output": AdoptMask,
    "encode_memory": EncodeMemory,
}
"""Every graph by name."""


def signatures(config: ModelConfig) -> dict[str, Signature]:
    """What each graph of `VERBS` takes and gives for a model of this size."""
    side, dim = config.image_size, config.embed_dim
    grid, quarter = (side // 16, side // 16), (side // 4, side // 4)
    skips: dict[str, tuple[Axis, ...]] = {
        "stride8": (1, dim // 4, side // 8, side // 8),
        "stride4": (1, dim // 8, *quarter),
    }
    picture: dict[str, tuple[Axis, ...]] = {"embedding": (1, dim, *grid)}
    memory: dict[str, tuple[Axis, ...]] = {
        "maps": ("objects", "maps", config.memory_dim, *grid),
        "map_slots": ("objects", "maps"),
        "pointers": ("objects", "pointers", dim),
        "pointer_times": ("objects", "pointers"),
        "map_scale": ("objects", "maps"),
        "pointer_scale": ("objects", "pointers"),
    }
    prompts: dict[str, tuple[Axis, ...]] = {
        "points": ("objects", "points", 2),
        "labels": ("objects", "points"),
        "mask_logits": ("objects", 1, *quarter),
        "has_mask": ("objects",),
    }
    mask: dict[str, tuple[Axis, ...]] = {
        "logits": ("objects", 1, *quarter),
        "object_score": ("objects",),
        "prompted": ("objects",),
    }
    conditioned: dict[str, tuple[Axis, ...]] = {"embedding": ("objects", dim, *grid)}
    types = {"labels": torch.int64, "has_mask": torch.bool, "prompted": torch.bool}
    answer = ("logits", "iou", "pointers", "object_score")
    chosen = ("logits", "iou", "pointer", "object_score")
    return {
        "encode_image": Signature({"pixels": ("pictures", 3, side, side)}, ("embedding", "stride8", "stride4"), types),
        "condition": Signature(picture | memory, ("conditioned",), types),
        "condition_empty": Signature({"embedding": ("pictures", dim, *grid)}, ("conditioned",), types),
        "decode": Signature(conditioned | skips | prompts, answer, types),
        "use_mask_as_output": Signature(picture | skips | {"mask": ("objects", 1, side, side)}, chosen, types),
        "encode_memory": Signature(picture | mask, ("memory",), types),
    }
