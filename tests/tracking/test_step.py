"""One tracking step over many objects: a batch equals the objects one by one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from jaxtyping import UInt8
from torch import Tensor

from masklet.model.mask_decoder import select_masks
from masklet.model.sam2 import Sam2
from masklet.model.tensors import ChosenMask, ImageFeatures, PromptTensors
from masklet.predict.preprocessing import frame_tensor
from masklet.tracking import (
    FrameContext,
    MemoryBank,
    MemoryPolicy,
    choose_masks,
    condition_on_memory,
    decode_prompts,
    decode_unprompted,
    encode_memories,
    select_memories,
)

POLICY = MemoryPolicy()
HISTORIES: dict[str, list[tuple[int, ...]]] = {
    "one object": [(0, 1, 2)],
    "equal histories": [(0, 1, 2), (0, 1, 2), (0, 1, 2)],
    "different lengths": [(0, 1, 2, 3), (2, 3), (0, 1, 2, 3), (3,)],
    "nothing to remember": [(2, 3), (), (0, 1, 2, 3), ()],
    "gaps": [(0, 3), (1, 2), (2, 3)],
}


def relative(found: Tensor, expected: Tensor) -> float:
    return float((found - expected).abs().max() / expected.abs().max().clamp(min=1e-12))


@pytest.fixture(scope="module")
def features(tiny: Sam2, clip: UInt8[np.ndarray, "t h w 3"]) -> list[ImageFeatures]:
    with torch.inference_mode():
        return [tiny.encode_image(frame_tensor(frame, 64, tiny.device)) for frame in clip[:5]]


def square(left: int) -> Tensor:
    mask = torch.zeros(1, 1, 64, 64)
    mask[..., 20:36, left : left + 16] = 1
    return mask


def history(model: Sam2, features: list[ImageFeatures], frames: tuple[int, ...], left: int) -> MemoryBank:
    """An object prompted on the first of some frames and tracked, alone, on the others."""
    bank = MemoryBank()
    for place, index in enumerate(frames):
        if place == 0:
            chosen = model.use_mask_as_output(features[index], square(left))
        else:
            recall = select_memories(FrameContext(index), prompted=bank.prompted, recent=bank.recent, policy=POLICY)
            chosen = decode_unprompted(model, condition_on_memory(model, features[index], [(bank, recall)], POLICY))
        (entry,) = encode_memories(model, features[index], chosen, prompted=place == 0)
        bank.put(index, entry, prompted=place == 0)
    return bank


@pytest.mark.parametrize("name", HISTORIES)
@torch.inference_mode()
def test_batched_equals_one_by_one(tiny: Sam2, features: list[ImageFeatures], name: str) -> None:
    banks = [history(tiny, features, frames, 4 + 9 * n) for n, frames in enumerate(HISTORIES[name])]
    memories = [
        (bank, select_memories(FrameContext(4), prompted=bank.prompted, recent=bank.recent, policy=POLICY))
        for bank in banks
    ]
    conditioned = condition_on_memory(tiny, features[4], memories, POLICY)
    chosen = decode_unprompted(tiny, conditioned)
    maps = tiny.encode_memory(features[4], chosen, prompted=False)
    assert len(chosen) == len(banks)
    for row, memory in enumerate(memories):
        alone = condition_on_memory(tiny, features[4], [memory], POLICY)
        assert relative(conditioned.embedding[[row]], alone.embedding) <= 1e-5
        single = decode_unprompted(tiny, alone)
        for field in ("logits", "iou", "pointer", "object_score"):
            assert relative(getattr(chosen, field)[[row]], getattr(single, field)) <= 1e-5, field
        assert relative(maps[[row]], tiny.encode_memory(features[4], single, prompted=False)) <= 1e-5


@torch.inference_mode()
def test_prompts_of_every_kind_in_one_call(tiny: Sam2, features: list[ImageFeatures]) -> None:
    click = PromptTensors(torch.tensor([[[20.0, 30.0]]]), torch.tensor([[1]]))
    other = PromptTensors(torch.tensor([[[40.0, 12.0]]]), torch.tensor([[0]]))
    box = PromptTensors(torch.tensor([[[10.0, 10.0], [40.0, 50.0]]]), torch.tensor([[2, 3]]))
    refined = PromptTensors(click.points, click.labels, torch.linspace(-5, 5, 256).view(1, 1, 16, 16))
    prompts = [click, box, PromptTensors.none(1, tiny.device), refined, other]
    seen = tiny.condition(features[0], None)
    conditioned = seen.with_embedding(seen.embedding.expand(5, -1, -1, -1))
    prediction, ranked = decode_prompts(tiny, conditioned, prompts)
    assert ranked.tolist() == [True, False, True, True, True]
    for row, prompt in enumerate(prompts):
        alone, _ = decode_prompts(tiny, seen, [prompt])
        for field in ("logits", "iou", "pointers", "object_score"):
            assert relative(getattr(prediction, field)[[row]], getattr(alone, field)) <= 1e-5, (row, field)


@torch.inference_mode()
def test_a_model_that_does_not_rank_readings_of_a_click(
    tiny: Sam2, features: list[ImageFeatures], monkeypatch: pytest.MonkeyPatch
) -> None:
    click = PromptTensors(torch.tensor([[[20.0, 30.0]]]), torch.tensor([[1]]))
    prompts = [click, PromptTensors.none(1, tiny.device)]
    seen = tiny.condition(features[0], None)
    monkeypatch.setattr(tiny, "config", replace(tiny.config, ranked_clicks=False, min_stability=0.0))
    prediction, ranked = decode_prompts(tiny, seen.with_embedding(seen.embedding.expand(2, -1, -1, -1)), prompts)
    assert ranked.tolist() == [False, True]  # a tracked frame is ranked as before
    assert torch.equal(select_masks(prediction, ranked, 0.0).logits[0, 0], prediction.logits[0, 0])


@torch.inference_mode()
def test_memory_changes_what_is_seen(tiny: Sam2, features: list[ImageFeatures]) -> None:
    one, other = (history(tiny, features, (0, 1), left) for left in (4, 40))
    recall = select_memories(FrameContext(2), prompted=one.prompted, recent=one.recent, policy=POLICY)
    conditioned = condition_on_memory(tiny, features[2], [(one, recall), (other, recall), (one, None)], POLICY)
    first, second, fresh = conditioned.embedding
    assert relative(second, first) > 1e-3
    assert relative(fresh, first) > 1e-3
    assert torch.equal(fresh, tiny.condition(features[2], None).embedding[0])


@torch.inference_mode()
def test_dropped_map_is_noticed(tiny: Sam2, features: list[ImageFeatures]) -> None:
    bank = history(tiny, features, (0, 1), 4)
    bank.drop_maps([0])
    recall = select_memories(FrameContext(2), prompted=bank.prompted, recent=bank.recent, policy=POLICY)
    with pytest.raises(AssertionError, match="frame 0"):
        condition_on_memory(tiny, features[2], [(bank, recall)], POLICY)


@torch.inference_mode()
def test_look_ahead_without_pointers(tiny: Sam2, features: list[ImageFeatures]) -> None:
    bank = history(tiny, features, (3,), 4)
    recall = select_memories(FrameContext(1), prompted=bank.prompted, recent=[], policy=MemoryPolicy(look_ahead=True))
    assert recall is not None
    assert recall.shape == (1, 0)
    conditioned = condition_on_memory(tiny, features[1], [(bank, recall)], POLICY)
    assert conditioned.embedding.isfinite().all()
    assert relative(conditioned.embedding, tiny.condition(features[1], None).embedding) > 1e-3


@torch.inference_mode()
def test_absent_objects_are_remembered_as_absent(tiny: Sam2, features: list[ImageFeatures]) -> None:
    present = tiny.use_mask_as_output(features[0], square(4))
    absent = ChosenMask(present.logits, present.iou, present.pointer, -present.object_score)
    here, gone = encode_memories(tiny, features[0], ChosenMask.cat([present, absent]), prompted=True)
    assert here.map is not None
    assert gone.map is not None
    difference = (gone.map - here.map)[0]
    torch.testing.assert_close(difference, tiny.no_obj_embed_spatial[0].expand_as(difference))
    assert (here.object_score, gone.object_score) == (10, -10)


@torch.inference_mode()
def test_settled_masks_of_absent_objects_are_empty(tiny: Sam2, features: list[ImageFeatures]) -> None:
    prediction, ranked = decode_prompts(tiny, tiny.condition(features[0], None), [PromptTensors.none(1, tiny.device)])
    for score, empty in ((-0.1, True), (0.1, False)):
        scored = type(prediction)(
            prediction.logits, prediction.iou, prediction.pointers, prediction.object_score.new_tensor([score])
        )
        assert bool((choose_masks(tiny, scored, ranked).logits == -1024).all()) is empty
