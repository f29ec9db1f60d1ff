"""A model whose verbs are graphs that another run time computes: tensors to arrays and back, nothing more."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from masklet.backends.graphs import NO_POINT, signatures
from masklet.model.config import ModelConfig
from masklet.model.tensors import ChosenMask, ImageFeatures, MaskPrediction, MemoryTokens, PromptTensors

Run = Callable[[str, dict[str, np.ndarray]], list[np.ndarray]]
"""Computes a graph: its name and inputs to its outputs."""


class GraphModel:
    """Satisfies `masklet.backends.protocol.Model`. Tensors lie in main memory, and arrays share it with them.

    Attributes:
        config: what the model is; its ``image_size`` is the only one.
        backend: what computes it, such as "onnx" or "openvino int8".
        run: computes a graph.
    """

    device: Final = torch.device("cpu")
    dtype: Final = torch.float32

    def __init__(self, config: ModelConfig, run: Run, *, backend: str) -> None:
        self.config = config
        self.backend = backend
        self.run = run
        self._signatures = signatures(config)

    def encode_image(self, pixels: Float[Tensor, "b 3 s s"]) -> ImageFeatures:
        """See a picture."""
        return ImageFeatures(*self._run("encode_image", pixels=pixels))

    def condition(self, features: ImageFeatures, memory: MemoryTokens | None) -> ImageFeatures:
        """Look at a picture with the memory of ``b`` objects; None means that there is nothing to remember."""
        if memory is None:
            return features.with_embedding(*self._run("condition_empty", embedding=features.embedding))
        count = memory.maps.shape[1]
        scale = torch.ones(len(memory.maps), count + memory.pointers.shape[1])
        scale = scale if memory.key_scale is None else memory.key_scale.float()
        conditioned = self._run(
            "condition",
            embedding=features.embedding,
            maps=memory.maps,
            map_slots=memory.map_slots.float(),
            pointers=memory.pointers,
            pointer_times=memory.pointer_times,
            map_scale=scale[:, :count],
            pointer_scale=scale[:, count:],
        )
        return features.with_embedding(*conditioned)

    def decode(self, features: ImageFeatures, prompts: PromptTensors) -> MaskPrediction:
        """Answer the prompts of ``b`` objects on a conditioned picture with four candidates each."""
        points, labels, mask = prompts.points, prompts.labels, prompts.mask_logits
        count = max(len(points), len(features.embedding))
        if not points.shape[1]:
            points, labels = torch.zeros(count, 1, 2), torch.full((count, 1), NO_POINT)
        side = features.image_size // 4
        outputs = self._run(
            "decode",
            embedding=features.embedding.expand(count, -1, -1, -1),
            stride8=features.stride8,
            stride4=features.stride4,
            points=points.expand(count, -1, -1),
            labels=labels.expand(count, -1),
            mask_logits=torch.zeros(1, 1, 1, 1).expand(count, 1, side, side) if mask is None else mask,
            has_mask=torch.full((count,), mask is not None),
        )
        return MaskPrediction(*outputs)

    def decode_above_iou(
        self, features: ImageFeatures, prompts: PromptTensors, min_iou: float
    ) -> tuple[Int[Tensor, " k"], Float[Tensor, "k 4 s s"], Float[Tensor, "b 4"]]:
        """As `decode`, with masks only for those prompts where one of candidates 1 to 3 promises ``min_iou``."""
        answer = self.decode(features, prompts)
        rows = (answer.iou[:, 1:] >= min_iou).any(dim=1).nonzero()[:, 0]
        return rows, answer.logits[rows], answer.iou

    def use_mask_as_output(self, features: ImageFeatures, mask: Float[Tensor, "b 1 s s"]) -> ChosenMask:
        """Take the user's mask as the answer; only its object pointer is computed."""
        skips = {"stride8": features.stride8, "stride4": features.stride4}
        return ChosenMask(*self._run("use_mask_as_output", embedding=features.embedding, **skips, mask=mask))

    def encode_memory(self, features: ImageFeatures, chosen: ChosenMask, *, prompted: bool) -> Float[Tensor, "b d h w"]:
        """Remember ``b`` masks on an unconditioned picture."""
        (memory,) = self._run(
            "encode_memory",
            embedding=features.embedding,
            logits=chosen.logits,
            object_score=chosen.object_score,
            prompted=torch.full((len(chosen),), prompted),
        )
        return memory

    def _run(self, graph: str, **given: Tensor) -> list[Tensor]:
        """Compute a graph; where objects are in pictures of their own, one row after the other."""
        axes = self._signatures[graph].inputs
        shared = [name for name in given if axes[name][0] == 1]
        rows = max((len(given[name]) for name in shared), default=1)
        if rows > 1:
            parts = [
                self._run(graph, **{name: t[row : row + 1] if len(t) > 1 else t for name, t in given.items()})
                for row in range(rows)
            ]
            return [torch.cat(outputs) for outputs in zip(*parts, strict=True)]
        arrays = {name: np.ascontiguousarray(t.numpy(force=True)) for name, t in given.items()}
        return [torch.from_numpy(array) for array in self.run(graph, arrays)]
