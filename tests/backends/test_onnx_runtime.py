"""Every verb on ONNX Runtime gives what torch gives, for any number of objects, memories, pointers and points."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np
import pytest
import torch
from jaxtyping import UInt8
from torch import Tensor

from masklet.backends.bundle import Bundle
from masklet.backends.graph_model import GraphModel
from masklet.backends.onnx_runtime import open_onnx
from masklet.backends.protocol import Model
from masklet.errors import DeviceError
from masklet.model.sam2 import Sam2
from masklet.model.tensors import ChosenMask, ImageFeatures, MemoryTokens, PromptTensors
from masklet.predict.stream import StreamTracker
from masklet.types import Prompts

SIZE, GRID = 64, 4


@pytest.fixture(scope="module")
def graphs(onnx_bundle: Bundle) -> GraphModel:
    return open_onnx(onnx_bundle)


def same(ours: object, theirs: object) -> None:
    if isinstance(ours, Tensor):
        torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)
        return
    for field in fields(ours):  # type: ignore[arg-type]
        same(getattr(ours, field.name), getattr(theirs, field.name))


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def features(pictures: int = 1) -> ImageFeatures:
    return ImageFeatures(noise(pictures, 32, GRID, GRID), noise(pictures, 8, 8, 8), noise(pictures, 4, 16, 16))


def test_both_are_models(small: Sam2, graphs: GraphModel) -> None:
    assert isinstance(small, Model)
    assert isinstance(graphs, Model)
    assert graphs.config == small.config


@pytest.mark.parametrize("pictures", [1, 3])
def test_encode_image(small: Sam2, graphs: GraphModel, pictures: int) -> None:
    pixels = torch.rand(pictures, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(1))
    same(graphs.encode_image(pixels), small.encode_image(pixels))


@pytest.mark.parametrize(("objects", "maps", "pointers"), [(1, 1, 0), (1, 1, 1), (3, 7, 16), (2, 9, 3)])
@pytest.mark.parametrize("fractions", [False, True])
def test_condition(small: Sam2, graphs: GraphModel, objects: int, maps: int, pointers: int, fractions: bool) -> None:
    slots = torch.arange(objects * maps).reshape(objects, maps) % 7
    memory = MemoryTokens(
        maps=noise(objects, maps, GRID * GRID, 8),
        map_slots=slots.float().clamp(max=5) + 0.25 if fractions else slots - 1,
        pointers=noise(objects, pointers, 32, seed=1),
        pointer_times=noise(objects, pointers, seed=2),
        key_scale=noise(objects, maps + pointers).sigmoid() if fractions else None,
    )
    same(graphs.condition(features(), memory), small.condition(features(), memory))


def test_nothing_to_remember(small: Sam2, graphs: GraphModel) -> None:
    same(graphs.condition(features(2), None), small.condition(features(2), None))


PROMPTS: dict[str, tuple[list[Any], list[list[int]]]] = {
    "nothing": ([[]], [[]]),
    "a click": ([[[20.0, 30.0]]], [[1]]),
    "clicks that overlap": ([[[20.0, 30.0], [21.0, 31.0], [40.0, 9.0]]], [[1, 0, 1]]),
    "a box and a click": ([[[4.0, 6.0], [50.0, 40.0], [9.0, 9.0]]], [[2, 3, 0]]),
    "two objects": ([[[20.0, 30.0]], [[5.0, 60.0]]], [[1], [0]]),
}


@pytest.mark.parametrize("refine", [False, True])
@pytest.mark.parametrize("kind", PROMPTS)
def test_decode(small: Sam2, graphs: GraphModel, kind: str, refine: bool) -> None:
    points, labels = PROMPTS[kind]
    count = len(points)
    prompts = PromptTensors(
        torch.tensor(points).reshape(count, -1, 2),
        torch.tensor(labels, dtype=torch.long),
        20 * noise(count, 1, 16, 16) if refine else None,
    )
    same(graphs.decode(features(), prompts), small.decode(features(), prompts))
    rows, logits, iou = graphs.decode_above_iou(features(), prompts, 0.5)
    expected = small.decode_above_iou(features(), prompts, 0.5)
    assert rows.tolist() == expected[0].tolist()
    same(logits, expected[1])
    same(iou, expected[2])


def test_decode_with_a_picture_for_each_object(small: Sam2, graphs: GraphModel) -> None:
    prompts = PromptTensors(torch.tensor([[[20.0, 30.0]], [[5.0, 60.0]]]), torch.tensor([[1], [0]]))
    same(graphs.decode(features(2), prompts), small.decode(features(2), prompts))


def test_adopt_mask(small: Sam2, graphs: GraphModel) -> None:
    masks = torch.zeros(3, 1, SIZE, SIZE)
    masks[0, :, 10:30, 20:51] = 1
    masks[1, :, 33:, :7] = 1  # the third is empty
    same(graphs.use_mask_as_output(features(), masks), small.use_mask_as_output(features(), masks))


@pytest.mark.parametrize("prompted", [False, True])
def test_encode_memory(small: Sam2, graphs: GraphModel, prompted: bool) -> None:
    chosen = ChosenMask(5 * noise(2, 1, 16, 16), torch.ones(2), noise(2, 32), torch.tensor([3.0, -3.0]))
    ours = graphs.encode_memory(features(), chosen, prompted=prompted)
    same(ours, small.encode_memory(features(), chosen, prompted=prompted))


def test_tracking(small: Sam2, graphs: GraphModel, clip: UInt8[np.ndarray, "t h w 3"]) -> None:
    mask = np.zeros(clip.shape[1:3], dtype=np.bool_)
    mask[8:22, 8:22] = True
    prompts = {1: Prompts.click(15, 15), 2: Prompts.from_box(8, 8, 22, 22), 3: Prompts.from_mask(mask)}
    ours, theirs = StreamTracker(graphs), StreamTracker(small)
    for index, frame in enumerate(clip[:10]):
        said = prompts if index == 0 else {}
        a, b = ours.step(frame, said), theirs.step(frame, said)
        np.testing.assert_allclose(a.presence, b.presence, atol=1e-4)
        assert (a.masks != b.masks).mean() < 1e-3


def test_providers(onnx_bundle: Bundle) -> None:
    assert open_onnx(onnx_bundle, [("cpu", {"arena_extend_strategy": "kSameAsRequested"})]).backend == "onnx"
    with pytest.raises(DeviceError, match=r"VitisAIExecutionProvider.*CPU"):
        open_onnx(onnx_bundle, ["VitisAIExecutionProvider"])
