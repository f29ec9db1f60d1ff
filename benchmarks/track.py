"""The whole of `masklet track` on a clip, and each of its stages alone.

    python benchmarks/track.py [CLIP] [--frames 120] [--objects 1 4] [--repeats 3] [--json]

The command runs as people run it, in a process of its own: it decodes, tracks, draws and encodes in a pipeline. Frames
a second are those that it reports; its first row tells them, the row below counts the start of the program and the
processor's time too. The stages run one after the other in this process. Medians over the repeats, taken in turns.
Without CLIP it is data/clips/dog.mp4 of the folder MASKLET_ASSETS, or a clip made up here.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import masklet
from masklet.cli.model_timing import grid_of_boxes, machine, synthetic_frame
from masklet.io import OverlayWriter, RecordedSource, Style, open_video
from masklet.io.overlay import draw_style
from masklet.types import FrameMasks, RgbImage, Size

SIZE = (720, 1280)
RUN = "import sys; from masklet.cli import main; main(sys.argv[1:])"


class Cost(NamedTuple):
    """Milliseconds a frame, by the wall and by the processor."""

    wall: float
    processor: float


def unmasked(index: int, size: Size) -> FrameMasks:
    """A frame without any object."""
    nothing = np.zeros(0, np.float32)
    return FrameMasks(index, (), np.zeros((0, *size), bool), nothing, nothing)


def made_up(folder: Path, frames: int) -> Path:
    """A clip of waves that move."""
    with OverlayWriter(folder / "waves.mp4", fps=30) as sink:
        for index in range(frames):
            sink.write(synthetic_frame(index, SIZE), unmasked(index, SIZE))
    return folder / "waves.mp4"


def stages(clip: Path, frames: int, objects: int, folder: Path) -> dict[str, Cost]:
    """Each stage alone, in the order of the pipeline."""
    costs: dict[str, Cost] = {}

    def timed(stage: str, run: Callable[[], None]) -> None:
        wall, processor = time.perf_counter(), time.process_time()
        run()
        wall, processor = time.perf_counter() - wall, time.process_time() - processor
        costs[stage] = Cost(1e3 * wall / frames, 1e3 * processor / frames)

    with open_video(clip) as video:
        assert isinstance(video, RecordedSource)
        pictures: list[RgbImage] = []
        results: list[FrameMasks] = []
        tracker = masklet.StreamTracker(masklet.load(device="cpu"))
        prompts = {0: grid_of_boxes(video.size, objects)}

        def decode() -> None:
            pictures.extend(frame for frame, _ in zip(video, range(frames), strict=False))

        def track() -> None:
            results.extend(done.masks for done in tracker.steps(iter(pictures), prompts))

        def step_by_step() -> None:
            alone = masklet.StreamTracker(tracker.model)
            for index, frame in enumerate(pictures):
                alone.step(frame, prompts.get(index))

        def draw() -> None:
            for frame, out in zip(pictures, results, strict=True):
                draw_style(frame, out, Style())

        def encode() -> None:
            with OverlayWriter(folder / "encoded.mp4", like=video, audio=False) as sink:
                for index, frame in enumerate(pictures):
                    sink.write(frame, unmasked(index, video.size))

        runs = {"decode": decode, "track": track, "step by step": step_by_step, "draw": draw, "encode": encode}
        for stage, run in runs.items():
            timed(stage, run)
    return costs


def whole(clip: Path, frames: int, objects: int, folder: Path) -> tuple[dict[str, Cost], float]:
    """The command: by its own count and from start to end; and its peak memory in MB."""
    with open_video(clip) as video:
        asked = grid_of_boxes(video.size, objects).items()
    prompts = [
        f"--box={i}:" + ",".join(f"{value:.0f}" for value in one.box.tolist())
        for i, one in asked
        if one.box is not None
    ]
    words = ["track", str(clip), *prompts, "--end", str(frames), "--device", "cpu", "--json", "-q", "--overwrite"]
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    told = subprocess.run(
        [sys.executable, "-c", RUN, *words, "-o", str(folder / "tracked.mp4")], check=True, capture_output=True
    ).stdout
    wall, after = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    (entry,) = json.loads(told)["videos"]
    costs = {
        "whole command": Cost(1e3 * entry["seconds"] / frames, float("nan")),
        "with its start": Cost(1e3 * wall / frames, 1e3 * processor / frames),
    }
    return costs, after.ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("clip", nargs="?", type=Path)
    parser.add_argument("--frames", type=int, default=120)
    parser.add_argument("--objects", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    assets = Path(os.environ.get("MASKLET_ASSETS", Path(__file__).parents[2] / "shared"))
    taken: defaultdict[tuple[int, str], list[Cost]] = defaultdict(list)
    peaks: dict[int, float] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        kept = assets / "data/clips/dog.mp4"
        clip = options.clip or (kept if kept.is_file() else made_up(folder, options.frames))
        with open_video(clip) as video:
            frames = min(options.frames, len(video))
        for _ in range(options.repeats):
            for objects in options.objects:
                told, peaks[objects] = whole(clip, frames, objects, folder)
                for stage, cost in {**stages(clip, frames, objects, folder), **told}.items():
                    taken[objects, stage].append(cost)
    rows: list[dict[str, Any]] = [
        {
            "stage": stage,
            "objects": objects,
            "ms": round(statistics.median(cost.wall for cost in costs), 1),
            "cpu_ms": None if stage == "whole command" else round(statistics.median(c.processor for c in costs), 1),
        }
        for (objects, stage), costs in taken.items()
    ]
    facts = {**machine(), "clip": clip.name, "frames": frames, "repeats": options.repeats, "peak_mb": peaks}
    if options.json:
        print(json.dumps({**facts, "stages": rows}, indent=2))
        return
    print(f"{'stage':16} {'objects':>7} {'ms a frame':>10} {'CPU ms':>7} {'frames/s':>8}")
    for row in rows:
        processor = "" if row["cpu_ms"] is None else row["cpu_ms"]
        print(f"{row['stage']:16} {row['objects']:>7} {row['ms']:>10} {processor:>7} {1e3 / row['ms']:>8.1f}")
    print(", ".join(f"{name} {value}" for name, value in facts.items()))


if __name__ == "__main__":
    main()
