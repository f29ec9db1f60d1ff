"""What an answer to clicks starts from, and how models that take corrections badly are helped: the embedded one.

SAM 2 answers a click on a tracked frame from the frame as seen with memory, all clicks, and the mask before. With
`ModelConfig.guided_corrections` (docs/adr/0019-corrections.md) the frame is seen without memory, the box around the
tracked mask is told with the clicks, a part of the mask before stays, and every click holds.
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

from masklet.backends.protocol import Model
from masklet.geometry import logits_to_image, points_to_model
from masklet.masks.boxes import boxes_of_masks
from masklet.model.mask_selection import NO_OBJECT_LOGIT
from masklet.model.tensors import ImageFeatures
from masklet.types import ObjectId, Prompts, Size

NEAR = 0.25
"""How far beyond the tracked mask's box a click may mean a part of it, as a share of the box's longer side."""

KEPT = 0.3
"""Share of the mask before in the mean with the answer: the two err less together."""

CERTAIN = 10.0
"""Logits beyond +- this are as good as this."""

SURE = 1.5
"""Logit that a click gets where the answer contradicts it."""

CLICKED = 0.2
"""How far such a click reaches (standard deviation), as a share of the square root of the mask's area."""

SMALLEST = 64
"""Pixels that a mask counts as at least, so that a click in a tiny one reaches somewhere."""

APART = 3.0
"""Nor farther than this part of the way to the nearest click that says the opposite."""

SHARPEST = 0.5
"""Spread in pixels that a click has at least."""


class Start(NamedTuple):
    """What an answer to clicks or a box starts from.

    Attributes:
        embedding: the frame, as seen with the object's memory or alone.
        previous: mask logits to be corrected, or None for a first look.
        tracked: these are what a pass found, or a correction of it, and no answer to clicks alone.
        apart: what is meant is apart from the mask: it is looked for by itself, and joins it.
    """

    embedding: Float[Tensor, "1 c h w"]
    previous: Float[Tensor, "1 1 s s"] | None = None
    tracked: bool = False
    apart: bool = False

    @property
    def afresh(self) -> Start:
        """The same without a mask to be corrected."""
        return Start(self.embedding)

    @property
    def shown(self) -> Float[Tensor, "1 1 s s"] | None:
        """What the model sees of the mask to be corrected."""
        return None if self.apart else self.previous


def guided(
    model: Model,
    features: ImageFeatures,
    prompts: Mapping[ObjectId, Prompts],
    starts: Mapping[ObjectId, Start],
    size: Size,
) -> dict[ObjectId, Start]:
    """The starts; where corrections are guided, without memory.

    A tracked mask is no start where it is empty, or where a box says what is meant.

    Args:
        model: the model.
        features: of the frame, unconditioned.
        prompts: by object.
        starts: of some of these objects.
        size: (height, width) of the frame.
    """
    if not (starts and model.config.guided_corrections):
        return dict(starts)
    alone = model.condition(features, None).embedding
    return {i: _guided(start._replace(embedding=alone), prompts[i], size) for i, start in starts.items()}


def told(prompts: Prompts, start: Start, size: Size) -> Prompts:
    """What the model is told in a guided answer: on a tracked frame the box around the mask, too, if none was said.

    It reaches to every positive click.

    Args:
        prompts: clicks or a box.
        start: of the answer.
        size: (height, width) of the picture.
    """
    if prompts.box is not None or start.apart or not start.tracked or start.previous is None:
        return prompts
    found = _box(start.previous, size)
    if found is None:
        return prompts
    wanted = prompts.points[prompts.labels == 1]
    corners = np.concatenate([found.reshape(2, 2), wanted, wanted + 1])
    box = np.concatenate([corners.min(axis=0), np.minimum(corners.max(axis=0), size[::-1])])
    return replace(prompts, box=box.astype(np.float32))


def corrected(
    answer: Float[Tensor, "1 1 s s"],
    before: Float[Tensor, "1 1 s s"] | None,
    prompts: Prompts,
    size: Size,
    *,
    apart: bool = False,
) -> Float[Tensor, "1 1 s s"]:
    """The mean of the answer and the mask before it, in which every click holds; "absent" stays as it is.

    Args:
        answer: logits.
        before: those it corrects, or None.
        apart: the answer is of a part that joins the mask.
        prompts: what was said, in pixels of the picture.
        size: (height, width) of the picture.
    """
    if not len(prompts.points) or bool((answer <= NO_OBJECT_LOGIT).all()):
        return answer
    if before is not None and apart:
        answer = torch.maximum(answer, before)
    elif before is not None:
        answer = (1 - KEPT) * answer.clamp(-CERTAIN, CERTAIN) + KEPT * before.clamp(-CERTAIN, CERTAIN)
    logits, side = answer[0, 0].float().cpu().numpy().copy(), answer.shape[-1]
    obey(logits, replace(prompts, points=points_to_model(prompts.points, size, side), box=None))
    return torch.from_numpy(logits).to(answer)[None, None]


def obey(logits: Float32[np.ndarray, "h w"], said: Prompts) -> None:
    """Have the mask agree with every click, in place: what contradicts it yields around it, and less farther away."""
    spread = CLICKED * math.sqrt(max(int(np.count_nonzero(logits > 0)), SMALLEST))
    for point, label in zip(said.points, said.labels, strict=True):
        column, row = (min(int(place), length - 1) for place, length in zip(point, logits.shape[::-1], strict=True))
        sign = 1 if label else -1
        contradiction = -sign * float(logits[row, column])
        if contradiction < 0:
            continue
        others = np.linalg.norm(said.points[said.labels != label] - point, axis=1)
        mine = max(min(spread, others.min(initial=math.inf) / APART), SHARPEST)
        reach = math.ceil(4 * mine)
        rows, columns = (slice(max(place - reach, 0), place + reach + 1) for place in (row, column))
        window = logits[rows, columns]
        down = np.arange(rows.start, rows.start + window.shape[0]) - row
        across = np.arange(columns.start, columns.start + window.shape[1]) - column
        near = np.multiply.outer(*(np.exp(-(away**2) / (2 * mine**2)) for away in (down, across)))
        window += (sign * (contradiction + SURE) * near).astype(np.float32)


def _guided(start: Start, prompts: Prompts, size: Size) -> Start:
    if not start.tracked or start.previous is None:
        return start
    found = _box(start.previous, size)
    wanted = prompts.points[prompts.labels == 1]
    if prompts.box is not None or (found is None and len(wanted)):
        return start.afresh
    return start._replace(apart=found is not None and len(wanted) > 0 and _beyond(wanted, found))


def _box(logits: Float[Tensor, "1 1 s s"], size: Size) -> Float32[np.ndarray, "4"] | None:
    """The box around a mask in pixels of the picture; None where it is empty."""
    mask = logits_to_image(logits.float(), size)[0].cpu().numpy() > 0
    return np.asarray(boxes_of_masks(mask)[0]) if mask.any() else None


def _beyond(points: Float32[np.ndarray, "n 2"], box: Float32[np.ndarray, "4"]) -> bool:
    """Whether no point lies in a box or near it."""
    reach = NEAR * float((box[2:] - box[:2]).max())
    near = ((points >= box[:2] - reach) & (points <= box[2:] + reach)).all(axis=1)
    return not bool(near.any())
