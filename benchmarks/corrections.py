"""Measure corrections of tracked frames: mean IoU of the corrected frame after each click.

    python benchmarks/corrections.py VIDEOS [--model nano] [--frames 30] [--clicks 5]

VIDEOS is a folder in the layout of DAVIS 2016. Each object gets a click at its center on its first frame and is
tracked. Then its worst frame, the frame at the 25th percentile and the median frame are corrected independently if
their IoU is below .95; every click goes to the center of the largest error. The results are deterministic.
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool

import masklet
from masklet.masks.overlap import mask_iou
from masklet.model.sam2 import Sam2
from masklet.predict.annotator import annotate_frame, first_prompt
from masklet.types import ObjectId, Prompts, Region
from stress import Clip, load_clips

GOOD = 0.95
"""Frames with at least this IoU are not corrected."""

Mask = Bool[np.ndarray, "h w"]


def iou(mask: Mask, truth: Mask) -> float:
    return float(mask_iou(mask[None], truth[None])[0, 0])


def corrections(model: Sam2, clip: Clip, clicks: int) -> list[list[float]]:
    """Return for each corrected frame its IoU as tracked and after each click."""
    session = masklet.VideoSession(model, masklet.ArrayVideo(clip.frames))
    session.prompt(0, object_id=1, prompts=first_prompt(clip.truth[0], "click"))
    tracked = {out.frame_index: iou(out[1], clip.truth[out.frame_index]) for out in session.propagate()}
    order = sorted((t for t in tracked if t and clip.truth[t].any()), key=lambda t: tracked[t])
    chosen = dict.fromkeys(order[k] for k in (0, len(order) // 4, len(order) // 2)) if order else {}
    curves = []
    for t in chosen:
        if tracked[t] >= GOOD:
            continue
        curve = [tracked[t]]

        def predict(prompts: Mapping[ObjectId, Prompts], t: int = t, curve: list[float] = curve) -> dict[int, Region]:
            mask = session.prompt(t, object_id=1, prompts=prompts[1])[1]
            curve.append(iou(mask, clip.truth[t]))
            return {1: mask}

        annotate_frame({1: clip.truth[t]}, predict, max_clicks=clicks, masks={1: session.masks(t)[1]})
        curves.append(curve + [curve[-1]] * (clicks + 1 - len(curve)))
        session.clear(t, 1)
        list(session.propagate(start=t))  # restore the tracked masks
    return curves


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure corrections of tracked frames.")
    parser.add_argument("videos", type=Path)
    parser.add_argument("--model", default="nano")
    parser.add_argument("--size", type=int, default=None, help="side of the model's input in pixels")
    parser.add_argument("--frames", type=int, default=30, help="frames of each video; 0 for all")
    parser.add_argument("--clicks", type=int, default=5, help="clicks on each corrected frame")
    options = parser.parse_args()
    model = masklet.load(options.model, image_size=options.size)
    found: list[list[float]] = []
    for clip in load_clips(options.videos, options.frames or None):
        curves = corrections(model, clip, options.clicks)
        found += curves
        for curve in curves:
            print(f"{clip.name:18}", *(f"{100 * value:6.1f}" for value in curve), flush=True)
    if not found:
        print(f"no frame to correct: all have an IoU of at least {GOOD}")
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
