"""A batch's first clip with the model's answers, for people to look at."""

from __future__ import annotations

import numpy as np
import torch

from masklet.geometry import logits_to_image
from masklet.model.sam2 import Sam2
from masklet.tracking.step import settle
from masklet.train.callbacks import Ask, Shown
from masklet.train.mixture import Task
from masklet.train.unroll import Unroll


@torch.no_grad()
def preview(model: Sam2, task: Task) -> Shown:
    """The last answer to each object on each frame of the first clip, and every prompt."""
    batch = task.batch.to(model.device)
    count = int((batch.owner == 0).sum())  # the objects of the first clip come first
    side = batch.pixels.shape[-1]
    found = batch.masks[:, :count].clone()
    asks: list[Ask] = []
    for answer in Unroll(model, batch, task.plan):
        chosen = settle(model, answer.prediction, answer.ranked)
        masks = logits_to_image(chosen.logits, (side, side))[:, 0] > 0
        for place, row in enumerate(answer.rows):
            if row < count:
                found[answer.frame, row] = masks[place]
                points = answer.prompts[place].points[0].cpu().numpy().astype(np.float32)
                asks.append(Ask(answer.frame, row, points, tuple(answer.prompts[place].labels[0].tolist())))
    frames = batch.pixels[:, 0].permute(0, 2, 3, 1).contiguous().cpu().numpy()
    return Shown(frames, batch.masks[:, :count].cpu().numpy(), found.cpu().numpy(), tuple(asks))
