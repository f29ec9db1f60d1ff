"""SA-1B annotations: one JSON file per image with its masks as RLE."""

from __future__ import annotations

import math
import os
import re
from pathlib import Path
from typing import Any

import msgspec

from masklet.bounded_json import dump_json, expecting, read_json
from masklet.errors import FormatError
from masklet.io.images import size_text
from masklet.io.result_builder import Result, ResultBuilder
from masklet.io.writer import FolderWriter
from masklet.masks.rle import areas, boxes, encode_masks, rle_from_coco
from masklet.types import FrameMasks, RgbImage, Rle

MAX_BYTES = 2**28


class _Image(msgspec.Struct):
    height: int
    width: int


class _Annotation(msgspec.Struct):
    segmentation: dict[str, Any]
    id: Any = None
    predicted_iou: float | None = None


class _Document(msgspec.Struct):
    image: _Image
    annotations: list[_Annotation]

    def masks(self) -> list[Rle]:
        """Decode the RLE of all masks; `FormatError` unless they have the size of the image."""
        size = self.image.height, self.image.width
        return [rle_from_coco(entry.segmentation, size, "image") for entry in self.annotations]


def parse_sa1b(data: bytes, name: str) -> list[Rle]:
    """Read the masks from the bytes of an annotation file; `FormatError`, with ``name``, if it is malformed."""
    with expecting("an SA-1B annotation", name):
        return read_json(data, _Document, what="SA-1B annotation", name=name).masks()


class Sa1bWriter(FolderWriter):
    """Writes a folder with one SA-1B annotation per frame, ``00007.json``; annotation ids are object ids.

    Object names are not stored. Empty masks have an empty box.
    """

    FILE_PATTERN = re.compile(r"(\d{5,})\.json")

    def _write(self, frame: RgbImage | None, masks: FrameMasks) -> None:
        height, width = masks.masks.shape[1:]
        rles = encode_masks(masks.masks)
        extents = boxes(rles).tolist()
        document = {
            "image": {
                "image_id": masks.frame_index,
                "width": width,
                "height": height,
                "file_name": self._image_name(masks.frame_index),
            },
            "annotations": [
                {
                    "id": object_id,
                    "segmentation": rle.to_coco(),
                    "bbox": [x0, y0, x1 - x0, y1 - y0],
                    "area": area,
                    "crop_box": [0, 0, width, height],
                    "point_coords": [],
                    **({} if math.isnan(iou) else {"predicted_iou": iou}),
                }
                for object_id, rle, (x0, y0, x1, y1), area, iou in zip(
                    masks.object_ids, rles, extents, areas(rles).tolist(), masks.iou.tolist(), strict=True
                )
            ],
        }
        dump_json(self._output.path / f"{masks.frame_index:05d}.json", document)


def read_sa1b(path: str | os.PathLike[str]) -> Result:
    """Read a folder of SA-1B annotations as the frames of a video, or a single annotation as frame 0.

    Frames are numbered by the file names if those are numbers, as `Sa1bWriter` writes them, else in order.
    """
    root = Path(path)
    files = sorted(root.glob("*.json")) if root.is_dir() else [root]
    if not files:
        raise FormatError(f"expected SA-1B annotations, found none: {path}")
    numbered = root.is_dir() and all(Sa1bWriter.FILE_PATTERN.fullmatch(file.name) for file in files)
    builder = ResultBuilder()
    for order, file in enumerate(files):
        document = read_json(file, _Document, what="SA-1B annotation", max_bytes=MAX_BYTES)
        size = document.image.height, document.image.width
        with expecting("an SA-1B annotation", str(file)):
            index = builder.start_frame(int(file.stem) if numbered else order, size)
            if size != builder.size:
                raise FormatError(f"expected images of one size, got {size_text(size)}")
            for entry, rle in zip(document.annotations, document.masks(), strict=True):
                builder.add_mask(entry.id, index, rle, iou=entry.predicted_iou)
    return builder.build()
