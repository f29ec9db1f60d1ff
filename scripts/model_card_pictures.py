"""Pictures of docs/model-card.md: `python scripts/model_card_pictures.py docs/images --clips DIR [--scores FILE]`.

Strips of the sample clips, one click each, show how well and how badly the embedded model does. With --scores, a table
whose columns are a step and scores in percent, the curve of its training is drawn as well.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path
from typing import Final

import masklet
from masklet.cli.contact_sheet import ContactSheetWriter, evenly_spaced
from masklet.io.charts import Line, LineChart

SHOTS: Final = {
    "dog": (masklet.Prompts.click(497, 470), range(60)),
    "blocks": (masklet.Prompts.click(825, 240), range(60)),
    "pingpong": (masklet.Prompts.click(820, 330), range(60)),
}
"""Clip, click on its first frame, and frames shown."""


def strip(clip: Path, prompts: masklet.Prompts, frames: range, path: Path) -> None:
    """Track one object from a click and show four frames."""
    with masklet.open_video(clip) as video:
        session = masklet.VideoSession(masklet.load(), video)
        session.prompt(frames.start, object_id=1, prompts=prompts)
        path.unlink(missing_ok=True)
        shown = {frames.start: {1: prompts}}
        with ContactSheetWriter(path, frames=evenly_spaced(frames, 4), prompts=shown, columns=4, width=320) as tiles:
            for masks in session.propagate(end=frames.stop):
                tiles.write(video[masks.frame_index], masks)


def curve(scores: Path, path: Path) -> None:
    """Draw the scores over the steps."""
    with scores.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    names = [name for name in rows[0] if name != "step"]
    lines = [Line(name, [(float(row["step"]), float(row[name])) for row in rows]) for name in names]
    LineChart(title="held-out images", x="steps", y="mean IoU, %", lines=lines).save(path)


def main() -> None:
    """Draw them all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--clips", type=Path, required=True, help="the folder with the sample clips")
    parser.add_argument("--scores", type=Path, help="CSV: step and scores")
    told = parser.parse_args()
    for name, (prompts, frames) in SHOTS.items():
        strip(told.clips / f"{name}.mp4", prompts, frames, told.out / f"nano-{name}.png")
    if told.scores:
        curve(told.scores, told.out / "nano-curve.svg")


if __name__ == "__main__":
    main()
