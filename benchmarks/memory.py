"""Resident memory of `StreamTracker` over a long stream: 3 objects, one forgotten and one added on the way.

    python benchmarks/memory.py [--frames 10000] [--size 96] [--model nano] [--memory plain] [--json]

Prints the curve; the run fails where memory grows by 20 MB or more while the objects stay the same, 200 frames after
they last changed or later: another number of objects has other shapes, and torch keeps programs for each of them. With
the embedded model at 96 px 10,000 frames take some ten minutes on 2 cores. On systems without /proc the peak is taken,
which can only be larger.
"""

from __future__ import annotations

import argparse
import datetime
import itertools
import json
import os
import platform
import sys
import time
from pathlib import Path

import numpy as np
import torch

import masklet
from masklet.tracking.memory_policy import NAMES, PolicyName
from masklet.types import Prompts, RgbImage

WARM = 200
ALLOWED_MB = 20.0
HEIGHT, WIDTH = 120, 160


def resident_mb() -> float:
    """Resident memory of this process in MB, or its peak where the system tells no more."""
    statm = Path("/proc/self/statm")
    if statm.is_file():
        return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    import resource  # noqa: PLC0415 - not on Windows

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak / 1e3


def places(index: int) -> list[tuple[int, int]]:
    """(x, y) of the middle of the four squares; each wanders on a path of its own."""
    steps = np.arange(4)
    x = WIDTH / 2 + (WIDTH / 2 - 20) * np.sin(index / (40 + 7 * steps) + 1.7 * steps)
    y = HEIGHT / 2 + (HEIGHT / 2 - 20) * np.cos(index / (31 + 5 * steps) + 0.9 * steps)
    return list(zip(x.astype(int).tolist(), y.astype(int).tolist(), strict=True))


def picture(index: int, background: RgbImage) -> RgbImage:
    """Four squares over a background that scrolls."""
    frame = np.roll(background, index, axis=1)
    for (x, y), color in zip(places(index), [(220, 50, 40), (30, 60, 210), (40, 180, 60), (230, 210, 40)], strict=True):
        frame[y - 14 : y + 14, x - 14 : x + 14] = color
    return frame


def prompts_at(index: int, frames: int) -> dict[int, Prompts]:
    """Objects 1 to 3 at first; object 4 comes at half time."""
    boxes = {i + 1: Prompts.from_box(x - 14, y - 14, x + 14, y + 14) for i, (x, y) in enumerate(places(index))}
    asked = {0: (1, 2, 3), frames // 2: (4,)}.get(index, ())
    return {i: boxes[i] for i in asked}


def run(model: str, size: int, frames: int, memory: PolicyName) -> dict[int, float]:
    """Frame index -> resident memory in MB, about 50 of them."""
    draw = np.random.default_rng(0)
    background = (draw.integers(60, 140, (HEIGHT, 1, 3)) + draw.integers(0, 60, (1, WIDTH, 3))).astype(np.uint8)
    tracker = masklet.StreamTracker(masklet.load(model, image_size=size), memory=memory)
    curve: dict[int, float] = {}
    for index in range(frames):
        if index == frames // 3:
            tracker.forget(2)
        tracker.step(picture(index, background), prompts_at(index, frames))
        if index % max(frames // 50, 1) == 0 or any(index in (first, last) for first, last in stretches(frames)):
            curve[index] = resident_mb()
    return curve


def stretches(frames: int) -> list[tuple[int, int]]:
    """First and last frame of each time during which the objects stay the same, without its first frames."""
    ends = (0, frames // 3, frames // 2, frames)
    return [(first + WARM, last - 1) for first, last in itertools.pairwise(ends)]


def growth(curve: dict[int, float], frames: int) -> float:
    """How much memory grows in all stretches together, in MB."""
    return sum(
        max(value for index, value in curve.items() if first <= index <= last) - curve[first]
        for first, last in stretches(frames)
    )


def main() -> int:
    parser = argparse.ArgumentParser(description="Resident memory of StreamTracker over a long stream.")
    parser.add_argument("--frames", type=int, default=10_000)
    parser.add_argument("--size", type=int, default=96, help="side of the model's input in pixels")
    parser.add_argument("--model", default="nano")
    parser.add_argument("--memory", default="plain", choices=NAMES, help="memory policy")
    parser.add_argument("--json", action="store_true", help="print the numbers as JSON")
    options = parser.parse_args()
    if options.frames < 10 * WARM:
        parser.error(f"expected {10 * WARM} frames or more, got {options.frames}")
    started = time.perf_counter()
    curve = run(options.model, options.size, options.frames, options.memory)
    seconds = time.perf_counter() - started
    grown, more = growth(curve, options.frames), max(curve.values()) - curve[WARM]
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}"
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    if options.json:
        facts = {name: getattr(options, name) for name in ("model", "memory", "size", "frames")}
        facts["seconds"] = round(seconds, 1)
        print(json.dumps({**facts, "growth_mb": round(grown, 2), "curve_mb": curve, "machine": machine, "date": today}))
    else:
        lowest, highest = min(curve.values()), max(curve.values())
        for index, value in curve.items():
            bar = "#" * round(40 * (value - lowest) / max(highest - lowest, 1.0))
            print(f"frame {index:6d}  {value:8.1f} MB  {bar}")
        asked = f"{options.model} at {options.size} px, {options.memory}"
        print(f"{asked}, {options.frames} frames in {seconds:.0f} s; {machine}; {today}")
        print(f"growth while objects stay the same: {grown:.1f} MB (allowed: less than {ALLOWED_MB:.0f} MB)")
        print(f"highest above frame {WARM}: {more:.1f} MB")
    return int(grown >= ALLOWED_MB)


if __name__ == "__main__":
    sys.exit(main())
