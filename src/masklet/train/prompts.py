"""Simulated people: every random decision of a step, drawn before the forward pass and kept as data (paper D.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Bool, Float, Float32
from scipy import ndimage
from torch import Tensor

from masklet.train.config import PromptConfig

Kind = Literal["mask", "click", "box"]
KINDS: tuple[Kind, ...] = ("mask", "click", "box")
MAX_BOX_SHIFT = 20.0


@dataclass(frozen=True, eq=False)
class PromptPlan:
    """Who is prompted how, where and when in one batch. Uniform numbers in [0, 1) become places once masks are known.

    Attributes:
        kinds: first prompt of each object.
        prompted: frames with a first prompt, in order; frame 0 is the first.
        corrected: frames with corrective clicks, in order.
        rounds: corrective clicks on each of those.
        first: for each frame and object: which pixel (0), and whether its middle instead (1).
        boxes: normal numbers: how each side of a box is off.
        corrections: for each round, frame and object: which pixel (0), its middle instead (1), true mask instead (2).
        config: the shares that the numbers are compared with.
    """

    kinds: tuple[Kind, ...]
    prompted: tuple[int, ...]
    corrected: tuple[int, ...]
    rounds: int
    first: Float32[np.ndarray, "t n 2"]
    boxes: Float32[np.ndarray, "t n 4"]
    corrections: Float32[np.ndarray, "r t n 3"]
    config: PromptConfig


def draw_plan(config: PromptConfig, num_frames: int, num_objects: int, generator: np.random.Generator) -> PromptPlan:
    """A plan for a batch of clips of ``num_frames`` frames with ``num_objects`` objects in all."""
    shares = config.video if num_frames > 1 else config.image
    kinds = generator.choice(len(KINDS), num_objects, p=np.array(shares) / sum(shares))
    later = generator.permutation(np.arange(1, num_frames))
    num_prompted = int(generator.integers(1, min(config.prompted_frames, num_frames) + 1))
    prompted = (0, *sorted(int(i) for i in later[: num_prompted - 1]))
    num_corrected = int(generator.integers(1, min(config.corrected_frames, num_frames) + 1))
    others = [int(i) for i in generator.permutation(num_frames) if i not in prompted]
    corrected = tuple(sorted([*prompted, *others][:num_corrected]))
    rounds = int(generator.integers(config.corrections[0], config.corrections[1] + 1))
    return PromptPlan(
        kinds=tuple(KINDS[i] for i in kinds),
        prompted=prompted,
        corrected=corrected,
        rounds=rounds,
        first=generator.random((num_frames, num_objects, 2), np.float32),
        boxes=generator.standard_normal((num_frames, num_objects, 4), np.float32),
        corrections=generator.random((rounds, num_frames, num_objects, 3), np.float32),
        config=config,
    )


def pick_pixels(
    regions: Bool[Tensor, "n h w"], where: Float[Tensor, " n"], centered: Bool[Tensor, " n"]
) -> Float[Tensor, "n 2"]:
    """(x, y) of a pixel of each region: its middle, or the one at the share ``where`` in reading order.

    An empty region gives its pixel (0, 0).
    """
    count, _, width = regions.shape
    flat = regions.flatten(1)
    order = flat.cumsum(1)
    wanted = (where * order[:, -1]).floor().long() + 1
    place = (order >= wanted[:, None]).to(torch.uint8).argmax(1)
    if centered.any():
        deepest = depth(regions).flatten(1).argmax(1)
        place = torch.where(centered, deepest, place)
    assert len(place) == count
    return torch.stack([place % width, place // width], dim=1).float()


def depth(regions: Bool[Tensor, "n h w"]) -> Float[Tensor, "n h w"]:
    """How many times a region can be eroded before a pixel is gone: the distance to its outline, in king's moves."""
    framed = F.pad(regions, (1, 1, 1, 1)).cpu().numpy()
    steps = np.stack([ndimage.distance_transform_cdt(region, "chessboard") for region in framed])
    return torch.from_numpy(steps[:, 1:-1, 1:-1].astype(np.float32)).to(regions.device)


def pick_correction(
    missing: Bool[Tensor, "n h w"],
    surplus: Bool[Tensor, "n h w"],
    draws: Float[Tensor, "n 3"],
    config: PromptConfig,
) -> tuple[Float[Tensor, "n 2"], Bool[Tensor, " n"]]:
    """The next click on each object and whether it is positive.

    Centered clicks go to the middle of the deepest error, others to any wrong pixel.
    """
    where, middle = draws[:, 0], draws[:, 1] < config.centered_clicks
    positive = missing.flatten(1).any(1)
    if middle.any():
        deepest = [depth(region).flatten(1).amax(1) for region in (missing, surplus)]
        positive = torch.where(middle, deepest[0] >= deepest[1], positive)
    regions = torch.where(
        middle[:, None, None], torch.where(positive[:, None, None], missing, surplus), missing | surplus
    )
    places = pick_pixels(regions, where, middle)
    rows = torch.arange(len(places), device=places.device)
    x, y = places.long().unbind(1)
    return places, torch.where(middle, positive, missing[rows, y, x])


def noisy_boxes(masks: Bool[Tensor, "n h w"], noise: Float[Tensor, "n 4"], share: float) -> Float[Tensor, "n 2 2"]:
    """Top-left and bottom-right corners (x, y) of each mask's box, off by a share of its size."""
    height, width = masks.shape[1:]
    sides = []
    for axis, length in ((1, width), (2, height)):
        line = masks.any(axis)
        low = line.to(torch.uint8).argmax(1)
        high = length - 1 - line.flip(1).to(torch.uint8).argmax(1)
        sides.append(torch.stack([low, high], dim=1).float())
    x, y = sides
    corners = torch.stack([x, y], dim=2)
    size = (corners[:, 1] - corners[:, 0] + 1)[:, None]
    shift = (noise.view(-1, 2, 2) * share * size).clamp(-MAX_BOX_SHIFT, MAX_BOX_SHIFT)
    limit = torch.tensor([width - 1.0, height - 1.0], device=masks.device)
    moved = torch.minimum((corners + shift).clamp(min=0), limit)
    low, high = moved.amin(1), moved.amax(1)
    return torch.stack([low, torch.maximum(high, low + 1)], dim=1)
