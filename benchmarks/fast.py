"""`load(..., speed="fast")`: what each saving gains and what it costs, alone and together.

    python benchmarks/fast.py [--frames 60] [--repeats 3] [--json]

Gain: the processor's time for a frame in a steady state (`masklet bench speed` by parts), one thread, a model of known
shape with random weights. Loss: mean and least IoU with the masks of the exact model in float32, tracked from a box
through two real clips by a model with weights of its own (by default the embedded one, which keeps its input size;
name a released one with --model). Clips are looked for in MASKLET_ASSETS.
"""

from __future__ import annotations

import argparse
import json
import os
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool

import masklet
from masklet import Prompts
from masklet.cli import model_timing
from masklet.cli.options import ModelOptions
from masklet.masks.overlap import pair_iou
from masklet.model.config import PRESETS
from masklet.model.sam2 import Sam2
from masklet.predict.speed import FAST_IMAGE_SIZES, FAST_MAX_MAPS

CLIPS = {"dog.mp4": (450, 375, 705, 550), "hummingbird.mp4": (230, 150, 700, 310)}
"""Each with the box of its object on the first frame."""
LOAD: Any = masklet.load  # with arguments from a table

Masks = list[Bool[np.ndarray, "h w"]]


def builds(image_size: int) -> dict[str, dict[str, Any]]:
    """Each saving by itself, then all of them; ``max_maps`` goes into the configuration."""
    found: dict[str, dict[str, Any]] = {
        "exact": {},
        "bfloat16": {"dtype": "bfloat16"},
        f"{FAST_MAX_MAPS} maps": {"max_maps": FAST_MAX_MAPS},
        "fast": {"speed": "fast"},
    }
    if image_size in FAST_IMAGE_SIZES:
        found[f"{FAST_IMAGE_SIZES[image_size]} px"] = {"image_size": FAST_IMAGE_SIZES[image_size]}
    return found


def built(load: Any, build: dict[str, Any]) -> Sam2:
    rest = {key: value for key, value in build.items() if key != "max_maps"}
    model: Sam2 = load(**rest)
    model.config = replace(model.config, max_maps=build.get("max_maps", model.config.max_maps))
    return model


def random_model(name: str, **build: Any) -> Sam2:
    return model_timing.random_model(ModelOptions(name=name, device="cpu", **build))


def gains(name: str, repeats: int) -> dict[str, float]:
    """Build -> milliseconds of the processor a frame; builds are measured one after the other."""
    size = random_model(name).config.image_size
    found = {}
    for build, options in builds(size).items():
        model = built(lambda **rest: random_model(name, **rest), options)
        parts = model_timing.parts(model, (480, 854), objects=1, repeats=repeats)
        found[build] = round(sum(part.processor for part in parts), 1)
    return found


def losses(name: str, clip: Path, frames: int) -> dict[str, dict[str, float]]:
    """Build -> IoU with the exact masks."""
    with masklet.open_video(clip) as video:
        pictures = [np.asarray(frame) for frame in islice(video, frames)]
    exact, found = None, {}
    for build, options in builds(LOAD(name, device="cpu").config.image_size).items():
        model = built(lambda **rest: LOAD(name, device="cpu", **rest), options)
        masks = track(model, pictures, Prompts.from_box(*CLIPS[clip.name]))
        exact = exact or masks
        ious = [pair_iou(a, b) for a, b in zip(masks, exact, strict=True)]
        found[build] = {"mean": round(float(np.mean(ious)), 4), "least": round(min(ious), 4)}
    return found


def track(model: Sam2, pictures: list[Any], box: Prompts) -> Masks:
    tracker = masklet.StreamTracker(model)
    return [tracker.step(frame, None if index else {1: box}).masks[0].copy() for index, frame in enumerate(pictures)]


def main() -> None:
    assets = Path(os.environ.get("MASKLET_ASSETS", Path(__file__).parents[2] / "shared"))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--timed", default="sam2.1-tiny", help="whose time is measured, with random weights")
    parser.add_argument("--model", default="nano", help="whose masks are compared")
    parser.add_argument("--clips", type=Path, default=assets / "data" / "clips")
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    gain = {
        name: gains(name, options.repeats) for name in dict.fromkeys([options.timed, options.model]) if name in PRESETS
    }
    clips = [options.clips / name for name in CLIPS if (options.clips / name).is_file()]
    loss = {clip.name: losses(options.model, clip, options.frames) for clip in clips}
    if options.json:
        print(json.dumps({**model_timing.machine(), "cpu_ms": gain, "iou": loss}))
        return
    for name, by_build in gain.items():
        print(f"\n{name}: CPU ms a frame, times as fast as exact")
        for build, milliseconds in by_build.items():
            print(f"  {build:10} {milliseconds:8.1f} {by_build['exact'] / milliseconds:6.2f}")
    for clip_name, by_name in loss.items():
        print(f"\n{options.model}, {clip_name}, {options.frames} frames: IoU with exact, mean and least")
        for build, iou in by_name.items():
            print(f"  {build:10} {iou['mean']:8.3f} {iou['least']:6.3f}")
    print("\n" + ", ".join(f"{name} {value}" for name, value in model_timing.machine().items()))


if __name__ == "__main__":
    main()
