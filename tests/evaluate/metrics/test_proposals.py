"""Average recall by hand, and equal to COCOeval."""

from __future__ import annotations

import contextlib
import io
from typing import Any

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from masklet.errors import FormatError
from masklet.evaluate.metrics.proposals import ObjectSize, RecallCounts, count_recalled
from masklet.types import Rle


def bar(start: int, stop: int) -> Rle:
    mask = np.zeros((4, 100), bool)
    mask[:, start:stop] = True
    return Rle.from_mask(mask)


def test_by_hand() -> None:
    truths = [bar(0, 10), bar(20, 30), bar(60, 100)]
    predictions = [bar(0, 10), bar(0, 9), bar(20, 27), bar(60, 100)]  # IoU 1, 0.9 with the same, 0.7, 1
    counts = count_recalled(predictions, np.array([0.5, 0.9, 0.8, 0.1], np.float32), truths)
    # The second chooses first: up to 0.9 it takes object 0, and the first mask matches no object; at 0.95 it does.
    assert counts.found[0].tolist() == [3, 3, 3, 3, 3, 2, 2, 2, 2, 2]
    assert counts.total.tolist() == [3, 3, 0, 0]
    assert counts.average_recall() == pytest.approx((5 * 3 + 5 * 2) / 30)
    assert counts.average_recall("large") is None
    few = count_recalled(predictions, np.array([0.5, 0.9, 0.8, 0.1], np.float32), truths, max_detections=1)
    assert few.average_recall() == pytest.approx(9 / 30)


def test_nothing_there() -> None:
    none = np.zeros(0, np.float32)
    assert count_recalled([], none, [bar(0, 3)]).average_recall() == 0
    assert count_recalled([bar(0, 3)], np.ones(1, np.float32), []).average_recall() is None
    with pytest.raises(FormatError, match="1"):
        count_recalled([bar(0, 3)], none, [])


def test_equals_coco_eval() -> None:
    draw = np.random.default_rng(3)
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    results: list[dict[str, Any]] = []
    ours = RecallCounts(np.zeros((4, 10), np.int64), np.zeros(4, np.int64))
    for image in range(12):
        truths, predictions = [], []
        for _ in range(10):
            reach = draw.choice([6, 20, 50, 110])
            y, x = draw.integers(0, 100, 2)
            mask = np.zeros((200, 220), bool)
            mask[y : y + reach, x : x + reach + draw.integers(9)] = True
            truths.append(Rle.from_mask(mask))
            moves = draw.integers(-4, 5, (draw.integers(4), 2)).tolist()
            predictions += [Rle.from_mask(np.roll(mask, move, (0, 1))) for move in moves]
        scores = draw.choice(np.linspace(0, 1, 8), len(predictions)).astype(np.float32)  # with equal ones
        ours += count_recalled(predictions, scores, truths)
        images.append({"id": image, "height": 200, "width": 220})
        for rles, into in ((truths, annotations), (predictions, results)):
            for i, rle in enumerate(rles):
                code = {"size": list(rle.size), "counts": rle.counts}
                row = {"image_id": image, "category_id": 1, "segmentation": code, "area": rle.area, "iscrowd": 0}
                row |= {"id": len(into) + 1, "bbox": [0, 0, 1, 1]}
                into.append(row | ({"score": float(scores[i])} if into is results else {}))
    truth = COCO()
    truth.dataset = {"images": images, "categories": [{"id": 1, "name": "thing"}], "annotations": annotations}
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
        evaluation = COCOeval(truth, truth.loadRes(results), "segm")
        evaluation.params.maxDets = [1, 10, 1000]
        evaluation.evaluate()
        evaluation.accumulate()
    recall = evaluation.eval["recall"][:, 0, :, 2].mean(axis=0)  # all, small, medium, large
    sizes: tuple[ObjectSize, ...] = ("all", "small", "medium", "large")
    assert [ours.average_recall(size) for size in sizes] == pytest.approx(recall.tolist())
    assert 0.2 < recall[0] < 0.95
