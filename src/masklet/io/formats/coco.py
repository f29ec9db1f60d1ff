"""COCO annotation files: the masks of many pictures, and in the YouTube-VIS form those of many videos, in one JSON."""

from __future__ import annotations

import json
import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from pycocotools import mask as coco

from masklet.errors import FormatError
from masklet.io.formats.json_file import expecting
from masklet.types import MAX_MASK_PIXELS, Rle, Size

MAX_VERTICES = 2**20


@dataclass(slots=True)
class CocoImage:
    """One picture and its annotations; their masks stay as the file has them until they are decoded.

    Attributes:
        id: the file's number for it.
        file_name: as the file has it; a path relative to a folder of pictures.
        size: (height, width).
        annotations: for each mask its ``segmentation`` as JSON, the category's name, and whether it is a crowd.
    """

    id: int
    file_name: str
    size: Size
    annotations: list[tuple[bytes, str, bool]] = field(default_factory=list)


@dataclass(slots=True)
class CocoVideo:
    """One video and its objects.

    Attributes:
        id: the file's number for it.
        file_names: one for each frame.
        size: (height, width).
        objects: for each object its category's name and, for each frame, its segmentation as JSON, or None where the
            object is absent.
        ids: the file's number for each object.
    """

    id: int
    file_names: tuple[str, ...]
    size: Size
    objects: list[tuple[str, tuple[bytes | None, ...]]] = field(default_factory=list)
    ids: list[Any] = field(default_factory=list)


def read_images(document: Mapping[str, Any], where: str) -> tuple[CocoImage, ...]:
    """The pictures of a COCO instances file, in the order of the file.

    Raises:
        FormatError: keys are missing or hold something else, an id comes twice, an annotation is of no known picture.
    """
    with expecting("a COCO annotation file", where):
        categories = {int(c["id"]): str(c["name"]) for c in document.get("categories", ())}
        images: dict[int, CocoImage] = {}
        for entry in document["images"]:
            image = CocoImage(int(entry["id"]), str(entry["file_name"]), _size_in(entry))
            if image.id in images:
                raise FormatError(f"picture {image.id} comes twice")
            images[image.id] = image
        for entry in document["annotations"]:
            category = categories.get(entry.get("category_id", -1), "")
            code = _packed(entry["segmentation"])
            images[entry["image_id"]].annotations.append((code, category, bool(entry.get("iscrowd", 0))))
        return tuple(images.values())


def read_videos(document: Mapping[str, Any], where: str) -> tuple[CocoVideo, ...]:
    """The videos of a YouTube-VIS file (also LV-VIS, UVO), in the order of the file.

    Raises:
        FormatError: as `read_images`, or an object has not one segmentation for each frame.
    """
    with expecting("a COCO annotation file", where):
        categories = {int(c["id"]): str(c["name"]) for c in document.get("categories", ())}
        videos: dict[int, CocoVideo] = {}
        for entry in document["videos"]:
            video = CocoVideo(int(entry["id"]), tuple(str(f) for f in entry["file_names"]), _size_in(entry))
            if video.id in videos:
                raise FormatError(f"video {video.id} comes twice")
            videos[video.id] = video
        for entry in document["annotations"]:
            video = videos[entry["video_id"]]
            codes = tuple(None if part is None else _packed(part) for part in entry["segmentations"])
            if len(codes) != len(video.file_names):
                told = f"expected {len(video.file_names)} segmentations, one for each frame, got {len(codes)}"
                raise FormatError(f"{told} for an object of video {video.id}")
            video.objects.append((categories.get(entry.get("category_id", -1), ""), codes))
            video.ids.append(entry.get("id"))
        return tuple(videos.values())


def segmentation(code: bytes, size: Size) -> Rle:
    """The mask of a packed ``segmentation``: run lengths, or polygons, which are filled as pycocotools fills them.

    Raises:
        FormatError: neither, corrupt, not of the picture's size, or polygons far outside the picture.
    """
    value = json.loads(code)
    if isinstance(value, dict):
        rle = Rle.from_coco(value)
        if rle.size != size:
            told = f"{size[1]}x{size[0]} as the picture, got {rle.size[1]}x{rle.size[0]}"
            raise FormatError(f"expected a mask of {told}")
        return rle
    if not isinstance(value, list) or not all(isinstance(polygon, list) for polygon in value):
        raise FormatError(f"expected run lengths or a list of polygons, got {reprlib.repr(value)}")
    return _filled([_polygon(polygon, size) for polygon in value if polygon], size)


def _filled(polygons: Sequence[list[float]], size: Size) -> Rle:
    if not polygons:
        return Rle.from_mask(np.zeros(size, bool))
    merged = coco.merge(coco.frPyObjects([*polygons], *size))
    return Rle(size, bytes(merged["counts"]))


def _polygon(values: list[object], size: Size) -> list[float]:
    """Checked, because the C code that fills polygons trusts them: it takes memory by the length of their edges."""
    if len(values) % 2 or not 6 <= len(values) <= 2 * MAX_VERTICES:
        raise FormatError(f"expected a polygon of at least 3 points x, y, got {len(values)} numbers")
    try:
        points = np.array(values, np.float64).reshape(-1, 2)
    except (TypeError, ValueError):
        raise FormatError(f"expected a polygon of numbers, got {reprlib.repr(values)}") from None
    extent = np.array([size[1], size[0]])
    if not ((points >= -extent) & (points <= 2 * extent)).all():
        raise FormatError(f"expected a polygon about the picture of {size[1]}x{size[0]}, got {reprlib.repr(values)}")
    flat: list[float] = points.ravel().tolist()
    return flat


def _packed(value: object) -> bytes:
    """Small and quick to send to a worker, unlike a tree of Python numbers."""
    return json.dumps(value, separators=(",", ":")).encode()


def _size_in(entry: Mapping[str, Any]) -> Size:
    height, width = entry["height"], entry["width"]
    if type(height) is not int or type(width) is not int or min(height, width) < 1 or height * width > MAX_MASK_PIXELS:
        raise FormatError(f"expected height and width in pixels, got {height!r} and {width!r}")
    return height, width
