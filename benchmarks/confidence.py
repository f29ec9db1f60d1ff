"""Calibrate `FrameMasks.confidence`: fit on tracked training clips, measure on others, write the table of the package.

    python benchmarks/confidence.py fit TRAIN_VIDEOS [--write]
    python benchmarks/confidence.py measure VAL_VIDEOS [--plot calibration.png]

VIDEOS are folders in the layout of DAVIS 2016; stress clips are made from them (`benchmarks/stress.py`) and tracked
with each of the policies. A mask is correct if its IoU with the true mask is at least 0.75, or if both are empty. Two
logistic regressions are fitted, one for visible objects and one for empty masks; ``--write`` stores the weights in
``src/masklet/weights/confidence.json``. `measure` evaluates the stored table.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from scipy.optimize import minimize

from masklet.predict.confidence import MIN_RIGHT_IOU, confidence, features
from masklet.tracking.memory_policy import NAMES, PolicyName
from masklet.tracking.policies import MaskScores
from policies import load, shared, track
from stress import load_clips, stress_clips

TABLE = Path(__file__).parents[1] / "src" / "masklet" / "weights" / "confidence.json"
BINS = 10
RIDGE = 1e-4

Rows = list[tuple[MaskScores, bool]]


def track_all(options: argparse.Namespace) -> tuple[str, dict[str, Rows]]:
    """Return the name of the model, and for each policy the signs of every tracked frame and whether it was correct."""
    torch.set_num_threads(1)
    model = shared(load(options))
    policies: dict[str, PolicyName] = {name: name for name in NAMES if name in options.policies.split(",")}
    rows: dict[str, Rows] = defaultdict(list)
    for _, clip in stress_clips(load_clips(options.videos, options.frames), options.groups.split(",")):
        for name, frames in track(model, clip, policies).items():
            rows[name] += _rows(frames)
    return model.config.name, rows


def _rows(frames: dict[str, list[float]]) -> Iterator[tuple[MaskScores, bool]]:
    columns = zip(*(frames[key] for key in ("j", *MaskScores._fields)), strict=True)
    for j, presence, iou, stability, agreement, likeness, visible in columns:
        yield MaskScores(presence, iou, stability, agreement, likeness, bool(visible)), j >= MIN_RIGHT_IOU


def fit(rows: Rows, *, visible: bool) -> list[float]:
    """Fit the weights of `masklet.predict.confidence.features` by logistic regression with a small ridge penalty."""
    x = np.array([features(signs) for signs, _ in rows if signs.visible is visible])
    y = np.array([right for signs, right in rows if signs.visible is visible], float)
    if len(x) < 20:  # too few to fit: half the presence logit
        return [0.0, -0.5, 0.0]

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        z = x @ weights
        error = 1 / (1 + np.exp(-z)) - y
        ridge = RIDGE * np.r_[0.0, weights[1:]]
        return float(np.mean(np.logaddexp(0, z) - y * z) + ridge @ weights / 2), x.T @ error / len(x) + ridge

    return [round(float(w), 4) for w in minimize(loss, np.zeros(x.shape[1]), jac=True, method="BFGS").x]


def reliability(confidences: np.ndarray, correct: np.ndarray) -> list[tuple[float, float, int]]:
    """Return (mean confidence, share of correct masks, count) of each non-empty bin of ten."""
    place = np.minimum((confidences * BINS).astype(int), BINS - 1)
    return [
        (float(confidences[place == b].mean()), float(correct[place == b].mean()), int((place == b).sum()))
        for b in range(BINS)
        if (place == b).any()
    ]


def expected_error(bins: list[tuple[float, float, int]]) -> float:
    return sum(n * abs(mean - share) for mean, share, n in bins) / sum(n for *_, n in bins)


def draw(bins: list[tuple[float, float, int]], path: Path) -> None:
    """Plot the share of correct masks over confidence; the area of a dot is its count."""
    from PIL import Image, ImageDraw  # noqa: PLC0415 - only for the plot

    side, edge = 480, 48
    image = Image.new("RGB", (side + 2 * edge, side + 2 * edge), "white")
    pen = ImageDraw.Draw(image)
    pen.rectangle((edge, edge, edge + side, edge + side), outline="#888888")
    pen.line((edge, edge + side, edge + side, edge), fill="#bbbbbb")
    most = max(n for *_, n in bins)
    places = [(edge + mean * side, edge + side - share * side) for mean, share, _ in bins]
    pen.line(places, fill="#1769aa", width=2)
    for (x, y), (*_, n) in zip(places, bins, strict=True):
        r = 3 + 9 * (n / most) ** 0.5
        pen.ellipse((x - r, y - r, x + r, y + r), fill="#1769aa")
    pen.text((edge, edge + side + 12), "x: confidence, y: share of correct masks (IoU 0.75), 0 to 1", fill="black")
    image.save(path)


def report(name: str, rows: Rows, confidences: np.ndarray) -> list[tuple[float, float, int]]:
    """Print the calibration error and the bins."""
    correct = np.array([right for _, right in rows], float)
    bins = reliability(confidences, correct)
    print(f"{name}: {len(rows)} masks, {correct.mean():.3f} correct, calibration error {expected_error(bins):.3f}")
    print("  " + "  ".join(f"{mean:.2f}>{share:.2f} ({n})" for mean, share, n in bins))
    return bins


def run_fit(options: argparse.Namespace) -> int:
    model, policies = track_all(options)
    rows = [row for some in policies.values() for row in some]
    weights = {"visible": fit(rows, visible=True), "absent": fit(rows, visible=False)}
    print(json.dumps(weights))
    for name, some in policies.items():
        z = [np.dot(weights["visible" if signs.visible else "absent"], features(signs)) for signs, _ in some]
        report(name, some, 1 / (1 + np.exp(-np.array(z))))
    if options.write:
        table = json.loads(TABLE.read_text())
        table["models"][model] = weights
        TABLE.write_text(json.dumps(table, indent=2) + "\n")
    return 0


def run_measure(options: argparse.Namespace) -> int:
    model, policies = track_all(options)
    for name, rows in policies.items():
        bins = report(name, rows, np.array([confidence(signs, model) for signs, _ in rows]))
        if options.plot:
            draw(bins, options.plot.with_stem(f"{options.plot.stem}-{name}"))
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description="Calibrate the confidence of tracked masks.")
    commands = parser.add_subparsers(required=True)
    for name, do, frames in (("fit", run_fit, 20), ("measure", run_measure, 30)):
        command = commands.add_parser(name)
        command.add_argument("videos", type=Path)
        command.add_argument("--groups", default="as is,gap,cuts")
        command.add_argument("--policies", default="plain,auto")
        command.add_argument("--frames", type=int, default=frames, help="frames of each video")
        command.add_argument("--size", type=int, default=256, help="side of the model's input in pixels")
        command.add_argument("--model", default="nano")
        command.add_argument("--tta", action="store_true", help="flip test-time augmentation (masklet.FlipAugmented)")
        command.set_defaults(do=do)
        if do is run_fit:
            command.add_argument("--write", action="store_true", help="write the table of the package")
        else:
            command.add_argument("--plot", type=Path, help="PNG file; one is written for each policy")
    options = parser.parse_args()
    return int(options.do(options))


if __name__ == "__main__":
    sys.exit(main())
