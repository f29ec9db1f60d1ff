"""How weights move: rates of their own for trunk, layers and the rest; schedules; a moving average of the weights."""

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


def freeze(model: Sam2, prefixes: Iterable[str]) -> None:
    """Let everything be trained but the weights whose names begin so; batch norms keep their statistics."""
    model.requires_grad_(True)
    names = [name for name, _ in model.named_parameters()]
    for prefix in prefixes:
        if not any(name.startswith(prefix) for name in names):
            raise WeightsError(f"optim.freeze: no weight's name begins with {prefix!r}")
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(not name.startswith(tuple(prefixes)))


def train_mode(model: Sam2) -> None:
    """Training mode, but batch norms go on with the statistics they have: batches are small."""
    model.train()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()


def build_optimizer(model: Sam2, config: OptimConfig) -> torch.optim.AdamW:
    """AdamW with one group for each rate and decay; a group's ``peak`` is its rate at the height of the schedule."""
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    depth = trunk_depth(model)
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            rate = config.lr
            if name.startswith(TRUNK):
                rate = config.trunk_lr * config.layer_decay ** (depth - trunk_layer(name, depth))
            decay = config.weight_decay if parameter.ndim > 1 and "embed" not in name else 0.0
            groups.setdefault((rate, decay), []).append(parameter)
    listed = [{"params": ps, "lr": rate, "peak": rate, "weight_decay": decay} for (rate, decay), ps in groups.items()]
    return torch.optim.AdamW(listed, betas=config.betas)


def trunk_depth(model: Sam2) -> int:
    """Number of the trunk's last layer; the first is 1."""
    layers = [
        int(m[1])
        for name, _ in model.named_parameters()
        if (m := re.match(rf"{re.escape(TRUNK)}blocks\.(\d+)\.", name))
    ]
    return max(layers, default=0) + 1


def trunk_layer(name: str, depth: int) -> int:
    """Which layer a weight of the trunk belongs to: 0 for patches and position code, ``depth`` for the last block."""
    matched = re.match(rf"{re.escape(TRUNK)}blocks\.(\d+)\.", name)
    if matched:
        return int(matched[1]) + 1
    return 0 if re.search(r"patch_embed|pos_embed|stem|trunk\.bn1", name) else depth


def rate_at(step: int, config: OptimConfig) -> float:
    """The share of its peak at which every rate stands in a step (from 0)."""
    if step < config.warmup:
        return (step + 1) / config.warmup
    if config.schedule == "cosine":
        done = (step - config.warmup) / max(config.steps - config.warmup, 1)
        return 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))
    left = config.steps - step
    down = min(left / config.cooldown, 1.0) if config.cooldown else 1.0
    if config.schedule == "constant":
        return down
    scale = max(config.warmup, 1)
    return math.sqrt(scale / max(step, scale)) * down


def set_rates(optimizer: torch.optim.Optimizer, share: float) -> None:
    """Put every group at a share of its peak rate."""
    for group in optimizer.param_groups:
        group["lr"] = group["peak"] * share


class Average:
    """A moving average of the trained weights; early on it follows faster, so that the start is soon forgotten."""

    def __init__(self, model: Sam2, decay: float) -> None:
        self.decay, self.steps = decay, 0
        self.weights = {name: p.detach().clone() for name, p in _trained(model)} if decay else {}

    @torch.no_grad()
    def update(self, model: Sam2) -> None:
        """Take in the weights of one more step."""
        if not self.decay:
            return
        self.steps += 1
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        for name, parameter in _trained(model):
            self.weights[name].lerp_(parameter, 1 - decay)

    @torch.no_grad()
    def swap(self, model: Sam2) -> None:
        """Exchange the model's weights with the average; twice gives both back."""
        for name, parameter in _trained(model):
            if name in self.weights:
                kept = parameter.clone()
                parameter.copy_(self.weights[name])
                self.weights[name].copy_(kept)

    def state(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {"steps": self.steps, "weights": self.weights}

    def restore(self, state: dict[str, Any]) -> None:
        """From a checkpoint."""
        self.steps = state["steps"]
        for name, weight in state["weights"].items():
            self.weights[name].copy_(weight)


def _trained(model: Sam2) -> Iterator[tuple[str, Tensor]]:
    return ((name, p) for name, p in model.named_parameters() if p.requires_grad)
