"""Unrolling a batch: which objects are predicted when, with which prompts."""

from __future__ import annotations

import numpy as np
import torch

from masklet.model.sam2 import Sam2
from masklet.train.batch import Clip, TrainBatch
from masklet.train.config import PromptConfig
from masklet.train.prompts import PromptKind, PromptPlan
from masklet.train.unroll import Step, Unroll

SIDE = 64


def make_batch(objects: tuple[int, ...], plan: PromptPlan) -> TrainBatch:
    """Clips with the given numbers of objects: blocks that move right."""
    frames = len(plan.first)
    generator = np.random.default_rng(0)
    clips = []
    for count in objects:
        masks = np.zeros((frames, count, SIDE, SIDE), bool)
        for t in range(frames):
            for n in range(count):
                masks[t, n, 8 + 20 * n : 24 + 20 * n, 8 + 6 * t : 28 + 6 * t] = True
        clips.append(Clip(generator.integers(0, 255, (frames, SIDE, SIDE, 3), np.uint8), masks))
    return TrainBatch.collate(clips, plan)


def make_plan(
    kinds: tuple[PromptKind, ...],
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


def run(model: Sam2, objects: tuple[int, ...], plan: PromptPlan) -> list[Step]:
    return list(Unroll(model, make_batch(objects, plan)))


def test_an_image_has_its_prompt_and_its_corrections(tiny: Sam2) -> None:
    steps = run(tiny, (2, 1), make_plan(("click", "box", "click"), frames=1))
    assert [step.rows for step in steps] == [[0, 1, 2]] * 3
    assert [step.ambiguous.tolist() for step in steps] == [[True, False, True], [False] * 3, [False] * 3]
    assert [[p.points.shape[1] for p in step.prompts] for step in steps] == [[1, 2, 1], [2, 3, 2], [3, 4, 3]]
    assert [step.prompts[0].mask_logits is None for step in steps] == [True, False, False]


def test_a_mask_prompt_is_not_predicted_and_all_objects_are_tracked(tiny: Sam2) -> None:
    steps = run(tiny, (2,), make_plan(("mask", "click"), frames=3, corrected=(0,), rounds=1))
    assert [(step.frame, step.rows) for step in steps] == [(0, [1]), (0, [1]), (1, [0, 1]), (2, [0, 1])]
    assert all(step.ambiguous.all() for step in steps if step.frame > 0)


def test_corrections_of_a_tracked_frame_leave_out_objects_with_a_mask_prompt(tiny: Sam2) -> None:
    steps = run(tiny, (2,), make_plan(("mask", "box"), frames=2, corrected=(1,), rounds=2))
    assert [(step.frame, step.rows) for step in steps] == [(0, [1]), (1, [0, 1]), (1, [1]), (1, [1])]
    assert [step.prompts[0].points.shape[1] for step in steps[2:]] == [1, 2]


def test_an_object_that_is_hidden_on_a_prompted_frame_is_tracked_there(tiny: Sam2) -> None:
    plan = make_plan(("click", "click"), frames=2, prompted=(0, 1), corrected=(0,), rounds=1)
    batch = make_batch((2,), plan)
    batch.masks[1, 0] = False
    steps = list(Unroll(tiny, batch))
    assert [step.rows for step in steps if step.frame == 1] == [[1], [0]]


def test_clips_of_a_batch_are_independent(tiny: Sam2, one_thread: None) -> None:
    plan = make_plan(("click", "box"), frames=3)
    batch = make_batch((1, 1), plan)
    together = list(Unroll(tiny, batch))
    for row in (0, 1):
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
        alone = TrainBatch(batch.pixels[:, [row]], batch.masks[:, [row]], torch.zeros(1, dtype=torch.long), own)
        for both, single in zip(together, Unroll(tiny, alone), strict=True):
            assert torch.allclose(both.prediction.logits[[row]], single.prediction.logits, atol=1e-3)


def test_recomputing_in_the_backward_pass_gives_the_same_gradients(tiny: Sam2, one_thread: None) -> None:
    batch = make_batch((1,), make_plan(("click",), frames=2, corrected=(1,)))
    gradients = []
    for checkpointing in (False, True):
        tiny.requires_grad_(True)
        try:
            steps = list(Unroll(tiny, batch, checkpointing=checkpointing))
            sum(step.prediction.logits.square().mean() for step in steps).backward()  # type: ignore[union-attr]
            weight = tiny.image_encoder.trunk.patch_embed.proj.weight  # type: ignore[union-attr]
            gradients.append(weight.grad.clone())  # type: ignore[operator, union-attr]
        finally:
            tiny.zero_grad(set_to_none=True)
            tiny.requires_grad_(False)
    assert gradients[0].abs().max() > 0
    assert torch.allclose(gradients[0], gradients[1], rtol=1e-5)
