"""Images of training clips for people: frames with masks and prompts, and sheets of them with captions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float32, UInt8
from PIL import Image, ImageDraw, ImageFont

from masklet.geometry import logits_to_image
from masklet.io.overlay import draw_overlay, draw_prompts
from masklet.model.sam2 import Sam2
from masklet.tracking.step import choose_masks
from masklet.train.batch import TrainBatch
from masklet.train.prompts import BOTTOM_RIGHT, NEGATIVE, POSITIVE, TOP_LEFT
from masklet.train.unroll import Unroll
from masklet.types import FrameMasks, Prompts, RgbImage

GAP, CAPTION = 4, 15
BACKGROUND, TEXT = (24, 24, 24), (220, 220, 220)

Sheet = UInt8[np.ndarray, "rows columns 3"]


@dataclass(frozen=True, eq=False)
class ObjectPrompt:
    """All prompts of one object on one frame of a clip so far.

    Attributes:
        frame: index of the frame.
        object_index: index of the object.
        points: (x, y) in pixels of the frame; none for a mask prompt and on frames that were only tracked.
        labels: labels of the points, as in `PromptTensors`.
    """

    frame: int
    object_index: int
    points: Float32[np.ndarray, "n 2"]
    labels: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Preview:
    """One training clip with the predictions of the model.

    Attributes:
        frames: RGB.
        truth: true masks of the objects.
        predicted: last predictions of the model; for a mask prompt that mask.
        prompts: the prompts; later ones of the same object and frame include the earlier ones.
    """

    frames: UInt8[np.ndarray, "t s s 3"]
    truth: Bool[np.ndarray, "t n s s"]
    predicted: Bool[np.ndarray, "t n s s"]
    prompts: tuple[ObjectPrompt, ...]


@torch.no_grad()
def make_preview(model: Sam2, batch: TrainBatch) -> Preview:
    """Run the model on a batch and return the first clip with its prompts and last predictions."""
    batch = batch.to(model.device)
    count = int((batch.owner == 0).sum())  # objects of the first clip come first
    side = batch.pixels.shape[-1]
    predicted = batch.masks[:, :count].clone()
    prompts: list[ObjectPrompt] = []
    for step in Unroll(model, batch):
        chosen = choose_masks(model, step.prediction, step.ranked)
        masks = logits_to_image(chosen.logits, (side, side))[:, 0] > 0
        for i, row in enumerate(step.rows):
            if row < count:
                predicted[step.frame, row] = masks[i]
                points = step.prompts[i].points[0].cpu().numpy().astype(np.float32)
                prompts.append(ObjectPrompt(step.frame, row, points, tuple(step.prompts[i].labels[0].tolist())))
    frames = batch.pixels[:, 0].permute(0, 2, 3, 1).contiguous().cpu().numpy()
    return Preview(frames, batch.masks[:, :count].cpu().numpy(), predicted.cpu().numpy(), tuple(prompts))


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
    prompts: Sequence[ObjectPrompt] = (),
    *,
    tile: int,
) -> list[RgbImage]:
    """Draw every frame with its masks and prompts, scaled to ``tile`` x ``tile`` pixels."""
    scale = tile / frames.shape[1]
    drawn = []
    for index, (frame, frame_masks) in enumerate(zip(frames, masks, strict=True)):
        image = np.asarray(Image.fromarray(draw_overlay(frame, _as_frame_masks(frame_masks))).resize((tile, tile)))
        last = {prompt.object_index: prompt for prompt in prompts if prompt.frame == index}
        for prompt in last.values():
            marks = _as_prompts(prompt, scale)
            image = image if marks is None else draw_prompts(image, marks)
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


def _as_prompts(prompt: ObjectPrompt, scale: float) -> Prompts | None:
    """Return the clicks and the box in pixels of the drawing; None if there are none."""
    corners = [p for p, label in zip(prompt.points, prompt.labels, strict=True) if label in (TOP_LEFT, BOTTOM_RIGHT)]
    clicks = [i for i, label in enumerate(prompt.labels) if label in (POSITIVE, NEGATIVE)]
    if not corners and not clicks:
        return None
    return Prompts(
        points=prompt.points[clicks] * scale,
        labels=np.array([prompt.labels[i] for i in clicks], np.int64),
        box=(np.concatenate(corners) * scale).astype(np.float32) if corners else None,
    )
