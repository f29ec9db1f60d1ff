"""A model that looks twice: a picture and its mirror image get mirrored answers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from jaxtyping import UInt8
from torch import Tensor
from torch.testing import assert_close

from masklet.backends.flip_augmented import FlipAugmented
from masklet.backends.protocol import Model
from masklet.io import ArrayVideo
from masklet.model.sam2 import Sam2
from masklet.model.tensors import ChosenMask, ImageFeatures, MemoryTokens, PromptTensors
from masklet.predict.load import load
from masklet.predict.session import VideoSession
from masklet.types import Prompts

SIDE = 64
CLICK = PromptTensors(torch.tensor([[[20.0, 30.0]]]), torch.tensor([[1]]))
MIRRORED_CLICK = PromptTensors(torch.tensor([[[SIDE - 1 - 20.0, 30.0]]]), torch.tensor([[1]]))


@pytest.fixture(scope="module")
def double(small: Sam2) -> FlipAugmented:
    return FlipAugmented(small)


@pytest.fixture(scope="module")
def pixels() -> Tensor:
    return torch.rand(1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))


def memory_of(model: Model, features: ImageFeatures, chosen: ChosenMask) -> MemoryTokens:
    maps = model.encode_memory(features, chosen, prompted=False)
    return MemoryTokens(maps[:, None], torch.tensor([[0]]), chosen.pointer[:, None], torch.tensor([[0.1]]))


def chosen_of(model: Model, features: ImageFeatures, prompts: PromptTensors) -> ChosenMask:
    found = model.decode(model.condition(features, None), prompts)
    return ChosenMask(found.logits[:, :1], found.iou[:, 0], found.pointers[:, 0], found.object_score)


def test_it_is_a_model(double: FlipAugmented, small: Sam2) -> None:
    assert isinstance(double, Model)
    assert double.config.embed_dim == 2 * small.config.embed_dim
    assert double.config.full_name != small.config.full_name
    assert (double.device, double.dtype) == (small.device, small.dtype)


def test_an_answer_is_the_mean_of_two(double: FlipAugmented, small: Sam2, pixels: Tensor) -> None:
    both = chosen_of(double, double.encode_image(pixels), CLICK)
    plain = chosen_of(small, small.encode_image(pixels), CLICK)
    mirrored = chosen_of(small, small.encode_image(pixels.flip(-1)), MIRRORED_CLICK)
    assert_close(both.logits, (plain.logits + mirrored.logits.flip(-1)) / 2, rtol=0, atol=1e-4)
    assert_close(both.iou, (plain.iou + mirrored.iou) / 2)
    assert not torch.allclose(both.logits, plain.logits, atol=1e-3)


@pytest.mark.parametrize(
    ("prompts", "seen"),
    [
        (CLICK, MIRRORED_CLICK),
        (
            PromptTensors(torch.tensor([[[5.0, 8.0], [40.0, 50.0], [9.0, 9.0]]]), torch.tensor([[2, 3, 0]])),
            PromptTensors(torch.tensor([[[24.0, 8.0], [59.0, 50.0], [54.0, 9.0]]]), torch.tensor([[2, 3, 0]])),
        ),
    ],
    ids=["click", "box and a click"],
)
def test_a_mirror_image_is_seen_alike(
    double: FlipAugmented, pixels: Tensor, prompts: PromptTensors, seen: PromptTensors
) -> None:
    """What looks at both sides cannot tell them apart: all five verbs, followed from one frame to the next."""
    masks = []
    for picture, said in ((pixels, prompts), (pixels.flip(-1), seen)):
        features = double.encode_image(picture)
        first = chosen_of(double, features, said)
        looked = double.condition(features, memory_of(double, features, first))
        answer = double.decode(looked, PromptTensors.none(1, double.device))
        adopted = double.use_mask_as_output(features, torch.nn.functional.interpolate(first.logits, SIDE).gt(0).float())
        masks.append((first.logits, answer.logits, answer.iou, adopted.logits, adopted.pointer))
    one, other = masks
    for mine, theirs in zip(one[:2], other[:2], strict=True):
        assert_close(mine, theirs.flip(-1), rtol=1e-3, atol=1e-3)
    assert_close(one[2], other[2], rtol=1e-3, atol=1e-3)
    assert_close(one[3], other[3].flip(-1), rtol=1e-3, atol=1e-3)
    assert_close(one[4], torch.cat(other[4].chunk(2, dim=-1)[::-1], dim=-1), rtol=1e-3, atol=1e-3)


def test_a_previous_answer_is_mirrored_too(double: FlipAugmented, pixels: Tensor) -> None:
    logits = torch.randn(1, 1, SIDE // 4, SIDE // 4, generator=torch.Generator().manual_seed(1))
    said = PromptTensors(CLICK.points, CLICK.labels, logits)
    seen = PromptTensors(MIRRORED_CLICK.points, MIRRORED_CLICK.labels, logits.flip(-1))
    one = chosen_of(double, double.encode_image(pixels), said)
    other = chosen_of(double, double.encode_image(pixels.flip(-1)), seen)
    assert_close(one.logits, other.logits.flip(-1), rtol=1e-3, atol=1e-3)


def test_likely_masks_are_those_of_decode(double: FlipAugmented, pixels: Tensor) -> None:
    looked = double.condition(double.encode_image(pixels), None)
    clicks = torch.rand(6, 1, 2, generator=torch.Generator().manual_seed(2)) * SIDE
    prompts = PromptTensors(clicks, torch.ones(6, 1, dtype=torch.long))
    found = double.decode(looked, prompts)
    bar = float(found.iou[:, 1:].amax(dim=1).median())
    rows, logits, iou = double.decode_above_iou(looked, prompts, bar)
    assert 0 < len(rows) < 6
    assert_close(iou, found.iou)
    assert_close(logits, found.logits[rows])


def test_it_tracks_in_a_session() -> None:
    """Everything above the verbs takes it for a model; the same clip mirrored gives mirrored masks."""
    double = FlipAugmented(load("nano", device="cpu", image_size=128))
    frames = np.stack([ball(40 + 4 * t) for t in range(4)])
    found = []
    for clip, x in ((frames, 40), (frames[:, :, ::-1], 127 - 40)):
        session = VideoSession(double, ArrayVideo(np.ascontiguousarray(clip)))
        session.prompt(0, object_id=1, prompts=Prompts.click(x, 60))
        found.append(np.stack([out.masks[0] for out in session.propagate()]))
    assert found[0].any(axis=(1, 2)).all()
    assert (found[0] != found[1][:, :, ::-1]).mean() < 0.01


def ball(x: int) -> UInt8[np.ndarray, "h w 3"]:
    """A red ball on gray."""
    rows, columns = np.mgrid[:128, :128]
    frame = np.full((128, 128, 3), 120, np.uint8)
    frame[(rows - 60) ** 2 + (columns - x) ** 2 < 20**2] = (200, 30, 30)
    return frame
