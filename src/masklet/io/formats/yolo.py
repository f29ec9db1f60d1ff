"""YOLO segmentation labels: one text file for each frame, a polygon with a class on each line."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import yaml
from jaxtyping import Float64

from masklet.bounded_json import dump_json, expecting, read_bounded, read_json
from masklet.errors import FormatError
from masklet.io.images import IMAGE_SUFFIXES, natural_key, read_image_size
from masklet.io.result_builder import MAX_FRAMES, Provenance, Result, ResultBuilder, VideoLike, video_metadata
from masklet.io.writer import FolderWriter
from masklet.masks.polygons import Polygon, fill_polygons, joined, polygons_of_mask
from masklet.types import MAX_MASK_PIXELS, FrameMasks, ObjectId, RgbImage, Rle, Size

SCHEMA, VERSION = "masklet/yolo", 1
UNNAMED = "object"


class YoloWriter(FolderWriter):
    """A folder with ``labels/NAME.txt`` for each frame, ``data.yaml`` with the classes, and ``masklet.json``.

    A line is a class and the corners x, y of one polygon as shares of width and height. Regions and holes of one mask
    are joined by bridges of no width, and corners lie on the edges of pixels: what fills polygons by the centers of
    pixels gets the very mask back while ``tolerance`` is 0. Tools that round corners to whole pixels lose half a pixel
    along the edges. Classes are the names of objects. The form knows no objects and no size; ``masklet.json`` adds what
    it lacks, and other tools do not look at it.

    Args:
        tolerance: how far polygons may stray to save corners, in pixels.
        classes: the first classes in this order, be they seen or not, so that several folders number them alike.

    The other arguments are those of `FolderWriter`.
    """

    FILE_PATTERN = re.compile(r"labels/[^/]+\.txt|data\.yaml|masklet\.json")

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        like: VideoLike | None = None,
        provenance: Provenance | None = None,
        overwrite: bool = False,
        tolerance: float = 0.0,
        classes: Sequence[str] = (),
    ) -> None:
        super().__init__(path, like=like, provenance=provenance, overwrite=overwrite)
        self._tolerance = tolerance
        self._classes: dict[str, int] = {name: number for number, name in enumerate(classes)}
        self._lines: dict[int, list[ObjectId]] = {}
        self._ids: set[ObjectId] = set()
        self._size: Size | None = None

    def _write(self, frame: RgbImage | None, masks: FrameMasks) -> None:
        height, width = masks.masks.shape[1:]
        self._size = (height, width)
        self._ids |= set(masks.object_ids)
        (self._output.path / "labels").mkdir(exist_ok=True)
        lines, owners = [], []
        for object_id, mask in zip(masks.object_ids, masks.masks, strict=True):
            number = self._class_of(object_id)
            ring = joined(polygons_of_mask(mask, tolerance=self._tolerance)) / (width, height)
            if len(ring):
                lines.append(f"{number} {' '.join(f'{value:.6g}' for value in ring.ravel().tolist())}\n")
                owners.append(object_id)
        self._lines[masks.frame_index] = owners
        name = PurePosixPath(self._image_name(masks.frame_index)).stem
        self._new_file(f"labels/{name}.txt").write_text("".join(lines), encoding="utf-8")

    def _class_of(self, object_id: ObjectId) -> int:
        name = self.provenance.names.get(object_id) or UNNAMED
        return self._classes.setdefault(name, len(self._classes))

    def _complete(self) -> None:
        super()._complete()
        names = "".join(f"  {number}: {json.dumps(name)}\n" for name, number in self._classes.items())
        (self._output.path / "data.yaml").write_text(
            f"path: .\ntrain: images\nval: images\nnames:\n{names}" if names else "names: {}\n", encoding="utf-8"
        )
        facts = video_metadata(self._like, max(self._lines) + 1)
        dump_json(
            self._output.path / "masklet.json",
            {
                "schema": SCHEMA,
                "version": VERSION,
                "size": self._size,
                "fps": facts.get("fps"),
                "num_frames": facts.get("num_frames", max(self._lines) + 1),
                "video": facts.get("video", ""),
                "objects": [{"id": i, "name": self.provenance.names.get(i, "")} for i in sorted(self._ids)],
                "frames": [
                    {"frame": i, "file": PurePosixPath(self._image_name(i)).stem, "objects": owners}
                    for i, owners in sorted(self._lines.items())
                ],
            },
        )


def read_yolo(folder: str | os.PathLike[str]) -> Result:
    """The result in a folder that `YoloWriter` wrote; of another tool's, the polygons on its pictures.

    Raises:
        FormatError: neither ``masklet.json`` nor pictures (the labels tell no size), or a file is not of this form.
    """
    root = Path(folder)
    if not (root / "masklet.json").is_file():
        return read_yolo_data(root)
    document = read_json(root / "masklet.json", dict[str, Any], what="masklet.json of YOLO labels", max_bytes=MAX_BYTES)
    with expecting("a masklet.json of YOLO labels", str(root)):
        if (document["schema"], document["version"]) != (SCHEMA, VERSION):
            raise FormatError(f"expected schema {SCHEMA!r} version {VERSION}, got {document['schema']!r}")
        height, width = document["size"]
        if type(height) is not int or type(width) is not int or not 0 < height * width <= MAX_MASK_PIXELS or height < 1:
            raise FormatError(f"expected a size [height, width], got {document['size']}")
        if not 0 <= document["num_frames"] <= MAX_FRAMES:
            raise FormatError(f"expected at most {MAX_FRAMES} frames, got {document['num_frames']}")
        builder = ResultBuilder()
        builder.size = (height, width)
        for entry in document["objects"]:
            builder.masklet(entry["id"])
        for entry in document["frames"]:
            name = str(entry["file"])
            if "/" in name or "\\" in name or name in ("", ".", ".."):
                raise FormatError(f"expected the name of a label file, got {name!r}")
            lines = read_labels(root / "labels" / f"{name}.txt")
            for object_id, (_, corners) in zip(entry["objects"], lines, strict=True):
                mask = fill_polygons([Polygon(corners * (width, height))], (height, width))
                builder.add_mask(object_id, entry["frame"], Rle.from_mask(mask))
        names = {entry["id"]: str(entry["name"]) for entry in document["objects"]}
        return builder.build(
            Provenance(names=names),
            num_frames=document["num_frames"],
            fps=document["fps"],
            video=str(document["video"]),
        )


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
    builder = ResultBuilder()
    names: dict[ObjectId, str] = {}
    for index, (picture, labels) in enumerate(pictures):
        size = read_image_size(picture)
        if builder.size not in (None, size):
            raise FormatError(
                f"expected pictures of one size, as the frames of a video, {pictures[0][0].name} has "
                f"{builder.size[1]}x{builder.size[0]} pixels, {picture.name} {size[1]}x{size[0]}: {root}"
            )
        builder.size = size
        for number, corners in read_labels(labels) if labels.is_file() else ():
            object_id = len(names) + 1
            names[object_id] = classes.get(number, f"class {number}")
            mask = fill_polygons([Polygon(corners * np.array(size[::-1]))], size)
            builder.add_mask(object_id, index, Rle.from_mask(mask))
    told = tuple(picture.relative_to(root).as_posix() for picture, _ in pictures)
    return builder.build(Provenance(names=names, source="manual"), num_frames=len(pictures), frame_names=told)


def is_yolo_data(root: Path) -> bool:
    """Whether a folder looks like one of other tools: a list of classes, or a folder of labels."""
    return any(root.glob("*.yaml")) or any(path.is_dir() for path in (*root.glob("labels"), *root.glob("*/labels")))


def _pictures(root: Path) -> list[tuple[Path, Path]]:
    """Every picture with the place of its labels."""
    found = []
    for path in root.rglob("*"):
        if path.suffix.lower() in IMAGE_SUFFIXES and path.name[0] != ".":
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


MAX_BYTES = 2**26


def read_labels(path: Path) -> list[tuple[int, Float64[np.ndarray, "n 2"]]]:
    """The class and the corners (x, y) of every polygon, as shares of width and height.

    Raises:
        FormatError: boxes, or anything else than a class and at least three corners on a line.
    """
    return [
        _polygon(line, path)
        for line in read_bounded(path, MAX_BYTES).decode("utf-8-sig", "replace").splitlines()
        if line.strip()
    ]


def _polygon(line: str, path: Path) -> tuple[int, Float64[np.ndarray, "n 2"]]:
    words = line.split()
    try:
        values = [float(word) for word in words[1:]]
    except ValueError:
        values = []
    if not words[0].isdecimal() or not values:
        raise FormatError(f"expected a class and numbers, got {line[:60]!r}: {path}")
    if len(values) == 4:
        raise FormatError(f"expected polygons, got a box: {line[:60]!r} (boxes can be prompts, --box): {path}")
    if len(values) < 6 or len(values) % 2 or not all(math.isfinite(v) and -1 <= v <= 2 for v in values):
        raise FormatError(f"expected at least 3 corners x, y as shares of the picture, got {line[:60]!r}: {path}")
    return int(words[0]), np.array(values).reshape(-1, 2)
