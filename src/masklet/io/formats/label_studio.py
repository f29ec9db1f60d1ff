"""Label Studio tasks: one per frame, with masks as brush regions in Label Studio's RLE."""

from __future__ import annotations

import os
import re
from typing import Any

import numpy as np
from jaxtyping import Bool, UInt8

from masklet.bounded_json import dump_json, expecting, read_json
from masklet.errors import FormatError
from masklet.io.result_builder import UNNAMED, Result, ResultBuilder, check_size
from masklet.io.writer import DeferredWriter
from masklet.types import Masklet, Rle, Size

CHANNELS = 4  # brush regions are RGBA images; the mask is where alpha is not 0
RUN_BITS = (3, 4, 8, 16)
"""Possible widths of a run length in bits; a 2-bit prefix selects one."""

_WORD_BITS = 8
_MAX_RUN = 1 << RUN_BITS[-1]
_OBJECT = re.compile(r"object\D?(\d+)")


class LabelStudioWriter(DeferredWriter):
    """Writes a JSON list of tasks to import.

    The labeling interface needs ``<Image name="image" value="$image"/>`` and
    ``<BrushLabels name="tag" toName="image">``.
    Masks are predictions for annotators to correct, or annotations if the provenance is manual. The text of a region
    names its object. Empty masks have no region.
    """

    def _save(self, result: Result) -> None:
        objects = [{"id": one.object_id, "name": one.name} for one in result.masklets.values()]
        facts = {"size": result.size, "fps": result.fps, "num_frames": result.num_frames, "video": result.video}
        provenance = result.provenance
        kind = "annotations" if provenance.source == "manual" else "predictions"
        model = {"model_version": provenance.model} if provenance.model else {}
        tasks = [
            {
                "data": {
                    "image": result.image_name(index),
                    "masklet": {**facts, "frame": index, "objects": objects},
                },
                kind: [{"result": [_region(one, rle, index) for one, rle in result.visible(index)], **model}],
            }
            for index in range(result.num_frames)
        ]
        dump_json(self._output.path, tasks)


def read_label_studio(path: str | os.PathLike[str]) -> Result:
    """Read a list of Label Studio tasks, written by `LabelStudioWriter` or exported after correction.

    Annotations take precedence over predictions. The frame index is that stored by `LabelStudioWriter`, else the
    position in the list. The text or id of a region ("object 3") names its object; else each region is an object.
    """
    tasks = read_json(path, list[Any], what="list of Label Studio tasks")
    builder = ResultBuilder()
    with expecting("Label Studio tasks", str(path)):
        facts: dict[str, Any] = {}
        for order, task in enumerate(tasks):
            facts = task["data"].get("masklet", {})
            frame = builder.start_frame(facts.get("frame", order))
            for entry in facts.get("objects", ()):
                builder.add_object(entry["id"], entry["name"])
            if facts.get("size"):
                height, width = facts["size"]
                builder.size = (height, width)
            answers = task.get("annotations") or task.get("predictions") or [{"result": []}]
            for place, region in enumerate(answers[-1]["result"]):
                if region.get("type") != "brushlabels":
                    continue
                size = region["original_height"], region["original_width"]
                object_id = _object_of(region, place)
                builder.add_label(object_id, (region["value"].get("brushlabels") or [""])[0])
                mask = decode_brush(region["value"]["rle"], size)
                builder.add_mask(object_id, frame, Rle.from_mask(mask), iou=region.get("score"))
        num_frames = max(builder.stop, facts.get("num_frames", len(tasks)))
        return builder.build(num_frames=num_frames, fps=facts.get("fps"), video=str(facts.get("video", "")))


def _region(masklet: Masklet, rle: Rle, index: int) -> dict[str, Any]:
    height, width = masklet.size
    iou = masklet.iou.get(index)
    return {
        "id": f"object{masklet.object_id}-frame{index}",
        "type": "brushlabels",
        "from_name": "tag",
        "to_name": "image",
        "original_width": width,
        "original_height": height,
        "image_rotation": 0,
        "meta": {"text": [f"object {masklet.object_id}"]},
        "value": {
            "format": "rle",
            "rle": encode_brush(rle.to_mask()).tolist(),
            "brushlabels": [masklet.name or UNNAMED],
        },
        **({} if iou is None else {"score": iou}),
    }


def _object_of(region: dict[str, Any], place: int) -> int:
    texts = [str(text) for text in (region.get("meta") or {}).get("text") or ()]
    for text in (*texts, str(region.get("id", ""))):
        if match := _OBJECT.match(text):
            return int(match[1])
    return place + 1


def encode_brush(mask: Bool[np.ndarray, "h w"]) -> UInt8[np.ndarray, " n"]:
    """Encode a mask in Label Studio's RLE, a bit stream.

    Header: the number of values (32 bits), their width - 1 (5 bits), the four possible widths of a run length - 1
    (4 bits each). Each run: a bit 1, the choice of a width (2 bits), the run length - 1, and the repeated value.
    """
    values = np.repeat(mask.ravel(), CHANNELS)
    edges = np.flatnonzero(np.diff(values, prepend=~values[:1]))
    lengths = np.diff(edges, append=len(values))
    pieces = -(-lengths // _MAX_RUN)
    colors = np.repeat(np.where(values[edges], 255, 0), pieces)
    rest = np.repeat(lengths, pieces) - _MAX_RUN * (
        np.arange(pieces.sum()) - np.repeat(pieces.cumsum() - pieces, pieces)
    )
    runs = np.minimum(rest, _MAX_RUN) - 1
    choice = np.searchsorted(1 << np.array(RUN_BITS), runs, side="right")
    length_bits = np.array(RUN_BITS)[choice]
    codes = (((4 | choice) << length_bits | runs) << _WORD_BITS) | colors
    sizes = [bits - 1 for bits in RUN_BITS]
    header = [(len(values), 32), (_WORD_BITS - 1, 5), *((bits, 4) for bits in sizes)]
    return _packed(
        np.concatenate([np.array([code for code, _ in header]), codes]),
        np.concatenate([np.array([bits for _, bits in header]), 3 + length_bits + _WORD_BITS]),
    )


def decode_brush(code: object, size: Size) -> Bool[np.ndarray, "h w"]:
    """Decode Label Studio's RLE to the mask where alpha is not 0; `FormatError` unless it is one of ``size``."""
    height, width = check_size(*size)
    if not isinstance(code, list) or not all(type(value) is int and 0 <= value < 256 for value in code):
        raise FormatError("expected a brush region as a list of bytes")
    reader = _Bits(bytes(code))
    total = reader.take(32)
    if total != height * width * CHANNELS:
        raise FormatError(f"expected a brush region of {width}x{height} pixels, got {total // CHANNELS} pixels")
    word = reader.take(5) + 1
    lengths = [reader.take(4) + 1 for _ in range(4)]
    values = np.zeros(total, bool)
    place = 0
    while place < total:
        repeats = reader.take(1)
        count = reader.take(lengths[reader.take(2)]) + 1
        if repeats:
            values[place : place + count] = reader.take(word) != 0
        else:
            values[place : place + count] = [reader.take(word) != 0 for _ in range(min(count, total - place))]
        place += count
    return np.ascontiguousarray(values.reshape(height, width, CHANNELS)[:, :, -1])


class _Bits:
    """Reads unsigned integers from a bit stream, most significant bit first."""

    def __init__(self, data: bytes) -> None:
        self._bits = bin(int.from_bytes(b"\1" + data, "big"))[3:]  # the first bit keeps leading zeros
        self._place = 0

    def take(self, count: int) -> int:
        """Read the next ``count`` bits; `FormatError` at the end of the stream."""
        bits = self._bits[self._place : self._place + count]
        if len(bits) < count:
            raise FormatError("the brush region is truncated")
        self._place += count
        return int(bits, 2)


def _packed(codes: np.ndarray, bits: np.ndarray) -> UInt8[np.ndarray, " n"]:
    """Pack integers of the given widths into bytes."""
    widest = int(bits.max())
    shifts = np.arange(widest - 1, -1, -1)
    aligned = (codes.astype(np.uint64) << (widest - bits).astype(np.uint64))[:, None] >> shifts.astype(np.uint64) & 1
    return np.packbits(aligned.astype(bool)[np.arange(widest) < bits[:, None]])
