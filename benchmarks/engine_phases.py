"""Simulated annotation phases on videos with known masks: clicks and edited frames, as in the paper's table.

    python benchmarks/engine_phases.py [--videos 6] [--frames 48] [--every 4] [--target-iou 0.75] [--root DIR]

The annotator knows the true masks and follows the paper's click rules (`masklet.engine.simulation`). Videos are the val
sequences of the shared data (`unpack.py DIR` writes DIR/videos/val), the first `--frames` frames of each; `--root` is
that DIR. Times are not measured, because a person's seconds cannot be simulated.
"""

from __future__ import annotations

import argparse
import datetime
import json
import platform
import sys
import time
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch

import masklet
from masklet.engine.simulation import Effort, PhaseNumber, SimulationSettings, annotate
from masklet.engine.statistics import from_efforts, render_simulated
from masklet.io import ArrayVideo
from masklet.io.datasets import VideoSequence, open_videos
from masklet.types import Rle


def cut(sequence: VideoSequence, frames: int) -> tuple[ArrayVideo, dict[int, Rle]]:
    """Return the first frames of a video and the masks of its object."""
    count = min(frames, sequence.num_frames)
    with sequence.open() as video:
        images = np.stack([video[index] for index in range(count)])
    object_id = next(iter(sequence.objects))
    return ArrayVideo(images), {i: Rle.from_mask(sequence.truth(i)[object_id]) for i in range(count)}


def main() -> None:
    parser = argparse.ArgumentParser(description="Simulated annotation phases")
    parser.add_argument("--root", default="data", help="where unpack.py wrote")
    parser.add_argument("--videos", type=int, default=6)
    parser.add_argument("--frames", type=int, default=48)
    parser.add_argument("--every", type=int, default=4)
    parser.add_argument("--target-iou", type=float, default=0.75)
    parser.add_argument("--max-clicks", type=int, default=8)
    parser.add_argument("--model", default="nano")
    parser.add_argument("--json", type=Path, help="write the rows here too")
    chosen = parser.parse_args()
    model = masklet.load(chosen.model)
    settings = SimulationSettings(target_iou=chosen.target_iou, max_clicks=chosen.max_clicks, every=chosen.every)
    dataset = open_videos("davis2016", Path(chosen.root) / "videos" / "val", split="all", limit=chosen.videos)
    efforts: dict[PhaseNumber, list[Effort]] = {"1": [], "2": [], "3": []}
    truths = []
    started = time.perf_counter()
    for sequence in dataset:
        video, truth = cut(sequence, chosen.frames)
        truths.append(truth)
        for phase, done in efforts.items():
            done.append(annotate(phase, model, video, truth, settings))
            clicks, edited = sum(done[-1].clicks.values()), len(done[-1].edited)
            print(f"{sequence.name} phase {phase}: {clicks} clicks, {edited} frames edited", file=sys.stderr)
    rows = [from_efforts(phase, done, truths, efforts["1"]) for phase, done in efforts.items()]
    machine = f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}"
    work = f"{len(dataset)} videos, {sum(map(len, truths))} frames, {time.perf_counter() - started:.0f} s"
    name = f"{model.config.full_name} at {model.config.image_size} px"
    print(f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}; {machine}; {name}; {work}")
    print()
    print(render_simulated(rows, settings))
    if chosen.json:
        text = json.dumps([asdict(row) for row in rows], indent=1).replace("NaN", "null")
        chosen.json.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
