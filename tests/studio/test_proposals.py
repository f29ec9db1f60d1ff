"""Everything on a frame: the job and its entries."""

from __future__ import annotations

from typing import Any

import numpy as np

from masklet.predict.automatic_masks import Proposals
from masklet.studio.proposals import proposal_entries
from masklet.types import Rle


def test_entries() -> None:
    mask = np.zeros((20, 40), bool)
    mask[:10, 5:15] = True
    two, four = np.zeros((1, 2), np.float32), np.array([[5, 0, 15, 10]], np.float32)
    score = np.array([0.75], np.float32)
    entry = proposal_entries(Proposals([Rle.from_mask(mask)], score, score, four, two, four))[0]
    assert Rle.from_coco(entry.pop("mask")).area == 100
    assert entry == {"iou": 0.75, "stability": 0.75, "box": [5, 0, 15, 10]}


def test_proposals_come_as_a_job(studio: Any) -> None:
    project = studio.project()
    path = f"projects/{project}/frames/2/proposals"
    job = studio.finished(studio.call("POST", path, 202, json={"points_per_side": 6, "limit": 5}))
    assert (job["state"], job["error"], job["done"], job["result"]["frame"]) == ("done", None, 36, 2)
    found = job["result"]["proposals"]
    assert len(found) <= 5
    assert all(Rle.from_coco(one["mask"]).area for one in found)
    scores = [one["iou"] for one in found]
    assert scores == sorted(scores, reverse=True)
    assert studio.refused("POST", path, json={"points_per_side": 100})[0] == 422
    assert studio.refused("POST", f"projects/{project}/frames/99/proposals", json={})[0] == 404
