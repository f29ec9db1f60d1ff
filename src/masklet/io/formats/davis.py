"""Label maps: one PNG file per frame whose pixel values are object ids, as in the DAVIS data sets."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
from jaxtyping import UInt8, UInt16
from PIL import Image

from masklet.errors import FormatError, OutputError
from masklet.io.atomic import atomic_write
from masklet.io.images import open_image
from masklet.io.palette import PALETTE
from masklet.io.result_builder import Result, ResultBuilder, numbered_files
from masklet.io.writer import FolderWriter
from masklet.types import MAX_LABEL, FrameMasks, RgbImage

Labels = UInt8[np.ndarray, "h w"] | UInt16[np.ndarray, "h w"]


class LabelMapWriter(FolderWriter):
    """Writes a folder of label maps, ``00000.png`` for frame 0; under an overlap, the object listed last is visible.

    Label maps are 8-bit palette images; 16-bit gray images on frames with ids above 255.
    """

    FILE_PATTERN = re.compile(r"(\d{5,})\.png")

    def _write(self, frame: RgbImage | None, masks: FrameMasks) -> None:
        if masks.frame_index < 0:
            raise OutputError(f"cannot write {self.path}: expected frame numbers from 0, got {masks.frame_index}")
        _save(self._output.path / f"{masks.frame_index:05d}.png", self._label_map(masks))


def write_label_map(path: str | os.PathLike[str], labels: Labels) -> None:
    """Write one label map atomically: 8-bit with the palette, or 16-bit gray if it contains ids above 255.

    Raises:
        OutputError: it cannot be written.
    """
    with atomic_write(Path(path)) as temporary:
        _save(temporary, labels)


def read_label_map(path: str | os.PathLike[str]) -> Labels:
    """Read the object ids, (h, w), of a label map: palette indices or gray values.

    Raises:
        MediaError: the file is missing or not an image.
        FormatError: the image has colors or transparency, or values above 65535.
    """
    with open_image(path) as image:
        mode = image.mode
        labels = np.array(image)
    if mode not in ("P", "L", "1") and not mode.startswith("I"):
        raise FormatError(f"expected a label map with a palette or gray values, got a {mode} image: {path}")
    if mode.startswith("I") and (labels.min() < 0 or labels.max() > MAX_LABEL):
        raise FormatError(f"expected object ids up to {MAX_LABEL}, got {labels.max()}: {path}")
    return labels.astype(np.uint16 if mode.startswith("I") else np.uint8)


def read_label_maps(folder: str | os.PathLike[str]) -> Result:
    """Read a folder of label maps, ``00000.png`` for frame 0; objects get an empty mask where they are absent."""
    builder = ResultBuilder()
    for index, path in numbered_files(folder, LabelMapWriter.FILE_PATTERN, "label maps as 00000.png"):
        builder.add_label_map(index, read_label_map(path))
    builder.fill_missing()
    return builder.build()


def _save(path: Path, labels: Labels) -> None:
    if labels.dtype == np.uint16 and labels.max(initial=0) > 255:
        image = Image.fromarray(labels)
    else:
        image = Image.fromarray(labels.astype(np.uint8)).convert("P")
        image.putpalette(PALETTE.tobytes())
    image.save(path, format="PNG", compress_level=4)
