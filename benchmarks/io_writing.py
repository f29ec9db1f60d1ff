"""How fast results are written and how large they are, form by form: python benchmarks/io_writing.py [--frames N]

A made-up result (3 blobs that drift over 1280 x 720 pixels) goes to every form; time is the writer's alone, memory the
growth of the process over it. Also: what a polygon's tolerance costs in IoU and saves in corners.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
from scipy import ndimage

from masklet.io import FORMATS, ArrayVideo, OutputOptions, open_writer
from masklet.io.source import GeoReference
from masklet.masks.polygons import fill_polygons, polygons_of_mask
from masklet.types import FrameMasks, RgbImage

SIZE = (720, 1280)


class Placed(ArrayVideo):
    """Frames with a place on a map, for the forms that ask for one."""

    georeference = GeoReference(crs="EPSG:32633", transform=(10.0, 0.0, 500000.0, 0.0, -10.0, 5600000.0))


def blobs() -> list[np.ndarray]:
    noise = np.random.default_rng(0).standard_normal((3, *SIZE))
    return [ndimage.gaussian_filter(one, 25) > 0.01 for one in noise]


def frame_of(shapes: list[np.ndarray], index: int) -> FrameMasks:
    scores = np.full(3, 0.9, np.float32)
    masks = np.stack([np.roll(shape, 2 * index * (place + 1), axis=1) for place, shape in enumerate(shapes)])
    return FrameMasks(index, (1, 2, 3), masks, presence=scores, iou=scores)


def size_of(path: Path) -> int:
    return (
        sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) if path.is_dir() else path.stat().st_size
    )


def resident() -> float:
    """Memory of the process in MB (Linux), else 0."""
    status = Path("/proc/self/status")
    if not status.is_file():
        return 0.0
    return int(next(line for line in status.read_text().splitlines() if line.startswith("VmRSS")).split()[1]) / 1024


def measure(form: str, folder: Path, pictures: list[RgbImage], results: list[FrameMasks]) -> tuple[float, float, float]:
    """Frames per second, megabytes for 100 frames, growth of memory in MB."""
    path = folder / FORMATS[form].file_name("o")
    name = f"{path}/" if FORMATS[form].is_folder else str(path)
    before, started = resident(), time.perf_counter()
    with open_writer(name, format=form, like=Placed(pictures), options=OutputOptions()) as writer:
        for picture, masks in zip(pictures, results, strict=True):
            writer.write(picture, masks)
    seconds = time.perf_counter() - started
    return len(results) / seconds, size_of(path) / len(results) * 100 / 1e6, resident() - before


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=24)
    frames = parser.parse_args().frames
    shapes = blobs()
    generator = np.random.default_rng(1)
    picture = ndimage.gaussian_filter(generator.integers(0, 256, (*SIZE, 3)), (3, 3, 0)).astype(np.uint8)
    pictures = [np.roll(picture, 3 * index, axis=1) for index in range(frames)]
    results = [frame_of(shapes, index) for index in range(frames)]
    print(f"{frames} frames of {SIZE[1]}x{SIZE[0]}, 3 objects, {sum(int(s.sum()) for s in shapes) // 3} pixels each")
    print(f"{'form':14} {'frames/s':>8} {'MB/100 frames':>13} {'memory, MB':>10}")
    with tempfile.TemporaryDirectory() as folder:
        for form in FORMATS:
            rate, megabytes, growth = measure(form, Path(folder), pictures, results)
            print(f"{form:14} {rate:8.1f} {megabytes:13.2f} {growth:10.0f}")
    print(f"\n{'tolerance':>9} {'corners':>8} {'IoU':>7}")
    mask = shapes[0]
    for tolerance in (0.0, 0.5, 0.75, 1.0, 2.0):
        polygons = polygons_of_mask(mask, tolerance=tolerance)
        filled = fill_polygons(polygons, SIZE)
        corners = sum(len(ring) for polygon in polygons for ring in polygon.rings)
        print(f"{tolerance:9} {corners:8} {(filled & mask).sum() / (filled | mask).sum():7.4f}")


if __name__ == "__main__":
    main()
