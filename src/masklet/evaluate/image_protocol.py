"""Image protocol: segment each object of an image from a click or a box, then correct it by clicks."""

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
"""Objects of an image that are segmented together."""


@dataclass(frozen=True, eq=False)
class ClickResults:
    """Results for some objects of an image.

    Attributes:
        iou: IoU with the true mask after 1, 2, ... prompts, 0 to 1.
        first, last: masks after the first and the last prompt.
    """

    iou: Float64[np.ndarray, "n clicks"]
    first: Bool[np.ndarray, "n h w"]
    last: Bool[np.ndarray, "n h w"]


def segment_objects(
    segmenter: ImageSegmenter, image: EncodedImage, truths: list[Rle], protocol: ImageClicks
) -> list[ClickResults]:
    """Segment all objects of an image, given by their true masks; return results in batches, in the same order."""
    batches = [decode_masks(truths[start : start + BATCH]) for start in range(0, len(truths), BATCH)]
    return [_segment_batch(segmenter, image, batch, protocol) for batch in batches]


def _segment_batch(
    segmenter: ImageSegmenter, image: EncodedImage, truths: Bool[np.ndarray, "n h w"], protocol: ImageClicks
) -> ClickResults:
    predictor = _Predictor(segmenter, image, truths)
    by_id = dict(enumerate(truths))
    clicks = protocol.clicks
    if protocol.prompt == "box":
        predictor({i: first_prompt(truth, "box") for i, truth in by_id.items()})
        clicks -= 1
    annotate_frame(by_id, predictor, max_clicks=clicks, masks=predictor.masks())
    while len(predictor.curve) < protocol.clicks:  # all masks were perfect before the last click
        predictor.curve.append(predictor.curve[-1])
    return ClickResults(np.stack(predictor.curve, axis=1), predictor.first, np.stack([*predictor.masks().values()]))


class _Predictor:
    """Collects the prompts of each object, refines its last mask, and records the IoU after every prompt."""

    def __init__(self, segmenter: ImageSegmenter, image: EncodedImage, truths: Bool[np.ndarray, "n h w"]) -> None:
        self.segmenter, self.image, self.truths = segmenter, image, truths
        self.prompts: dict[ObjectId, Prompts] = {}
        self.results: dict[ObjectId, MaskSet] = {}
        self.curve: list[Float64[np.ndarray, " n"]] = []
        self.first: Bool[np.ndarray, "n h w"] = truths

    def __call__(self, clicks: Mapping[ObjectId, Prompts]) -> Mapping[ObjectId, Region]:
        for i, new in clicks.items():
            if i in self.prompts:
                self.prompts[i] = self.prompts[i].and_click(*new.points[0].tolist(), positive=bool(new.labels[0]))
            else:
                self.prompts[i] = new
        refine = _concatenate([self.results[i] for i in clicks]) if self.results else None
        prompts = [self.prompts[i] for i in clicks]
        self.results.update(zip(clicks, self.segmenter.segment(self.image, prompts, refine=refine), strict=True))
        masks = self.masks()
        if not self.curve:
            self.first = np.stack([*masks.values()])
        self.curve.append(np.array([pair_iou(*pair) for pair in zip(masks.values(), self.truths, strict=True)]))
        return {i: masks[i] for i in clicks}

    def masks(self) -> dict[ObjectId, Region]:
        return {i: result.masks[0] for i, result in sorted(self.results.items())}


def _concatenate(results: list[MaskSet]) -> MaskSet:
    low_res = [result.low_res for result in results if result.low_res is not None]
    return MaskSet(
        masks=np.concatenate([result.masks for result in results]),
        iou=np.concatenate([result.iou for result in results]),
        low_res=np.concatenate(low_res),
    )
