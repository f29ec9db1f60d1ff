"""Learning rates, schedules, frozen weights, and the EMA."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from masklet.errors import WeightsError
from masklet.model.config import NANO, TEST_TINY
from masklet.model.sam2 import Sam2
from masklet.train.config import OptimConfig
from masklet.train.optimizer import EMA, build_optimizer, freeze, lr_at, set_lr, set_train_mode


def test_each_trunk_layer_learns_slower_than_the_next() -> None:
    model = Sam2(TEST_TINY)
    groups = build_optimizer(model, OptimConfig(lr=1.0, trunk_lr=0.5, layer_decay=0.9)).param_groups
    lr_of = {id(p): group["lr"] for group in groups for p in group["params"]}
    lrs = {name: lr_of[id(p)] for name, p in model.named_parameters()}
    assert lrs["sam_mask_decoder.iou_token.weight"] == 1.0
    trunk = "image_encoder.trunk."
    assert lrs[f"{trunk}blocks.4.mlp.layers.0.weight"] == pytest.approx(0.5)
    assert lrs[f"{trunk}blocks.0.mlp.layers.0.weight"] == pytest.approx(0.5 * 0.9**4)
    assert lrs[f"{trunk}pos_embed"] == pytest.approx(0.5 * 0.9**5)
    assert lrs["image_encoder.neck.convs.0.conv.weight"] == 1.0


def test_biases_norms_and_embeddings_are_not_decayed() -> None:
    model = Sam2(TEST_TINY)
    groups = build_optimizer(model, OptimConfig(weight_decay=0.1)).param_groups
    decayed = {id(p) for group in groups if group["weight_decay"] for p in group["params"]}
    names = {name for name, p in model.named_parameters() if id(p) in decayed}
    assert "sam_mask_decoder.conv_s0.weight" in names
    assert not any(name.endswith("bias") or "norm" in name or "embed" in name for name in names)


@pytest.mark.parametrize(("step", "share"), [(0, 0.1), (9, 1.0), (10, 1.0), (55, 0.5), (100, 0.0)])
def test_cosine_rises_and_falls(step: int, share: float) -> None:
    config = OptimConfig(steps=100, warmup=10, schedule="cosine")
    assert lr_at(step, config) == pytest.approx(share, abs=1e-6)


def test_reciprocal_square_root_and_its_cooldown() -> None:
    config = OptimConfig(steps=1000, warmup=10, schedule="rsqrt", cooldown=100)
    assert lr_at(40, config) == pytest.approx(0.5)
    assert lr_at(950, config) == pytest.approx(0.5 * math.sqrt(10 / 950))
    level = OptimConfig(steps=1000, warmup=10, schedule="constant", cooldown=100)
    assert [lr_at(step, level) for step in (4, 500, 900, 950, 1000)] == [0.5, 1.0, 1.0, 0.5, 0.0]
    assert lr_at(999, replace(level, cooldown=0)) == 1.0


def test_learning_rates_are_shares_of_each_groups_peak() -> None:
    optimizer = build_optimizer(Sam2(TEST_TINY), OptimConfig(lr=1.0, trunk_lr=0.5))
    set_lr(optimizer, 0.25)
    assert all(group["lr"] == pytest.approx(0.25 * group["peak"]) for group in optimizer.param_groups)


def test_frozen_weights_are_chosen_by_prefix() -> None:
    model = Sam2(TEST_TINY)
    freeze(model, ("image_encoder.", "memory_"))
    trained = {name for name, p in model.named_parameters() if p.requires_grad}
    assert trained
    assert not any(name.startswith(("image_encoder.", "memory_")) for name in trained)
    with pytest.raises(WeightsError, match="image_encodr"):
        freeze(model, ("image_encodr",))


def test_batch_norms_keep_their_statistics() -> None:
    model = Sam2(NANO)
    set_train_mode(model)
    norms = [module for module in model.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    assert norms
    assert not any(norm.training for norm in norms)
    assert model.sam_mask_decoder.training


def test_the_ema_follows_and_swaps_in_and_out() -> None:
    model = Sam2(TEST_TINY)
    ema = EMA(model, 0.9)
    weight = model.no_mem_embed
    before = weight.detach().clone()
    with torch.no_grad():
        weight.add_(1.0)
    ema.update(model)
    assert torch.allclose(ema.weights["no_mem_embed"], before + 9 / 11)  # early on it follows faster
    ema.swap(model)
    assert torch.allclose(weight, before + 9 / 11)
    ema.swap(model)
    assert torch.allclose(weight, before + 1)


def test_a_decay_of_zero_turns_the_ema_off() -> None:
    model = Sam2(TEST_TINY)
    ema = EMA(model, 0.0)
    before = model.no_mem_embed.detach().clone()
    ema.update(model)
    ema.swap(model)
    assert torch.equal(model.no_mem_embed, before)
