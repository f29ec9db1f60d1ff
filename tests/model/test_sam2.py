"""The five verbs: shapes, batches, sizes, revisions, number types; and that the model keeps nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch
from jaxtyping import UInt8

from masklet.model.config import NANO, TEST_TINY
from masklet.model.load import FLOAT32_MODULE
from masklet.model.sam2 import Sam2
from masklet.model.tensors import ChosenMask, ImageFeatures, MemoryTokens, PromptTensors

Clip = UInt8[np.ndarray, "t h w 3"]
PRESENCE_BIAS = "sam_mask_decoder.pred_obj_score_head.layers.2.bias"


def pixels(size: int, count: int = 1) -> torch.Tensor:
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(size))


def tokens(model: Sam2, size: int, objects: int, maps: int, pointers: int) -> MemoryTokens:
    config, side, draw = model.config, size // 16, torch.Generator().manual_seed(1)
    return MemoryTokens(
        torch.randn(objects, maps, len(config.memory_layout((side, side))), config.memory_dim, generator=draw),
        torch.arange(-1, maps - 1).expand(objects, maps),
        torch.randn(objects, pointers, config.embed_dim, generator=draw),
        torch.arange(pointers).expand(objects, pointers) / 15,
    )


def click(x: float, y: float) -> PromptTensors:
    return PromptTensors(torch.tensor([[[x, y]]], dtype=torch.float32), torch.tensor([[1]]))


@pytest.mark.parametrize("size", [32, 64, 96, 160, 224])
@torch.inference_mode()
def test_any_multiple_of_32(tiny: Sam2, size: int) -> None:
    features = tiny.encode_image(pixels(size))
    assert (features.image_size, features.grid) == (size, (size // 16, size // 16))
    assert [tuple(m.shape[-2:]) for m in features.maps] == [(size // stride,) * 2 for stride in (16, 8, 4)]
    looked = tiny.condition(features, tokens(tiny, size, 2, 3, 4))
    prediction = tiny.decode(looked, PromptTensors.none(2, tiny.device))
    assert prediction.logits.shape == (2, 4, size // 4, size // 4)
    assert prediction.iou.shape == (2, 4)
    assert prediction.pointers.shape == (2, 4, 32)
    assert prediction.object_score.shape == (2,)
    adopted = tiny.use_mask_as_output(features, torch.ones(3, 1, size, size))
    assert adopted.logits.shape == (3, 1, size // 4, size // 4)
    assert tiny.encode_memory(features, adopted, prompted=True).shape == (3, (size // 16) ** 2, 8)


@torch.inference_mode()
def test_nothing_to_remember_adds_one_embedding(tiny: Sam2) -> None:
    features = tiny.encode_image(pixels(64))
    seen = tiny.condition(features, None)
    torch.testing.assert_close(
        seen.embedding - features.embedding, tiny.no_mem_embed.view(1, -1, 1, 1).expand_as(seen.embedding)
    )
    assert seen.stride4 is features.stride4


@torch.inference_mode()
def test_order_of_memories_does_not_matter(tiny: Sam2) -> None:
    """What tells memories apart are their codes, not their places in the row."""
    features, memory = tiny.encode_image(pixels(64)), tokens(tiny, 64, 1, 3, 4)
    shuffled = MemoryTokens(
        memory.maps[:, [2, 0, 1]],
        memory.map_slots[:, [2, 0, 1]],
        memory.pointers[:, [3, 1, 0, 2]],
        memory.pointer_times[:, [3, 1, 0, 2]],
    )
    found, expected = (tiny.condition(features, m).embedding for m in (shuffled, memory))
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    retimed = replace(memory, map_slots=memory.map_slots.roll(1, 1))
    assert not torch.allclose(tiny.condition(features, retimed).embedding, expected, atol=1e-3)


@torch.inference_mode()
def test_pointers_carry_time_in_2_1_only(tiny: Sam2) -> None:
    old = Sam2(replace(TEST_TINY, revision="2.0")).eval()
    old.load_state_dict({name: t for name, t in tiny.state_dict().items() if name in old.state_dict()})
    assert set(tiny.state_dict()) - set(old.state_dict()) == {
        "obj_ptr_tpos_proj.weight", "obj_ptr_tpos_proj.bias", "no_obj_embed_spatial",
    }  # fmt: skip
    memory = tokens(tiny, 64, 1, 2, 3)
    later = replace(memory, pointer_times=memory.pointer_times + 0.3)
    features = tiny.encode_image(pixels(64))
    assert torch.equal(old.condition(features, memory).embedding, old.condition(features, later).embedding)
    assert not torch.allclose(
        tiny.condition(features, memory).embedding, tiny.condition(features, later).embedding, atol=1e-3
    )


@pytest.fixture(params=[-100.0, 100.0], ids=["absent", "present"])
def decided(tiny: Sam2, request: pytest.FixtureRequest) -> Iterator[tuple[Sam2, bool]]:
    """The model made sure, one way or the other, that objects are visible."""
    bias = tiny.get_parameter(PRESENCE_BIAS)
    before = bias.clone()
    bias.add_(request.param)
    yield tiny, request.param > 0
    bias.copy_(before)


@torch.inference_mode()
def test_pointer_of_an_absent_object(decided: tuple[Sam2, bool]) -> None:
    model, present = decided
    prediction = model.decode(model.condition(model.encode_image(pixels(64)), None), click(9, 9))
    assert bool(prediction.object_score > 0) is present
    assert torch.equal(prediction.pointers[0], model.no_obj_ptr.expand(4, -1)) is not present


@torch.inference_mode()
def test_adopted_mask(decided: tuple[Sam2, bool]) -> None:
    """The mask stands whatever the model thinks of it; its pointer is the model's, as in the public code."""
    model, present = decided
    masks = torch.zeros(2, 1, 64, 64)
    masks[0, 0, 16:32, 8:40] = 1
    adopted = model.use_mask_as_output(model.encode_image(pixels(64)), masks)
    assert (adopted.logits[0, 0] > 0).sum() == 16 * 32 / 16
    assert (float(adopted.logits[0].max()), float(adopted.logits[0].min())) == (10, -10)
    assert adopted.iou.tolist() == [1, 1]
    assert adopted.object_score.tolist() == [10, -10]  # an empty mask says: it is not here
    assert torch.equal(adopted.pointer[1], model.no_obj_ptr[0])
    assert torch.equal(adopted.pointer[0], model.no_obj_ptr[0]) is not present


@torch.inference_mode()
def test_prompted_masks_are_certain(tiny: Sam2) -> None:
    """A prompted memory depends on which pixels are inside; a tracked one also on how surely."""
    features = tiny.encode_image(pixels(64))
    logits = torch.linspace(-3, 3, 256).view(1, 1, 16, 16)
    one, score = torch.ones(1), torch.zeros(1, 32)
    weak, strong = (ChosenMask(logits * scale, one, score, one) for scale in (1.0, 2.0))
    assert torch.equal(
        tiny.encode_memory(features, weak, prompted=True), tiny.encode_memory(features, strong, prompted=True)
    )
    assert not torch.equal(
        tiny.encode_memory(features, weak, prompted=False), tiny.encode_memory(features, strong, prompted=False)
    )


@torch.inference_mode()
def test_refine_limit(tiny: Sam2) -> None:
    features = tiny.condition(tiny.encode_image(pixels(64)), None)
    prompt = click(20, 20)
    for value, same in ((33.0, True), (31.0, False)):
        answers = [
            tiny.decode(features, replace(prompt, mask_logits=torch.full((1, 1, 16, 16), v))).logits
            for v in (value, 1000.0)
        ]
        assert torch.equal(*answers) is same


@torch.inference_mode()
def test_verbs_are_pure(tiny: Sam2) -> None:
    """The same question gets the same answer, whatever was asked between, and no argument is written to."""
    features, memory = tiny.encode_image(pixels(64)), tokens(tiny, 64, 2, 2, 2)
    kept = [t.clone() for t in (features.embedding, memory.maps, memory.pointers)]
    weights = {name: tensor.clone() for name, tensor in tiny.state_dict().items()}

    def ask() -> list[torch.Tensor]:
        looked = tiny.condition(features, memory)
        prediction = tiny.decode(looked, PromptTensors.none(2, tiny.device))
        chosen = ChosenMask(
            prediction.logits[:, :1], prediction.iou[:, 0], prediction.pointers[:, 0], prediction.object_score
        )
        return [looked.embedding, prediction.logits, tiny.encode_memory(features, chosen, prompted=False)]

    first = ask()
    tiny.decode(tiny.condition(tiny.encode_image(pixels(96)), None), click(3, 4))
    tiny.use_mask_as_output(features, torch.ones(1, 1, 64, 64))
    assert all(map(torch.equal, ask(), first))
    assert all(map(torch.equal, (features.embedding, memory.maps, memory.pointers), kept))
    assert all(torch.equal(tensor, weights[name]) for name, tensor in tiny.state_dict().items())


@torch.inference_mode()
def test_nano_draws_its_prompts() -> None:
    """Clicks reach the mask decoder as tokens and as ink; tracked frames have neither."""
    torch.manual_seed(0)
    model = Sam2(replace(NANO, embed_dim=32, memory_dim=8, memory_ffn=32, image_size=64)).eval()
    plain = Sam2(replace(model.config, draw_prompts=False)).eval()
    plain.load_state_dict(model.state_dict())
    features = model.condition(model.encode_image(pixels(64)), None)
    assert not torch.allclose(model.decode(features, click(9, 9)).logits, plain.decode(features, click(9, 9)).logits)
    nothing = PromptTensors.none(1, model.device)
    assert torch.equal(model.decode(features, nothing).logits, plain.decode(features, nothing).logits)


def answers(model: Sam2, memory: MemoryTokens) -> list[torch.Tensor]:
    """What every verb gives for one picture."""
    features = model.encode_image(pixels(96))
    prompted = model.decode(model.condition(features, None), click(30, 40))
    looked = model.condition(features, memory)
    tracked = model.decode(looked, PromptTensors.none(2, model.device))
    chosen = ChosenMask(tracked.logits[:, :1], tracked.iou[:, 0], tracked.pointers[:, 0], tracked.object_score)
    kept = model.encode_memory(features, chosen, prompted=False)
    seen = (*features.maps, looked.embedding, kept)
    return [*(t.float() for t in seen), prompted.logits, prompted.iou, tracked.logits, tracked.iou]


@pytest.mark.parametrize("scaled", [False, True])
def test_fast_paths_give_the_numbers_of_training(tiny: Sam2, scaled: bool) -> None:
    """Where gradients are asked for, plain torch runs; elsewhere, kernels and orders of sums that it cannot train."""
    memory = tokens(tiny, 96, 2, 3, 4)
    if scaled:
        memory = replace(memory, key_scale=torch.linspace(0.9, 1.1, 14).reshape(2, 7))
    with torch.enable_grad():
        plain = answers(tiny, memory)
    with torch.inference_mode():
        fast = answers(tiny, memory)
    for one, other in zip(plain, fast, strict=True):
        torch.testing.assert_close(other, one, atol=5e-5, rtol=1e-4)


def test_gradients_reach_every_part_of_memory_attention(tiny: Sam2) -> None:
    model = Sam2(tiny.config)
    model.load_state_dict(tiny.state_dict())
    features = model.encode_image(pixels(64))
    model.condition(features, tokens(model, 64, 2, 2, 2)).embedding.square().sum().backward()
    trained = [*model.memory_attention.parameters(), *model.image_encoder.trunk.parameters()]
    assert sum(p.grad is not None and bool(p.grad.any()) for p in trained) > 0.9 * len(trained)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.bfloat16, 0.1), (torch.float16, 0.01)])
@torch.inference_mode()
def test_half_precision_is_near(tiny: Sam2, dtype: torch.dtype, tolerance: float) -> None:
    """All candidates are compared: which one is chosen can hang on the last bit."""
    half = Sam2(tiny.config).eval().requires_grad_(False)
    half.load_state_dict(tiny.state_dict())
    half.to(dtype).get_submodule(FLOAT32_MODULE).float()
    half.get_submodule(FLOAT32_MODULE).load_state_dict(tiny.get_submodule(FLOAT32_MODULE).state_dict())
    memory = tokens(tiny, 96, 2, 3, 4)
    rounded = replace(memory, maps=memory.maps.to(dtype), pointers=memory.pointers.to(dtype))
    for found, expected in zip(answers(half, rounded), answers(tiny, memory), strict=True):
        assert found.dtype == torch.float32
        assert 0 < float((found - expected).abs().mean() / expected.abs().mean()) <= tolerance


def test_features_know_their_size() -> None:
    features = ImageFeatures(torch.zeros(1, 4, 3, 3), torch.zeros(1, 2, 6, 6), torch.zeros(1, 1, 12, 12))
    assert (features.image_size, features.grid) == (48, (3, 3))
    again = features.with_embedding(torch.ones(2, 4, 3, 3))
    assert again.embedding.shape == (2, 4, 3, 3)
    assert again.stride8 is features.stride8


@torch.inference_mode()
def test_masks_are_drawn_only_where_a_candidate_promises_enough(tiny: Sam2) -> None:
    features = tiny.condition(tiny.encode_image(pixels(96)), None)
    spread = torch.rand(12, 1, 2, generator=torch.Generator().manual_seed(5)) * 96
    prompts = PromptTensors(spread, torch.ones(12, 1, dtype=torch.long))
    whole = tiny.decode(features, prompts)
    threshold = float(whole.iou[:, 1:].amax(dim=1).median())
    rows, logits, iou = tiny.decode_above_iou(features, prompts, threshold)
    assert rows.tolist() == (whole.iou[:, 1:].amax(dim=1) >= threshold).nonzero()[:, 0].tolist()
    assert 0 < len(rows) < 12
    torch.testing.assert_close(iou, whole.iou)
    torch.testing.assert_close(logits, whole.logits[rows], atol=1e-5, rtol=1e-5)
    assert tiny.decode_above_iou(features, prompts, 1.1)[1].shape == (0, 4, 24, 24)
