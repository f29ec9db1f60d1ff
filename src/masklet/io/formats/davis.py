"""Label maps: one PNG file per frame whose pixel values are object ids, as in the DAVIS data sets."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
from jaxtyping import UInt8, UInt16
from PIL import Image

from masklet.errors import FormatError, OutputError
from masklet.io.atomic import AtomicOutput, output_errors
from masklet.io.images import open_image
from masklet.io.palette import PALETTE
from masklet.io.result_builder import Result, ResultBuilder
from masklet.io.writer import FolderWriter
from masklet.types import FrameMasks, RgbImage, Rle

Labels = UInt8[np.ndarray, "h w"] | UInt16[np.ndarray, "h w"]


class LabelMapWriter(FolderWriter):
    """Writes a folder of label maps, ``00000.png`` for frame 0; under an overlap, the object listed last is visible.

    Label maps are 8-bit palette images; 16-bit gray images on frames with ids above 255.
    """

    FILE_PATTERN = re.compile(r"\d{5,}\.png")

    def _write(self, frame: RgbImage | None, masks: FrameMasks) -> None:
        if masks.frame_index < 0 or max(masks.object_ids, default=0) > 65535:
            raise OutputError(f"cannot write {self.path}: label maps hold object ids up to 65535")
        _save(self._output.path / f"{masks.frame_index:05d}.png", masks.label_map())


def write_label_map(path: str | os.PathLike[str], labels: Labels) -> None:
    """Write one label map atomically: 8-bit with the palette, or 16-bit gray if it contains ids above 255.

    Raises:
        OutputError: it cannot be written.
    """
    draft = AtomicOutput(Path(path))
    try:
        with output_errors(Path(path)):
            _save(draft.path, labels)
        draft.commit()
    finally:
        draft.discard()


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
    if mode.startswith("I") and (labels.min() < 0 or labels.max() > 65535):
        raise FormatError(f"expected object ids up to 65535, got {labels.max()}: {path}")
    return labels.astype(np.uint16 if mode.startswith("I") else np.uint8)


def read_label_maps(folder: str | os.PathLike[str]) -> Result:
    """Read a folder of label maps, ``00000.png`` for frame 0; objects get an empty mask where they are absent.

    Raises:
        FormatError: there are no label maps, or they differ in size.
        MediaError: a label map cannot be read.
    """
    files = sorted(path for path in Path(folder).glob("*.png") if LabelMapWriter.FILE_PATTERN.fullmatch(path.name))
    if not files:
        raise FormatError(f"expected label maps as 00000.png, found none: {folder}")
    builder = ResultBuilder()
    for path in files:
        add_label_map(builder, int(path.stem), read_label_map(path))
    builder.fill_missing(int(path.stem) for path in files)
    return builder.build(num_frames=int(files[-1].stem) + 1)


def add_label_map(builder: ResultBuilder, frame_index: int, labels: Labels) -> None:
    """Add the objects of a label map to a result."""
    builder.size = builder.size or (labels.shape[0], labels.shape[1])
    for object_id in np.unique(labels[labels > 0]).tolist():
        builder.add_mask(object_id, frame_index, Rle.from_mask(labels == object_id))


def _save(path: Path, labels: Labels) -> None:
    if labels.dtype == np.uint16 and labels.max(initial=0) > 255:
        image = Image.fromarray(labels)
    else:
        image = Image.fromarray(labels.astype(np.uint8)).convert("P")
        image.putpalette(PALETTE.tobytes())
    image.save(path, format="PNG", compress_level=4)
