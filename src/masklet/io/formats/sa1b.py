"""SA-1B annotations: one JSON a picture, with the run-length codes of its masks."""

from __future__ import annotations

from masklet.errors import FormatError
from masklet.io.formats.json_file import expecting, parse_json
from masklet.masks.rle import from_coco
from masklet.types import Rle

MAX_BYTES = 2**28


def parse_sa1b(data: bytes, name: str) -> tuple[Rle, ...]:
    """The masks in the bytes of an annotation file, in the order of the file; ``name`` is for messages.

    Raises:
        FormatError: not of the SA-1B form, a code is corrupt, or a mask is not of the picture's size.
    """
    with expecting("an SA-1B annotation", name):
        document = parse_json(data, name)
        size = document["image"]["height"], document["image"]["width"]
        masks = tuple(from_coco(entry["segmentation"]) for entry in document["annotations"])
        for mask in masks:
            if mask.size != size:
                raise FormatError(f"expected masks of {size[1]}x{size[0]}, got {mask.size[1]}x{mask.size[0]}")
        return masks
