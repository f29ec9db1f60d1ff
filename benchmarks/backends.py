"""The same clip tracked on every run time: frames per second, and masks against torch in float32."""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch

import masklet
from masklet import Prompts
from masklet.errors import MaskletError
from masklet.masks.overlap import pair_iou
from masklet.model.config import PRESETS
from masklet.model.convert import save_model
from masklet.model.sam2 import Sam2
from masklet.types import RgbImage

BUILDS: dict[str, dict[str, Any]] = {
    "torch float32": {},
    "torch bfloat16": {"dtype": "bfloat16"},
    "onnx float32": {"backend": "onnx"},
    "openvino float32": {"backend": "openvino"},
    "openvino bfloat16": {"backend": "openvino", "dtype": "bfloat16"},
    "openvino int8": {"backend": "openvino", "dtype": "int8"},
}
WARM_UP = 3
LOAD: Any = masklet.load  # with arguments from a table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    assets = Path(os.environ.get("MASKLET_ASSETS", Path(__file__).parents[2] / "shared"))
    parser.add_argument("--clip", type=Path, default=assets / "data" / "clips" / "blocks.mp4")
    parser.add_argument("--click", default="530,486", help="x,y on the first frame")
    parser.add_argument("--calibrate", type=Path, default=assets / "data" / "clips" / "hummingbird.mp4")
    parser.add_argument("--sizes", type=int, nargs="+", default=[320, 384])
    parser.add_argument("--frames", type=int, default=40)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--builds", nargs="+", default=list(BUILDS), choices=list(BUILDS))
    parser.add_argument("--encoder", default="sam2.1-tiny", help="image encoder to time at 1024 px; '' for none")
    options = parser.parse_args()
    threads = torch.get_num_threads()
    print(f"{platform.processor() or platform.machine()}, {threads} threads, {datetime.now(UTC):%Y-%m-%d}")
    frames = read(options.clip, options.frames)
    click = Prompts.click(*map(float, options.click.split(",")))
    for size in options.sizes:
        print(f"\nnano at {size} px, {options.clip.name}, {len(frames)} frames, one object, {options.repeats} repeats")
        print(f"{'build':<20}{'ms/frame':>10}{'frames/s':>10}{'ratio':>8}{'IoU mean':>10}{'IoU least':>10}")
        track_all(options, size, frames, click)
    if options.encoder:
        encode_all(options)


def track_all(options: argparse.Namespace, size: int, frames: list[RgbImage], click: Prompts) -> None:
    """One row a build; builds take turns, so that a disturbance meets all of them."""
    models: dict[str, Any] = {}
    for build in options.builds:
        calibration = {"calibration": read(options.calibrate, 72)} if "int8" in build else {}
        try:
            models[build] = LOAD("nano", image_size=size, **BUILDS[build], **calibration)
        except MaskletError as error:
            print(f"{build:<20}{error}")
    times: dict[str, list[float]] = {build: [] for build in models}
    masks: dict[str, list[np.ndarray]] = {}
    for _ in range(options.repeats):
        for build, model in models.items():
            taken, masks[build] = track(model, frames, click)
            times[build] += taken[WARM_UP:]
    base = statistics.median(times[options.builds[0]])
    for build in models:
        median = statistics.median(times[build])
        pairs = zip(masks[build], masks[options.builds[0]], strict=True)
        iou = [pair_iou(a, b) for a, b in pairs]
        row = f"{build:<20}{median * 1e3:>10.1f}{1 / median:>10.2f}{base / median:>8.2f}"
        print(f"{row}{statistics.fmean(iou):>10.4f}{min(iou):>10.4f}")


def track(model: Any, frames: list[RgbImage], click: Prompts) -> tuple[list[float], list[np.ndarray]]:
    """Seconds and mask of each frame."""
    tracker, seconds, masks = masklet.StreamTracker(model), [], []
    for index, frame in enumerate(frames):
        start = time.perf_counter()
        result = tracker.step(frame, {1: click} if index == 0 else {})
        seconds.append(time.perf_counter() - start)
        masks.append(result.masks[0].copy())
    return seconds, masks


def encode_all(options: argparse.Namespace) -> None:
    """The image encoder alone, with random weights: speed does not depend on them."""
    torch.manual_seed(0)
    config = PRESETS[options.encoder]
    path = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "masklet" / "bench.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    save_model(Sam2(config), path)
    pixels = torch.rand(1, 3, config.image_size, config.image_size)
    print(f"\nimage encoder of {options.encoder} at {config.image_size} px, {options.repeats + 1} repeats")
    base = 0.0
    for build in (build for build in options.builds if "int8" not in build):
        model = LOAD(path, **BUILDS[build])
        median = timed(lambda model=model: model.encode_image(pixels), options.repeats + 1)  # type: ignore[misc]
        base = base or median
        print(f"{build:<20}{median * 1e3:>10.1f} ms{base / median:>8.2f}")


def timed(run: Callable[[], object], repeats: int) -> float:
    """Median seconds after one run to warm up."""
    seconds = []
    with torch.inference_mode():
        run()
        for _ in range(repeats):
            start = time.perf_counter()
            run()
            seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def read(path: Path, count: int) -> list[RgbImage]:
    frames = []
    with masklet.open_video(path) as video:
        for frame in video:
            frames.append(np.asarray(frame))
            if len(frames) == count:
                break
    return frames


if __name__ == "__main__":
    main()
