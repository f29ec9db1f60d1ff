"""Results of weights are computed once, and again after a change."""

from __future__ import annotations

import torch

from masklet.model.weight_cache import WeightCache


def test_computed_again_after_a_change() -> None:
    weight, cache, calls = torch.nn.Parameter(torch.ones(2)), WeightCache[torch.Tensor](), []

    def double() -> torch.Tensor:
        calls.append(1)
        return weight * 2

    with torch.no_grad():
        first = cache.get([weight], double)
        assert cache.get([weight], double) is first
        assert cache.get([weight], double, "other") is not first
        weight.add_(1)
        assert cache.get([weight], double, "other").tolist() == [4, 4]
    assert len(calls) == 3
    assert cache.get([weight], double, "other").requires_grad  # gradients are never cut off by a cached result
