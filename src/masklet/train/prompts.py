"""Simulated prompts on tensors: all random decisions of a batch drawn in advance, and clicks by the paper's rule.

Clicks follow the rule of `masklet.predict.annotator`, but for all objects at once, on the grid of the mask logits, and
mixed with random clicks (paper appendix D.1).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Bool, Float, Float32, Int
from scipy import ndimage
from torch import Tensor

from masklet.model.tensors import PromptTensors
from masklet.train.config import PromptConfig

PromptKind = Literal["mask", "click", "box"]
KINDS: tuple[PromptKind, ...] = ("mask", "click", "box")
NEGATIVE, POSITIVE, TOP_LEFT, BOTTOM_RIGHT = 0, 1, 2, 3
"""Labels of the points in `PromptTensors`."""

MAX_BOX_SHIFT = 20.0
CELL = 4
"""Side of the cells of the mask logits in pixels; clicks are at the centers of cells."""


@dataclass(frozen=True, eq=False)
class PromptPlan:
    """How the objects of a batch are prompted. Uniform numbers in [0, 1) become positions once the masks are known.

    Attributes:
        kinds: first prompt of each object.
        prompted: frames with a first prompt, ascending; frame 0 is always one of them.
        corrected: frames with corrective clicks, ascending.
        rounds: corrective clicks on each of those.
        first: for each frame and object, the random pixel (0) and whether to use the center instead (1).
        boxes: normally distributed offsets of the sides of each box.
        corrections: for each round, frame and object, the random pixel (0), whether to use the center instead (1), and
            whether to sample the true mask instead of the error (2).
        config: the probabilities that the numbers are compared with.
    """

    kinds: tuple[PromptKind, ...]
    prompted: tuple[int, ...]
    corrected: tuple[int, ...]
    rounds: int
    first: Float32[np.ndarray, "t n 2"]
    boxes: Float32[np.ndarray, "t n 4"]
    corrections: Float32[np.ndarray, "r t n 3"]
    config: PromptConfig


def draw_plan(config: PromptConfig, num_frames: int, num_objects: int, generator: np.random.Generator) -> PromptPlan:
    """Draw a plan for a batch of clips of ``num_frames`` frames with ``num_objects`` objects in all."""
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


def first_prompts(
    truth: Bool[Tensor, "n s s"], plan: PromptPlan, frame: int, rows: Sequence[int]
) -> list[PromptTensors]:
    """Return the first click or box on each object, by its true mask."""
    draws = torch.from_numpy(plan.first[frame, rows]).to(truth.device)
    cells = F.max_pool2d(truth[:, None].float(), CELL)[:, 0] > 0
    clicks = cell_centers(pick_pixels(cells, draws[:, 0], draws[:, 1] < plan.config.centered_clicks))
    noise = torch.from_numpy(plan.boxes[frame, rows]).to(truth.device)
    boxes = noisy_boxes(truth, noise, plan.config.box_noise)
    by_kind = {
        "click": (clicks[:, None], torch.tensor([[POSITIVE]], device=truth.device)),
        "box": (boxes, torch.tensor([[TOP_LEFT, BOTTOM_RIGHT]], device=truth.device)),
    }
    chosen = [by_kind[plan.kinds[row]] for row in rows]
    return [PromptTensors(points[[i]], labels) for i, (points, labels) in enumerate(chosen)]


@torch.no_grad()
def next_clicks(
    logits: Float[Tensor, "n 1 s4 s4"],
    truth: Bool[Tensor, "n s s"],
    draws: Float[Tensor, "n 3"],
    config: PromptConfig,
) -> tuple[Float[Tensor, "n 2"], Int[Tensor, " n"]]:
    """Return the next click (x, y) on each object, in pixels of the model input, and its label.

    Errors are found in cells of 4 x 4 pixels. Where there is no error, or the plan says so, the click falls on the true
    mask, or anywhere on the frame (as a negative click) if the object is absent.
    """
    coverage = F.avg_pool2d(truth[:, None].float(), CELL)[:, 0]
    target, predicted = coverage > 0.5, logits[:, 0] > 0
    missing, surplus = target & ~predicted, predicted & ~target
    perfect = ~(missing | surplus).flatten(1).any(1)
    from_truth = (draws[:, 2] < config.truth_clicks) | perfect
    touched = coverage > 0
    visible = touched.flatten(1).any(1)
    missing = torch.where((from_truth & visible)[:, None, None], touched, missing)
    surplus = torch.where((from_truth & visible)[:, None, None], torch.zeros_like(surplus), surplus)
    surplus = torch.where((from_truth & ~visible)[:, None, None], torch.ones_like(surplus), surplus)
    cells, positive = pick_correction(missing, surplus, draws, config)
    return cell_centers(cells), positive.long()


def pick_correction(
    missing: Bool[Tensor, "n h w"],
    surplus: Bool[Tensor, "n h w"],
    draws: Float[Tensor, "n 3"],
    config: PromptConfig,
) -> tuple[Float[Tensor, "n 2"], Bool[Tensor, " n"]]:
    """Return the pixel (x, y) of the next click on each object, and whether it is positive.

    Centered clicks go to the center of the deepest error, the others to any wrong pixel.
    """
    where, centered = draws[:, 0], draws[:, 1] < config.centered_clicks
    positive = missing.flatten(1).any(1)
    if centered.any():
        deepest = [depth(region).flatten(1).amax(1) for region in (missing, surplus)]
        positive = torch.where(centered, deepest[0] >= deepest[1], positive)
    larger = torch.where(positive[:, None, None], missing, surplus)
    pixels = pick_pixels(torch.where(centered[:, None, None], larger, missing | surplus), where, centered)
    rows = torch.arange(len(pixels), device=pixels.device)
    x, y = pixels.long().unbind(1)
    return pixels, torch.where(centered, positive, missing[rows, y, x])


def pick_pixels(
    regions: Bool[Tensor, "n h w"], where: Float[Tensor, " n"], centered: Bool[Tensor, " n"]
) -> Float[Tensor, "n 2"]:
    """Return one pixel (x, y) of each region: its center, or the pixel at the share ``where`` in reading order.

    For an empty region it is (0, 0).
    """
    width = regions.shape[2]
    order = regions.flatten(1).cumsum(1)
    rank = (where * order[:, -1]).floor().long() + 1
    place = (order >= rank[:, None]).to(torch.uint8).argmax(1)
    if centered.any():
        place = torch.where(centered, depth(regions).flatten(1).argmax(1), place)
    return torch.stack([place % width, place // width], dim=1).float()


def depth(regions: Bool[Tensor, "n h w"]) -> Float[Tensor, "n h w"]:
    """Compute the chessboard distance of each pixel inside a region to the outside; beyond the border is outside."""
    framed = F.pad(regions, (1, 1, 1, 1)).cpu().numpy()
    steps = np.stack([ndimage.distance_transform_cdt(region, "chessboard") for region in framed])
    return torch.from_numpy(steps[:, 1:-1, 1:-1].astype(np.float32)).to(regions.device)


def cell_centers(cells: Float[Tensor, "n 2"]) -> Float[Tensor, "n 2"]:
    """Return the centers (x, y) of cells, in pixels of the model input."""
    return cells * CELL + (CELL - 1) / 2


def noisy_boxes(masks: Bool[Tensor, "n h w"], noise: Float[Tensor, "n 4"], scale: float) -> Float[Tensor, "n 2 2"]:
    """Return the top-left and bottom-right corners (x, y) of each mask's box, shifted by noise.

    A unit of noise is a share ``scale`` of the side of the box; a shift is at most 20 pixels.
    """
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
    shift = (noise.view(-1, 2, 2) * scale * size).clamp(-MAX_BOX_SHIFT, MAX_BOX_SHIFT)
    limit = torch.tensor([width - 1.0, height - 1.0], device=masks.device)
    moved = torch.minimum((corners + shift).clamp(min=0), limit)
    low, high = moved.amin(1), moved.amax(1)
    return torch.stack([low, torch.maximum(high, low + 1)], dim=1)
