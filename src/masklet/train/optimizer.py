"""Optimizer: trained and frozen weights, parameter groups, learning rate schedule, and the EMA of the weights."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from masklet.errors import WeightsError
from masklet.model.sam2 import Sam2
from masklet.train.config import OptimConfig

TRUNK = "image_encoder.trunk."
_BLOCK = re.compile(rf"{re.escape(TRUNK)}(?:blocks\.|body\.stages_)(\d+)\.")


def freeze(model: Sam2, prefixes: Iterable[str]) -> None:
    """Make all weights trainable except those whose names begin with one of the prefixes.

    Raises:
        WeightsError: a prefix matches no weight.
    """
    model.requires_grad_(True)
    names = [name for name, _ in model.named_parameters()]
    for prefix in prefixes:
        if not any(name.startswith(prefix) for name in names):
            raise WeightsError(f"optim.freeze: no weight's name begins with {prefix!r}")
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(not name.startswith(tuple(prefixes)))


def set_train_mode(model: Sam2) -> None:
    """Set training mode, but let batch norms keep their running statistics, since batches are small."""
    model.train()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()


def build_optimizer(model: Sam2, config: OptimConfig) -> torch.optim.AdamW:
    """Build AdamW with one group for each learning rate and weight decay; "peak" is a group's peak learning rate."""
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    depth = trunk_depth(model)
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            lr = config.lr
            if name.startswith(TRUNK):
                lr = config.trunk_lr * config.layer_decay ** (depth - trunk_layer(name, depth))
            decay = config.weight_decay if parameter.ndim > 1 and "embed" not in name else 0.0
            groups.setdefault((lr, decay), []).append(parameter)
    listed = [{"params": ps, "lr": lr, "peak": lr, "weight_decay": decay} for (lr, decay), ps in groups.items()]
    return torch.optim.AdamW(listed, betas=config.betas)


def trunk_depth(model: Sam2) -> int:
    """Return the number of the trunk's last layer; the first block is layer 1."""
    blocks = [int(match[1]) for name, _ in model.named_parameters() if (match := _BLOCK.match(name))]
    return max(blocks, default=0) + 1


def trunk_layer(name: str, depth: int) -> int:
    """Return the layer of a trunk weight: 0 for patch and position embeddings, ``depth`` for those after the blocks."""
    if match := _BLOCK.match(name):
        return int(match[1]) + 1
    return 0 if re.search(r"patch_embed|pos_embed|stem|trunk\.bn1", name) else depth


def lr_at(step: int, config: OptimConfig) -> float:
    """Return the learning rate in a step (from 0) as a share of its peak."""
    if step < config.warmup:
        return (step + 1) / config.warmup
    if config.schedule == "cosine":
        progress = (step - config.warmup) / max(config.steps - config.warmup, 1)
        return 0.5 * (1 + math.cos(math.pi * min(progress, 1.0)))
    left = config.steps - step
    cooldown = min(left / config.cooldown, 1.0) if config.cooldown else 1.0
    if config.schedule == "constant":
        return cooldown
    scale = max(config.warmup, 1)
    return math.sqrt(scale / max(step, scale)) * cooldown


def set_lr(optimizer: torch.optim.Optimizer, scale: float) -> None:
    """Set the learning rate of every group to a share of its peak."""
    for group in optimizer.param_groups:
        group["lr"] = group["peak"] * scale


class EMA:
    """Exponential moving average of the trained weights, off if the decay is 0.

    In the first steps the decay is smaller, so that the initial weights are soon forgotten.
    """

    def __init__(self, model: Sam2, decay: float) -> None:
        self.decay, self.steps = decay, 0
        self.weights = {name: p.detach().clone() for name, p in _trained(model)} if decay else {}

    @torch.no_grad()
    def update(self, model: Sam2) -> None:
        """Include the weights of one more step."""
        if not self.decay:
            return
        self.steps += 1
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        for name, parameter in _trained(model):
            self.weights[name].lerp_(parameter, 1 - decay)

    @torch.no_grad()
    def swap(self, model: Sam2) -> None:
        """Exchange the weights of the model with the average; a second call undoes it."""
        for name, parameter in _trained(model):
            if name in self.weights:
                current = parameter.clone()
                parameter.copy_(self.weights[name])
                self.weights[name].copy_(current)

    def state_dict(self) -> dict[str, Any]:
        """Return the content of a checkpoint."""
        return {"steps": self.steps, "weights": self.weights}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the content of a checkpoint."""
        self.steps = state["steps"]
        for name, weight in state["weights"].items():
            self.weights[name].copy_(weight)


def _trained(model: Sam2) -> Iterator[tuple[str, Tensor]]:
    return ((name, p) for name, p in model.named_parameters() if p.requires_grad)
