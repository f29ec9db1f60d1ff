"""Calibrate `FrameMasks.confidence`: fit on tracked training clips, judge on others, write the table that is shipped.

    python benchmarks/policies.py run TRAIN_VIDEOS --out TRAIN --policies plain
    python benchmarks/policies.py run VAL_VIDEOS --out VAL --policies plain
    python benchmarks/confidence.py TRAIN VAL [--groups "as is,gap,cuts"] [--plot calibration.png] [--write]

A mask is right where its IoU with the truth is at least 0.75, or where both are empty. Two logistic regressions, one
for masks that are there and one for empty ones; ``--write`` puts the weights into ``src/masklet/weights``.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import numpy as np
from scipy.optimize import minimize

from masklet.predict.confidence import RIGHT, Signs

TABLE = Path(__file__).parents[1] / "src" / "masklet" / "weights" / "confidence.json"
BINS = 10
RIDGE = 1e-4


def read(folder: Path, groups: list[str], policy: str) -> list[tuple[Signs, bool]]:
    """What every tracked frame said of itself, and whether its mask was right."""
    rows = []
    for path in sorted(folder.glob("*--*.json")):
        frames = json.loads(path.read_text()).get(policy)
        if frames is None or path.name.split("--")[0].replace("-", " ") not in groups:
            continue
        for j, presence, iou, stability, agreement, visible in zip(
            *(frames[key] for key in ("j", *Signs._fields)), strict=True
        ):
            rows.append((Signs(presence, iou, stability, agreement, bool(visible)), j >= RIGHT))
    if not rows:
        raise SystemExit(f"no results of {policy} in {folder}")
    return rows


def fit(rows: list[tuple[Signs, bool]], *, visible: bool) -> list[float]:
    """Weights of `Signs.features` by logistic regression, with a little ridge."""
    x = np.array([signs.features for signs, _ in rows if signs.visible is visible])
    y = np.array([right for signs, right in rows if signs.visible is visible], float)
    if len(x) < 20:  # next to nothing to learn from: half the presence logit says
        return [0.0, -0.5]

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        z = x @ weights
        error = 1 / (1 + np.exp(-z)) - y
        ridge = RIDGE * np.r_[0.0, weights[1:]]
        return float(np.mean(np.logaddexp(0, z) - y * z) + ridge @ weights / 2), x.T @ error / len(x) + ridge

    return [round(float(w), 4) for w in minimize(loss, np.zeros(x.shape[1]), jac=True, method="BFGS").x]


def predict(rows: list[tuple[Signs, bool]], weights: dict[str, list[float]]) -> np.ndarray:
    return np.array(
        [1 / (1 + np.exp(-np.dot(weights["visible" if s.visible else "absent"], s.features))) for s, _ in rows]
    )


def reliability(said: np.ndarray, right: np.ndarray) -> list[tuple[float, float, int]]:
    """(mean confidence, share that is right, count) of ten bins."""
    place = np.minimum((said * BINS).astype(int), BINS - 1)
    return [
        (float(said[place == b].mean()), float(right[place == b].mean()), int((place == b).sum()))
        for b in range(BINS)
        if (place == b).any()
    ]


def expected_error(bins: list[tuple[float, float, int]]) -> float:
    return sum(n * abs(said - right) for said, right, n in bins) / sum(n for *_, n in bins)


def draw(bins: list[tuple[float, float, int]], path: Path) -> None:
    """The calibration plot: share that is right over confidence, the area of a dot is its count."""
    from PIL import Image, ImageDraw  # noqa: PLC0415 - only for the plot

    side, edge = 480, 48
    image = Image.new("RGB", (side + 2 * edge, side + 2 * edge), "white")
    pen = ImageDraw.Draw(image)
    pen.rectangle((edge, edge, edge + side, edge + side), outline="#888888")
    pen.line((edge, edge + side, edge + side, edge), fill="#bbbbbb")
    most = max(n for *_, n in bins)
    places = [(edge + said * side, edge + side - right * side) for said, right, _ in bins]
    pen.line(places, fill="#1769aa", width=2)
    for (x, y), (*_, n) in zip(places, bins, strict=True):
        r = 3 + 9 * (n / most) ** 0.5
        pen.ellipse((x - r, y - r, x + r, y + r), fill="#1769aa")
    pen.text((edge, edge + side + 12), "confidence 0 to 1; up: share of masks that are right (IoU 0.75)", fill="black")
    image.save(path)


def main() -> int:
    parser = argparse.ArgumentParser(description="Calibrate the confidence of tracked masks.")
    parser.add_argument("train", type=Path)
    parser.add_argument("val", type=Path)
    parser.add_argument("--groups", default="as is,gap,two,cuts,five,small")
    parser.add_argument("--policy", default="plain")
    parser.add_argument("--model", default="nano")
    parser.add_argument("--plot", type=Path)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    groups = options.groups.split(",")
    train, val = (read(folder, groups, options.policy) for folder in (options.train, options.val))
    weights = {"visible": fit(train, visible=True), "absent": fit(train, visible=False)}
    print(json.dumps(weights))
    for name, rows in (("train", train), ("val", val)):
        said, right = predict(rows, weights), np.array([right for _, right in rows], float)
        bins = reliability(said, right)
        print(f"{name}: {len(rows)} masks, {right.mean():.3f} right, calibration error {expected_error(bins):.3f}")
        print("  " + "  ".join(f"{said:.2f}>{share:.2f} ({n})" for said, share, n in bins))
    if options.plot:
        draw(bins, options.plot)
    if options.write:
        table = json.loads(TABLE.read_text())
        table["models"][options.model] = weights
        TABLE.write_text(json.dumps(table, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
