"""Measure frames per second of J and F, and of the public `vos-benchmark` in the same run and as many processes.

    python benchmarks/metrics_speed.py [--frames 60] [--processes 1] [--repeats 7]

The input is 854 x 480 label maps with 3 objects; the prediction is the truth shifted by a few pixels. Both programs get
the same arrays in one process, or read the same PNG files with Pillow in ``--processes`` processes. They take turns,
and the table shows medians. Both find the object ids themselves. Needs: pip install vos-benchmark (without it only
masklet is measured).

Lower bound from single NumPy passes over 410 kB: 0.08 ms to cut an object out of both maps and find its window, 0.15 ms
for boundaries and dilations of 200 x 200 bits; 0.75 ms per frame with three objects. Measured on a shared 2-core Xeon:
16 times as fast as the peer on arrays (26 times for small objects, 6 times for three that fill the frame), 7 times from
PNG, where reading takes 1.6 ms in both programs.
"""

from __future__ import annotations

import argparse
import importlib
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from masklet.evaluate.metrics.frames import FrameMetric, object_ids_in
from masklet.evaluate.metrics.sequences import SequenceScores, mean_scores, object_scores

SIZE = (480, 854)
Map = np.ndarray
Sequence = tuple[list[Map], list[Map]]  # predictions, truths
Score = Callable[[Any], tuple[float, float]]


def scene(draw: np.random.Generator, reach: float) -> Map:
    """Draw three wavy blobs with a radius of about ``reach`` pixels."""
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    labels = np.zeros(SIZE, np.uint8)
    for i in range(1, 4):
        cy, cx = draw.uniform(0.25, 0.75, 2) * SIZE
        angle, phase = np.arctan2(y - cy, x - cx), draw.uniform(0, 6)
        edge = draw.uniform(0.6, 1.4) * reach * (1 + 0.2 * np.sin(5 * angle + phase) + 0.1 * np.sin(11 * angle))
        labels[np.hypot(y - cy, x - cx) < edge] = i
    return labels


def video(seed: int, frames: int, reach: float) -> Sequence:
    draw = np.random.default_rng(seed)
    truths = [scene(draw, reach) for _ in range(frames)]
    return [np.roll(truth, draw.integers(-4, 5, 2).tolist(), (0, 1)) for truth in truths], truths


def read(folders: tuple[str, str]) -> Sequence:
    predictions, truths = ([np.array(Image.open(path)) for path in sorted(Path(f).iterdir())] for f in folders)
    return predictions, truths


def ours(sequence: Sequence) -> tuple[float, float]:
    predictions, truths = sequence
    ids, metric = object_ids_in(truths), FrameMetric()
    frames = [metric.score_labels(p, t, ids) for p, t in zip(predictions, truths, strict=True)]
    mean = mean_scores(object_scores(SequenceScores.from_frames(ids, frames), skip_ends=False))
    return mean.j, mean.f


def theirs(sequence: Sequence) -> tuple[float, float]:
    evaluator = importlib.import_module("vos_benchmark.evaluator").Evaluator()
    for prediction, truth in zip(*sequence, strict=True):
        evaluator.feed_frame(prediction, truth)
    j, f = evaluator.conclude()
    return float(np.mean(list(j.values()))) / 100, float(np.mean(list(f.values()))) / 100


def ours_from_files(folders: tuple[str, str]) -> tuple[float, float]:
    return ours(read(folders))


def theirs_from_files(folders: tuple[str, str]) -> tuple[float, float]:
    return theirs(read(folders))


def call(job: Any, score: Score) -> Any:
    return score(job)


def map_jobs(pool: Any, jobs: list[Any], score: Score) -> Any:
    return pool.map(score, jobs, 1)


def race(title: str, sides: dict[str, Score], run: Callable[[Score], Any], frames: int, repeats: int) -> None:
    """Run the programs in turns and print the medians."""
    results = {name: run(score) for name, score in sides.items()}  # also warms up
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(repeats):
        for name, score in sides.items():
            start = time.perf_counter()
            run(score)
            seconds[name].append(time.perf_counter() - start)
    for name, values in seconds.items():
        median, best, worst = (1e3 * value / frames for value in (statistics.median(values), min(values), max(values)))
        print(f"| {title} | {name} | {1e3 / median:.0f} | {median:.2f} ({best:.2f} to {worst:.2f}) |")
    if len(sides) == 2:
        ratios = [b / a for a, b in zip(*seconds.values(), strict=True)]
        gap = np.abs(np.subtract(*results.values())).max()
        print(f"| {title} | **times as fast** | **{statistics.median(ratios):.1f}** | same numbers within {gap:.1g} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--processes", type=int, default=1, help="processes that share the frames read from PNG")
    parser.add_argument("--repeats", type=int, default=7)
    options = parser.parse_args()
    arrays: dict[str, Score] = {"masklet": ours}
    files: dict[str, Score] = {"masklet": ours_from_files}
    try:
        importlib.import_module("vos_benchmark.evaluator")
        arrays["vos-benchmark"], files["vos-benchmark"] = theirs, theirs_from_files
    except ImportError as error:
        print(f"the peer is not installed ({error}): pip install vos-benchmark\n")
    print("| input | program | frames/s | ms a frame, median (range) |\n| --- | --- | ---: | ---: |")
    for objects, reach in (("small", 25.0), ("medium", 75.0), ("large", 200.0)):
        one = video(0, options.frames, reach)
        race(f"arrays, {objects} objects", arrays, partial(call, one), options.frames, options.repeats)
    share = options.frames // options.processes
    context = get_context("spawn")
    with tempfile.TemporaryDirectory() as folder, context.Pool(options.processes) as pool:
        jobs = [write(Path(folder) / str(seed), video(seed, share, 75.0)) for seed in range(options.processes)]
        title = f"PNG, medium objects, {options.processes} process(es)"
        race(title, files, partial(map_jobs, pool, jobs), share * options.processes, options.repeats)


def write(folder: Path, sequence: Sequence) -> tuple[str, str]:
    for name, maps in zip(("prediction", "truth"), sequence, strict=True):
        (folder / name).mkdir(parents=True)
        for i, labels in enumerate(maps):
            Image.fromarray(labels).save(folder / name / f"{i:05d}.png")
    return str(folder / "prediction"), str(folder / "truth")


if __name__ == "__main__":
    main()
