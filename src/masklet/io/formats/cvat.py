"""CVAT tasks: "CVAT for images 1.1" XML, which stores masks exactly (CVAT has no tracks of masks)."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml
from xml.sax.saxutils import quoteattr

import numpy as np
from jaxtyping import Bool

from masklet.bounded_json import expecting, read_bounded
from masklet.errors import FormatError
from masklet.io.result_builder import UNNAMED, Result, ResultBuilder, check_size
from masklet.io.writer import DeferredWriter
from masklet.masks.boundary import bounding_window, window_inside
from masklet.masks.polygons import Polygon, fill_polygons
from masklet.types import Masklet, Rle, Size

MAX_BYTES = 2**29
ATTRIBUTE = "object_id"
"""The attribute of a mask that identifies its object."""

_NOT_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class CvatWriter(DeferredWriter):
    """Writes a file to upload as annotations of a task, format "CVAT for images 1.1".

    Labels are object names; the attribute ``object_id`` of a mask is the object. Empty masks have no entry. The labels
    of the task need a numeric attribute ``object_id``, else CVAT drops it.
    """

    def _save(self, result: Result) -> None:
        with self._output.path.open("w", encoding="utf-8") as file:
            file.writelines(_lines(result))


def read_cvat(path: str | os.PathLike[str]) -> Result:
    """Read the masks and polygons of a "CVAT for images 1.1" file; those without ``object_id`` are separate objects."""
    builder = ResultBuilder()
    with expecting('a "CVAT for images" file', str(path)):
        root = _parsed(Path(path))
        for entry in root.iterfind("meta/masklet/object"):
            builder.add_object(int(entry.attrib["id"]), entry.attrib["name"])
        stored = root.find("meta/masklet")
        facts: dict[str, Any] = {}
        if stored is not None:
            facts["video"] = stored.attrib["video"]
            facts["fps"] = float(stored.attrib["fps"]) if "fps" in stored.attrib else None
        next_id = 1 + max((int(a.text or 0) for a in root.iterfind(f".//attribute[@name='{ATTRIBUTE}']")), default=0)
        for image in root.iterfind("image"):
            frame = builder.start_frame(int(image.attrib["id"]))
            size = check_size(int(image.attrib["height"]), int(image.attrib["width"]))
            builder.size = builder.size or size
            for shape in image:
                mask = _mask_of(shape, size)
                if mask is None:
                    continue
                attribute = shape.find(f"attribute[@name='{ATTRIBUTE}']")
                object_id = next_id if attribute is None else int(attribute.text or 0)
                next_id += attribute is None
                builder.add_mask(object_id, frame, Rle.from_mask(mask))
                builder.add_label(object_id, shape.attrib.get("label", ""))
        return builder.build(**facts)


def _lines(result: Result) -> Iterator[str]:
    yield '<?xml version="1.0" encoding="utf-8"?>\n<annotations>\n  <version>1.1</version>\n  <meta>\n    <task>\n'
    yield f"      <size>{result.num_frames}</size>\n      <mode>annotation</mode>\n      <labels>\n"
    for name in dict.fromkeys(one.name or UNNAMED for one in result.masklets.values()):
        yield f"        <label>\n          <name>{quoteattr(_printable(name))[1:-1]}</name>\n          <attributes>\n"
        yield f"            <attribute><name>{ATTRIBUTE}</name><mutable>False</mutable><input_type>number</input_type>"
        yield "<default_value>1</default_value><values>1;65535;1</values></attribute>\n"
        yield "          </attributes>\n        </label>\n"
    yield "      </labels>\n    </task>\n"
    fps = f' fps="{result.fps}"' if result.fps else ""
    yield f"    <masklet{fps} video={quoteattr(_printable(result.video))}>\n"
    for one in result.masklets.values():
        yield f'      <object id="{one.object_id}" name={quoteattr(_printable(one.name))}/>\n'
    yield "    </masklet>\n  </meta>\n"
    height, width = result.size or (1, 1)
    for index in range(result.num_frames):
        name = result.image_name(index) if result.frame_names else f"frame_{index:06d}"
        yield f'  <image id="{index}" name={quoteattr(_printable(name))} width="{width}" height="{height}">\n'
        for one, rle in result.visible(index):
            yield from _mask_lines(one, rle.to_mask())
        yield "  </image>\n"
    yield "</annotations>\n"


def _mask_lines(masklet: Masklet, mask: Bool[np.ndarray, "h w"]) -> Iterator[str]:
    """Yield a mask cropped to its box, as row-major runs that start outside."""
    rows, columns = bounding_window(mask)
    inside = mask[rows, columns].ravel()
    edges = np.flatnonzero(np.diff(inside, prepend=False))
    runs = np.diff(edges, prepend=0, append=len(inside)).tolist()
    source = "manual" if masklet.source == "manual" else "semi-auto"
    yield f'    <mask label={quoteattr(_printable(masklet.name or UNNAMED))} source="{source}" occluded="0" '
    yield f'rle="{", ".join(map(str, runs))}" left="{columns.start}" top="{rows.start}" '
    yield f'width="{columns.stop - columns.start}" height="{rows.stop - rows.start}" z_order="0">\n'
    yield f'      <attribute name="{ATTRIBUTE}">{masklet.object_id}</attribute>\n    </mask>\n'


def _printable(text: str) -> str:
    """Remove the characters that XML does not allow."""
    return _NOT_XML.sub("", text)


def _parsed(path: Path) -> Xml.Element:
    data = read_bounded(path, MAX_BYTES)
    if b"<!DOCTYPE" in data or b"<!ENTITY" in data or b"\0" in data:  # entities can make a small file expand
        raise FormatError("expected XML without a document type")
    try:
        return Xml.fromstring(data)  # noqa: S314  without definitions nothing expands
    except (Xml.ParseError, LookupError, ValueError) as error:  # the last two: an unknown encoding
        raise FormatError(f"not an XML file ({error})") from None


def _mask_of(shape: Xml.Element, size: Size) -> Bool[np.ndarray, "h w"] | None:
    """Rasterize a shape; None if it is not a region."""
    if shape.tag == "polygon":
        corners = [[float(value) for value in pair.split(",")] for pair in shape.attrib["points"].split(";")]
        if len(corners) < 3 or not np.isfinite(corners).all():
            raise FormatError(f"expected a polygon of at least 3 corners, got {len(corners)}")
        return fill_polygons([Polygon(np.array(corners, np.float64))], size)
    if shape.tag != "mask":
        return None
    left, top, width, height = (int(shape.attrib[name]) for name in ("left", "top", "width", "height"))
    window = window_inside(left, top, (height, width), size)
    runs = np.array([int(run) for run in shape.attrib["rle"].split(",")])
    if runs.min() < 0 or runs.max() > width * height or int(runs.sum()) != width * height:
        raise FormatError(f"expected runs that add up to {width * height} pixels, got {int(runs.sum())}")
    mask = np.zeros(size, bool)
    mask[window] = np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(height, width)
    return mask
