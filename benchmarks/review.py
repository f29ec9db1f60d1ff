"""Measure `masklet.predict.review`: how many of the wrong masks are among the frames that it names first.

    python benchmarks/review.py VAL_VIDEOS [--groups "as is,gap,cuts,two"] [--frames 60] [--size 256]

VIDEOS is a folder in the layout of DAVIS 2016; stress clips are made of it (`benchmarks/stress.py`). One object per
clip is tracked forward from its mask on the first frame with the memory of SAM 2. A mask is wrong if its IoU with the
truth is below 0.5. Each rule ranks the frames of a clip; the table shows the share of the wrong masks among the first
10 % of its frames, by group. "oracle" ranks by the true IoU: no rule finds more, because most clips have more than 10 %
wrong masks.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

import masklet
from masklet.backends.protocol import Model
from masklet.io import ArrayVideo
from masklet.masks.rle import pair_iou
from masklet.predict.review import rank_frames
from masklet.types import Masklet, Prompts, Rle
from stress import Clip, load_clips, stress_clips

WRONG = 0.5
SHARE = 0.1


def track(model: Model, clip: Clip) -> tuple[Masklet, dict[int, float]]:
    """Track the object of a clip; return its masklet and frame -> IoU with the truth, without the prompted frame."""
    session = masklet.VideoSession(model, ArrayVideo(clip.frames))
    session.prompt(0, object_id=1, prompts=Prompts.from_mask(clip.truth[0]))
    for _ in session.propagate("forward"):
        pass
    found = session.masklets()[1]
    return found, {i: pair_iou(rle, Rle.from_mask(clip.truth[i])) for i, rle in found.frames.items() if i}


def by_confidence(found: Masklet, _: dict[int, float]) -> list[int]:
    return sorted((i for i in found.frames if i), key=lambda i: (found.confidence[i], i))


def by_estimate(found: Masklet, _: dict[int, float]) -> list[int]:
    return [one.frame_index for one in rank_frames(replace(found, confidence={}))]


def by_review(found: Masklet, _: dict[int, float]) -> list[int]:
    return [one.frame_index for one in rank_frames(found)]


def by_truth(_: Masklet, ious: dict[int, float]) -> list[int]:
    return sorted(ious, key=lambda i: (ious[i], i))


RULES: dict[str, Callable[[Masklet, dict[int, float]], list[int]]] = {
    "review": by_review,
    "calibrated confidence alone": by_confidence,
    "review, confidence not calibrated": by_estimate,
    "oracle": by_truth,
}


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure the rule for frames that need review.")
    parser.add_argument("videos", type=Path)
    parser.add_argument("--groups", default="as is,gap,cuts,two")
    parser.add_argument("--frames", type=int, default=60, help="maximum number of frames of each video")
    parser.add_argument("--size", type=int, default=256, help="side of the model's input in pixels")
    parser.add_argument("--model", default="nano")
    options = parser.parse_args()
    torch.set_num_threads(1)
    model = masklet.load(options.model, image_size=options.size)
    groups = options.groups.split(",")
    hits: dict[tuple[str, str], int] = defaultdict(int)
    wrong: dict[str, int] = defaultdict(int)
    for group, clip in stress_clips(load_clips(options.videos, options.frames), groups):
        found, ious = track(model, clip)
        bad = {i for i, iou in ious.items() if iou < WRONG}
        wrong[group] += len(bad)
        for name, rule in RULES.items():
            hits[name, group] += len(bad & set(rule(found, ious)[: math.ceil(SHARE * len(found.frames))]))
        print(f"{group} {clip.name}: {len(bad)} of {len(ious)} masks are wrong", file=sys.stderr)
    print(f"| rule | {' | '.join(groups)} | all |\n|{' --- |' * (len(groups) + 2)}")
    for name in RULES:
        cells = [f"{hits[name, group]} of {wrong[group]}" for group in groups]
        share = sum(hits[name, group] for group in groups) / max(1, sum(wrong.values()))
        print(f"| {name} | {' | '.join(cells)} | {100 * share:.1f} % |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
