"""Forward-backward consistency: which frames are tracked, and that a switch to another object shows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import UInt8

from masklet.io import ArrayVideo
from masklet.masks.rle import iou
from masklet.model.sam2 import Sam2
from masklet.predict.backward_check import track_back
from masklet.predict.load import load
from masklet.predict.session import VideoSession
from masklet.types import Masklet, Prompts, Rle


def block(left: int, width: int = 16) -> Rle:
    mask = np.zeros((48, 72), bool)
    mask[10:26, left : left + width] = True
    return Rle.from_mask(mask)


def test_from_the_end_of_each_to_its_beginning(tiny: Sam2, clip: UInt8[np.ndarray, "t h w 3"]) -> None:
    nothing = Rle.from_mask(np.zeros((48, 72), bool))
    whole = Masklet(1, (48, 72), {i: block(i) for i in range(8)})
    short = Masklet(2, (48, 72), {0: nothing, 2: block(40), 3: block(41), 4: block(42), 5: block(56, 2), 6: nothing})
    gone = Masklet(3, (48, 72), dict.fromkeys(range(8), nothing))
    found = track_back(tiny, ArrayVideo(clip[:8]), {1: whole, 2: short, 3: gone})
    assert {i: list(frames) for i, frames in found.items()} == {1: [6, 5, 4, 3, 2, 1, 0], 2: [3, 2]}
    assert track_back(tiny, ArrayVideo(clip[:8]), {3: gone}) == {}


def test_a_slip_shows() -> None:
    frames = np.full((10, 96, 160, 3), 60, np.uint8)
    for index in range(10):
        frames[index, 20:50, 10 + 3 * index : 40 + 3 * index] = (220, 40, 30)
        frames[index, 55:85, 110 - 3 * index : 140 - 3 * index] = (30, 60, 220)
    model, video = load(device="cpu", image_size=160), ArrayVideo(frames)
    session = VideoSession(model, video)
    session.prompt_objects(0, {1: Prompts.from_box(10, 20, 40, 50), 2: Prompts.from_box(110, 55, 140, 85)})
    for _ in session.propagate():
        pass
    true = session.masklets()
    slipped = replace(true[1], frames={i: true[1 if i < 5 else 2].frames[i] for i in range(10)})
    back = track_back(model, video, {1: true[1], 2: slipped})
    same = [float(iou([back[1][i]], [true[1].frames[i]])[0, 0]) for i in range(9)]
    other = [float(iou([back[2][i]], [slipped.frames[i]])[0, 0]) for i in range(9)]
    assert min(same) > 0.75
    assert max(other[:5]) < 0.25
    assert min(other[5:]) > 0.75
