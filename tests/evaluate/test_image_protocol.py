"""Clicks and boxes on every object of an image."""

from __future__ import annotations

import numpy as np
import pytest

from masklet.evaluate.image_protocol import BATCH, segment_objects
from masklet.evaluate.protocols import ImageClicks
from masklet.io.datasets import ImageDataset
from masklet.masks.clicks import next_click
from masklet.model.sam2 import Sam2
from masklet.predict.image import ImageSegmenter
from masklet.types import MaskSet, Prompts, Rle


def iou(mask: np.ndarray, truth: np.ndarray) -> float:
    return float((mask & truth).sum() / (mask | truth).sum())


@pytest.mark.parametrize("prompt", ["click", "box"])
def test_the_same_as_one_by_one(stills: ImageDataset, small: Sam2, prompt: str) -> None:
    """A batch of objects has the same masks as one object after the other."""
    segmenter = ImageSegmenter(small)
    sample = stills["00000"]
    image = segmenter.encode(sample.pixels())
    codes = [instance.rle for instance in sample.instances()]
    protocol = ImageClicks(prompt="box" if prompt == "box" else "click", clicks=3)
    (found,) = segment_objects(segmenter, image, codes, protocol)
    for place, code in enumerate(codes):
        truth = code.to_mask()
        prompts: Prompts | None = None
        result: MaskSet | None = None
        for step in range(3):
            click = next_click(result.masks[0] if result else np.zeros_like(truth), truth)
            if prompt == "box" and step == 0:
                (top, left), (bottom, right) = np.argwhere(truth).min(axis=0), np.argwhere(truth).max(axis=0) + 1
                prompts = Prompts.from_box(float(left), float(top), float(right), float(bottom))
            elif click is not None:
                clicked = Prompts.click(click.x, click.y, positive=click.positive)
                prompts = prompts.and_click(click.x, click.y, positive=click.positive) if prompts else clicked
            if click is not None:
                assert prompts is not None
                result = segmenter.segment(image, prompts, refine=result)
            assert result is not None
            assert found.iou[place, step] == pytest.approx(iou(result.masks[0], truth), abs=2e-3)


def test_many_masks_go_in_batches(stills: ImageDataset, small: Sam2) -> None:
    segmenter = ImageSegmenter(small)
    sample = stills["00001"]
    image = segmenter.encode(sample.pixels())
    (code,) = [instance.rle for instance in sample.instances()]
    found = segment_objects(segmenter, image, [code] * (BATCH + 2), ImageClicks(clicks=2))
    assert [batch.iou.shape for batch in found] == [(BATCH, 2), (2, 2)]
    assert np.ptp(np.concatenate([batch.iou for batch in found]), axis=0) == pytest.approx([0, 0], abs=1e-3)


def test_the_shape_of_a_tiny_mask(stills: ImageDataset, small: Sam2) -> None:
    """A mask of one pixel has a click on that pixel and a box around it."""
    segmenter = ImageSegmenter(small)
    image = segmenter.encode(stills["00000"].pixels())
    mask = np.zeros((48, 64), bool)
    mask[3, 5] = True
    for protocol in (ImageClicks(clicks=2), ImageClicks(prompt="box", clicks=2)):
        (found,) = segment_objects(segmenter, image, [Rle.from_mask(mask)], protocol)
        assert found.iou.shape == (1, 2)
        assert np.isfinite(found.iou).all()
