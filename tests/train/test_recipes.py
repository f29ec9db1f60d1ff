"""Recipes hold the numbers of the paper's tables."""

from __future__ import annotations

import pytest

from masklet.errors import FormatError
from masklet.train.optimizer import lr_at
from masklet.train.overrides import override
from masklet.train.recipes import RECIPES, finetune_vos, full, pretrain_images, recipe_named


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_every_recipe_is_sound(name: str) -> None:
    config = RECIPES[name]()
    assert config.name == name
    assert override(config, ["run.seed=1"]).data == config.data  # its values are within their bounds
    scales = [lr_at(step, config.optim) for step in (0, config.optim.steps // 2, config.optim.steps - 1)]
    assert all(0 < scale <= 1 for scale in scales)
    assert scales[2] < 0.05


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_docstrings_give_the_command(name: str) -> None:
    assert f"masklet train {name} --data" in (RECIPES[name].__doc__ or "")


def test_the_papers_numbers() -> None:
    pre, joint, fine = pretrain_images(), full(), finetune_vos()
    assert (pre.optim.steps, pre.optim.lr, pre.optim.trunk_lr, pre.optim.schedule) == (90_000, 4e-4, 4e-4, "rsqrt")
    assert (pre.optim.warmup, pre.optim.cooldown, pre.data.image_masks, pre.loss.presence) == (1000, 5000, 64, 0)
    assert (joint.optim.steps, joint.optim.lr, joint.optim.trunk_lr, joint.optim.warmup) == (
        300_000,
        3e-4,
        6e-5,
        15_000,
    )
    assert (fine.optim.lr, fine.optim.trunk_lr) == (5e-6, 3e-6)
    for config in (pre, joint, fine):
        assert (config.optim.weight_decay, config.optim.clip, config.optim.layer_decay) == (0.1, 0.1, 0.9)
        assert (config.optim.betas, config.data.image_size) == ((0.9, 0.999), 1024)
        assert (config.loss.mask, config.loss.dice, config.loss.iou) == (20, 1, 1)
    for config in (joint, fine):
        assert (config.data.frames, config.data.clip_masks, config.data.reverse) == (8, 3, 0.5)
        assert config.prompts.video == (0.5, 0.25, 0.25)
        assert (config.prompts.prompted_frames, config.prompts.corrections, config.prompts.truth_clicks) == (
            2,
            (1, 7),
            0.1,
        )
        assert (config.augment.degrees, config.augment.shear, config.augment.gray) == (25, 20, 0.05)


def test_names() -> None:
    assert recipe_named("finetune-vos") == finetune_vos()
    with pytest.raises(FormatError, match="finetune_vos"):
        recipe_named("finetune")
    with pytest.raises(FormatError, match="'x'"):
        recipe_named("x")
