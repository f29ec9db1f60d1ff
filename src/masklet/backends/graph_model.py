"""A model whose methods are graphs that another runtime executes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from threading import Lock
from typing import Final

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from masklet.backends.graphs import NO_POINT, signatures
from masklet.model.config import ModelConfig
from masklet.model.tensors import ChosenMask, ImageFeatures, MaskPrediction, MemoryTokens, PromptTensors

Run = Callable[[str, dict[str, np.ndarray]], list[np.ndarray]]
"""Runs a graph, given by name, on named inputs and returns its outputs in order."""

RunGraph = Callable[[dict[str, np.ndarray]], list[np.ndarray]]
"""Runs one compiled graph on named inputs and returns its outputs in order."""


class GraphRunner:
    """Runs graphs by name: compiles each on first use, and runs it in one thread at a time.

    Different graphs may run concurrently.

    Args:
        compile_graph: compiles the graph of a name.
    """

    def __init__(self, compile_graph: Callable[[str], RunGraph]) -> None:
        self._compile = compile_graph
        self._compiled: dict[str, RunGraph] = {}
        self._locks: defaultdict[str, Lock] = defaultdict(Lock)

    def __call__(self, graph: str, inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
        """Run a graph."""
        with self._locks[graph]:
            if graph not in self._compiled:
                self._compiled[graph] = self._compile(graph)
            return self._compiled[graph](inputs)


class GraphModel:
    """Model (`masklet.backends.protocol.Model`) on a runtime for graphs; its tensors are on the CPU, in float32.

    Attributes:
        config: configuration of the model; ``image_size`` is fixed.
        backend: runtime and precision, such as "onnx" or "openvino int8".
        run: runs a graph.
    """

    device: Final = torch.device("cpu")
    dtype: Final = torch.float32

    def __init__(self, config: ModelConfig, run: Run, *, backend: str) -> None:
        self.config = config
        self.backend = backend
        self.run = run
        self._signatures = signatures(config)

    def encode_image(self, pixels: Float[Tensor, "b 3 s s"]) -> ImageFeatures:
        """Encode images; see `Sam2.encode_image`."""
        return ImageFeatures(*self._run("encode_image", pixels=pixels))

    def condition(self, features: ImageFeatures, memory: MemoryTokens | None) -> ImageFeatures:
        """Condition features on the memories of ``b`` objects; see `Sam2.condition`."""
        if memory is None:
            return features.with_embedding(*self._run("condition_empty", embedding=features.embedding))
        count = memory.maps.shape[1]
        scale = torch.ones(len(memory.maps), count + memory.pointers.shape[1])
        scale = scale if memory.key_scale is None else memory.key_scale.float()
        conditioned = self._run(
            "condition_one_map" if count == 1 and "condition_one_map" in self._signatures else "condition",
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
        """Predict four candidate masks for the prompts of ``b`` objects; see `Sam2.decode`."""
        points, labels, mask = prompts.points, prompts.labels, prompts.mask_logits
        count = max(len(points), len(features.embedding))
        if not points.shape[1]:
            points, labels = torch.zeros(count, 1, 2), torch.full((count, 1), NO_POINT)
        side = features.image_size // 4
        outputs = self._run(
            "decode",
            embedding=features.embedding.expand(count, -1, -1, -1),
            **_skips(features),
            points=points.expand(count, -1, -1),
            labels=labels.expand(count, -1),
            mask_logits=torch.zeros(1, 1, 1, 1).expand(count, 1, side, side) if mask is None else mask,
            has_mask=torch.full((count,), mask is not None),
        )
        return MaskPrediction(*outputs)

    def decode_above_iou(
        self, features: ImageFeatures, prompts: PromptTensors, min_iou: float
    ) -> tuple[Int[Tensor, " k"], Float[Tensor, "k 4 s s"], Float[Tensor, "b 4"]]:
        """Predict masks only for prompts with a high predicted IoU; see `Sam2.decode_above_iou`."""
        prediction = self.decode(features, prompts)
        rows = (prediction.iou[:, 1:] >= min_iou).any(dim=1).nonzero()[:, 0]
        return rows, prediction.logits[rows], prediction.iou

    def use_mask_as_output(self, features: ImageFeatures, mask: Float[Tensor, "b 1 s s"]) -> ChosenMask:
        """Return the user's mask as the output mask; see `Sam2.use_mask_as_output`."""
        inputs = {"embedding": features.embedding, **_skips(features)}
        return ChosenMask(*self._run("use_mask_as_output", **inputs, mask=mask))

    def encode_memory(self, features: ImageFeatures, chosen: ChosenMask, *, prompted: bool) -> Float[Tensor, "b n d"]:
        """Encode the masks of ``b`` objects to spatial memories; see `Sam2.encode_memory`."""
        (memory,) = self._run(
            "encode_memory",
            embedding=features.embedding,
            logits=chosen.logits,
            object_score=chosen.object_score,
            prompted=torch.full((len(chosen),), prompted),
        )
        return memory

    def _run(self, graph: str, **inputs: Tensor) -> list[Tensor]:
        """Run a graph; if each object has its own image, run it row by row."""
        axes = self._signatures[graph].inputs
        shared = [name for name in inputs if axes[name][0] == 1]
        rows = max((len(inputs[name]) for name in shared), default=1)
        if rows > 1:
            parts = [
                self._run(graph, **{name: t[row : row + 1] if len(t) > 1 else t for name, t in inputs.items()})
                for row in range(rows)
            ]
            return [torch.cat(outputs) for outputs in zip(*parts, strict=True)]
        arrays = {name: np.ascontiguousarray(t.numpy(force=True)) for name, t in inputs.items()}
        return [torch.from_numpy(array) for array in self.run(graph, arrays)]


def _skips(features: ImageFeatures) -> dict[str, Tensor]:
    """Name the skip features, if the model has any."""
    return {} if features.skips is None else dict(zip(("stride8", "stride4"), features.skips, strict=True))
