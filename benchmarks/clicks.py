"""Clicks that a video needs until its masks are good, by memory policy: a simulated person corrects the worst frame.

    python benchmarks/clicks.py VIDEOS [--groups "as is,gap,cuts"] [--policies plain,auto] [--goal 85] [--most 8]
                                [--clicks-only]

VIDEOS is a folder in the form of DAVIS 2016; stress clips are made of it (`benchmarks/stress.py`). The first click goes
to the middle of the object on its first frame. Then the video is tracked, and the next click goes to the center of the
largest error of the frame whose IoU is worst, until the mean J&F of all frames reaches the goal or ``--most`` clicks
are made. Where that frame shows something though the object is hidden, the person says "it is not here", which counts
as a click; with ``--clicks-only`` such frames count, but nothing is said on them. Nothing is drawn by chance: two runs
click alike.

| column | is |
| --- | --- |
| clicks | mean per object; one that never reaches the goal counts as ``--most`` |
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
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool

import masklet
from masklet.evaluate.metrics.frames import FrameMetric
from masklet.masks.clicks import next_click
from masklet.model.sam2 import Sam2
from masklet.predict.feature_cache import FrameFeatures
from masklet.tracking.policies import NAMES, PolicyName
from masklet.types import Prompts
from stress import Clip, load_clips, stress_clips

METRIC = FrameMetric()
Mask = Bool[np.ndarray, "h w"]


@dataclass(frozen=True)
class Person:
    """Who corrects: until the mean J&F in percent is at the goal, or ``most`` clicks are made.

    Attributes:
        goal: the mean J&F to reach.
        most: clicks on a clip at most.
        clicks_only: "it is not here" cannot be said.
    """

    goal: float
    most: int
    clicks_only: bool

    def says(self, seen: Mask, truth: Mask) -> Prompts | None:
        """What is said about a frame; None where it is right."""
        if not truth.any() and seen.any():
            return Prompts.absent(truth.shape)
        click = next_click(seen, truth)
        return None if click is None else Prompts.click(click.x, click.y, positive=click.positive)

    def work(
        self, model: Sam2, clip: Clip, memory: PolicyName, features: FrameFeatures | None
    ) -> tuple[list[float], FrameFeatures]:
        """J&F in percent after each click, and the features of the pictures for the next one who works on the clip."""
        session = masklet.VideoSession(model, masklet.ArrayVideo(clip.frames), memory=memory)
        session.features = features or session.features
        masks, worst, course = np.zeros_like(clip.truth), 0, list[float]()
        while len(course) < self.most and (said := self.says(masks[worst], clip.truth[worst])) is not None:
            session.prompt(worst, object_id=1, prompts=said)
            for out in session.propagate(start=worst):
                masks[out.frame_index] = out[1]
            scores = METRIC.score_masks(masks, clip.truth)
            course.append(50 * float((scores.j + scores.f).mean()))
            if course[-1] >= self.goal:
                break
            passed = ~clip.truth.any(axis=(1, 2)) if self.clicks_only else False
            worst = int(np.where(passed, 1.0, scores.j).argmin())
        return course, session.features


def main() -> int:
    parser = argparse.ArgumentParser(description="Clicks needed, by memory policy.")
    parser.add_argument("videos", type=Path)
    parser.add_argument("--groups", default="as is,gap,cuts")
    parser.add_argument("--policies", default="plain,auto")
    parser.add_argument("--goal", type=float, default=85.0, help="J&F in percent")
    parser.add_argument("--most", type=int, default=8, help="clicks on a clip at most")
    parser.add_argument("--clicks-only", action="store_true", help="never say that the object is not there")
    parser.add_argument("--frames", type=int, default=30, help="of each video; 0 for all")
    parser.add_argument("--size", type=int, default=256, help="side of the model's input in pixels")
    parser.add_argument("--model", default="nano")
    options = parser.parse_args()
    model = masklet.load(options.model, image_size=options.size)
    person = Person(options.goal, options.most, options.clicks_only)
    policies: list[PolicyName] = [name for name in NAMES if name in options.policies.split(",")]
    found: dict[str, dict[str, list[list[float]]]] = defaultdict(lambda: defaultdict(list))
    for group, clip in stress_clips(load_clips(options.videos, options.frames or None), options.groups.split(",")):
        features = None
        for name in policies:
            course, features = person.work(model, clip, name, features)
            found[group][name].append(course)
            print(f"{group:6} {clip.name:16} {name:10} {' '.join(f'{value:.1f}' for value in course)}", flush=True)
    show(found, options.goal, options.most)
    return 0


def show(found: dict[str, dict[str, list[list[float]]]], goal: float, most: int) -> None:
    """Print the table."""
    print(f"\n{'group':8}{'policy':>10}{'clicks':>8}{'reached':>10}{'first':>8}{'last':>8}")
    for group, each in found.items():
        for name, courses in each.items():
            reached = [course[-1] >= goal for course in courses]
            clicks = np.mean([len(course) if ok else most for course, ok in zip(courses, reached, strict=True)])
            ends = "".join(f"{np.mean([course[k] for course in courses]):8.1f}" for k in (0, -1))
            print(f"{group:8}{name:>10}{clicks:8.2f}{sum(reached):>7}/{len(reached)}{ends}")
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    print(f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}; {today}")


if __name__ == "__main__":
    sys.exit(main())
