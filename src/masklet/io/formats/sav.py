"""SA-V annotations: one JSON a video, with the run-length codes of its masklets at 6 of 24 frames per second."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from masklet.bounded_json import dump_json, expecting, read_json
from masklet.errors import FormatError
from masklet.io.result_builder import MAX_FRAMES, Provenance, Result, ResultBuilder
from masklet.io.writer import DeferredWriter
from masklet.types import MAX_MASK_PIXELS, Masklet, Rle, Size

FRAME_STEP = 4
"""Every fourth frame is annotated."""

MAX_BYTES = 2**28


@dataclass(frozen=True)
class SavAnnotation:
    """What an annotation file says; a mask is decoded when asked for.

    Attributes:
        video_id: the video's name, such as ``sav_000001``.
        size: (height, width).
        num_frames: frames of the video.
        masklet_ids: the file's number for each masklet.
        automatic: whether a masklet was found without a person, for each.
        codes: for each annotated frame the codes of all masklets, as the file has them.
    """

    video_id: str
    size: Size
    num_frames: int
    masklet_ids: tuple[int, ...]
    automatic: tuple[bool, ...]
    codes: tuple[tuple[Mapping[str, Any] | None, ...], ...] = field(repr=False)

    @property
    def frames(self) -> range:
        """The annotated frames."""
        return range(0, len(self.codes) * FRAME_STEP, FRAME_STEP)

    def mask(self, frame_index: int, masklet: int) -> Rle | None:
        """The mask of a masklet by place, or None where it was left out.

        Raises:
            FormatError: the code is corrupt or not of the video's size.
        """
        code = self.codes[frame_index // FRAME_STEP][masklet]
        if code is None:
            return None
        rle = Rle.from_coco(code)
        if rle.size != self.size:
            told = f"{self.size[1]}x{self.size[0]} as the video, got {rle.size[1]}x{rle.size[0]}"
            raise FormatError(f"expected a mask of {told}: {self.video_id}")
        return rle


def read_sav(path: str | os.PathLike[str]) -> SavAnnotation:
    """Read one annotation file, such as ``sav_000001_manual.json``.

    Raises:
        FormatError: missing, too large, or not of the SA-V form.
    """
    with expecting("an SA-V annotation", str(path)):
        return _annotation(read_json(path, dict[str, Any], what="SA-V annotation", max_bytes=MAX_BYTES))


def _annotation(document: Mapping[str, Any]) -> SavAnnotation:
    ids = tuple(_whole(i) for i in document["masklet_id"])
    kinds = tuple(str(kind) for kind in document.get("masklet_type") or ["manual"] * len(ids))
    codes = tuple(tuple(frame) for frame in document["masklet"])
    size = _whole(document["video_height"]), _whole(document["video_width"])
    if min(size) < 1 or size[0] * size[1] > MAX_MASK_PIXELS:
        raise FormatError(f"expected the height and width of a video, got {size}")
    if len(kinds) != len(ids) or any(len(frame) != len(ids) for frame in codes):
        raise FormatError(f"expected {len(ids)} masks on each frame, one for each masklet")
    if not all(code is None or isinstance(code, dict) for frame in codes for code in frame):
        raise FormatError("expected masks as objects with 'size' and 'counts'")
    return SavAnnotation(
        video_id=str(document["video_id"]),
        size=size,
        num_frames=_whole(document["video_frame_count"]),
        masklet_ids=ids,
        automatic=tuple(kind == "auto" for kind in kinds),
        codes=codes,
    )


def _whole(value: object) -> int:
    """The files hold whole numbers as floats."""
    if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value):
        raise ValueError(f"expected a whole number, got {value!r}")
    return int(value)


class SavWriter(DeferredWriter):
    """An SA-V annotation file. The form holds every fourth frame (0, 4, 8 ...); the masks of the others are left out.

    Masklets are automatic where the provenance says so, else manual. Names of objects have no place in the form.
    """

    def _save(self, result: Result) -> None:
        masklets = list(result.masklets.values())
        frames = range(0, result.num_frames, FRAME_STEP)
        height, width = result.size or (0, 0)
        first = [min((i for i, rle in one.frames.items() if rle.area), default=0) for one in masklets]
        document = {
            "video_id": Path(result.video or self.path.name).stem,
            "video_duration": result.num_frames / (result.fps or 24.0),
            "video_frame_count": float(result.num_frames),
            "video_height": float(height),
            "video_width": float(width),
            "video_resolution": float(height * width),
            "masklet": [[_code(one, index, (height, width)) for one in masklets] for index in frames],
            "masklet_id": [one.object_id for one in masklets],
            "masklet_type": ["auto" if one.source == "automatic" else "manual" for one in masklets],
            "masklet_num": len(masklets),
            "masklet_frame_count": [float(len(frames))] * len(masklets),
            "masklet_first_appeared_frame": [float(frame) for frame in first],
            "masklet_size_rel": [_relative_size(one, frames, height * width) for one in masklets],
        }
        dump_json(self._output.path, document)


def read_sav_result(path: str | os.PathLike[str]) -> Result:
    """The result in an SA-V annotation file: masks on every fourth frame.

    Raises:
        FormatError: as `read_sav`, or an id is no positive number.
    """
    annotation = read_sav(path)
    with expecting("an SA-V annotation", str(path)):
        if not 0 <= annotation.num_frames <= MAX_FRAMES:
            raise FormatError(f"expected 0 to {MAX_FRAMES} frames, got {annotation.num_frames}")
        builder = ResultBuilder()
        builder.size = annotation.size
        shift = int(0 in annotation.masklet_ids)  # the data set counts masklets from 0
        for place, masklet_id in enumerate(annotation.masklet_ids):
            builder.masklet(masklet_id + shift)
            for index in annotation.frames:
                rle = annotation.mask(index, place)
                if rle is not None:
                    builder.add_mask(masklet_id + shift, index, rle)
        automatic = bool(annotation.automatic) and all(annotation.automatic)
        told = Provenance(source="automatic" if automatic else "assisted")
        return builder.build(told, num_frames=annotation.num_frames, video=f"{annotation.video_id}.mp4", fps=24.0)


def _code(masklet: Masklet, index: int, size: Size) -> Mapping[str, object]:
    rle = masklet.frames.get(index) or Rle.from_mask(np.zeros(size, bool))
    return rle.to_coco()


def _relative_size(masklet: Masklet, frames: range, pixels: int) -> float:
    """Mean area on the annotated frames, as a share of the picture."""
    areas = [masklet.frames[index].area for index in frames if index in masklet.frames]
    return float(np.mean(areas)) / pixels if areas else 0.0
