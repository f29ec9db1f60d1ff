"""Results as COCO files: the masks of every frame as run lengths or polygons, or a video in the YouTube-VIS form."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import numpy as np

from masklet.errors import FormatError
from masklet.io.formats.coco import read_videos, segmentation
from masklet.io.formats.json_file import dump_json, expecting, load_json
from masklet.io.result_builder import MAX_FRAMES, Gathering, Like, Provenance, Result
from masklet.io.writer import GatheringWriter
from masklet.masks.polygons import joined, polygons_of_mask
from masklet.masks.rle import areas, boxes
from masklet.types import MAX_MASK_PIXELS, Masklet, Rle, Size

UNNAMED = "object"
"""The category of objects that nobody gave a name."""

Shape = Literal["rle", "polygons"]


class CocoWriter(GatheringWriter):
    """A COCO instances file: every frame is a picture, every mask that is not empty an annotation.

    Frames carry ``video_id`` and ``frame_id``, annotations ``track_id`` (the object) and, where known, ``score`` (the
    predicted IoU), as TAO and CocoVID do; plain COCO tools pass over them. Names of objects are categories.

    Args:
        shape: masks as run lengths, or as polygons along the edges of pixels: one for each region, with holes joined to
            it by bridges of no width. pycocotools fills them to the very same masks while ``tolerance`` is 0.
        tolerance: how far polygons may stray to save corners, in pixels.

    The other arguments are those of `GatheringWriter`.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        like: Like | None = None,
        provenance: Provenance | None = None,
        shape: Shape = "rle",
        tolerance: float = 0.0,
    ) -> None:
        super().__init__(path, like=like, provenance=provenance)
        self._shape, self._tolerance = shape, tolerance

    def _save(self, result: Result) -> None:
        numbers = _category_numbers(result)
        annotations: list[dict[str, Any]] = []
        for index in range(result.num_frames):
            for masklet in result.masklets.values():
                rle = masklet.frames.get(index)
                if rle is not None and rle.area:
                    annotations.append(
                        {
                            "id": len(annotations) + 1,
                            "image_id": index + 1,
                            "category_id": numbers[masklet.name or UNNAMED],
                            "track_id": masklet.object_id,
                            "segmentation": self._segmentation(rle),
                            **_extent(rle),
                            "iscrowd": 0,
                            **({"score": masklet.iou[index]} if index in masklet.iou else {}),
                        }
                    )
        height, width = result.size or (0, 0)
        document = {
            "info": {"description": "masklet", **({"fps": result.fps} if result.fps else {})},
            "videos": [{"id": 1, "name": result.video, "width": width, "height": height}],
            "images": [
                {
                    "id": index + 1,
                    "file_name": result.picture_name(index),
                    "width": width,
                    "height": height,
                    "video_id": 1,
                    "frame_id": index,
                }
                for index in range(result.num_frames)
            ],
            "categories": [{"id": number, "name": name} for name, number in numbers.items()],
            "tracks": [
                {"id": one.object_id, "video_id": 1, "category_id": numbers[one.name or UNNAMED]}
                for one in result.masklets.values()
            ],
            "annotations": annotations,
        }
        dump_json(self._draft.path, document)

    def _segmentation(self, rle: Rle) -> object:
        if self._shape == "rle":
            return rle.to_coco()
        polygons = polygons_of_mask(rle.to_mask(), tolerance=self._tolerance)
        return [_short(joined([polygon])) for polygon in polygons]


class YouTubeVisWriter(GatheringWriter):
    """A YouTube-VIS file: the video with its frames, every object an annotation with a mask or null for each frame."""

    def _save(self, result: Result) -> None:
        numbers = _category_numbers(result)
        height, width = result.size or (0, 0)
        document = {
            "info": {"description": "masklet", **({"fps": result.fps} if result.fps else {})},
            "videos": [
                {
                    "id": 1,
                    "width": width,
                    "height": height,
                    "length": result.num_frames,
                    "file_names": [result.picture_name(index) for index in range(result.num_frames)],
                }
            ],
            "categories": [{"id": number, "name": name} for name, number in numbers.items()],
            "annotations": [_vis_annotation(one, numbers, result.num_frames) for one in result.masklets.values()],
        }
        dump_json(self._draft.path, document)


def read_coco(path: str | os.PathLike[str]) -> Result:
    """The result in a COCO file of one video, or of pictures that are its frames.

    Objects are told apart by ``track_id``; without, every annotation is an object of its own. Frames are counted by
    ``frame_id``; without, in the order of the file.

    Raises:
        FormatError: missing, not of this form, of several videos, or with masks that are corrupt.
    """
    document = load_json(Path(path))
    with expecting("a COCO annotation file", str(path)):
        categories = {entry["id"]: str(entry["name"]) for entry in document.get("categories", ())}
        images: dict[Any, tuple[int, Size]] = {}
        names: dict[int, str] = {}
        for place, entry in enumerate(document["images"]):
            frame, size = entry.get("frame_id", place), (entry["height"], entry["width"])
            _check_frame(frame, size)
            if frame in names or entry["id"] in images:
                raise FormatError(f"expected the frames of one video, each once, got frame {frame} twice")
            images[entry["id"]] = frame, size
            names[frame] = str(entry["file_name"])
        gathering = Gathering()
        gathering.size = next((size for _, size in images.values() if min(size) > 0), None)
        told: dict[int, str] = {}
        for track in document.get("tracks", ()):
            gathering.object(track["id"])
            told[track["id"]] = _name(categories, track)
        for entry in document["annotations"]:
            frame, size = images[entry["image_id"]]
            object_id = entry.get("track_id", entry["id"])
            rle = segmentation(json.dumps(entry["segmentation"]).encode(), size)
            gathering.put(object_id, frame, rle, iou=entry.get("score"))
            told.setdefault(object_id, _name(categories, entry))
        num_frames = max(names, default=-1) + 1
        videos = document.get("videos") or [{}]
        return gathering.result(
            Provenance(names=told),
            num_frames=num_frames,
            fps=_fps(document),
            video=str(videos[0].get("name", "")),
            pictures=_own_names([names.get(index, "") for index in range(num_frames)], str(videos[0].get("name", ""))),
        )


def read_youtube_vis(path: str | os.PathLike[str]) -> Result:
    """The result in a YouTube-VIS file of one video.

    Raises:
        FormatError: missing, not of this form, of several videos, or with masks that are corrupt.
    """
    document = load_json(Path(path))
    videos = read_videos(document, str(path))
    with expecting("a YouTube-VIS file", str(path)):
        if len(videos) != 1:
            raise FormatError(f"expected one video, got {len(videos)}")
        video = videos[0]
        gathering = Gathering()
        gathering.size = video.size
        told = {}
        for object_id, (category, codes) in zip(video.ids, video.objects, strict=True):
            gathering.object(object_id)
            for index, code in enumerate(codes):
                if code is not None:
                    gathering.put(object_id, index, segmentation(code, video.size))
            told[object_id] = "" if category == UNNAMED else category
        folder = PurePosixPath(video.file_names[0]).parent.name if video.file_names else ""
        return gathering.result(
            Provenance(names=told),
            num_frames=len(video.file_names),
            fps=_fps(document),
            video=folder,
            pictures=_own_names(list(video.file_names), folder),
        )


def _vis_annotation(masklet: Masklet, numbers: Mapping[str, int], num_frames: int) -> dict[str, Any]:
    rles = [masklet.frames.get(index) for index in range(num_frames)]
    extents = [_extent(rle) if rle is not None and rle.area else None for rle in rles]
    scores = list(masklet.iou.values())
    return {
        "id": masklet.object_id,
        "video_id": 1,
        "category_id": numbers[masklet.name or UNNAMED],
        "segmentations": [rle and rle.to_coco() if extent else None for rle, extent in zip(rles, extents, strict=True)],
        "bboxes": [extent and extent["bbox"] for extent in extents],
        "areas": [extent and extent["area"] for extent in extents],
        "iscrowd": 0,
        **({"score": float(np.mean(scores))} if scores else {}),
    }


def _extent(rle: Rle) -> dict[str, Any]:
    x0, y0, x1, y1 = boxes([rle])[0].tolist()
    return {"area": int(areas([rle])[0]), "bbox": [x0, y0, x1 - x0, y1 - y0]}


def _category_numbers(result: Result) -> dict[str, int]:
    names = dict.fromkeys(one.name or UNNAMED for one in result.masklets.values())
    return {name: number for number, name in enumerate(names, start=1)}


def _name(categories: Mapping[Any, str], entry: Mapping[str, Any]) -> str:
    name = categories.get(entry.get("category_id"), "")
    return "" if name == UNNAMED else name


def _short(ring: np.ndarray) -> list[float | int]:
    """Corners as x, y, x, y ...; whole numbers without a fraction, which halves the file."""
    return [int(value) if value == int(value) else value for value in ring.ravel().tolist()]


def _fps(document: Mapping[str, Any]) -> float | None:
    fps = (document.get("info") or {}).get("fps")
    return float(fps) if fps else None


def _own_names(names: list[str], video: str) -> tuple[str, ...]:
    """The file names, unless they are those that `Result.picture_name` makes up anyway."""
    made_up = Result(masklets={}, size=None, num_frames=0, video=video)
    return () if all(name == made_up.picture_name(index) for index, name in enumerate(names)) else tuple(names)


def _check_frame(frame: object, size: tuple[object, object]) -> None:
    if type(frame) is not int or not 0 <= frame < MAX_FRAMES:
        raise FormatError(f"expected frame numbers from 0, got {frame!r}")
    height, width = size
    if type(height) is not int or type(width) is not int or not 0 <= height * width <= MAX_MASK_PIXELS:
        raise FormatError(f"expected height and width in pixels, got {height!r} and {width!r}")
