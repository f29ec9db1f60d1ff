"""Everything on a frame: the grid, what counts as the same, and the job."""

from __future__ import annotations

from typing import Any

import numpy as np

from masklet.masks.rle import from_coco
from masklet.studio.proposals import distinct, grid
from masklet.types import Rle


def square(left: int, side: int) -> Rle:
    mask = np.zeros((20, 40), bool)
    mask[:side, left : left + side] = True
    return Rle.from_mask(mask)


def test_grid() -> None:
    points = [tuple(prompts.points[0].tolist()) for prompts in grid(2, (20, 40))]
    assert points == [(10, 5), (30, 5), (10, 15), (30, 15)]


def test_the_better_of_two_that_are_much_alike_stays() -> None:
    near, best, other = (square(1, 10), 0.8, 0.9), (square(0, 10), 0.9, 0.9), (square(20, 10), 0.5, 0.5)
    assert distinct([near, other, best]) == [best, other]
    assert distinct([]) == []


def test_proposals_come_as_a_job(studio: Any) -> None:
    project = studio.project()
    path = f"projects/{project}/frames/2/proposals"
    job = studio.finished(studio.call("POST", path, 202, json={"points_per_side": 4, "limit": 5}))
    assert (job["state"], job["done"], job["result"]["frame"]) == ("done", 16, 2)
    found = job["result"]["proposals"]
    assert 1 <= len(found) <= 5
    assert all(from_coco(one["mask"]).area for one in found)
    scores = [one["iou"] * one["stability"] for one in found]
    assert scores == sorted(scores, reverse=True)
    assert studio.refused("POST", path, json={"points_per_side": 100})[0] == 422
    assert studio.refused("POST", f"projects/{project}/frames/99/proposals", json={})[0] == 404
