"""What a second look brings: outlines of tracked objects and of pictures with and without `Refinement`, and its time.

    python benchmarks/refine.py DATA [--every 4] [--stills 96] [--model nano] [--size N] [--thorough] [--json]

DATA is a folder with videos/val in the DAVIS layout and stills/val/SET/NAME.{jpg,json} in the SA-1B form. Videos are
tracked from the mask on the first frame and every EVERYth frame is refined; of STILLS pictures, the same number of each
set, up to three objects of at least 100 pixels get a box each. J is the mean IoU, F the boundary measure of DAVIS, F/4
the same at a quarter of its tolerance; all are means of the sequences' or sets' means, in percent. Times are means a
frame, on one thread, all settings in turns on the same frame; the ratio is against tracking (or prompting) alone.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float32

import masklet
from masklet.backends.protocol import Model
from masklet.masks.boundary import TOLERANCE, boundary_f, boundary_radius
from masklet.masks.boxes import boxes_of_masks
from masklet.masks.overlap import mask_iou
from masklet.predict.image import ImageSegmenter
from masklet.predict.postprocess import full_size
from masklet.predict.refine import Refinement, refine_logits
from masklet.types import Prompts, RgbImage, Rle

SETTINGS: dict[str, Refinement] = {
    "outlines only": Refinement(weight=0),
    "second look only": Refinement(detail=0),
    "both (default)": Refinement(),
}
THOROUGH: dict[str, Refinement] = {
    "start mask": Refinement(start="mask"),
    "start both": Refinement(start="both"),
    "counted 2 : 1": Refinement(weight=2 / 3),
    "no large objects": Refinement(min_zoom=1),
    "margin 1.6": Refinement(margin=1.6),
    "no tiles": Refinement(tiles=1),
    "second look alone counts": Refinement(weight=1),
    "never refused": Refinement(agreement=0),
}


class Case(NamedTuple):
    """One object on one picture as it was found first, and the prompts it answers."""

    group: str
    picture: RgbImage
    truth: Bool[np.ndarray, "h w"]
    logits: Float32[np.ndarray, "1 h w"]
    seconds: float
    said: tuple[Prompts, ...] = ()


def tracked(model: Model, folder: Path, every: int) -> Iterator[Case]:
    """Every so many frames of every sequence."""
    for sequence in sorted((folder / "JPEGImages" / "480p").iterdir()):
        tracker = masklet.StreamTracker(model, with_logits=True)
        for index, path in enumerate(sorted(sequence.glob("*.jpg"))):
            picture = masklet.read_image(path)
            truth = masklet.read_mask(folder / "Annotations" / "480p" / sequence.name / f"{path.stem}.png")
            started = time.perf_counter()
            out = tracker.step(picture, {} if index else {1: Prompts.from_mask(truth)})
            seconds = time.perf_counter() - started
            if index and index % every == 0 and out.logits is not None:
                yield Case(sequence.name, picture, truth, out.logits, seconds)


def prompted(model: Model, folder: Path, count: int) -> Iterator[Case]:
    """Boxes on some objects of some pictures."""
    segmenter, draw = ImageSegmenter(model), np.random.default_rng(0)
    sets = sorted(path for path in folder.iterdir() if path.is_dir())
    for group in sets:
        paths = sorted(group.glob("*.jpg"))
        for path in (paths[i] for i in draw.permutation(len(paths))[: max(1, count // len(sets))]):
            codes = [a["segmentation"] for a in json.loads(path.with_suffix(".json").read_text())["annotations"]]
            masks = [Rle(tuple(code["size"]), code["counts"].encode()).to_mask() for code in codes]
            masks = [mask for mask in masks if mask.sum() >= 100]
            picture = masklet.read_image(path)
            for truth in (masks[i] for i in draw.permutation(len(masks))[:3]):
                started = time.perf_counter()
                box = Prompts.from_box(*boxes_of_masks(truth[None])[0].tolist())
                found = segmenter.segment(segmenter.encode(picture), box)
                assert found.low_res is not None
                logits = full_size(torch.from_numpy(found.low_res)[:, None], truth.shape)
                yield Case(group.name, picture, truth, logits, time.perf_counter() - started, (box,))


def scores(mask: Bool[np.ndarray, "h w"], truth: Bool[np.ndarray, "h w"]) -> tuple[float, float, float]:
    """J, F and F at a quarter of the tolerance."""
    radii = boundary_radius(truth.shape), boundary_radius(truth.shape, TOLERANCE / 4)
    near, sharp = (boundary_f(mask, truth, radius) for radius in radii)
    return float(mask_iou(mask[None], truth[None])[0, 0]), near, sharp


def measure(model: Model, cases: Iterator[Case], settings: dict[str, Refinement]) -> list[dict[str, object]]:
    """A row for each setting, the first without any."""
    found: dict[str, dict[str, list[tuple[float, float, float]]]] = defaultdict(lambda: defaultdict(list))
    seconds: dict[str, list[float]] = defaultdict(list)
    for case in cases:
        found["first look"][case.group].append(scores(case.logits[0] > 0, case.truth))
        seconds["first look"].append(case.seconds)
        for name, refinement in settings.items():
            started = time.perf_counter()
            finer = refine_logits(model, case.picture, case.logits, refinement, case.said)
            seconds[name].append(case.seconds + time.perf_counter() - started)
            found[name][case.group].append(scores(finer[0] > 0, case.truth))
    first = float(np.mean(seconds["first look"]))
    rows = []
    for name, groups in found.items():
        j, f, sharp = 100 * np.mean([np.mean(values, axis=0) for values in groups.values()], axis=0)
        time_ratio = float(np.mean(seconds[name])) / first
        row = {"setting": name, "J": j, "F": f, "F/4": sharp, "ms": 1000 * float(np.mean(seconds[name]))}
        rows.append({**row, "ratio": time_ratio, "cases": sum(map(len, groups.values()))})
    return rows


def show(title: str, rows: list[dict[str, object]]) -> None:
    base = rows[0]
    print(f"\n{title}, {base['cases']} masks\n\n| setting | J | F | F/4 | gain of F/4 | ms a frame | ratio |")
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for row in rows:
        gain = float(str(row["F/4"])) - float(str(base["F/4"]))
        cells = (
            f"{row['J']:.1f} | {row['F']:.1f} | {row['F/4']:.1f} | {gain:+.1f} | {row['ms']:.0f} | {row['ratio']:.2f}"
        )
        print(f"| {row['setting']} | {cells} |")


def main() -> int:
    parser = argparse.ArgumentParser(description="Outlines with and without a second look.")
    parser.add_argument("data", type=Path)
    parser.add_argument("--every", type=int, default=4)
    parser.add_argument("--stills", type=int, default=96)
    parser.add_argument("--model", default="nano")
    parser.add_argument("--size", type=int, help="side of the model's input in pixels")
    parser.add_argument("--thorough", action="store_true", help="more settings")
    parser.add_argument("--json", action="store_true", help="print the numbers as JSON")
    options = parser.parse_args()
    torch.set_num_threads(1)
    model = masklet.load(options.model, image_size=options.size, device="cpu")
    settings = SETTINGS | (THOROUGH if options.thorough else {})
    videos = measure(model, tracked(model, options.data / "videos" / "val", options.every), settings)
    stills = measure(model, prompted(model, options.data / "stills" / "val", options.stills), settings)
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}"
    today = datetime.datetime.now(datetime.UTC).date().isoformat()
    if options.json:
        print(json.dumps({"videos": videos, "stills": stills, "machine": machine, "date": today}))
    else:
        print(f"{model.config.full_name} at {model.config.image_size} px; {machine}; one thread; {today}")
        show("Videos", videos)
        show("Pictures", stills)
    return 0


if __name__ == "__main__":
    sys.exit(main())
