"""SA-V annotations: one JSON file per video with the masklets as RLE, at 6 of 24 frames per second."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from masklet.bounded_json import dump_json, expecting, read_json
from masklet.errors import FormatError
from masklet.io.result_builder import MAX_FRAMES, Provenance, Result, ResultBuilder, check_size
from masklet.io.writer import DeferredWriter
from masklet.masks.rle import rle_from_coco
from masklet.types import Masklet, Rle, Size

FRAME_STEP = 4
"""Every fourth frame is annotated."""

MAX_BYTES = 2**28


@dataclass(frozen=True)
class SavAnnotation:
    """The content of an annotation file; masks are decoded on access.

    Attributes:
        video_id: name of the video, such as ``sav_000001``.
        size: (height, width).
        num_frames: number of frames of the video.
        masklet_ids: number of each masklet in the file.
        automatic: whether each masklet was found without a person.
        codes: RLE of all masklets on each annotated frame, as in the file.
    """

    video_id: str
    size: Size
    num_frames: int
    masklet_ids: tuple[int, ...]
    automatic: tuple[bool, ...]
    codes: list[list[dict[str, Any] | None]] = field(repr=False)

    @property
    def frames(self) -> range:
        """The annotated frames."""
        return range(0, len(self.codes) * FRAME_STEP, FRAME_STEP)

    def mask(self, frame_index: int, masklet: int) -> Rle | None:
        """Decode the mask of a masklet, by its position; None if it was not annotated, `FormatError` if corrupt."""
        code = self.codes[frame_index // FRAME_STEP][masklet]
        return None if code is None else rle_from_coco(code, self.size, f"video {self.video_id}")


class _Document(msgspec.Struct):
    """The files store integers as floats."""

    video_id: Any
    video_height: float
    video_width: float
    video_frame_count: float
    masklet_id: list[float]
    masklet: list[list[dict[str, Any] | None]]
    masklet_type: list[Any] | None = None


def read_sav(path: str | os.PathLike[str]) -> SavAnnotation:
    """Read an annotation file, such as ``sav_000001_manual.json``; `FormatError` if it is missing or malformed."""
    document = read_json(path, _Document, what="SA-V annotation", max_bytes=MAX_BYTES)
    with expecting("an SA-V annotation", str(path)):
        ids = tuple(map(_integer, document.masklet_id))
        kinds = document.masklet_type or ["manual"] * len(ids)
        size = check_size(_integer(document.video_height), _integer(document.video_width))
        if len(kinds) != len(ids) or any(len(frame) != len(ids) for frame in document.masklet):
            raise FormatError(f"expected {len(ids)} masks on each frame, one for each masklet")
        return SavAnnotation(
            video_id=str(document.video_id),
            size=size,
            num_frames=_integer(document.video_frame_count),
            masklet_ids=ids,
            automatic=tuple(kind == "auto" for kind in kinds),
            codes=document.masklet,
        )


def _integer(value: float) -> int:
    if value != int(value):
        raise FormatError(f"expected an integer, got {value!r}")
    return int(value)


class SavWriter(DeferredWriter):
    """Writes an SA-V annotation file with the masks of every fourth frame (0, 4, 8 ...).

    Masklets are of the type "auto" if the provenance is automatic, else "manual". Object names are not stored.
    """

    def _save(self, result: Result) -> None:
        masklets = list(result.masklets.values())
        frames = range(0, result.num_frames, FRAME_STEP)
        height, width = result.size or (0, 0)
        empty = Rle.from_mask(np.zeros(result.size or (1, 1), bool))
        first = [min((i for i, rle in one.frames.items() if rle.area), default=0) for one in masklets]
        document = {
            "video_id": Path(result.video or self.path.name).stem,
            "video_duration": result.num_frames / (result.fps or 24.0),
            "video_frame_count": float(result.num_frames),
            "video_height": float(height),
            "video_width": float(width),
            "video_resolution": float(height * width),
            "masklet": [[(one.frames.get(index) or empty).to_coco() for one in masklets] for index in frames],
            "masklet_id": [one.object_id for one in masklets],
            "masklet_type": ["auto" if one.source == "automatic" else "manual" for one in masklets],
            "masklet_num": len(masklets),
            "masklet_frame_count": [float(len(frames))] * len(masklets),
            "masklet_first_appeared_frame": [float(frame) for frame in first],
            "masklet_size_rel": [_relative_size(one, frames, height * width) for one in masklets],
        }
        dump_json(self._output.path, document)


def read_sav_result(path: str | os.PathLike[str]) -> Result:
    """Read an SA-V annotation file as a result with masks on every fourth frame; `FormatError` as `read_sav`."""
    annotation = read_sav(path)
    with expecting("an SA-V annotation", str(path)):
        if not 0 <= annotation.num_frames <= MAX_FRAMES:
            raise FormatError(f"expected 0 to {MAX_FRAMES} frames, got {annotation.num_frames}")
        builder = ResultBuilder(annotation.size)
        shift = int(0 in annotation.masklet_ids)  # SA-V numbers masklets from 0
        for place, masklet_id in enumerate(annotation.masklet_ids):
            builder.masklet(masklet_id + shift)
            for index in annotation.frames:
                if (rle := annotation.mask(index, place)) is not None:
                    builder.add_mask(masklet_id + shift, index, rle)
        automatic = bool(annotation.automatic) and all(annotation.automatic)
        provenance = Provenance(source="automatic" if automatic else "assisted")
        return builder.build(provenance, num_frames=annotation.num_frames, video=f"{annotation.video_id}.mp4", fps=24.0)


def _relative_size(masklet: Masklet, frames: range, pixels: int) -> float:
    """Return the mean area on the annotated frames, as a fraction of the image."""
    areas = [masklet.frames[index].area for index in frames if index in masklet.frames]
    return float(np.mean(areas)) / pixels if areas else 0.0
