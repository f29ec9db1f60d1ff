"""One step: losses are finite, gradients reach what is to be trained, and nothing moves on a broken gradient."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from masklet.model.presets import TEST_TINY
from masklet.model.sam2 import Sam2
from masklet.train.config import DataConfig, TrainConfig
from masklet.train.loop import TrainData, fresh_model
from masklet.train.mixture import Mixture
from masklet.train.optimizer import build_optimizer, train_mode
from masklet.train.recipes import full
from masklet.train.step import descend, score


@pytest.fixture
def paper(config: TrainConfig) -> TrainConfig:
    """The paper's recipe at a tiny size."""
    recipe = full()
    small = DataConfig(image_size=64, image_masks=4, frames=4, image_share=0.3, clip_batch=2, synthetic=0.7)
    return replace(recipe, model=TEST_TINY, data=small, optim=replace(recipe.optim, autocast=False, accumulate=1))


def test_the_papers_recipe_reaches_every_weight(paper: TrainConfig, data: TrainData) -> None:
    """Codes of an absent object are learned once the model says that one is absent, which it must be made to here."""
    torch.manual_seed(0)
    model = fresh_model(paper)
    train_mode(model)
    mixture = Mixture(paper, data.stills, data.videos)
    reached: set[str] = set()
    for number in range(12):
        model.zero_grad(set_to_none=True)
        with torch.no_grad():
            model.sam_mask_decoder.pred_obj_score_head.layers[-1].bias.fill_(3.0 if number % 2 else -3.0)  # type: ignore[operator]
        scored = score(model, mixture[number], paper.loss)
        assert torch.isfinite(scored.loss)
        scored.loss.backward()
        reached |= {name for name, p in model.named_parameters() if p.grad is not None and p.grad.any()}
    assert {name for name, _ in model.named_parameters()} == reached


def test_a_step_moves_weights_and_tells_its_terms(config: TrainConfig, data: TrainData) -> None:
    model = fresh_model(config)
    train_mode(model)
    before = {name: p.clone() for name, p in model.named_parameters()}
    optimizer = build_optimizer(model, config.optim)
    terms, norm = descend(model, [Mixture(config, data.stills, data.videos)[0]], optimizer, config)
    loss = config.loss
    weighted = loss.mask * terms["mask"] + loss.dice * terms["dice"] + loss.iou * terms["iou"] + terms["presence"]
    assert terms["loss"] == pytest.approx(weighted, rel=1e-4)
    assert norm > 0
    assert any(not torch.equal(p, before[name]) for name, p in model.named_parameters())


def test_a_gradient_that_is_not_finite_moves_nothing(config: TrainConfig, data: TrainData) -> None:
    model = fresh_model(config)
    train_mode(model)
    with torch.no_grad():
        model.sam_mask_decoder.iou_token.weight.fill_(float("inf"))
    before = {name: p.clone() for name, p in model.named_parameters()}
    optimizer = build_optimizer(model, config.optim)
    _, norm = descend(model, [Mixture(config, data.stills, data.videos)[0]], optimizer, config)
    assert not torch.isfinite(torch.tensor(norm))
    assert all(torch.equal(p, before[name]) for name, p in model.named_parameters())


def test_bf16_stays_near_float32(config: TrainConfig, data: TrainData, one_thread: None) -> None:
    torch.manual_seed(0)
    model: Sam2 = fresh_model(config)
    task = Mixture(config, data.stills, data.videos)[0]
    exact = score(model, task, config.loss).loss
    with torch.autocast("cpu", torch.bfloat16):
        rounded = score(model, task, config.loss).loss
    assert rounded.item() == pytest.approx(exact.item(), rel=0.05)


@pytest.mark.parametrize("every_first", [False, True])
def test_candidate_0_learns_from_ambiguous_answers_if_it_is_to(
    config: TrainConfig, data: TrainData, *, every_first: bool
) -> None:
    asked = replace(config.prompts, video=(0.0, 1.0, 0.0), image=(0.0, 1.0, 0.0), corrections=(0, 0))
    told = replace(config, prompts=asked, loss=replace(config.loss, every_first=every_first))
    model = fresh_model(told)
    train_mode(model)
    score(model, Mixture(told, data.stills, data.videos)[0], told.loss).loss.backward()
    learns = {
        name.split(".")[2]
        for name, p in model.named_parameters()
        if "output_hypernetworks_mlps" in name and p.grad is not None and p.grad.any()
    }
    assert ("0" in learns) is every_first
    assert learns & {"1", "2", "3"}
