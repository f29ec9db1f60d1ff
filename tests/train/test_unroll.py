"""A batch through the model: who answers when, with which prompts, and what is remembered."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from masklet.model.sam2 import Sam2
from masklet.train.batch import Batch, Clip, collate
from masklet.train.config import PromptConfig
from masklet.train.prompts import Kind, PromptPlan
from masklet.train.unroll import Answer, Unroll, next_clicks

SIDE = 64


def make_batch(frames: int, objects: tuple[int, ...]) -> Batch:
    """Clips with so many objects each: blocks that move right."""
    generator = np.random.default_rng(0)
    clips = []
    for count in objects:
        masks = np.zeros((frames, count, SIDE, SIDE), bool)
        for t in range(frames):
            for n in range(count):
                masks[t, n, 8 + 20 * n : 24 + 20 * n, 8 + 6 * t : 28 + 6 * t] = True
        clips.append(Clip(generator.integers(0, 255, (frames, SIDE, SIDE, 3), np.uint8), masks))
    return collate(clips)


def make_plan(
    kinds: tuple[Kind, ...],
    *,
    frames: int,
    prompted: tuple[int, ...] = (0,),
    corrected: tuple[int, ...] = (0,),
    rounds: int = 2,
) -> PromptPlan:
    """A plan whose numbers are all drawn from one seed."""
    generator = np.random.default_rng(1)
    return PromptPlan(
        kinds=kinds,
        prompted=prompted,
        corrected=corrected,
        rounds=rounds,
        first=generator.random((frames, len(kinds), 2), np.float32),
        boxes=generator.standard_normal((frames, len(kinds), 4), np.float32),
        corrections=generator.random((rounds, frames, len(kinds), 3), np.float32),
        config=PromptConfig(),
    )


def run(model: Sam2, batch: Batch, plan: PromptPlan) -> list[Answer]:
    return list(Unroll(model, batch, plan))


def test_a_picture_gets_its_prompt_and_its_corrections(tiny: Sam2) -> None:
    answers = run(tiny, make_batch(1, (2, 1)), make_plan(("click", "box", "click"), frames=1))
    assert [answer.rows for answer in answers] == [[0, 1, 2]] * 3
    assert [answer.ambiguous.tolist() for answer in answers] == [[True, False, True], [False] * 3, [False] * 3]
    assert [[p.points.shape[1] for p in answer.prompts] for answer in answers] == [[1, 2, 1], [2, 3, 2], [3, 4, 3]]
    assert [answer.prompts[0].mask_logits is None for answer in answers] == [True, False, False]


def test_a_mask_is_not_asked_about_and_all_objects_are_followed(tiny: Sam2) -> None:
    answers = run(tiny, make_batch(3, (2,)), make_plan(("mask", "click"), frames=3, corrected=(0,), rounds=1))
    assert [(answer.frame, answer.rows) for answer in answers] == [(0, [1]), (0, [1]), (1, [0, 1]), (2, [0, 1])]
    assert all(answer.ambiguous.all() for answer in answers if answer.frame > 0)


def test_corrections_of_a_followed_frame_leave_out_objects_given_as_masks(tiny: Sam2) -> None:
    answers = run(tiny, make_batch(2, (2,)), make_plan(("mask", "box"), frames=2, corrected=(1,), rounds=2))
    assert [(answer.frame, answer.rows) for answer in answers] == [(0, [1]), (1, [0, 1]), (1, [1]), (1, [1])]
    assert [answer.prompts[0].points.shape[1] for answer in answers[2:]] == [1, 2]


def test_an_object_that_is_hidden_on_a_prompted_frame_is_followed_there(tiny: Sam2) -> None:
    batch = make_batch(2, (2,))
    batch.masks[1, 0] = False
    answers = run(tiny, batch, make_plan(("click", "click"), frames=2, prompted=(0, 1), corrected=(0,), rounds=1))
    assert [answer.rows for answer in answers if answer.frame == 1] == [[1], [0]]


def test_clips_of_a_batch_do_not_see_each_other(tiny: Sam2, one_thread: None) -> None:
    batch, plan = make_batch(3, (1, 1)), make_plan(("click", "box"), frames=3)
    together = run(tiny, batch, plan)
    for row in (0, 1):
        alone = Batch(batch.pixels[:, [row]], batch.masks[:, [row]], torch.zeros(1, dtype=torch.long))
        own = PromptPlan(
            kinds=plan.kinds[row : row + 1],
            prompted=plan.prompted,
            corrected=plan.corrected,
            rounds=plan.rounds,
            first=plan.first[:, [row]],
            boxes=plan.boxes[:, [row]],
            corrections=plan.corrections[:, :, [row]],
            config=plan.config,
        )
        for both, single in zip(together, run(tiny, alone, own), strict=True):
            assert torch.allclose(both.prediction.logits[[row]], single.prediction.logits, atol=1e-3)


def test_recomputing_in_the_backward_pass_gives_the_same_gradients(tiny: Sam2, one_thread: None) -> None:
    batch, plan = make_batch(2, (1,)), make_plan(("click",), frames=2, corrected=(1,))
    gradients = []
    for checkpointing in (False, True):
        tiny.requires_grad_(True)
        try:
            answers = list(Unroll(tiny, batch, plan, checkpointing=checkpointing))
            sum(answer.prediction.logits.square().mean() for answer in answers).backward()  # type: ignore[union-attr]
            weight = tiny.image_encoder.trunk.patch_embed.proj.weight  # type: ignore[union-attr]
            gradients.append(weight.grad.clone())  # type: ignore[operator, union-attr]
        finally:
            tiny.zero_grad(set_to_none=True)
            tiny.requires_grad_(False)
    assert gradients[0].abs().max() > 0
    assert torch.allclose(gradients[0], gradients[1], rtol=1e-5)


@pytest.mark.parametrize(("found", "positive"), [(False, 1), (True, 0)])
def test_a_correction_adds_what_is_missing_and_takes_what_is_too_much(found: bool, positive: int) -> None:
    truth = torch.zeros(1, SIDE, SIDE, dtype=torch.bool)
    truth[0, 16:32, 16:32] = True
    before = torch.full((1, 1, 16, 16), 5.0 if found else -5.0)
    plan = make_plan(("click",), frames=1)
    (place,), (label,) = next_clicks(before, truth, torch.tensor([[0.5, 0.9, 0.9]]), plan)
    assert label == positive
    x, y = place.long().tolist()
    assert bool(truth[0, y, x]) is not found


def test_where_nothing_is_wrong_the_click_falls_on_the_object_and_beside_an_absent_one() -> None:
    truth = torch.zeros(2, SIDE, SIDE, dtype=torch.bool)
    truth[0, 16:32, 16:32] = True
    before = torch.where(torch.nn.functional.avg_pool2d(truth[:, None].float(), 4) > 0.5, 5.0, -5.0)
    places, labels = next_clicks(before, truth, torch.full((2, 3), 0.5), make_plan(("click", "click"), frames=1))
    assert labels.tolist() == [1, 0]
    x, y = places[0].long().tolist()
    assert truth[0, y, x]
