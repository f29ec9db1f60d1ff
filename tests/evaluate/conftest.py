"""Small data sets in the layouts of the real ones, and predictions for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from masklet.io import write_label_map
from masklet.io.datasets import ImageDataset, VideoDataset, open_dataset
from masklet.model.sam2 import Sam2
from masklet.predict.load import load

SIZE = (48, 64)
COLORS = np.array([(90, 90, 90), (220, 40, 30), (40, 60, 220), (40, 200, 60)], np.uint8)

Boxes = Mapping[int, tuple[int, int, int, int]]
"""Object -> (x, y, width, height) on one frame; later objects cover earlier ones."""


def labels_of(boxes: Boxes) -> np.ndarray:
    """A label map with rectangles."""
    labels = np.zeros(SIZE, np.uint8)
    for object_id, (x, y, width, height) in boxes.items():
        labels[y : y + height, x : x + width] = object_id
    return labels


def write_maps(folder: Path, frames: list[Boxes]) -> Path:
    """Write label maps ``00000.png`` and so on."""
    folder.mkdir(parents=True, exist_ok=True)
    for index, boxes in enumerate(frames):
        write_label_map(folder / f"{index:05d}.png", labels_of(boxes))
    return folder


def write_images(folder: Path, frames: list[Boxes]) -> Path:
    """Write images in which every object has a color."""
    folder.mkdir(parents=True, exist_ok=True)
    for index, boxes in enumerate(frames):
        Image.fromarray(COLORS[labels_of(boxes) % len(COLORS)]).save(folder / f"{index:05d}.jpg", quality=95)
    return folder


def moving(count: int, *, step: int = 1, first: int = 0, object_id: int = 1, y: int = 16) -> list[Boxes]:
    """A square of 10 pixels that moves to the right; absent before the frame ``first``."""
    return [{object_id: (8 + step * i, y, 10, 10)} if i >= first else {} for i in range(count)]


def both(*objects: list[Boxes]) -> list[Boxes]:
    """Objects in one video."""
    return [{i: box for part in parts for i, box in part.items()} for parts in zip(*objects, strict=True)]


SEQUENCES: dict[str, list[Boxes]] = {
    "one": moving(6),
    "two": both(moving(6), moving(6, first=2, object_id=2, y=30)),
    "three": moving(7, step=2),
}

OpenSet = Callable[..., VideoDataset]


def write_davis(root: Path, sequences: Mapping[str, list[Boxes]]) -> Path:
    """The layout of DAVIS 2017."""
    for name, frames in sequences.items():
        write_images(root / "JPEGImages" / "480p" / name, frames)
        write_maps(root / "Annotations" / "480p" / name, frames)
    (root / "ImageSets" / "2017").mkdir(parents=True, exist_ok=True)
    (root / "ImageSets" / "2017" / "val.txt").write_text("\n".join(sequences) + "\n")
    return root


@pytest.fixture(scope="module", autouse=True)
def on_one_thread(one_thread: None) -> None:
    """Run on one thread, like workers."""


@pytest.fixture(scope="session")
def small() -> Sam2:
    """The embedded model at 96 pixels, which is fast and segments squares."""
    return load(image_size=96, device="cpu")


@pytest.fixture
def davis(tmp_path: Path) -> VideoDataset:
    """Three videos: one object; a second object from frame 2 on; a faster one."""
    found = open_dataset("davis2017", write_davis(tmp_path / "davis", SEQUENCES))
    assert isinstance(found, VideoDataset)
    return found


@pytest.fixture
def stills(tmp_path: Path) -> ImageDataset:
    """Two images with three objects in all."""
    root = tmp_path / "stills"
    scenes: list[Boxes] = [{1: (4, 4, 20, 16), 2: (36, 20, 20, 20)}, {1: (10, 10, 30, 30)}]
    write_images(root / "images", scenes)
    write_maps(root / "labels", scenes)
    found = open_dataset("images", root)
    assert isinstance(found, ImageDataset)
    return found
