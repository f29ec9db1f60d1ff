"""Track a lake over dates and measure its area on the ground: python land_cover.py out

The scenes are simulated, so that the right answer is known: a lake in farmland dries out over five summers, in GeoTIFF
with 10 m pixels in UTM. The folder out gets a label map for each date with its CRS, outlines as GeoJSON, and lake.csv
with the area on the ground for each date. Needs: pip install "masklet[geo]"
"""

import csv
import sys
from functools import partial
from pathlib import Path

import numpy as np
import rasterio
from rasterio.transform import Affine
from scipy import ndimage

import masklet
from masklet.io import Provenance, draw_overlay, write_image

YEARS, SIZE = range(2019, 2024), (256, 320)


def lake(year: int) -> np.ndarray:
    """Where the water is."""
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    shore = 70 - 7 * (year - YEARS[0]) + 8 * np.sin(4 * np.arctan2(y - 120, x - 160))
    return np.asarray(np.hypot(x - 160, (y - 120) * 1.2) < shore)


def simulate(folder: Path) -> None:
    generator = np.random.default_rng(0)
    fields = ndimage.zoom(generator.uniform(0.6, 1.1, (8, 10)), 32, order=0)
    folder.mkdir(exist_ok=True)
    for year in YEARS:
        light = fields[..., None] * (110, 150, 70) + generator.normal(0, 6, (*SIZE, 3))
        light[lake(year)] = np.array((25, 60, 110)) + generator.normal(0, 5, (np.count_nonzero(lake(year)), 3))
        scene = light.clip(0, 255).astype(np.uint8)
        place = {"crs": "EPSG:32633", "transform": Affine(10, 0, 500000, 0, -10, 5600000)}
        with rasterio.open(
            folder / f"scene_{year}-07-15.tif",
            "w",
            "GTiff",
            SIZE[1],
            SIZE[0],
            3,
            dtype="uint8",
            photometric="RGB",
            **place,
        ) as file:
            file.write(np.moveaxis(scene, 2, 0))


out = Path(sys.argv[1])
out.mkdir(exist_ok=True)
simulate(out / "scenes")
with masklet.open_video(out / "scenes") as scenes:
    tracker = masklet.StreamTracker(masklet.load())
    prompts = {1: masklet.Prompts.from_box(80, 55, 240, 190)}
    write = partial(masklet.open_writer, like=scenes, provenance=Provenance(names={1: "lake"}), overwrite=True)
    panels = []
    with (
        write(f"{out}/lake.geotiff/") as labels,
        write(out / "lake.geojson") as outlines,
        write(out / "lake.csv") as table,
    ):
        for frame in scenes:
            masks = tracker.step(frame, prompts if tracker.frame_index == 0 else None)
            for sink in (labels, outlines, table):
                sink.write(frame, masks)
            panels.append(draw_overlay(frame, masks))
write_image(out / "lake.png", np.concatenate(panels[::2], axis=1))

with (out / "lake.csv").open(encoding="utf-8") as file:
    for year, row in zip(YEARS, csv.DictReader(file), strict=True):
        hectares, true = float(row["area_m2"] or 0) / 1e4, np.count_nonzero(lake(year)) / 100
        print(f"{row['date']}: {hectares:.1f} ha, simulated {true:.1f} ha")
