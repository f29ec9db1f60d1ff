"""COCO and YouTube-VIS annotation files: read for data sets, and written and read as results."""

from __future__ import annotations

import json
import os
import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, Unpack

import numpy as np
from pycocotools import mask as coco

from masklet.bounded_json import dump_json, expecting, read_json
from masklet.errors import FormatError
from masklet.io.images import size_text
from masklet.io.result_builder import UNNAMED, Result, ResultBuilder, check_size, image_name
from masklet.io.writer import DeferredWriter, StrPath, WriterOptions
from masklet.masks.polygons import joined, polygons_of_mask
from masklet.masks.rle import areas, boxes, rle_from_coco
from masklet.types import Masklet, Rle, Size

MAX_VERTICES = 2**20


@dataclass(slots=True)
class CocoImage:
    """One image of a COCO file and its annotations, which are decoded on access.

    Attributes:
        file_name: path relative to the folder of images.
        size: (height, width).
        annotations: ``segmentation`` as JSON, category name and ``iscrowd`` of each mask.
    """

    id: int
    file_name: str
    size: Size
    annotations: list[tuple[bytes, str, bool]] = field(default_factory=list)


@dataclass(slots=True)
class CocoVideo:
    """One video of a YouTube-VIS file and its objects.

    Attributes:
        file_names: one per frame.
        size: (height, width).
        objects: category name of each object, and its ``segmentation`` on each frame as JSON, None if it is absent.
        ids: id of each object in the file.
    """

    id: int
    file_names: tuple[str, ...]
    size: Size
    objects: list[tuple[str, tuple[bytes | None, ...]]] = field(default_factory=list)
    ids: list[Any] = field(default_factory=list)


def read_images(document: Mapping[str, Any], where: str) -> tuple[CocoImage, ...]:
    """Read the images of a COCO instances file, in the order of the file.

    Raises:
        FormatError: the file is malformed, an image id is repeated, or an annotation refers to an unknown image.
    """
    with expecting("a COCO annotation file", where):
        categories = _categories(document)
        images: dict[int, CocoImage] = {}
        for entry in document["images"]:
            size = check_size(entry["height"], entry["width"])
            image = CocoImage(int(entry["id"]), str(entry["file_name"]), size)
            if images.setdefault(image.id, image) is not image:
                raise FormatError(f"image {image.id} comes twice")
        for entry in document["annotations"]:
            code, category = _packed(entry["segmentation"]), categories.get(entry.get("category_id"), "")
            images[entry["image_id"]].annotations.append((code, category, bool(entry.get("iscrowd", 0))))
        return tuple(images.values())


def read_videos(document: Mapping[str, Any], where: str) -> tuple[CocoVideo, ...]:
    """Read the videos of a YouTube-VIS file (also LV-VIS, UVO), in the order of the file.

    Raises:
        FormatError: as `read_images`, or an object does not have one segmentation per frame.
    """
    with expecting("a COCO annotation file", where):
        categories = _categories(document)
        videos: dict[int, CocoVideo] = {}
        for entry in document["videos"]:
            size = check_size(entry["height"], entry["width"])
            video = CocoVideo(int(entry["id"]), tuple(map(str, entry["file_names"])), size)
            if videos.setdefault(video.id, video) is not video:
                raise FormatError(f"video {video.id} comes twice")
        for entry in document["annotations"]:
            video = videos[entry["video_id"]]
            codes = tuple(None if part is None else _packed(part) for part in entry["segmentations"])
            if len(codes) != len(video.file_names):
                mismatch = f"expected {len(video.file_names)} segmentations, one for each frame, got {len(codes)}"
                raise FormatError(f"{mismatch} for an object of video {video.id}")
            video.objects.append((categories.get(entry.get("category_id"), ""), codes))
            video.ids.append(entry.get("id"))
        return tuple(videos.values())


def _categories(document: Mapping[str, Any]) -> dict[Any, str]:
    return {entry["id"]: str(entry["name"]) for entry in document.get("categories", ())}


def segmentation(code: bytes, size: Size) -> Rle:
    """Decode a ``segmentation``: RLE, or polygons, which are rasterized as by pycocotools.

    Raises:
        FormatError: neither, corrupt, of another size, or polygons far outside the image.
    """
    value = json.loads(code)
    if isinstance(value, dict):
        return rle_from_coco(value, size, "image")
    if not isinstance(value, list) or not all(isinstance(polygon, list) for polygon in value):
        raise FormatError(f"expected RLE or a list of polygons, got {reprlib.repr(value)}")
    return _filled([_polygon(polygon, size) for polygon in value if polygon], size)


def _filled(polygons: Sequence[list[float]], size: Size) -> Rle:
    if not polygons:
        return Rle.from_mask(np.zeros(size, bool))
    merged = coco.merge(coco.frPyObjects([*polygons], *size))
    return Rle(size, bytes(merged["counts"]))


def _polygon(values: list[object], size: Size) -> list[float]:
    """Check a polygon: the C code of pycocotools allocates memory by the length of its edges."""
    if len(values) % 2 or not 6 <= len(values) <= 2 * MAX_VERTICES:
        raise FormatError(f"expected a polygon of at least 3 points x, y, got {len(values)} numbers")
    try:
        points = np.array(values, np.float64).reshape(-1, 2)
    except (TypeError, ValueError):
        raise FormatError(f"expected a polygon of numbers, got {reprlib.repr(values)}") from None
    extent = np.array([size[1], size[0]])
    if not ((points >= -extent) & (points <= 2 * extent)).all():
        raise FormatError(f"expected a polygon within or near the {size_text(size)} image, got {reprlib.repr(values)}")
    flat: list[float] = points.ravel().tolist()
    return flat


def _packed(value: object) -> bytes:
    """Encode as JSON, which is smaller and faster to send to a worker than Python lists of numbers."""
    return json.dumps(value, separators=(",", ":")).encode()


class CocoWriter(DeferredWriter):
    """Writes a COCO instances file: every frame is an image, every non-empty mask an annotation.

    Images have ``video_id`` and ``frame_id``, annotations ``track_id`` (the object) and, if known, ``score`` (the
    predicted IoU), as in TAO and CocoVID; other COCO tools ignore these fields. Object names are categories.
    """

    def _save(self, result: Result) -> None:
        numbers = _category_numbers(result)
        found = [(index, one, rle) for index in range(result.num_frames) for one, rle in result.visible(index)]
        height, width = result.size or (0, 0)
        document = {
            **_head(result, numbers),
            "videos": [{"id": 1, "name": result.video, "width": width, "height": height}],
            "images": [
                {
                    "id": index + 1,
                    "file_name": result.image_name(index),
                    "width": width,
                    "height": height,
                    "video_id": 1,
                    "frame_id": index,
                }
                for index in range(result.num_frames)
            ],
            "tracks": [
                {"id": one.object_id, "video_id": 1, "category_id": numbers[one.name or UNNAMED]}
                for one in result.masklets.values()
            ],
            "annotations": [
                {
                    "id": number,
                    "image_id": index + 1,
                    "category_id": numbers[one.name or UNNAMED],
                    "track_id": one.object_id,
                    "segmentation": self._segmentation(rle),
                    **_extent(rle),
                    "iscrowd": 0,
                    **({"score": one.iou[index]} if index in one.iou else {}),
                }
                for number, (index, one, rle) in enumerate(found, start=1)
            ],
        }
        dump_json(self._output.path, document)

    def _segmentation(self, rle: Rle) -> object:
        return rle.to_coco()


class CocoPolygonsWriter(CocoWriter):
    """Writes a COCO instances file with polygons along pixel edges, one per region.

    Holes are connected to it by bridges of zero width. pycocotools rasterizes polygons to identical masks if
    ``tolerance``, the maximum deviation of simplified ones in pixels, is 0.
    """

    OPTIONS = ("tolerance",)

    def __init__(self, path: StrPath, *, tolerance: float = 0.0, **options: Unpack[WriterOptions]) -> None:
        super().__init__(path, **options)
        self._tolerance = tolerance

    def _segmentation(self, rle: Rle) -> object:
        polygons = polygons_of_mask(rle.to_mask(), tolerance=self._tolerance)
        return [_short(joined([polygon])) for polygon in polygons]


class YouTubeVisWriter(DeferredWriter):
    """Writes a YouTube-VIS file: every object is an annotation with a mask or null per frame."""

    def _save(self, result: Result) -> None:
        numbers = _category_numbers(result)
        height, width = result.size or (0, 0)
        names = [result.image_name(index) for index in range(result.num_frames)]
        document = {
            **_head(result, numbers),
            "videos": [{"id": 1, "width": width, "height": height, "length": len(names), "file_names": names}],
            "annotations": [_vis_annotation(one, numbers, result.num_frames) for one in result.masklets.values()],
        }
        dump_json(self._output.path, document)


def read_coco(path: str | os.PathLike[str]) -> Result:
    """Read a COCO file of one video, or of images that are its frames.

    Objects are identified by ``track_id``; without it, every annotation is an object. Frames are numbered by
    ``frame_id``, else in the order of the file.
    """
    document = read_json(path, dict[str, Any], what="COCO annotation file")
    with expecting("a COCO annotation file", str(path)):
        categories = _categories(document)
        builder = ResultBuilder()
        images: dict[Any, tuple[int, Size]] = {}
        names: dict[int, str] = {}
        for place, entry in enumerate(document["images"]):
            frame, size = builder.start_frame(entry.get("frame_id", place)), (entry["height"], entry["width"])
            if frame in names or entry["id"] in images:
                raise FormatError(f"expected the frames of one video, each once, got frame {frame} twice")
            if size != (0, 0):  # where a result has no mask
                builder.size = builder.size or check_size(*size)
            images[entry["id"]] = frame, size
            names[frame] = str(entry["file_name"])
        for track in document.get("tracks", ()):
            builder.masklet(track["id"])
            builder.add_label(track["id"], categories.get(track.get("category_id"), ""))
        for entry in document["annotations"]:
            frame, size = images[entry["image_id"]]
            object_id = entry.get("track_id", entry["id"])
            builder.add_mask(
                object_id, frame, segmentation(_packed(entry["segmentation"]), size), iou=entry.get("score")
            )
            builder.add_label(object_id, categories.get(entry.get("category_id"), ""))
        video = str((document.get("videos") or [{}])[0].get("name", ""))
        frame_names = _own_names([names.get(index, "") for index in range(builder.stop)], video)
        return builder.build(fps=_fps(document), video=video, frame_names=frame_names)


def read_youtube_vis(path: str | os.PathLike[str]) -> Result:
    """Read a YouTube-VIS file of one video; see `read_coco`."""
    document = read_json(path, dict[str, Any], what="COCO annotation file")
    videos = read_videos(document, str(path))
    with expecting("a YouTube-VIS file", str(path)):
        if len(videos) != 1:
            raise FormatError(f"expected one video, got {len(videos)}")
        video = videos[0]
        builder = ResultBuilder(video.size)
        for object_id, (category, codes) in zip(video.ids, video.objects, strict=True):
            builder.masklet(object_id)
            builder.add_label(object_id, category)
            for index, code in enumerate(codes):
                if code is not None:
                    builder.add_mask(object_id, index, segmentation(code, video.size))
        folder = PurePosixPath(video.file_names[0]).parent.name if video.file_names else ""
        frame_names = _own_names(list(video.file_names), folder)
        num_frames = len(video.file_names)
        return builder.build(num_frames=num_frames, fps=_fps(document), video=folder, frame_names=frame_names)


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


def _head(result: Result, numbers: Mapping[str, int]) -> dict[str, Any]:
    return {
        "info": {"description": "masklet", **({"fps": result.fps} if result.fps else {})},
        "categories": [{"id": number, "name": name} for name, number in numbers.items()],
    }


def _short(ring: np.ndarray) -> list[float | int]:
    """Flatten corners to x, y, x, y ..., with integers written as such, which halves the file."""
    return [int(value) if value == int(value) else value for value in ring.ravel().tolist()]


def _fps(document: Mapping[str, Any]) -> float | None:
    fps = (document.get("info") or {}).get("fps")
    return float(fps) if fps else None


def _own_names(names: list[str], video: str) -> tuple[str, ...]:
    """The file names, unless they are those that `Result.image_name` makes up anyway."""
    made_up = [image_name(video, (), index) for index in range(len(names))]
    return () if names == made_up else tuple(names)
