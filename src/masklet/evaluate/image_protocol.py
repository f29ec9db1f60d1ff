"""The image protocol: a box or a click on every mask of a picture, then corrections."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64

from masklet.evaluate.protocols import ImageClicks
from masklet.masks.overlap import pair_iou
from masklet.masks.rle import decode_masks
from masklet.predict.annotator import annotate_frame, first_prompt
from masklet.predict.image import EncodedImage, ImageSegmenter
from masklet.types import MaskSet, ObjectId, Prompts, Region, Rle

BATCH = 16
"""Masks of a picture that are asked for together."""


@dataclass(frozen=True, eq=False)
class Clicked:
    """Some masks of a picture.

    Attributes:
        iou: (n, clicks) IoU with the truth after 1, 2, ... answers, 0 to 1.
        first, last: (n, h, w) the first and the last answers.
    """

    iou: Float64[np.ndarray, "n clicks"]
    first: Bool[np.ndarray, "n h w"]
    last: Bool[np.ndarray, "n h w"]


def click_all(
    segmenter: ImageSegmenter, image: EncodedImage, truths: list[Rle], protocol: ImageClicks
) -> list[Clicked]:
    """Ask for every true mask of a picture; results in batches, in the order of the masks."""
    return [_click_batch(segmenter, image, decode_masks(batch), protocol) for batch in _batches(truths)]


def _batches(truths: list[Rle]) -> list[list[Rle]]:
    return [truths[start : start + BATCH] for start in range(0, len(truths), BATCH)]


def _click_batch(
    segmenter: ImageSegmenter, image: EncodedImage, truths: Bool[np.ndarray, "n h w"], protocol: ImageClicks
) -> Clicked:
    asker = _Asker(segmenter, image, truths)
    regions = dict(enumerate(truths))
    left = protocol.clicks
    if protocol.prompt == "box":
        asker({i: first_prompt(truth, "box") for i, truth in regions.items()})
        left -= 1
    annotate_frame(regions, asker, max_clicks=left, masks=asker.masks())
    while len(asker.curve) < protocol.clicks:  # all masks were perfect before the last click
        asker.curve.append(asker.curve[-1])
    return Clicked(np.stack(asker.curve, axis=1), asker.first, np.stack([*asker.masks().values()]))


class _Asker:
    """Remembers what was asked about each mask and answered, and how good every answer was."""

    def __init__(self, segmenter: ImageSegmenter, image: EncodedImage, truths: Bool[np.ndarray, "n h w"]) -> None:
        self.segmenter, self.image, self.truths = segmenter, image, truths
        self.asked: dict[ObjectId, Prompts] = {}
        self.answers: dict[ObjectId, MaskSet] = {}
        self.curve: list[Float64[np.ndarray, " n"]] = []
        self.first: Bool[np.ndarray, "n h w"] = truths

    def __call__(self, clicks: Mapping[ObjectId, Prompts]) -> Mapping[ObjectId, Region]:
        prompts = []
        for i, new in clicks.items():
            before = self.asked.get(i)
            self.asked[i] = (
                new if before is None else before.and_click(*new.points[0].tolist(), positive=bool(new.labels[0]))
            )
            prompts.append(self.asked[i])
        refine = _together([self.answers[i] for i in clicks]) if self.answers else None
        self.answers.update(zip(clicks, self.segmenter.segment(self.image, prompts, refine=refine), strict=True))
        masks = self.masks()
        found = np.stack([*masks.values()])
        if not self.curve:
            self.first = found
        self.curve.append(np.array([pair_iou(*pair) for pair in zip(found, self.truths, strict=True)]))
        return {i: masks[i] for i in clicks}

    def masks(self) -> dict[ObjectId, Region]:
        return {i: answer.masks[0] for i, answer in sorted(self.answers.items())}


def _together(answers: list[MaskSet]) -> MaskSet:
    """Answers about several masks as one set to refine."""
    low_res = [answer.low_res for answer in answers if answer.low_res is not None]
    return MaskSet(
        masks=np.concatenate([answer.masks for answer in answers]),
        iou=np.concatenate([answer.iou for answer in answers]),
        low_res=np.concatenate(low_res),
    )
