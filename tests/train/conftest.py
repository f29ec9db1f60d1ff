"""Small annotated data on disk, and a run that takes seconds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from jaxtyping import Bool, UInt8
from PIL import Image

if TYPE_CHECKING:
    from masklet.train.config import TrainConfig
    from masklet.train.mixture import TrainData


@pytest.fixture(scope="session")
def square() -> tuple[UInt8[np.ndarray, "t 64 64 3"], Bool[np.ndarray, "t 64 64"]]:
    """8 frames of a red square that moves over moving waves, and its masks."""
    time, y, x = np.mgrid[:8, :64, :64]
    waves = np.sin(x / 7 + time / 3) * np.cos(y / 9), np.cos(x / 5 - y / 8 + time / 5), np.sin(y / 4 - time / 7)
    frames = (128 + 90 * np.stack(waves, axis=-1)).astype(np.uint8)
    masks = np.zeros(frames.shape[:3], bool)
    for index in range(8):
        part = np.s_[8 + index : 32 + index, 8 + 2 * index : 32 + 2 * index]
        frames[index][part] = (230, 40, 30)
        masks[index][part] = True
    return frames, masks


@pytest.fixture(scope="session")
def davis_folder(tmp_path_factory: pytest.TempPathFactory, square: tuple[np.ndarray, np.ndarray]) -> Path:
    """The square as a video in the DAVIS layout."""
    root = tmp_path_factory.mktemp("davis")
    for index, (frame, mask) in enumerate(zip(*square, strict=True)):
        for path, image in (("JPEGImages/480p/square/{}.jpg", frame), ("Annotations/480p/square/{}.png", mask)):
            file = root / path.format(f"{index:05d}")
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image if image.ndim == 3 else image.astype(np.uint8) * 255).save(file, quality=95)
    return root


@pytest.fixture(scope="session")
def sa1b_folder(tmp_path_factory: pytest.TempPathFactory, square: tuple[np.ndarray, np.ndarray]) -> Path:
    """Four images in the SA-1B format: the square, and the left half."""
    from masklet.types import Rle  # noqa: PLC0415 - masklet comes after the import hook

    root = tmp_path_factory.mktemp("sa1b")
    half = np.zeros((64, 64), bool)
    half[:, :32] = True
    for index in range(0, 8, 2):
        codes = [Rle.from_mask(mask) for mask in (square[1][index], half)]
        masks = [{"segmentation": {"size": list(code.size), "counts": code.counts.decode()}} for code in codes]
        Image.fromarray(square[0][index]).save(root / f"sa_{index}.jpg")
        image = {"width": 64, "height": 64, "file_name": f"sa_{index}.jpg"}
        (root / f"sa_{index}.json").write_text(json.dumps({"image": image, "annotations": masks}))
    return root


@pytest.fixture(scope="session")
def data(davis_folder: Path, sa1b_folder: Path) -> TrainData:
    """The images and the video."""
    from masklet.io.datasets import open_images, open_videos  # noqa: PLC0415
    from masklet.train.mixture import TrainData  # noqa: PLC0415

    images = open_images("sa-1b", sa1b_folder, split="all").items
    return TrainData(images, open_videos("davis2016", davis_folder, split="all").items)


@pytest.fixture
def config() -> TrainConfig:
    """The tiny recipe, which reads its data in the same process."""
    from masklet.train.recipes import test_tiny  # noqa: PLC0415

    return test_tiny()
