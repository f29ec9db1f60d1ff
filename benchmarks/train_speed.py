"""Measure training by recipe: images per second, the share of time spent waiting for data, and peak memory.

    python benchmarks/train_speed.py [--steps 24] [--workers 1] [--only nano] [--data PATH --data PATH]

Every recipe trains from random weights in its own process, on generated images of 640 x 480 and videos of 854 x 480, or
on `--data`. `full` is reduced: sam2.1-tiny, 256 pixels, clips of 4 frames. The first quarter of the steps, in which
workers start and memory grows, is not counted. Frames of clips count as images. Memory is that of the training process
without its workers (on a GPU: GPU memory).

Goal: less than 10 % of the time spent waiting on 2 cores with one worker.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from masklet.io import write_label_map
from masklet.train.callbacks import StepReport
from masklet.train.loop import train
from masklet.train.overrides import override
from masklet.train.previews import Preview
from masklet.train.recipes import recipe_named
from masklet.train.sources import open_training_data
from masklet.types import Rle

SETTINGS: Mapping[str, tuple[str, ...]] = {
    "test_tiny": (),
    "nano": (),
    "full": (
        "model=sam2.1-tiny",
        "data.image_size=256",
        "data.frames=4",
        "data.image_masks=16",
        "data.image_share=0.25",
    ),
}


@dataclass
class Meter:
    """A callback that sums images and seconds of the steps after the first ``skip``."""

    skip: int
    images: int = 0
    seconds: float = 0.0
    waited: float = 0.0

    def on_step(self, report: StepReport) -> None:
        if report.step > self.skip:
            self.images += report.images
            self.seconds += report.seconds
            self.waited += report.waited

    def on_preview(self, step: int, preview: Preview) -> None:
        pass

    def on_validation(self, step: int, scores: Mapping[str, float]) -> None:
        pass

    def close(self) -> None:
        pass


def measure(recipe: str, data: list[str], steps: int, workers: int) -> dict[str, float]:
    """Train in this process."""
    settings = (*SETTINGS[recipe], f"optim.steps={steps}", f"run.workers={workers}", "run.picture_every=0")
    meter = Meter(skip=steps // 4)
    with tempfile.TemporaryDirectory() as out:
        train(override(recipe_named(recipe), settings), open_training_data(data), Path(out), callbacks=[meter])
    return {**asdict(meter), "peak": peak_bytes()}


def peak_bytes() -> float:
    if torch.cuda.is_available():
        return float(torch.cuda.max_memory_allocated())
    import resource  # noqa: PLC0415 - not on Windows

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return float(peak if sys.platform == "darwin" else peak * 1024)


def scene(draw: np.random.Generator, size: tuple[int, int], count: int) -> tuple[np.ndarray, np.ndarray]:
    """An image of ellipses over smooth noise, and their label map; later ones cover earlier ones."""
    height, width = size
    coarse = draw.integers(0, 255, (height // 16, width // 16, 3), dtype=np.uint8)
    image = np.array(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))
    labels = np.zeros(size, np.uint8)
    y, x = np.mgrid[:height, :width]
    for i in range(1, count + 1):
        (cy, cx), (ry, rx) = draw.uniform(0.15, 0.85, 2) * size, draw.uniform(0.05, 0.25, 2) * height
        inside = ((y - cy) / ry) ** 2 + ((x - cx) / rx) ** 2 < 1
        labels[inside] = i
        image[inside] = image[inside] // 3 + draw.integers(0, 170, 3, dtype=np.uint8)
    return image, labels


def write_data(root: Path) -> list[str]:
    """Write 40 images with 12 masks each, and 6 videos of 24 frames with 2 objects each."""
    draw = np.random.default_rng(0)
    (root / "stills").mkdir()
    for index in range(40):
        image, labels = scene(draw, (480, 640), 12)
        codes = [Rle.from_mask(labels == i) for i in range(1, 13) if (labels == i).any()]
        masks = [{"segmentation": {"size": list(code.size), "counts": code.counts.decode()}} for code in codes]
        Image.fromarray(image).save(root / "stills" / f"{index}.jpg", quality=90)
        entry = {"width": 640, "height": 480, "file_name": f"{index}.jpg"}
        (root / "stills" / f"{index}.json").write_text(json.dumps({"image": entry, "annotations": masks}))
    for name in "abcdef":
        folders = [root / "videos" / kind / name for kind in ("JPEGImages", "Annotations")]
        for folder in folders:
            folder.mkdir(parents=True)
        image, labels = scene(draw, (480, 854), 2)
        for index in range(24):
            shift = (index, 3 * index)
            Image.fromarray(np.roll(image, shift, (0, 1))).save(folders[0] / f"{index:05d}.jpg", quality=90)
            write_label_map(folders[1] / f"{index:05d}.png", np.roll(labels, shift, (0, 1)))
    return [str(root / "stills"), str(root / "videos")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=24)
    parser.add_argument("--workers", type=int, default=1, help="data loading processes")
    parser.add_argument("--only", choices=list(SETTINGS), help="one recipe")
    parser.add_argument("--data", action="append", help="as for masklet train")
    parser.add_argument("--measure", choices=list(SETTINGS), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options.measure, options.data, options.steps, options.workers)))
        return
    print("| recipe | images/s | waiting for data | peak memory |\n| --- | ---: | ---: | ---: |")
    with tempfile.TemporaryDirectory() as folder:
        data = options.data or write_data(Path(folder))
        for recipe in [options.only] if options.only else list(SETTINGS):
            arguments = [word for path in data for word in ("--data", path)]
            arguments += ["--steps", str(options.steps), "--workers", str(options.workers)]
            command = [sys.executable, __file__, "--measure", recipe, *arguments]
            run = subprocess.run(command, capture_output=True, text=True, check=False)
            if run.returncode:
                sys.exit(f"{recipe}: {run.stderr.strip().splitlines()[-1]}")
            found = json.loads(run.stdout)
            speed, share = found["images"] / found["seconds"], found["waited"] / found["seconds"]
            print(f"| {recipe} | {speed:.1f} | {share:.1%} | {found['peak'] / 2**20:.0f} MiB |", flush=True)


if __name__ == "__main__":
    main()
