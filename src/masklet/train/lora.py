"""Low-rank updates (Hu et al. 2021): a frozen linear layer plus the product of two small trained ones."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils import parametrize

from masklet.errors import WeightsError
from masklet.model.sam2 import Sam2


class LowRank(nn.Module):
    """Adds ``up @ down`` to a weight; zero at the start, so that the model begins as it was."""

    def __init__(self, weight: Tensor, rank: int) -> None:
        super().__init__()
        rows, columns = weight.shape
        self.down = nn.Parameter(torch.empty(rank, columns))
        self.up = nn.Parameter(torch.zeros(rows, rank))
        nn.init.kaiming_uniform_(self.down, a=math.sqrt(5))

    def forward(self, weight: Float[Tensor, "o i"]) -> Float[Tensor, "o i"]:
        return weight + self.up @ self.down


def add_lora(model: Sam2, rank: int) -> None:
    """Give every linear layer of the trunk a trained low-rank update; freeze the trunk's own weights.

    Raises:
        WeightsError: the trunk has no linear layers (a convolution network).
    """
    model.image_encoder.trunk.requires_grad_(False)
    layers = list(_linear(model))
    if not layers:
        raise WeightsError("optim.lora needs a trunk with linear layers (Hiera); this one has none")
    for layer in layers:
        parametrize.register_parametrization(layer, "weight", LowRank(layer.weight, rank))


def merge_lora(model: Sam2) -> None:
    """Put the updates into the weights for good: a model of the ordinary form."""
    for layer in list(_linear(model)):
        if parametrize.is_parametrized(layer, "weight"):
            parametrize.remove_parametrizations(layer, "weight", leave_parametrized=True)


def _linear(model: Sam2) -> Iterator[nn.Linear]:
    return (layer for layer in model.image_encoder.trunk.modules() if isinstance(layer, nn.Linear))
