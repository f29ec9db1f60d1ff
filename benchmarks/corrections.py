"""What clicks bring on frames that were tracked: mean IoU of the corrected frame, after each click.

    python benchmarks/corrections.py VIDEOS [--model nano] [--frames 30] [--clicks 5]

VIDEOS is a folder in the form of DAVIS 2016. Each object is clicked in its middle on its first frame and tracked. Then
its worst frame, that at the end of the worst quarter and the median one are corrected, each by itself, as far as their
IoU is below .95: every click goes to the center of the largest error. Nothing is drawn by chance.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import sys
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool

import masklet
from masklet.masks.clicks import next_click
from masklet.masks.overlap import mask_iou
from masklet.model.sam2 import Sam2
from masklet.types import Prompts
from stress import Clip, load_clips

GOOD = 0.95
"""IoU from which on nobody corrects."""

Mask = Bool[np.ndarray, "h w"]


def iou(mask: Mask, truth: Mask) -> float:
    return float(mask_iou(mask[None], truth[None])[0, 0])


def said(mask: Mask, truth: Mask) -> Prompts | None:
    """The click that corrects the largest error."""
    click = next_click(mask, truth)
    return None if click is None else Prompts.click(click.x, click.y, positive=click.positive)


def corrections(model: Sam2, clip: Clip, clicks: int) -> list[list[float]]:
    """For each corrected frame its IoU as tracked and after each click."""
    session = masklet.VideoSession(model, masklet.ArrayVideo(clip.frames))
    first = said(np.zeros_like(clip.truth[0]), clip.truth[0])
    assert first is not None, "the object is on the first frame"
    session.prompt(0, object_id=1, prompts=first)
    tracked = {out.frame_index: iou(out[1], clip.truth[out.frame_index]) for out in session.propagate()}
    order = sorted((t for t in tracked if t and clip.truth[t].any()), key=lambda t: tracked[t])
    chosen = dict.fromkeys(order[k] for k in (0, len(order) // 4, len(order) // 2)) if order else {}
    courses = []
    for t in chosen:
        if tracked[t] >= GOOD:
            continue
        course, mask = [tracked[t]], session.masks(t)[1]
        for _ in range(clicks):
            prompts = said(mask, clip.truth[t])
            mask = mask if prompts is None else session.prompt(t, object_id=1, prompts=prompts)[1]
            course.append(iou(mask, clip.truth[t]))
        session.clear(t, 1)
        list(session.propagate(start=t))  # as it was
        courses.append(course)
    return courses


def main() -> int:
    parser = argparse.ArgumentParser(description="What clicks bring on tracked frames.")
    parser.add_argument("videos", type=Path)
    parser.add_argument("--model", default="nano")
    parser.add_argument("--size", type=int, default=None, help="side of the model's input in pixels")
    parser.add_argument("--frames", type=int, default=30, help="of each video; 0 for all")
    parser.add_argument("--clicks", type=int, default=5, help="on each corrected frame")
    options = parser.parse_args()
    model = masklet.load(options.model, image_size=options.size)
    found: list[list[float]] = []
    for clip in load_clips(options.videos, options.frames or None):
        courses = corrections(model, clip, options.clicks)
        found += courses
        for course in courses:
            print(f"{clip.name:18}", *(f"{100 * value:6.1f}" for value in course), flush=True)
    if not found:
        print(f"nothing to correct: all frames have an IoU of {GOOD} and more")
        return 0
    table = np.array(found)
    worse = (table[:, 1] < table[:, 0] - 0.02).mean()
    print(f"\n{'mean':18}", *(f"{100 * value:6.1f}" for value in table.mean(axis=0)))
    print(f"{len(found)} frames; the first click makes {worse:.0%} of them worse by more than 2 points")
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    print(f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}; {today}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
