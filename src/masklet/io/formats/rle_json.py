"""Masklets as JSON: COCO run-length codes per object and frame with their scores; schema ``masklet/rle``."""

from __future__ import annotations

import json
import os
import reprlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, get_args

from masklet.bounded_json import dump_json
from masklet.errors import FormatError, OutputError
from masklet.io.atomic import AtomicOutput, output_errors
from masklet.io.result_builder import MAX_FRAMES, Result
from masklet.io.writer import DeferredWriter
from masklet.types import MAX_MASK_PIXELS, Masklet, ObjectId, Rle, Size, Source

SCHEMA = "masklet/rle"
VERSION = 1
MAX_BYTES = 2**29
"""Larger files are refused unread."""


class RleWriter(DeferredWriter):
    """All masks of a video in one JSON file (see `write_rle`)."""

    def _save(self, result: Result) -> None:
        dump_json(self._output.path, _document(result))


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
    by_id = {masklet.object_id: masklet for masklet in masklets}
    sizes = {masklet.size for masklet in by_id.values()}
    if len(sizes) > 1:
        raise OutputError(f"cannot write {path}: expected masklets of one video, got sizes {sorted(sizes)}")
    stop = 1 + max((index for masklet in by_id.values() for index in masklet.frames), default=-1)
    size = next(iter(sizes), None)
    draft = AtomicOutput(Path(path))
    try:
        with output_errors(Path(path)):
            result = Result(masklets=by_id, size=size, num_frames=num_frames or stop, fps=fps)
            dump_json(draft.path, _document(result))
        draft.commit()
    finally:
        draft.discard()


def read_rle(path: str | os.PathLike[str]) -> dict[ObjectId, Masklet]:
    """The masklets of a file that `RleWriter` or `write_rle` wrote, by object id.

    Raises:
        FormatError: missing, not JSON, of another schema or version, or with content that is not what the schema says.
    """
    return dict(read_rle_result(path).masklets)


def read_rle_result(path: str | os.PathLike[str]) -> Result:
    """As `read_rle`, with what the file says about the video."""
    try:
        return _result(_Fields(_load(Path(path)), "the content"))
    except FormatError as error:
        raise FormatError(f"{error}: {path}") from None


def _result(document: _Fields) -> Result:
    if document.value.get("schema") != SCHEMA or document.value.get("version") != VERSION:
        found = f"{document.value.get('schema')!r} version {document.value.get('version')!r}"
        raise FormatError(f"expected schema {SCHEMA!r} version {VERSION}, got {found}")
    video = _Fields(document.get("video", dict), "video")
    num_frames = video.get("num_frames", int, None)
    if num_frames is not None and not 0 <= num_frames <= MAX_FRAMES:
        raise FormatError(f"expected 0 to {MAX_FRAMES} frames, got {num_frames}")
    masklets: dict[ObjectId, Masklet] = {}
    for value in document.get("objects", list):
        masklet = _masklet(_Fields(value, "an object"), video, num_frames)
        if masklet.object_id in masklets:
            raise FormatError(f"object {masklet.object_id} comes twice")
        masklets[masklet.object_id] = masklet
    stop = 1 + max((index for masklet in masklets.values() for index in masklet.frames), default=-1)
    return Result(
        masklets=masklets,
        size=_size(video) if masklets or video.value.get("size") is not None else None,
        num_frames=stop if num_frames is None else num_frames,
        fps=video.get("fps", float, None),
        video=video.get("name", str, ""),
        frame_names=tuple(str(name) for name in video.get("pictures", list, [])),
    )


def _document(result: Result) -> object:
    video: dict[str, object] = {
        "size": result.size and list(result.size),
        "fps": result.fps,
        "num_frames": result.num_frames,
    }
    if result.video:
        video["name"] = result.video
    if result.frame_names:
        video["pictures"] = result.frame_names
    return {
        "schema": SCHEMA,
        "version": VERSION,
        "video": video,
        "objects": [
            {
                "id": masklet.object_id,
                "name": masklet.name,
                "source": masklet.source,
                "model": masklet.model,
                "prompted": list(masklet.prompted),
                "frames": [_frame_entry(masklet, index) for index in sorted(masklet.frames)],
            }
            for masklet in result.masklets.values()
        ],
    }


def _frame_entry(masklet: Masklet, index: int) -> dict[str, object]:
    scores = {"presence": masklet.presence.get(index), "iou": masklet.iou.get(index)}
    counts = masklet.frames[index].counts.decode("ascii")
    return {"frame": index, "counts": counts, **{name: score for name, score in scores.items() if score is not None}}


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
        masklet.frames[index] = Rle(masklet.size, counts.encode()).validated()  # beyond ASCII no byte is valid
        for name, scores in (("presence", masklet.presence), ("iou", masklet.iou)):
            if (score := frame.score(name)) is not None:
                scores[index] = score
    return masklet


def _size(video: _Fields) -> Size:
    size = video.get("size", list)
    if len(size) != 2 or any(type(n) is not int or n < 1 for n in size) or size[0] * size[1] > MAX_MASK_PIXELS:
        raise FormatError(f"expected 'size' as [height, width] in pixels, got {reprlib.repr(size)}")
    return size[0], size[1]


def _frame_index(index: object, num_frames: int | None) -> int:
    if type(index) is not int or index < 0 or (num_frames is not None and index >= num_frames):
        bound = "" if num_frames is None else f" and below {num_frames}"
        raise FormatError(f"expected a frame index of at least 0{bound}, got {reprlib.repr(index)}")
    return index
