"""YOLO segmentation data of other tools: pictures with label files beside them, classes in ``data.yaml``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from masklet.errors import FormatError
from masklet.io.folder import PICTURE_SUFFIXES, natural_key, picture_size
from masklet.io.formats.json_file import read_bounded
from masklet.io.formats.yolo_labels import read_labels
from masklet.io.result_builder import Gathering, Provenance, Result
from masklet.masks.polygons import Polygon, fill_polygons
from masklet.types import ObjectId, Rle

MAX_LIST_BYTES = 2**20
MAX_PICTURES = 2**20


def read_yolo_data(root: Path) -> Result:
    """The polygons of a folder as other tools write it, each an object of its own: the form knows no tracks.

    A picture ``.../images/.../a.jpg`` has its labels in ``.../labels/.../a.txt``, or in ``a.txt`` beside it; a picture
    without them is a frame without objects. Frames are the pictures in natural order. Names are the classes of
    ``data.yaml`` (or another ``.yaml`` file with names), ``classes.txt`` or ``obj.names``; else "class 0".

    Raises:
        MediaError: a picture cannot be read.
        FormatError: no labels of pictures, pictures of different sizes, boxes instead of polygons, or other content.
    """
    pictures = _pictures(root)
    classes = _classes(root)
    gathering = Gathering()
    names: dict[ObjectId, str] = {}
    for index, (picture, labels) in enumerate(pictures):
        size = picture_size(picture)
        if gathering.size not in (None, size):
            raise FormatError(
                f"expected pictures of one size, as the frames of a video, {pictures[0][0].name} has "
                f"{gathering.size[1]}x{gathering.size[0]} pixels, {picture.name} {size[1]}x{size[0]}: {root}"
            )
        gathering.size = size
        for number, corners in read_labels(labels) if labels.is_file() else ():
            object_id = len(names) + 1
            names[object_id] = classes.get(number, f"class {number}")
            mask = fill_polygons([Polygon(corners * np.array(size[::-1]))], size)
            gathering.put(object_id, index, Rle.from_mask(mask))
    told = tuple(picture.relative_to(root).as_posix() for picture, _ in pictures)
    return gathering.result(Provenance(names=names, source="manual"), num_frames=len(pictures), pictures=told)


def is_yolo_data(root: Path) -> bool:
    """Whether a folder looks like one of other tools: a list of classes, or a folder of labels."""
    return any(root.glob("*.yaml")) or any(path.is_dir() for path in (*root.glob("labels"), *root.glob("*/labels")))


def _pictures(root: Path) -> list[tuple[Path, Path]]:
    """Every picture with the place of its labels."""
    found = []
    for path in root.rglob("*"):
        if path.suffix.lower() in PICTURE_SUFFIXES and path.name[0] != ".":
            found.append((path, _labels_of(path, root)))
        if len(found) > MAX_PICTURES:
            raise FormatError(f"expected at most {MAX_PICTURES} pictures in {root}")
    if not any(labels.is_file() for _, labels in found):
        raise FormatError(
            f"YOLO labels tell neither sizes nor objects: expected the pictures too (images/a.jpg with labels/a.txt), "
            f"or masklet.json, which does, beside them in {root}"
        )
    return sorted(found, key=lambda pair: natural_key(pair[0].relative_to(root).as_posix()))


def _labels_of(picture: Path, root: Path) -> Path:
    parts = list(picture.relative_to(root).with_suffix(".txt").parts)
    if "images" in parts[:-1]:
        last = max(place for place, part in enumerate(parts[:-1]) if part == "images")
        parts[last] = "labels"
    return root.joinpath(*parts)


def _classes(root: Path) -> dict[int, str]:
    """Names by number, from the first list of classes there is."""
    for path in (root / "data.yaml", *sorted(root.glob("*.yaml"))):
        if path.is_file():
            names = dict(_named(path))
            if names:
                return names
    for path in (root / "classes.txt", root / "obj.names"):
        if path.is_file():
            return dict(enumerate(read_bounded(path, MAX_LIST_BYTES).decode("utf-8", "replace").splitlines()))
    return {}


def _named(path: Path) -> Iterator[tuple[int, str]]:
    try:
        content: Any = yaml.safe_load(read_bounded(path, MAX_LIST_BYTES))
    except (yaml.YAMLError, ValueError, RecursionError):
        raise FormatError(f"not a YAML file: {path}") from None
    names = content.get("names") if isinstance(content, dict) else None
    pairs = names.items() if isinstance(names, dict) else enumerate(names if isinstance(names, list) else ())
    for number, name in pairs:
        if not isinstance(number, int | str) or not str(number).isdecimal() or not isinstance(name, str | int | float):
            raise FormatError(f"expected names as a list, or by number, got {number!r}: {name!r} in {path}")
        yield int(number), str(name)
