"""The methods of the model as modules on named tensors that can be exported as graphs, and their signatures.

Graphs have no optional inputs: missing points have the label -1, a missing mask has ``has_mask`` False, and
conditioning without memory is a separate graph.
"""

from __future__ import annotations

from dataclasses import dataclass, field
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
"""Label of a missing point; a graph gets at least one point per object."""

Axis = int | str
"""Length of an axis, or the name of a dynamic axis."""

LENGTHS: Final = {"images": 2, "objects": 3, "maps": 4, "pointers": 5, "points": 6}
"""Dynamic axes with their lengths during export: all different and none 1, so that the exporter merges none."""


@dataclass(frozen=True)
class Signature:
    """Inputs and outputs of a graph, by name and in order.

    Attributes:
        inputs: axes of each input.
        outputs: names of the outputs.
        dtypes: dtypes of inputs that are not float32.
        least: smallest length of a dynamic axis, if not 0.
    """

    inputs: dict[str, tuple[Axis, ...]]
    outputs: tuple[str, ...]
    dtypes: dict[str, torch.dtype]
    least: dict[str, int] = field(default_factory=dict)

    def example(self) -> dict[str, Tensor]:
        """Create example inputs of zeros."""
        return {
            name: torch.zeros(
                [LENGTHS[axis] if isinstance(axis, str) else axis for axis in axes],
                dtype=self.dtypes.get(name, torch.float32),
            )
            for name, axes in self.inputs.items()
        }


class GraphModule(nn.Module):
    """A method of the model as a function from named tensors to a tuple of tensors."""

    def __init__(self, model: Sam2) -> None:
        super().__init__()
        self.model = model

    def forward(self, inputs: dict[str, Tensor]) -> tuple[Tensor, ...]:
        raise NotImplementedError


class EncodeImage(GraphModule):
    """`Sam2.encode_image`."""

    def forward(self, inputs: dict[str, Tensor]) -> tuple[Tensor, ...]:
        features = self.model.encode_image(inputs["pixels"])
        return features.maps


class Condition(GraphModule):
    """`Sam2.condition` of one image with the memory of each object."""

    def forward(self, inputs: dict[str, Tensor]) -> tuple[Tensor, ...]:
        slots = inputs["map_slots"]
        slots = torch.where(slots < 0, slots + self.model.config.memory_frames, slots)
        scale = torch.cat([inputs["map_scale"], inputs["pointer_scale"]], dim=1)
        memory = MemoryTokens(inputs["maps"], slots, inputs["pointers"], inputs["pointer_times"], scale)
        return (self.model.condition(_features(inputs), memory).embedding,)


class ConditionEmpty(GraphModule):
    """`Sam2.condition` without memory."""

    def forward(self, inputs: dict[str, Tensor]) -> tuple[Tensor, ...]:
        return (self.model.condition(_features(inputs), None).embedding,)


class Decode(GraphModule):
    """`Sam2.decode` with one row of the embedding per object."""

    def forward(self, inputs: dict[str, Tensor]) -> tuple[Tensor, ...]:
        features, labels = _features(inputs), inputs["labels"]
        config, encoder = self.model.config, self.model.sam_prompt_encoder
        mask = inputs["mask_logits"].clamp(-config.refine_limit, config.refine_limit)
        has_mask = inputs["has_mask"][:, None, None, None]
        if config.draw_prompts:
            with_mask, without_mask = (
                draw_prompts(inputs["points"], labels, start, features.image_size) for start in (mask, None)
            )
            mask = torch.where(has_mask, with_mask, without_mask)
            has_mask = has_mask | (labels != NO_POINT).any(dim=1)[:, None, None, None]
        dense = torch.where(has_mask, encoder.dense(mask, features.grid), encoder.dense(None, features.grid))
        sparse = encoder.sparse(inputs["points"], labels.clamp(min=0), features.image_size)
        valid = F.pad(labels != NO_POINT, (0, 1))[..., None]
        sparse = torch.where(valid, sparse, encoder.not_a_point_embed.weight)
        image_pe = encoder.pe_layer.grid(*features.grid)
        prediction = self.model.decode_encoded(features.embedding + dense, image_pe, sparse, features.skips)
        return prediction.logits, prediction.iou, prediction.pointers, prediction.object_score


class UseMaskAsOutput(GraphModule):
    """`Sam2.use_mask_as_output`."""

    downsample: Tensor

    def __init__(self, model: Sam2) -> None:
        super().__init__(model)
        # Not every runtime resizes with antialiasing; a product with the resized identity matrix is equivalent.
        size = model.config.image_size
        pixels = torch.eye(size)[None, None]
        downsample = F.interpolate(pixels, (size // 4, size), mode="bilinear", antialias=True)[0, 0]
        self.register_buffer("downsample", downsample)

    def forward(self, inputs: dict[str, Tensor]) -> tuple[Tensor, ...]:
        mask = inputs["mask"]
        chosen = self.model.use_mask_as_output(_features(inputs, mask.shape[0]), mask)
        logits = self.downsample @ (mask * MEMORY_SCALE + MEMORY_BIAS) @ self.downsample.T
        return logits, chosen.iou, chosen.pointer, chosen.object_score


class EncodeMemory(GraphModule):
    """`Sam2.encode_memory` on one image."""

    def forward(self, inputs: dict[str, Tensor]) -> tuple[Tensor, ...]:
        logits, prompted = inputs["logits"], inputs["prompted"][:, None, None, None]
        features = _features(inputs, logits.shape[0])
        full = logits_to_image(logits, (features.image_size, features.image_size))
        probability = torch.where(prompted, (full > 0).float(), full.sigmoid())
        return (self.model.encode_memory_of_probability(features, probability, inputs["object_score"]),)


def _features(inputs: dict[str, Tensor], count: int = -1) -> ImageFeatures:
    """Collect the image features among the inputs.

    Args:
        count: number of rows to which the embedding is expanded. OpenVINO (2026.4) broadcasts wrongly in sums that it
            fuses into a convolution.
    """
    embedding = inputs["embedding"].expand(count, -1, -1, -1)
    return ImageFeatures(embedding, inputs.get("stride8"), inputs.get("stride4"))


GRAPHS: Final[dict[str, type[GraphModule]]] = {
    "encode_image": EncodeImage,
    "condition": Condition,
    "condition_one_map": Condition,
    "condition_empty": ConditionEmpty,
    "decode": Decode,
    "use_mask_as_output": UseMaskAsOutput,
    "encode_memory": EncodeMemory,
}
"""Every graph by name; `signatures` lists those of a model."""


def signatures(config: ModelConfig) -> dict[str, Signature]:
    """Inputs and outputs of each graph of a model.

    With efficient cross-attention, which pools the tokens of several spatial memories but not of a single one, the
    latter case is a graph of its own.
    """
    side, dim = config.image_size, config.embed_dim
    grid, quarter = (side // 16, side // 16), (side // 4, side // 4)
    skips: dict[str, tuple[Axis, ...]] = {}
    if config.has_skips:
        skips = {"stride8": (1, dim // 4, side // 8, side // 8), "stride4": (1, dim // 8, *quarter)}
    picture: dict[str, tuple[Axis, ...]] = {"embedding": (1, dim, *grid)}
    memory: dict[str, tuple[Axis, ...]] = {
        "maps": ("objects", "maps", len(config.memory_layout(grid)), config.memory_dim),
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
    pooled = config.cross_attention != "full"
    conditioning = {"condition": Signature(picture | memory, ("conditioned",), types, {"maps": 2} if pooled else {})}
    if pooled:
        one = {name: tuple(1 if axis == "maps" else axis for axis in axes) for name, axes in memory.items()}
        conditioning["condition_one_map"] = Signature(picture | one, ("conditioned",), types)
    return {
        "encode_image": Signature({"pixels": ("images", 3, side, side)}, ("embedding", *skips), types),
        **conditioning,
        "condition_empty": Signature({"embedding": ("images", dim, *grid)}, ("conditioned",), types),
        "decode": Signature(conditioned | skips | prompts, answer, types),
        "use_mask_as_output": Signature(picture | skips | {"mask": ("objects", 1, side, side)}, chosen, types),
        "encode_memory": Signature(picture | mask, ("memory",), types),
    }
