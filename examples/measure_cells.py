"""Track cells through a time lapse and measure them in micrometers: python measure_cells.py out

The time lapse is simulated, so that the right answer is known: three round cells on a noisy 16-bit background; one
grows, one shrinks, one crosses the field. The folder out gets cells.ome.tif, cells.csv, files in the format of the Cell
Tracking Challenge, and area.png. Needs: pip install "masklet[tiff]" matplotlib
"""

import csv
import sys
from functools import partial
from pathlib import Path

import matplotlib
import numpy as np
import tifffile

import masklet
from masklet.io import Provenance, draw_overlay, write_image

matplotlib.use("Agg")
from matplotlib import pyplot

FRAMES, SIZE, PIXEL, INTERVAL = 24, (256, 256), 0.65, 30.0  # micrometers, seconds


def cells(time: int) -> dict[int, tuple[float, float, float]]:
    """Centers (x, y) and radii of the cells in pixels."""
    return {1: (70, 80, 18 + 0.7 * time), 2: (185, 70, 32 - 0.5 * time), 3: (40 + 7 * time, 190, 20)}


def simulate(path: Path) -> None:
    generator = np.random.default_rng(0)
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    stack = np.empty((FRAMES, *SIZE), np.uint16)
    for time in range(FRAMES):
        light = generator.normal(800, 60, SIZE)
        for center_x, center_y, radius in cells(time).values():
            inside = np.clip((radius - np.hypot(x - center_x, y - center_y)) / 3 + 0.5, 0, 1)
            light += inside * (1500 + 150 * np.sin(x / 3) * np.cos(y / 4))
        stack[time] = light.clip(0, 65535)
    scale = {"PhysicalSizeX": PIXEL, "PhysicalSizeXUnit": "µm", "PhysicalSizeY": PIXEL, "PhysicalSizeYUnit": "µm"}
    tifffile.imwrite(path, stack, ome=True, metadata={"axes": "TYX", "TimeIncrement": INTERVAL, **scale})


out = Path(sys.argv[1])
out.mkdir(exist_ok=True)
simulate(out / "cells.ome.tif")
with masklet.open_video(out / "cells.ome.tif") as video:
    finer = masklet.PostProcess(refine=masklet.Refinement())  # cells are small: look at each again, enlarged
    tracker = masklet.StreamTracker(masklet.load(), postprocess=finer)
    boxes = {
        i: masklet.Prompts.from_box(x - r - 2, y - r - 2, x + r + 2, y + r + 2) for i, (x, y, r) in cells(0).items()
    }
    told = Provenance(names={1: "grows", 2: "shrinks", 3: "wanders"})
    write = partial(masklet.open_writer, like=video, provenance=told, overwrite=True)
    panels = []
    with (
        write(out / "cells.csv") as table,
        write(f"{out}/cells.ctc/") as challenge,
    ):
        for frame in video:
            masks = tracker.step(frame, boxes if tracker.frame_index == 0 else None)
            table.write(frame, masks)
            challenge.write(frame, masks)
            if masks.frame_index in (0, FRAMES // 2, FRAMES - 1):
                panels.append(draw_overlay(frame, masks))
write_image(out / "cells.png", np.concatenate(panels, axis=1))

with (out / "cells.csv").open(encoding="utf-8") as file:
    rows = list(csv.DictReader(file))
figure, axes = pyplot.subplots(figsize=(7, 3.5), layout="constrained")
for object_id, name in told.names.items():
    mine = [row for row in rows if row["object_id"] == str(object_id)]
    times = [float(row["time_s"]) / 60 for row in mine]
    area = [float(row["area_um2"] or 0) for row in mine]
    true = [np.pi * (cells(time)[object_id][2] * PIXEL) ** 2 for time in range(FRAMES)]
    (line,) = axes.plot(times, area, label=name)
    axes.plot(times, true, "--", color=line.get_color(), linewidth=1)
    error = np.mean(np.abs(np.array(area) / true - 1))
    print(f"{name}: {area[0]:.0f} to {area[-1]:.0f} um2, {error:.1%} from the truth on average")
axes.set(xlabel="minutes", ylabel="area (µm²)", title="measured, and simulated (dashed)", ylim=(0, None))
axes.legend()
figure.savefig(out / "area.png", dpi=110)
