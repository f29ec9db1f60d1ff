"""A person at work, simulated: where the next clicks go, given the truth and what the model answered so far."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from masklet.masks.boxes import boxes_of_masks
from masklet.masks.clicks import Click, next_click
from masklet.types import ObjectId, Prompts, Region

Answer = Callable[[Mapping[ObjectId, Prompts]], Mapping[ObjectId, Region]]
"""One more click on each of some objects of a frame -> the masks that these objects have then."""


def correct(
    truths: Mapping[ObjectId, Region], answer: Answer, clicks: int, *, shown: Mapping[ObjectId, Region] | None = None
) -> dict[ObjectId, list[Click]]:
    """Click on several objects of one frame, in rounds of one click on each, and see the answer before the next.

    Every click goes to the center of the largest error: the first one of an object that nobody saw yet to the middle
    of the object. An object whose mask is perfect gets no more clicks.

    Args:
        truths: the true mask of each object.
        answer: asked once a round.
        clicks: rounds at most.
        shown: masks that are there before the first click; none by default.

    Returns:
        The clicks made on each object.
    """
    masks = {i: (shown or {}).get(i, np.zeros_like(truth)) for i, truth in truths.items()}
    made: dict[ObjectId, list[Click]] = {i: [] for i in truths}
    for _ in range(clicks):
        wanted = {i: next_click(masks[i], truth) for i, truth in truths.items()}
        now = {i: click for i, click in wanted.items() if click is not None}
        if not now:
            break
        masks.update(answer({i: Prompts.click(c.x, c.y, positive=c.positive) for i, c in now.items()}))
        for i, click in now.items():
            made[i].append(click)
    return made


def box_prompt(truth: Region) -> Prompts:
    """The tightest box of a mask."""
    return Prompts(box=boxes_of_masks(truth[None])[0])
