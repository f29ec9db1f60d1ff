"""Simulated annotator: a person who knows the true masks and corrects a model's masks, by the paper's click rule.

The first click goes to the center of the object, every further one to the center of the largest error (SAM 2, section
6.1). Evaluation, the simulated phases of the data engine and the benchmarks share it; training draws its clicks by the
same rule in batches on tensors (`masklet.train.prompts`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from masklet.masks.boxes import boxes_of_masks
from masklet.masks.clicks import Click, center_click, next_click
from masklet.types import ObjectId, Prompts, Region

Predict = Callable[[Mapping[ObjectId, Prompts]], Mapping[ObjectId, Region]]
"""Sends one new click for each of some objects of a frame to a model and returns the masks of these objects."""

PromptKind = Literal["mask", "box", "click"]
"""The first prompt of an object: its true mask, the tightest box around it, or a click at its center."""


@dataclass(frozen=True, eq=False)
class Annotation:
    """One object of a frame after annotation.

    Attributes:
        mask: the final mask.
        clicks: all clicks, in order.
        brushed: the clicks did not reach the target IoU, and the annotator drew the mask with a brush.
    """

    mask: Region
    clicks: list[Click]
    brushed: bool = False


def annotate_frame(
    truths: Mapping[ObjectId, Region],
    predict: Predict,
    *,
    max_clicks: int,
    masks: Mapping[ObjectId, Region] | None = None,
    target_iou: float = 1.0,
    brush: bool = False,
) -> dict[ObjectId, Annotation]:
    """Annotate objects of one frame in rounds: one click for each object, then a prediction for all of them.

    An object whose mask reaches the target IoU gets no more clicks.

    Args:
        truths: the true mask of each object; empty where it is absent.
        predict: called once per round with the objects that get a click in it.
        max_clicks: maximum number of clicks for each object.
        masks: masks from before the first click, such as those of tracking; missing ones are empty.
        target_iou: IoU with the true mask that is good enough, in (0, 1].
        brush: draw the true mask where the clicks do not reach the target. Absent objects then get no clicks.
    """
    current = {i: (masks or {}).get(i, np.zeros_like(truth)) for i, truth in truths.items()}
    clicks: dict[ObjectId, list[Click]] = {i: [] for i in truths}
    for _ in range(max_clicks):
        needed: dict[ObjectId, Click] = {}
        for i, truth in truths.items():
            if _iou(current[i], truth) < target_iou and (truth.any() or not brush):
                click = next_click(current[i], truth)
                assert click is not None, "masks that differ have an error to click on"
                needed[i] = click
        if not needed:
            break
        current.update(predict({i: _to_prompts(click) for i, click in needed.items()}))
        for i, click in needed.items():
            clicks[i].append(click)
    if not brush:
        return {i: Annotation(current[i], clicks[i]) for i in truths}
    brushed = {i: _iou(current[i], truth) < target_iou for i, truth in truths.items()}
    return {i: Annotation(truths[i] if brushed[i] else current[i], clicks[i], brushed[i]) for i in truths}


def first_prompt(truth: Region, kind: PromptKind) -> Prompts:
    """Prompt an object for the first time.

    Raises:
        PromptError: the true mask is empty.
    """
    if kind == "mask":
        return Prompts.from_mask(truth)
    if kind == "box":
        return Prompts(box=boxes_of_masks(truth[None])[0])
    return Prompts.click(*center_click(truth))


def next_prompt(mask: Region, truth: Region, *, mark_absent: bool = False) -> Prompts | None:
    """Correct a mask with a click at the center of its largest error; None if it equals the true mask.

    With ``mark_absent``, the mask of an object that is absent is corrected by `Prompts.absent`, not a click.
    """
    if mark_absent and mask.any() and not truth.any():
        return Prompts.absent(truth.shape)
    click = next_click(mask, truth)
    return None if click is None else _to_prompts(click)


def _to_prompts(click: Click) -> Prompts:
    return Prompts.click(click.x, click.y, positive=click.positive)


def _iou(mask: Region, truth: Region) -> float:
    """Intersection over union of two masks; 1 if both are empty."""
    union = np.count_nonzero(mask | truth)
    return float(np.count_nonzero(mask & truth) / union) if union else 1.0
