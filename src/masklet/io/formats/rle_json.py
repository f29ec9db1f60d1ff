"""masklet's own JSON format ``masklet/rle``: the masks of each object as COCO RLE, with names and scores."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import msgspec

from masklet.bounded_json import dump_json, expecting, read_json
from masklet.errors import FormatError, OutputError
from masklet.io.atomic import atomic_write
from masklet.io.result_builder import MAX_FRAMES, Result
from masklet.io.writer import DeferredWriter
from masklet.types import MAX_MASK_PIXELS, Masklet, ObjectId, Rle, Size, Source

SCHEMA = "masklet/rle"
VERSION = 1
MAX_BYTES = 2**29
"""Larger files are refused unread."""

Index = Annotated[int, msgspec.Meta(ge=0)]
Side = Annotated[int, msgspec.Meta(ge=1)]
Score = Annotated[float, msgspec.Meta(ge=0, le=1)]


class RleWriter(DeferredWriter):
    """Writes all masks of a video to one JSON file; `read_rle` reads it."""

    def _save(self, result: Result) -> None:
        dump_json(self._output.path, _document(result))


def write_rle(
    path: str | os.PathLike[str],
    masklets: Iterable[Masklet],
    *,
    fps: float | None = None,
    num_frames: int | None = None,
) -> None:
    """Write the masklets of one video atomically; `read_rle` returns equal ones.

    Raises:
        OutputError: the masklets differ in size, or the file cannot be written.
    """
    by_id = {masklet.object_id: masklet for masklet in masklets}
    sizes = {masklet.size for masklet in by_id.values()}
    if len(sizes) > 1:
        raise OutputError(f"cannot write {path}: expected masklets of one video, got sizes {sorted(sizes)}")
    stop = 1 + max((index for masklet in by_id.values() for index in masklet.frames), default=-1)
    result = Result(masklets=by_id, size=next(iter(sizes), None), num_frames=num_frames or stop, fps=fps)
    with atomic_write(Path(path)) as temporary:
        dump_json(temporary, _document(result))


class _Frame(msgspec.Struct):
    frame: Index
    counts: str
    presence: Score | None = None
    iou: Score | None = None


class _Object(msgspec.Struct):
    id: Side
    frames: list[_Frame]
    name: str = ""
    source: Source = "assisted"
    model: str = ""
    prompted: list[Index] = []


class _Video(msgspec.Struct):
    size: tuple[Side, Side] | None = None
    fps: float | None = None
    num_frames: Annotated[int, msgspec.Meta(ge=0, le=MAX_FRAMES)] | None = None
    name: str = ""
    pictures: list[str] = []


class _Document(msgspec.Struct):
    video: _Video
    objects: list[_Object]


def read_rle(path: str | os.PathLike[str]) -> dict[ObjectId, Masklet]:
    """Read the masklets, by object id, from a file written by `RleWriter` or `write_rle`.

    Raises:
        FormatError: the file is missing, not JSON, of another schema or version, or malformed.
    """
    return dict(read_rle_result(path).masklets)


def read_rle_result(path: str | os.PathLike[str]) -> Result:
    """Read masklets like `read_rle`, with the metadata of the video."""
    document = read_json(path, _Document, what="RLE result", schema=(SCHEMA, VERSION), max_bytes=MAX_BYTES)
    video = document.video
    masklets: dict[ObjectId, Masklet] = {}
    with expecting("masklets", str(path)):
        height, width = video.size or (1, 1)
        if height * width > MAX_MASK_PIXELS or (document.objects and video.size is None):
            raise FormatError(f"expected 'size' as [height, width] in pixels, got {video.size}")
        for entry in document.objects:
            if entry.id in masklets:
                raise FormatError(f"object {entry.id} comes twice")
            masklets[entry.id] = _masklet(entry, (height, width))
            last = max([*entry.prompted, *masklets[entry.id].frames], default=-1)
            if video.num_frames is not None and last >= video.num_frames:
                raise FormatError(f"expected frame indices below {video.num_frames}, got {last}")
    stop = 1 + max((index for masklet in masklets.values() for index in masklet.frames), default=-1)
    return Result(
        masklets=masklets,
        size=video.size,
        num_frames=stop if video.num_frames is None else video.num_frames,
        fps=video.fps,
        video=video.name,
        frame_names=tuple(video.pictures),
    )


def _masklet(entry: _Object, size: Size) -> Masklet:
    masklet = Masklet(
        entry.id, size, prompted=tuple(entry.prompted), name=entry.name, source=entry.source, model=entry.model
    )
    for frame in entry.frames:
        if frame.frame in masklet.frames:
            raise FormatError(f"frame {frame.frame} of object {entry.id} comes twice")
        rle = Rle(size, frame.counts.encode()).validated()  # beyond ASCII no byte is valid
        masklet.frames[frame.frame] = rle
        for scores, score in ((masklet.presence, frame.presence), (masklet.iou, frame.iou)):
            if score is not None:
                scores[frame.frame] = score
    return masklet


def _document(result: Result) -> dict[str, Any]:
    video: dict[str, Any] = {"size": result.size, "fps": result.fps, "num_frames": result.num_frames}
    if result.video:
        video["name"] = result.video
    if result.frame_names:
        video["pictures"] = result.frame_names
    objects = [
        {
            "id": masklet.object_id,
            "name": masklet.name,
            "source": masklet.source,
            "model": masklet.model,
            "prompted": masklet.prompted,
            "frames": [_frame_entry(masklet, index) for index in sorted(masklet.frames)],
        }
        for masklet in result.masklets.values()
    ]
    return {"schema": SCHEMA, "version": VERSION, "video": video, "objects": objects}


def _frame_entry(masklet: Masklet, index: int) -> dict[str, Any]:
    scores = {"presence": masklet.presence.get(index), "iou": masklet.iou.get(index)}
    counts = masklet.frames[index].counts.decode("ascii")
    return {"frame": index, "counts": counts, **{name: score for name, score in scores.items() if score is not None}}
