"""Losses from first principles on masks small enough to see."""

from __future__ import annotations

import math

import pytest
import torch

from masklet.train.config import LossConfig
from masklet.train.losses import actual_iou, compare, coverage, mask_terms

TRUTH = torch.zeros(1, 8, 8)
TRUTH[0, 2:6, 2:6] = 1
RIGHT = (TRUTH * 2 - 1)[:, None] * 20
CONFIG = LossConfig(stride=4)


def test_focal_is_that_of_the_formula() -> None:
    logits = torch.full((1, 1, 8, 8), 0.5)
    p = 1 / (1 + math.exp(-0.5))
    inside = 0.25 * (1 - p) ** 2 * -math.log(p)
    outside = 0.75 * p**2 * -math.log(1 - p)
    focal, dice, _ = mask_terms(logits, TRUTH, False)
    assert focal.item() == pytest.approx((16 * inside + 48 * outside) / 64, rel=1e-5)
    assert dice.item() == pytest.approx(1 - (2 * 16 * p + 1) / (64 * p + 16 + 1), rel=1e-5)


def test_a_perfect_mask_costs_nothing() -> None:
    for normalized in (False, True):
        focal, dice, iou = mask_terms(RIGHT, TRUTH, normalized)
        assert focal.item() < 1e-6
        assert dice.item() < 1e-6
        assert iou.item() == 1


def test_only_the_best_mask_is_moved_but_every_iou_is() -> None:
    logits = torch.cat([RIGHT, -RIGHT, torch.zeros_like(RIGHT)], dim=1).requires_grad_()
    iou = torch.tensor([[0.2, 0.4, 0.5]], requires_grad=True)
    terms = compare(logits, iou, torch.zeros(1), TRUTH, CONFIG)
    terms.total(CONFIG).sum().backward()
    assert logits.grad is not None
    assert logits.grad[:, 1:].abs().max() == 0
    assert terms.iou.item() == pytest.approx((0.8 + 0.4 + 0.5) / 3)  # actual: 1, 0, 0
    assert iou.grad is not None
    assert iou.grad.sign().tolist() == [[-1, 1, 1]]


def test_an_absent_object_counts_by_its_presence_alone() -> None:
    score = torch.tensor([2.0], requires_grad=True)
    logits = RIGHT.clone().requires_grad_()
    terms = compare(logits, torch.full((1, 1), 0.7), score, torch.zeros_like(TRUTH), CONFIG)
    assert [terms.mask.item(), terms.dice.item(), terms.iou.item()] == [0, 0, 0]
    assert terms.presence.item() == pytest.approx(math.log1p(math.exp(2)))
    terms.total(CONFIG).sum().backward()
    assert logits.grad is not None
    assert logits.grad.abs().max() == 0


@pytest.mark.parametrize("stride", [1, 4])
def test_chunks_change_nothing(stride: int) -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(5, 3, 8, 8, generator=generator)
    truth = (torch.rand(5, 32 // stride, 32 // stride, generator=generator) > 0.5).float()
    results = []
    for chunk in (2, 64):
        config = LossConfig(stride=stride, chunk=chunk)  # type: ignore[arg-type]
        leaf = logits.clone().requires_grad_()
        compare(leaf, torch.zeros(5, 3), torch.zeros(5), truth, config).total(config).sum().backward()
        results.append(leaf.grad)
    assert results[0] is not None
    assert results[1] is not None
    assert torch.allclose(results[0], results[1], atol=1e-7)


def test_weights_of_terms_are_those_of_the_paper() -> None:
    terms = compare(RIGHT * 0, torch.ones(1, 1), torch.zeros(1), TRUTH, LossConfig())
    total = 20 * terms.mask + terms.dice + terms.iou + terms.presence
    assert torch.equal(terms.total(LossConfig()), total)


def test_iou_of_pairs_and_of_two_empty_masks() -> None:
    empty = torch.zeros(1, 4, 4, dtype=torch.bool)
    half = empty.clone()
    half[:, :2] = True
    assert actual_iou(half, ~empty).tolist() == [0.5]
    assert actual_iou(empty, empty).tolist() == [0.0]


def test_coverage_is_the_share_of_each_cell() -> None:
    mask = torch.zeros(1, 8, 8, dtype=torch.bool)
    mask[0, :2, :4] = True
    assert coverage(mask, 4)[0].tolist() == [[0.5, 0], [0, 0]]
    assert coverage(mask, 1).shape == (1, 8, 8)
