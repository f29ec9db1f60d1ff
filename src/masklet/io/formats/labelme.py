"""LabelMe annotations: one JSON file per frame, with masks as embedded PNG images."""

from __future__ import annotations

import base64
import binascii
import io
import os
import re
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from jaxtyping import Bool
from PIL import Image

from masklet.bounded_json import dump_json, expecting, read_json
from masklet.errors import FormatError
from masklet.io.images import decode_image, natural_key
from masklet.io.result_builder import UNNAMED, Result, ResultBuilder, check_size
from masklet.io.writer import FolderWriter
from masklet.masks.boundary import bounding_window, window_inside
from masklet.masks.polygons import Polygon, fill_polygons
from masklet.types import FrameMasks, RgbImage, Rle, Size

MAX_BYTES = 2**27


class LabelMeWriter(FolderWriter):
    """Writes a folder with one annotation per frame, named like its image: ``00007.json``.

    Masks are shapes of the type "mask" (LabelMe 5.3 and later); ``group_id`` is the object id. Empty masks have no
    shape. Images are referenced, not embedded.
    """

    FILE_PATTERN = re.compile(r"[^/]+\.json")

    def _write(self, frame: RgbImage | None, masks: FrameMasks) -> None:
        height, width = masks.masks.shape[1:]
        name = PurePosixPath(self._image_name(masks.frame_index)).name
        names = self.provenance.names
        document = {
            "version": "5.5.0",
            "flags": {},
            "shapes": [
                _shape(object_id, names.get(object_id, "") or UNNAMED, mask)
                for object_id, mask in zip(masks.object_ids, masks.masks, strict=True)
                if mask.any()
            ],
            "imagePath": name,
            "imageData": None,
            "imageHeight": height,
            "imageWidth": width,
            "masklet": {
                "frame": masks.frame_index,
                "objects": [{"id": i, "name": names.get(i, "")} for i in masks.object_ids],
            },
        }
        dump_json(self._new_file(f"{PurePosixPath(name).stem}.json"), document)


def read_labelme(folder: str | os.PathLike[str]) -> Result:
    """Read the masks, polygons and rectangles of a folder of LabelMe annotations.

    The frame index is that stored by `LabelMeWriter`, else the position in natural order of the file names. Shapes with
    the same ``group_id`` belong to one object; without one, shapes with the same label.
    """
    root = Path(folder)
    files = sorted(root.glob("*.json"), key=lambda file: natural_key(file.name))
    if not files:
        raise FormatError(f"expected LabelMe annotations, found none: {folder}")
    builder = ResultBuilder()
    labels: dict[str, int] = {}
    for order, file in enumerate(files):
        document = read_json(file, dict[str, Any], what="LabelMe annotation", max_bytes=MAX_BYTES)
        with expecting("a LabelMe annotation", str(file)):
            size = check_size(document["imageHeight"], document["imageWidth"])
            stored = document.get("masklet", {})
            frame = builder.start_frame(stored.get("frame", order), size)
            for entry in stored.get("objects", ()):
                builder.add_object(entry["id"], entry["name"])
            regions: dict[int, Bool[np.ndarray, "h w"]] = {}
            for shape in document["shapes"]:
                mask = _mask_of(shape, size, str(file))
                if mask is not None:
                    label = str(shape["label"])
                    object_id = shape.get("group_id") or labels.setdefault(label, len(labels) + 1)
                    regions[object_id] = mask | regions[object_id] if object_id in regions else mask
                    builder.add_label(object_id, label)
            for object_id, mask in regions.items():
                builder.add_mask(object_id, frame, Rle.from_mask(mask))
    return builder.build()


def _shape(object_id: int, label: str, mask: Bool[np.ndarray, "h w"]) -> dict[str, Any]:
    rows, columns = bounding_window(mask)
    buffer = io.BytesIO()
    Image.fromarray(mask[rows, columns]).save(buffer, format="PNG")
    return {
        "label": label,
        "points": [[columns.start, rows.start], [columns.stop - 1, rows.stop - 1]],
        "group_id": object_id,
        "description": "",
        "shape_type": "mask",
        "flags": {},
        "mask": base64.b64encode(buffer.getvalue()).decode("ascii"),
    }


def _mask_of(shape: dict[str, Any], size: Size, where: str) -> Bool[np.ndarray, "h w"] | None:
    """Rasterize a shape; None if it is not a region."""
    points = np.array(shape["points"], np.float64).reshape(-1, 2)
    if not np.isfinite(points).all():
        raise FormatError("expected points as numbers")
    if shape["shape_type"] == "polygon" and len(points) > 2:
        return fill_polygons([Polygon(points)], size)
    if shape["shape_type"] == "rectangle" and len(points) == 2:
        (x0, y0), (x1, y1) = points
        return fill_polygons([Polygon(np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]]))], size)
    if shape["shape_type"] != "mask":
        return None
    try:
        part = decode_image(base64.b64decode(shape["mask"], validate=True), where)[:, :, 0] > 0
    except binascii.Error:
        raise FormatError("expected a mask as a base64-encoded PNG image") from None
    mask = np.zeros(size, bool)
    mask[window_inside(round(points[0][0]), round(points[0][1]), part.shape, size)] = part
    return mask
