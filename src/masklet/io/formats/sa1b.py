"""SA-1B annotations: one JSON a picture, with the run-length codes of its masks."""

from __future__ import annotations

import math
import os
import re
from pathlib import Path
from typing import Any

from masklet.bounded_json import dump_json, expecting, read_json
from masklet.errors import FormatError
from masklet.io.result_builder import Result, ResultBuilder
from masklet.io.writer import FolderWriter
from masklet.masks.rle import areas, boxes, encode_masks
from masklet.types import FrameMasks, RgbImage, Rle

_FILE = re.compile(r"\d{5,}\.json")

MAX_BYTES = 2**28


def parse_sa1b(data: bytes, name: str) -> tuple[Rle, ...]:
    """The masks in the bytes of an annotation file, in the order of the file; ``name`` is for messages.

    Raises:
        FormatError: not of the SA-1B form, a code is corrupt, or a mask is not of the picture's size.
    """
    with expecting("an SA-1B annotation", name):
        document = read_json(data, dict[str, Any], what="SA-1B annotation", name=name)
        size = document["image"]["height"], document["image"]["width"]
        masks = tuple(Rle.from_coco(entry["segmentation"]) for entry in document["annotations"])
        for mask in masks:
            if mask.size != size:
                raise FormatError(f"expected masks of {size[1]}x{size[0]}, got {mask.size[1]}x{mask.size[0]}")
        return masks


class Sa1bWriter(FolderWriter):
    """A folder with an SA-1B annotation for each frame, ``00007.json``; the objects are the annotations' ids.

    Names have no place in the form; masks that are empty have a box of no size.
    """

    FILE_PATTERN = _FILE

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
    """The result in a folder of SA-1B annotations, or in one of them, which is frame 0.

    Frames are numbered by the files' names where those are numbers, as `Sa1bWriter` writes them, else in their order.

    Raises:
        FormatError: no annotations, or one that is not of the SA-1B form.
    """
    place = Path(path)
    files = sorted(place.glob("*.json")) if place.is_dir() else [place]
    if not files:
        raise FormatError(f"expected SA-1B annotations, found none: {path}")
    numbered = place.is_dir() and all(_FILE.fullmatch(file.name) for file in files)
    builder = ResultBuilder()
    stop = 0
    for order, file in enumerate(files):
        index = int(file.stem) if numbered else order
        document = read_json(file, dict[str, Any], what="SA-1B annotation", max_bytes=MAX_BYTES)
        with expecting("an SA-1B annotation", str(file)):
            size = document["image"]["height"], document["image"]["width"]
            builder.size = builder.size or size
            if size != builder.size:
                raise FormatError(f"expected pictures of one size, got {size[1]}x{size[0]}")
            entry: dict[str, Any]
            for entry in document["annotations"]:
                builder.add_mask(
                    entry["id"], index, Rle.from_coco(entry["segmentation"]), iou=entry.get("predicted_iou")
                )
        stop = max(stop, index + 1)
    return builder.build(num_frames=stop)
