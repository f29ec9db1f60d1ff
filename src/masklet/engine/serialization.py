"""Masks and prompts as the store keeps them: bytes in parts of bounded size, and JSON."""

from __future__ import annotations

import json
import math
import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from masklet.errors import FormatError
from masklet.types import Masklet, Prompts, Rle, Size

PART_BYTES = 2**20
"""A part is closed once it holds so much, before compression."""

MAX_CODE_BYTES = 2**26
"""The longest code of one mask; a part holds at most this and `PART_BYTES`."""

_FRAME = struct.Struct("<IddI")  # frame index, presence, predicted IoU (NaN where there is none), bytes of the code


def pack(masklet: Masklet) -> list[bytes]:
    """The masks of a masklet and their scores, by frame.

    Raises:
        FormatError: a mask whose code is longer than `MAX_CODE_BYTES`.
    """
    parts, held = [], bytearray()
    for index, rle in sorted(masklet.frames.items()):
        if len(rle.counts) > MAX_CODE_BYTES:
            raise FormatError(
                f"expected a mask of at most {MAX_CODE_BYTES} bytes, got {len(rle.counts)} (frame {index})"
            )
        scores = (of.get(index, math.nan) for of in (masklet.presence, masklet.iou))
        held += _FRAME.pack(index, *scores, len(rle.counts)) + rle.counts
        if len(held) >= PART_BYTES:
            parts.append(zlib.compress(held, level=1))
            held = bytearray()
    return [*parts, zlib.compress(held, level=1)] if held else parts


def unpack(parts: Iterable[bytes], size: Size) -> tuple[dict[int, Rle], dict[int, float], dict[int, float]]:
    """Frames, presence and predicted IoU, as in a `Masklet`.

    Raises:
        FormatError: the bytes are damaged.
    """
    frames: dict[int, Rle] = {}
    presence: dict[int, float] = {}
    iou: dict[int, float] = {}
    for part in parts:
        for index, present, score, counts in _records(part):
            frames[index] = Rle(size, counts)
            presence |= {} if math.isnan(present) else {index: present}
            iou |= {} if math.isnan(score) else {index: score}
    return frames, presence, iou


def _records(part: bytes) -> Iterator[tuple[int, float, float, bytes]]:
    try:
        decoder, place = zlib.decompressobj(), 0
        data = decoder.decompress(part, PART_BYTES + MAX_CODE_BYTES + 2 * _FRAME.size)
        if not decoder.eof:
            raise FormatError("masks in the store are damaged: a part breaks off")
        while place < len(data):
            index, present, score, length = _FRAME.unpack_from(data, place)
            place += _FRAME.size + length
            if place > len(data):
                raise FormatError("masks in the store are damaged: a part breaks off")
            yield index, present, score, data[place - length : place]
    except (zlib.error, struct.error) as error:
        raise FormatError(f"masks in the store are damaged: {error}") from None


def dump_prompts(prompts: Mapping[int, Prompts]) -> str:
    """Prompts by frame as JSON."""
    return json.dumps({str(frame): _entry(said) for frame, said in sorted(prompts.items())}) if prompts else "{}"


def _entry(said: Prompts) -> dict[str, Any]:
    return {
        "points": said.points.tolist(),
        "labels": said.labels.tolist(),
        "box": None if said.box is None else said.box.tolist(),
        "mask": None if said.mask is None else Rle.from_mask(said.mask).to_coco(),
    }


def load_prompts(text: str) -> dict[int, Prompts]:
    """The prompts that `dump_prompts` wrote."""
    return {int(frame): _said(entry) for frame, entry in json.loads(text).items()}


def _said(entry: Mapping[str, Any]) -> Prompts:
    return Prompts(
        points=np.array(entry["points"], np.float32).reshape(-1, 2),
        labels=np.array(entry["labels"], np.int64),
        box=None if entry["box"] is None else np.array(entry["box"], np.float32),
        mask=None if entry["mask"] is None else Rle.from_coco(entry["mask"]).to_mask(),
    )
