"""LoRA (Hu et al. 2021): a frozen linear layer plus the product of two small trained matrices.

A 1 x 1 convolution counts as a linear layer.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils import parametrize

from masklet.model.sam2 import Sam2


class LowRank(nn.Module):
    """Adds ``up @ down`` to a weight; initially zero, so that the model starts unchanged."""

    def __init__(self, weight: Tensor, rank: int) -> None:
        super().__init__()
        rows, columns = weight.shape[:2]
        self.down = nn.Parameter(torch.empty(rank, columns))
        self.up = nn.Parameter(torch.zeros(rows, rank))
        nn.init.kaiming_uniform_(self.down, a=math.sqrt(5))

    def forward(self, weight: Float[Tensor, "o i *k"]) -> Float[Tensor, "o i *k"]:
        return weight + (self.up @ self.down).view_as(weight)


def add_lora(model: Sam2, rank: int) -> None:
    """Add a trained low-rank update to every linear layer of the trunk and freeze the trunk's own weights."""
    model.image_encoder.trunk.requires_grad_(False)
    for layer in list(_linear_layers(model)):
        parametrize.register_parametrization(layer, "weight", LowRank(layer.weight, rank))


def merge_lora(model: Sam2) -> None:
    """Add the updates to the weights and remove the extra parameters."""
    for layer in list(_linear_layers(model)):
        if parametrize.is_parametrized(layer, "weight"):
            parametrize.remove_parametrizations(layer, "weight", leave_parametrized=True)


def _linear_layers(model: Sam2) -> Iterator[nn.Linear | nn.Conv2d]:
    for layer in model.image_encoder.trunk.modules():
        if isinstance(layer, nn.Linear) or (
            isinstance(layer, nn.Conv2d) and layer.kernel_size == (1, 1) and layer.groups == 1
        ):
            yield layer
