"""Click refinement for models that answer corrective clicks badly: the embedded one.

SAM 2 answers a click on a tracked frame from the frame conditioned on memory, all clicks, and the previous mask. With
`ModelConfig.guided_corrections` (docs/adr/0019-corrections.md) the frame is not conditioned on memory, the box of the
tracked mask is added to the prompts, the answer is averaged with the previous mask, and every click is enforced.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor

from masklet.geometry import logits_to_image, points_to_model
from masklet.masks.boxes import boxes_of_masks
from masklet.model.mask_decoder import NO_OBJECT_LOGIT
from masklet.types import ObjectId, Prompts, Size

NEAR = 0.25
"""How far outside the tracked mask's box a click may still mean a part of it, as a share of the box's longer side."""

PREVIOUS_WEIGHT = 0.3
"""Weight of the previous mask in the average with the answer: their errors differ."""

MAX_LOGIT = 10.0
"""Logits are clamped to +- this before they are averaged."""

CLICK_LOGIT = 1.5
"""Logit at a click that the answer contradicts."""

CLICK_SPREAD = 0.2
"""Standard deviation of the change around such a click, as a share of the square root of the mask's area,"""

MIN_AREA = 64
"""which counts as at least so many pixels."""

OPPOSITE_SHARE = 3.0
"""The standard deviation is at most the distance to the nearest click with the other label over this,"""

MIN_SPREAD = 0.5
"""and at least so many pixels."""


class PromptStart(NamedTuple):
    """What an answer to clicks or a box starts from.

    Attributes:
        embedding: the frame conditioned on the object's memory; None for the frame without memory.
        previous: mask logits to correct, or None for a first answer.
        tracked: whether ``previous`` comes from tracking, or corrects what tracking found.
        separate: whether the prompts mean a separate part, which is segmented by itself and joined to ``previous``.
    """

    embedding: Float[Tensor, "1 c h w"] | None = None
    previous: Float[Tensor, "1 1 s s"] | None = None
    tracked: bool = False
    separate: bool = False

    @property
    def mask_prompt(self) -> Float[Tensor, "1 1 s s"] | None:
        """The previous logits that the prompt encoder takes."""
        return None if self.separate else self.previous


def guide_starts(
    prompts: Mapping[ObjectId, Prompts], starts: Mapping[ObjectId, PromptStart], size: Size
) -> dict[ObjectId, PromptStart]:
    """Start guided answers without memory, and without a tracked mask that is empty or that a box replaces.

    Args:
        prompts: by object.
        starts: of some of these objects.
        size: (height, width) of the frame.
    """
    return {i: _guided(start._replace(embedding=None), prompts[i], size) for i, start in starts.items()}


def _guided(start: PromptStart, prompts: Prompts, size: Size) -> PromptStart:
    if not start.tracked or start.previous is None:
        return start
    box = _mask_box(start.previous, size)
    positive = prompts.points[prompts.labels == 1]
    if prompts.box is not None or (box is None and len(positive)):
        return PromptStart()
    return start._replace(separate=box is not None and len(positive) > 0 and _outside(positive, box))


def with_tracked_box(prompts: Prompts, start: PromptStart, size: Size) -> Prompts:
    """Add the box of the tracked mask, extended to every positive click, to prompts without a box.

    Args:
        prompts: clicks or a box.
        start: of the answer.
        size: (height, width) of the image.
    """
    if prompts.box is not None or start.separate or not start.tracked or start.previous is None:
        return prompts
    box = _mask_box(start.previous, size)
    if box is None:
        return prompts
    positive = prompts.points[prompts.labels == 1]
    corners = np.concatenate([box.reshape(2, 2), positive, positive + 1])
    extended = np.concatenate([corners.min(axis=0), np.minimum(corners.max(axis=0), size[::-1])])
    return replace(prompts, box=extended.astype(np.float32))


def combine_with_previous(
    answer: Float[Tensor, "1 1 s s"],
    previous: Float[Tensor, "1 1 s s"] | None,
    prompts: Prompts,
    size: Size,
    *,
    separate: bool = False,
) -> Float[Tensor, "1 1 s s"]:
    """Average the answer with the previous mask and enforce every click; an absent answer stays as it is.

    Args:
        answer: logits.
        previous: logits it corrects, or None.
        prompts: in pixels of the image.
        size: (height, width) of the image.
        separate: whether the answer is a separate part, to be joined to the previous mask.
    """
    if not len(prompts.points) or bool((answer <= NO_OBJECT_LOGIT).all()):
        return answer
    if previous is not None and separate:
        answer = torch.maximum(answer, previous)
    elif previous is not None:
        answer, previous = answer.clamp(-MAX_LOGIT, MAX_LOGIT), previous.clamp(-MAX_LOGIT, MAX_LOGIT)
        answer = (1 - PREVIOUS_WEIGHT) * answer + PREVIOUS_WEIGHT * previous
    logits, side = answer[0, 0].float().cpu().numpy().copy(), answer.shape[-1]
    enforce_clicks(logits, replace(prompts, points=points_to_model(prompts.points, size, side), box=None))
    return torch.from_numpy(logits).to(answer)[None, None]


def enforce_clicks(logits: Float32[np.ndarray, "h w"], prompts: Prompts) -> None:
    """Make a mask agree with every click, in place: logits change around contradicted clicks, less farther away.

    Args:
        logits: of the mask.
        prompts: clicks in pixels of ``logits``.
    """
    spread = CLICK_SPREAD * math.sqrt(max(int(np.count_nonzero(logits > 0)), MIN_AREA))
    for point, label in zip(prompts.points, prompts.labels, strict=True):
        column, row = (min(int(place), length - 1) for place, length in zip(point, logits.shape[::-1], strict=True))
        sign = 1 if label else -1
        contradiction = -sign * float(logits[row, column])
        if contradiction < 0:
            continue
        others = np.linalg.norm(prompts.points[prompts.labels != label] - point, axis=1)
        sigma = max(min(spread, others.min(initial=math.inf) / OPPOSITE_SHARE), MIN_SPREAD)
        reach = math.ceil(4 * sigma)
        rows, columns = (slice(max(place - reach, 0), place + reach + 1) for place in (row, column))
        window = logits[rows, columns]
        down = np.arange(rows.start, rows.start + window.shape[0]) - row
        across = np.arange(columns.start, columns.start + window.shape[1]) - column
        weight = np.multiply.outer(*(np.exp(-(away**2) / (2 * sigma**2)) for away in (down, across)))
        window += (sign * (contradiction + CLICK_LOGIT) * weight).astype(np.float32)


def _mask_box(logits: Float[Tensor, "1 1 s s"], size: Size) -> Float32[np.ndarray, "4"] | None:
    """The box of a mask in pixels of the image; None where it is empty."""
    mask = logits_to_image(logits.float(), size)[0].cpu().numpy() > 0
    return np.asarray(boxes_of_masks(mask)[0]) if mask.any() else None


def _outside(points: Float32[np.ndarray, "n 2"], box: Float32[np.ndarray, "4"]) -> bool:
    """Whether all points are far outside a box."""
    reach = NEAR * float((box[2:] - box[:2]).max())
    near = ((points >= box[:2] - reach) & (points <= box[2:] + reach)).all(axis=1)
    return not bool(near.any())
