"""Masklets as JSON: COCO run-length codes per object and frame with their scores; schema ``masklet/rle``."""

from __future__ import annotations

import json
import os
import reprlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, get_args

import numpy as np

from masklet.errors import FormatError, OutputError
from masklet.io.draft import Draft, writing
from masklet.io.writer import Writer
from masklet.masks.rle import MAX_PIXELS, checked, encode_masks
from masklet.types import FrameMasks, FrameSource, Masklet, ObjectId, Picture, Rle, Size, Source

SCHEMA = "masklet/rle"
VERSION = 1
MAX_BYTES = 2**29
"""Larger files are refused unread."""


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """What a result file says about where it comes from.

    Attributes:
        names: object id -> what the person calls it.
        prompted: object id -> frames on which a person prompted it.
        source: how the objects were found.
        model: name of the model.
    """

    names: Mapping[ObjectId, str] = field(default_factory=dict)
    prompted: Mapping[ObjectId, tuple[int, ...]] = field(default_factory=dict)
    source: Source = "assisted"
    model: str = ""


class RleWriter(Writer):
    """All masks of a video in one JSON file (see `write_rle`); only run-length codes are kept in memory.

    Args:
        path: the file to write.
        like: the source of the frames; gives frame rate and frame count.
        provenance: names, prompted frames and model; may be set until the writer is finished.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        like: FrameSource | None = None,
        provenance: Provenance | None = None,
    ) -> None:
        super().__init__(path)
        self.provenance = provenance or Provenance()
        self._like = like
        self._size: Size | None = None
        self._masklets: dict[ObjectId, Masklet] = {}
        self._stop = 0

    def _write(self, frame: Picture | None, masks: FrameMasks) -> None:
        height, width = masks.masks.shape[1:]
        self._size = self._size or (height, width)
        if (height, width) != self._size:
            raise OutputError(
                f"cannot write {self.path}: expected masks of {self._size[1]}x{self._size[0]} pixels, "
                f"got {width}x{height} at frame {masks.frame_index}"
            )
        self._stop = max(self._stop, masks.frame_index + 1)
        for place, (object_id, rle) in enumerate(zip(masks.object_ids, encode_masks(masks.masks), strict=True)):
            masklet = self._masklets.setdefault(object_id, Masklet(object_id, self._size))
            masklet.frames[masks.frame_index] = rle
            masklet.presence[masks.frame_index] = _short(masks.presence[place])
            masklet.iou[masks.frame_index] = _short(masks.iou[place])

    def _complete(self) -> None:
        told = self.provenance
        masklets = [
            replace(
                masklet,
                name=told.names.get(object_id, ""),
                prompted=tuple(told.prompted.get(object_id, ())),
                source=told.source,
                model=told.model,
            )
            for object_id, masklet in sorted(self._masklets.items())
        ]
        try:
            num_frames = self._stop if self._like is None else len(self._like)
        except TypeError:  # a live source does not know its length
            num_frames = self._stop
        fps = None if self._like is None else self._like.fps
        _dump(self._draft.path, _document(masklets, self._size, fps, num_frames))


def write_rle(
    path: str | os.PathLike[str],
    masklets: Iterable[Masklet],
    *,
    fps: float | None = None,
    num_frames: int | None = None,
) -> None:
    """Write masklets of one video; `read_rle` gives them back equal.

    Raises:
        OutputError: masklets of different sizes, or it cannot be written; nothing is left behind.
    """
    masklets = list(masklets)
    sizes = {masklet.size for masklet in masklets}
    if len(sizes) > 1:
        raise OutputError(f"cannot write {path}: expected masklets of one video, got sizes {sorted(sizes)}")
    draft = Draft(Path(path))
    try:
        with writing(Path(path)):
            _dump(draft.path, _document(masklets, next(iter(sizes), None), fps, num_frames))
        draft.publish()
    finally:
        draft.discard()


def read_rle(path: str | os.PathLike[str]) -> dict[ObjectId, Masklet]:
    """The masklets of a file that `RleWriter` or `write_rle` wrote, by object id.

    Raises:
        FormatError: missing, not JSON, of another schema or version, or with content that is not what the schema says.
    """
    try:
        return _masklets(_Fields(_load(Path(path)), "the content"))
    except FormatError as error:
        raise FormatError(f"{error}: {path}") from None


def _masklets(document: _Fields) -> dict[ObjectId, Masklet]:
    if document.value.get("schema") != SCHEMA or document.value.get("version") != VERSION:
        found = f"{document.value.get('schema')!r} version {document.value.get('version')!r}"
        raise FormatError(f"expected schema {SCHEMA!r} version {VERSION}, got {found}")
    video = _Fields(document.get("video", dict), "video")
    num_frames = video.get("num_frames", int, None)
    masklets: dict[ObjectId, Masklet] = {}
    for value in document.get("objects", list):
        masklet = _masklet(_Fields(value, "an object"), video, num_frames)
        if masklet.object_id in masklets:
            raise FormatError(f"object {masklet.object_id} comes twice")
        masklets[masklet.object_id] = masklet
    return masklets


def _document(masklets: list[Masklet], size: Size | None, fps: float | None, num_frames: int | None) -> object:
    return {
        "schema": SCHEMA,
        "version": VERSION,
        "video": {"size": size and list(size), "fps": fps, "num_frames": num_frames},
        "objects": [
            {
                "id": masklet.object_id,
                "name": masklet.name,
                "source": masklet.source,
                "model": masklet.model,
                "prompted": list(masklet.prompted),
                "frames": [_frame_entry(masklet, index) for index in sorted(masklet.frames)],
            }
            for masklet in masklets
        ],
    }


def _frame_entry(masklet: Masklet, index: int) -> dict[str, object]:
    scores = {"presence": masklet.presence.get(index), "iou": masklet.iou.get(index)}
    counts = masklet.frames[index].counts.decode("ascii")
    return {"frame": index, "counts": counts, **{name: score for name, score in scores.items() if score is not None}}


def _dump(path: Path, document: object) -> None:
    with path.open("w", encoding="utf-8") as file:
        json.dump(document, file, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _load(path: Path) -> object:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise FormatError(f"expected at most {MAX_BYTES} bytes, got {path.stat().st_size}")
        content = path.read_bytes()
    except OSError as error:
        raise FormatError(f"cannot read it: {error.strerror}") from error
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        raise FormatError("not a JSON file") from None


def _short(score: np.float32) -> float:
    """The shortest decimal that is the same float32, so that 0.9 is not written as 0.8999999761581421."""
    return float(str(score))


_REQUIRED: Any = object()


class _Fields:
    """An object of the file whose fields are asked for by name and type."""

    def __init__(self, value: object, what: str) -> None:
        if not isinstance(value, dict):
            raise FormatError(f"expected {what} as an object, got {reprlib.repr(value)}")
        self.value: dict[str, Any] = value
        self.what = what

    def get(self, name: str, kind: type, default: Any = _REQUIRED) -> Any:
        found = self.value.get(name, default)
        if found is _REQUIRED:
            raise FormatError(f"{self.what} has no {name!r}")
        whole_as_number = kind is float and type(found) is int
        if found is not default and type(found) is not kind and not whole_as_number:
            raise FormatError(f"expected {name!r} of {self.what} as {kind.__name__}, got {reprlib.repr(found)}")
        return found

    def score(self, name: str) -> float | None:
        found = self.get(name, float, None)
        if found is not None and not 0 <= found <= 1:
            raise FormatError(f"expected {name!r} of {self.what} from 0 to 1, got {found}")
        return None if found is None else float(found)


def _masklet(entry: _Fields, video: _Fields, num_frames: int | None) -> Masklet:
    object_id = entry.get("id", int)
    if object_id < 1:
        raise FormatError(f"expected object ids from 1, got {object_id}")
    source = entry.get("source", str, "assisted")
    if source not in get_args(Source):
        raise FormatError(f"expected a source of {', '.join(get_args(Source))}, got {source!r}")
    masklet = Masklet(
        object_id,
        _size(video),
        prompted=tuple(_frame_index(index, num_frames) for index in entry.get("prompted", list, [])),
        name=entry.get("name", str, ""),
        source=source,
        model=entry.get("model", str, ""),
    )
    for value in entry.get("frames", list):
        frame = _Fields(value, f"a frame of object {object_id}")
        index = _frame_index(frame.get("frame", int), num_frames)
        if index in masklet.frames:
            raise FormatError(f"frame {index} of object {object_id} comes twice")
        counts: str = frame.get("counts", str)
        masklet.frames[index] = checked(Rle(masklet.size, counts.encode()))  # beyond ASCII no byte is valid
        for name, scores in (("presence", masklet.presence), ("iou", masklet.iou)):
            if (score := frame.score(name)) is not None:
                scores[index] = score
    return masklet


def _size(video: _Fields) -> Size:
    size = video.get("size", list)
    if len(size) != 2 or any(type(n) is not int or n < 1 for n in size) or size[0] * size[1] > MAX_PIXELS:
        raise FormatError(f"expected 'size' as [height, width] in pixels, got {reprlib.repr(size)}")
    return size[0], size[1]


def _frame_index(index: object, num_frames: int | None) -> int:
    if type(index) is not int or index < 0 or (num_frames is not None and index >= num_frames):
        bound = "" if num_frames is None else f" and below {num_frames}"
        raise FormatError(f"expected a frame index of at least 0{bound}, got {reprlib.repr(index)}")
    return index
