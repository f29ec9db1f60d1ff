"""Images of training clips for people: frames with masks and prompts, and sheets of them with captions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, UInt8
from PIL import Image, ImageDraw, ImageFont

from masklet.geometry import logits_to_image
from masklet.io.overlay import draw_overlay, draw_prompts
from masklet.model.sam2 import Sam2
from masklet.model.tensors import PromptTensors
from masklet.tracking.step import choose_masks
from masklet.train.batch import TrainBatch
from masklet.train.prompts import BOTTOM_RIGHT, NEGATIVE, POSITIVE, TOP_LEFT
from masklet.train.unroll import Unroll
from masklet.types import FrameMasks, Prompts, RgbImage

GAP, CAPTION = 4, 15
BACKGROUND, TEXT = (24, 24, 24), (220, 220, 220)

Sheet = UInt8[np.ndarray, "rows columns 3"]


ObjectPrompts = Mapping[tuple[int, int], Prompts]
"""(frame, object) -> all clicks and the box of an object on a frame of a clip, in pixels of the frame."""


@dataclass(frozen=True, eq=False)
class Preview:
    """One training clip with the predictions of the model.

    Attributes:
        frames: RGB.
        truth: true masks of the objects.
        predicted: last predictions of the model; for a mask prompt that mask.
        prompts: the clicks and boxes.
    """

    frames: UInt8[np.ndarray, "t s s 3"]
    truth: Bool[np.ndarray, "t n s s"]
    predicted: Bool[np.ndarray, "t n s s"]
    prompts: ObjectPrompts


@torch.no_grad()
def make_preview(model: Sam2, batch: TrainBatch) -> Preview:
    """Run the model on a batch and return the first clip with its prompts and last predictions."""
    batch = batch.to(model.device)
    count = int((batch.owner == 0).sum())  # objects of the first clip come first
    side = batch.pixels.shape[-1]
    predicted = batch.masks[:, :count].clone()
    prompts: dict[tuple[int, int], Prompts] = {}
    for step in Unroll(model, batch):
        chosen = choose_masks(model, step.prediction, step.ranked)
        masks = logits_to_image(chosen.logits, (side, side))[:, 0] > 0
        for i, row in enumerate(step.rows):
            if row < count:
                predicted[step.frame, row] = masks[i]
                if (given := as_prompts(step.prompts[i])) is not None:
                    prompts[step.frame, row] = given
    frames = batch.pixels[:, 0].permute(0, 2, 3, 1).contiguous().cpu().numpy()
    return Preview(frames, batch.masks[:, :count].cpu().numpy(), predicted.cpu().numpy(), prompts)


def as_prompts(tensors: PromptTensors) -> Prompts | None:
    """Return the clicks and the box of one object; None if there are none."""
    points, labels = tensors.points[0].cpu().numpy().astype(np.float32), tensors.labels[0].cpu().numpy()
    corners, clicks = points[np.isin(labels, (TOP_LEFT, BOTTOM_RIGHT))], np.isin(labels, (POSITIVE, NEGATIVE))
    if not len(corners) and not clicks.any():
        return None
    return Prompts(points[clicks], labels[clicks], box=corners.ravel() if len(corners) else None)


def draw_preview(preview: Preview, *, tile: int = 128, max_frames: int = 8) -> Sheet:
    """Draw three rows with the first frames of a clip: prompts, predictions and true masks."""
    part = slice(0, max_frames)
    rows = {
        "prompts": draw_frames(preview.frames[part], preview.truth[part] & False, preview.prompts, tile=tile),
        "predictions": draw_frames(preview.frames[part], preview.predicted[part], tile=tile),
        "truth": draw_frames(preview.frames[part], preview.truth[part], tile=tile),
    }
    return draw_sheet(rows.items())


def draw_frames(
    frames: UInt8[np.ndarray, "t s s 3"],
    masks: Bool[np.ndarray, "t n s s"],
    prompts: ObjectPrompts | None = None,
    *,
    tile: int,
) -> list[RgbImage]:
    """Draw every frame with its masks and prompts, scaled to ``tile`` x ``tile`` pixels."""
    scale = tile / frames.shape[1]
    drawn = []
    for index, (frame, frame_masks) in enumerate(zip(frames, masks, strict=True)):
        image = np.asarray(Image.fromarray(draw_overlay(frame, _as_frame_masks(frame_masks))).resize((tile, tile)))
        for (prompted, _), given in (prompts or {}).items():
            if prompted == index:
                box = None if given.box is None else given.box * np.float32(scale)
                image = draw_prompts(image, replace(given, points=given.points * np.float32(scale), box=box))
        drawn.append(image)
    return drawn


def draw_sheet(rows: Iterable[tuple[str, Sequence[RgbImage]]]) -> Sheet:
    """Draw rows of square images of one size, each row with a caption below."""
    listed = list(rows)
    tile, columns = listed[0][1][0].shape[0], max(len(images) for _, images in listed)
    step = tile + GAP
    sheet = Image.new("RGB", (columns * step, len(listed) * (step + CAPTION)), BACKGROUND)
    drawing, font = ImageDraw.Draw(sheet), ImageFont.load_default(11)
    for row, (caption, images) in enumerate(listed):
        top = row * (step + CAPTION)
        for column, image in enumerate(images):
            sheet.paste(Image.fromarray(image), (column * step, top))
        drawing.text((2, top + tile + 1), caption, TEXT, font)
    return np.asarray(sheet)


def _as_frame_masks(masks: Bool[np.ndarray, "n s s"]) -> FrameMasks:
    scores = np.ones(len(masks), np.float32)
    return FrameMasks(0, tuple(range(1, len(masks) + 1)), masks, presence=scores, iou=scores)
