"""The reference numbers of the embedded model's design, reproduced within 1e-4 in float32 on one thread."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from masklet.model.prompt_encoder import draw_prompts
from masklet.model.sam2 import Sam2
from masklet.model.tensors import ImageFeatures, PromptTensors
from masklet.predict.load import load

TOLERANCE = 1e-4
FEATURE_TOLERANCE = 1e-5
"""Of trunk features, as a share of the largest: they reach 45, and processors round their sums differently."""
CLICKS = torch.tensor([[[60.0, 140.0], [150.0, 40.0]]])
LABELS = torch.tensor([[1, 0]])


@pytest.fixture(scope="module")
def golden(assets: Path) -> dict[str, Tensor]:
    return load_file(assets / "starter" / "nano-golden.safetensors")


@pytest.fixture(scope="module")
def model(assets: Path) -> Sam2:
    """The first weights of the embedded model, for which there are reference numbers."""
    return load(assets / "starter" / "nano-starter.safetensors", device="cpu")


@pytest.fixture(autouse=True)
def inference(one_thread: None) -> Iterator[None]:
    with torch.inference_mode():
        yield


def close(ours: Tensor, theirs: Tensor) -> bool:
    return ours.shape == theirs.shape and float((ours - theirs).abs().max()) < TOLERANCE


def seen(model: Sam2, golden: dict[str, Tensor]) -> ImageFeatures:
    pixels = golden["input"].permute(2, 0, 1)[None].float() / 255
    return model.condition(model.encode_image(pixels), None)


def test_trunk_and_embedding(model: Sam2, golden: dict[str, Tensor]) -> None:
    features = model.image_encoder.trunk((golden["input"].permute(2, 0, 1)[None].float() - 127) / 128)
    for index, ours in enumerate(features):
        theirs = golden[f"trunk.{index}"]
        assert ours.shape == theirs.shape
        assert float((ours - theirs).abs().max()) < FEATURE_TOLERANCE * float(theirs.abs().max())
    assert close(seen(model, golden).embedding, golden["embedding"])


def test_a_click_and_a_second_one(model: Sam2, golden: dict[str, Tensor]) -> None:
    features, previous = seen(model, golden), None
    for count, name in enumerate(("click", "second_click"), start=1):
        prompts = PromptTensors(CLICKS[:, :count], LABELS[:, :count], previous)
        limited = None if previous is None else previous.clamp(-6, 6)
        drawn = draw_prompts(prompts.points, prompts.labels, limited, features.image_size)
        prediction = model.decode(features, prompts)
        assert close(drawn, golden[f"{name}.dense"])
        assert close(prediction.logits[:, 1:], golden[f"{name}.low_res"])
        assert close(prediction.iou[:, 1:], golden[f"{name}.iou"])
        assert close(prediction.object_score.view_as(golden[f"{name}.object_score"]), golden[f"{name}.object_score"])
        best = int(prediction.iou[0, 1:].argmax()) + 1
        previous = prediction.logits[:, best : best + 1]
