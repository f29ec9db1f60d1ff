"""Count the clicks a video needs until its masks are good, by memory policy: a simulated annotator corrects it.

    python benchmarks/clicks.py VIDEOS [--groups "as is,gap,cuts"] [--policies plain,auto] [--goal 85] [--most 8]
                                [--clicks-only]

VIDEOS is a folder in the layout of DAVIS 2016; stress clips are made from it (`benchmarks/stress.py`). The first click
goes to the center of the object on its first frame. Then the video is tracked, and the next click goes to the center of
the largest error of the frame with the lowest IoU, until the mean J&F of all frames reaches the goal or ``--most``
clicks are made. Where the object is absent but has a mask, the annotator marks it as absent, which counts as a click;
with ``--clicks-only`` such frames are scored but not corrected. The results are deterministic.

| column | meaning |
| --- | --- |
| clicks | mean per object; an object that never reaches the goal counts as ``--most`` |
| reached | objects that reached the goal |
| first, last | mean J&F after one click and after the last, in percent |
"""

from __future__ import annotations

import argparse
import datetime
import os
import platform
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch

import masklet
from masklet.evaluate.metrics.frames import FrameMetric
from masklet.model.sam2 import Sam2
from masklet.predict.annotator import next_prompt
from masklet.predict.encoder_prefetch import FrameFeatures
from masklet.tracking.memory_policy import NAMES, PolicyName
from stress import Clip, load_clips, stress_clips

METRIC = FrameMetric()


def correct(
    model: Sam2, clip: Clip, memory: PolicyName, features: FrameFeatures | None, options: argparse.Namespace
) -> tuple[list[float], FrameFeatures]:
    """Correct the worst frame until the goal is reached or ``options.most`` clicks are made.

    Returns:
        mean J&F in percent after each click, and the image features of the clip for the next policy.
    """
    session = masklet.VideoSession(model, masklet.ArrayVideo(clip.frames), memory=memory)
    session.features = features or session.features
    masks, worst, curve = np.zeros_like(clip.truth), 0, list[float]()
    while len(curve) < options.most:
        prompts = next_prompt(masks[worst], clip.truth[worst], mark_absent=True)
        if prompts is None:
            break
        session.prompt(worst, object_id=1, prompts=prompts)
        for out in session.propagate(start=worst):
            masks[out.frame_index] = out[1]
        scores = METRIC.score_masks(masks, clip.truth)
        curve.append(50 * float((scores.j + scores.f).mean()))
        if curve[-1] >= options.goal:
            break
        excluded = ~clip.truth.any(axis=(1, 2)) if options.clicks_only else False
        worst = int(np.where(excluded, 1.0, scores.j).argmin())
    return curve, session.features


def main() -> int:
    parser = argparse.ArgumentParser(description="Clicks needed, by memory policy.")
    parser.add_argument("videos", type=Path)
    parser.add_argument("--groups", default="as is,gap,cuts")
    parser.add_argument("--policies", default="plain,auto")
    parser.add_argument("--goal", type=float, default=85.0, help="J&F in percent")
    parser.add_argument("--most", type=int, default=8, help="maximum number of clicks on a clip")
    parser.add_argument("--clicks-only", action="store_true", help="never mark the object as absent")
    parser.add_argument("--frames", type=int, default=30, help="frames of each video; 0 for all")
    parser.add_argument("--size", type=int, default=256, help="side of the model's input in pixels")
    parser.add_argument("--model", default="nano")
    options = parser.parse_args()
    model = masklet.load(options.model, image_size=options.size)
    policies: list[PolicyName] = [name for name in NAMES if name in options.policies.split(",")]
    found: dict[str, dict[str, list[list[float]]]] = defaultdict(lambda: defaultdict(list))
    for group, clip in stress_clips(load_clips(options.videos, options.frames or None), options.groups.split(",")):
        features = None
        for name in policies:
            curve, features = correct(model, clip, name, features, options)
            found[group][name].append(curve)
            print(f"{group:6} {clip.name:16} {name:10} {' '.join(f'{value:.1f}' for value in curve)}", flush=True)
    show(found, options.goal, options.most)
    return 0


def show(found: dict[str, dict[str, list[list[float]]]], goal: float, most: int) -> None:
    """Print the table."""
    print(f"\n{'group':8}{'policy':>10}{'clicks':>8}{'reached':>10}{'first':>8}{'last':>8}")
    for group, policies in found.items():
        for name, curves in policies.items():
            reached = [curve[-1] >= goal for curve in curves]
            clicks = np.mean([len(curve) if ok else most for curve, ok in zip(curves, reached, strict=True)])
            ends = "".join(f"{np.mean([curve[k] for curve in curves]):8.1f}" for k in (0, -1))
            print(f"{group:8}{name:>10}{clicks:8.2f}{sum(reached):>7}/{len(reached)}{ends}")
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    print(f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}; {today}")


if __name__ == "__main__":
    sys.exit(main())
