"""Masks and prompts as the store keeps them: masks as compressed binary parts of bounded size, prompts as JSON."""

from __future__ import annotations

import json
import math
import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping

from masklet.errors import FormatError
from masklet.types import Masklet, Prompts, Rle, Size

PART_BYTES = 2**20
"""A part is closed once it holds this many bytes, before compression."""

MAX_CODE_BYTES = 2**26
"""Maximum length of the run-length code of one mask; a part holds at most this and `PART_BYTES`."""

_FRAME = struct.Struct("<IddI")  # frame index, presence, predicted IoU (NaN for none), bytes of the code that follows


def pack(masklet: Masklet) -> list[bytes]:
    """Serialize the masks of a masklet with their presence and predicted IoU, ordered by frame.

    Raises:
        FormatError: the code of a mask is longer than `MAX_CODE_BYTES`.
    """
    parts, buffer = [], bytearray()
    for index, rle in sorted(masklet.frames.items()):
        if len(rle.counts) > MAX_CODE_BYTES:
            raise FormatError(
                f"expected a mask of at most {MAX_CODE_BYTES} bytes, got {len(rle.counts)} (frame {index})"
            )
        scores = (values.get(index, math.nan) for values in (masklet.presence, masklet.iou))
        buffer += _FRAME.pack(index, *scores, len(rle.counts)) + rle.counts
        if len(buffer) >= PART_BYTES:
            parts.append(zlib.compress(buffer, level=1))
            buffer = bytearray()
    return [*parts, zlib.compress(buffer, level=1)] if buffer else parts


def unpack(parts: Iterable[bytes], size: Size) -> tuple[dict[int, Rle], dict[int, float], dict[int, float]]:
    """Read what `pack` wrote: masks, presence and predicted IoU by frame, as in `Masklet`.

    Raises:
        FormatError: the bytes are corrupt.
    """
    frames: dict[int, Rle] = {}
    presence: dict[int, float] = {}
    iou: dict[int, float] = {}
    for part in parts:
        for index, probability, score, counts in _read_part(part):
            frames[index] = Rle(size, counts)
            presence |= {} if math.isnan(probability) else {index: probability}
            iou |= {} if math.isnan(score) else {index: score}
    return frames, presence, iou


def _read_part(part: bytes) -> Iterator[tuple[int, float, float, bytes]]:
    try:
        decoder, position = zlib.decompressobj(), 0
        data = decoder.decompress(part, PART_BYTES + MAX_CODE_BYTES + 2 * _FRAME.size)
        if not decoder.eof:
            raise FormatError("masks in the store are damaged: a part is truncated")
        while position < len(data):
            index, presence, score, length = _FRAME.unpack_from(data, position)
            position += _FRAME.size + length
            if position > len(data):
                raise FormatError("masks in the store are damaged: a part is truncated")
            yield index, presence, score, data[position - length : position]
    except (zlib.error, struct.error) as error:
        raise FormatError(f"masks in the store are damaged: {error}") from None


def dump_prompts(prompts: Mapping[int, Prompts]) -> str:
    """Write prompts by frame as JSON: frame -> `Prompts.to_json`."""
    return json.dumps({str(frame): given.to_json() for frame, given in sorted(prompts.items())})


def load_prompts(text: str) -> dict[int, Prompts]:
    """Read what `dump_prompts` of this or an earlier version wrote."""
    return {int(frame): Prompts.from_json(value) for frame, value in json.loads(text).items()}
