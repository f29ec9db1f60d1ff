"""MOTS text files (KITTI MOTS, MOTSChallenge): one line per mask, with COCO RLE."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np

from masklet.bounded_json import read_bounded
from masklet.errors import FormatError, OutputError
from masklet.io.result_builder import Result, ResultBuilder
from masklet.io.writer import DeferredWriter
from masklet.types import FrameMasks, RgbImage, Rle

MAX_BYTES = 2**29
CLASSES = {"car": 1, "pedestrian": 2, "person": 2}
OTHER_CLASS = 3
IGNORED = 10000
"""The id of regions that are excluded from evaluation."""


class MotsWriter(DeferredWriter):
    """Writes a MOTS file: ``frame id class height width rle``; the id is 1000 times the class plus the object id.

    Objects named "car" have class 1, "pedestrian" or "person" class 2, all others class 3. Under an overlap, which the
    format forbids, the object listed last is kept. Empty masks have no line.

    Raises:
        OutputError: an object id is above 999.
    """

    def _write(self, frame: RgbImage | None, masks: FrameMasks) -> None:
        if max(masks.object_ids, default=0) > 999:
            raise OutputError(f"cannot write {self.path}: MOTS files hold object ids up to 999")
        ids = np.array(masks.object_ids, np.int64).reshape(-1, 1, 1)
        super()._write(frame, replace(masks, masks=masks.label_map() == ids))

    def _save(self, result: Result) -> None:
        with self._output.path.open("w", encoding="ascii") as file:
            for index in result.frame_indices:
                for one, rle in result.visible(index):
                    number = CLASSES.get(one.name.casefold(), OTHER_CLASS)
                    place = f"{index} {1000 * number + one.object_id} {number} {rle.size[0]} {rle.size[1]}"
                    file.write(f"{place} {rle.counts.decode()}\n")


def read_mots(path: str | os.PathLike[str]) -> Result:
    """Read a MOTS file, without the regions to be ignored.

    The object id is the MOTS id without the thousands of its class, unless that would merge objects of two classes.
    """
    try:
        text = read_bounded(Path(path), MAX_BYTES).decode()
    except UnicodeDecodeError:
        raise FormatError(f"expected a MOTS text file: {path}") from None
    lines = [line.split(" ") for line in text.splitlines() if line.strip()]
    builder, names = ResultBuilder(), {number: name for name, number in reversed(CLASSES.items())}
    try:
        entries = [([int(word) for word in line[:5]], line[5].encode()) for line in lines]
        numbers = {(entry[1], entry[2]) for entry, _ in entries if entry[1] != IGNORED}
        short = {number: number % 1000 for number, class_id in numbers if number // 1000 == class_id}
        unique = len(set(short.values())) == len(numbers) and 0 not in short.values()
        for (frame, number, class_id, height, width), counts in entries:
            if number == IGNORED:
                continue
            object_id = short[number] if unique else number
            builder.add_mask(object_id, builder.start_frame(frame), Rle((height, width), counts).validated())
            builder.names[object_id] = names.get(class_id, "")
    except FormatError as error:
        raise FormatError(f"{error}: {path}") from None
    except (ValueError, IndexError):
        raise FormatError(f"expected lines of 'frame id class height width run-lengths': {path}") from None
    return builder.build()
