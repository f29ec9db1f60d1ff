"""YOLO segmentation labels: one text file per frame, each line a class and a polygon."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Unpack

import msgspec
import numpy as np
import yaml
from jaxtyping import Float64

from masklet.bounded_json import dump_json, expecting, read_bounded, read_json
from masklet.errors import FormatError
from masklet.io.images import IMAGE_SUFFIXES, natural_key, read_image_size, size_text
from masklet.io.result_builder import MAX_FRAMES, UNNAMED, Provenance, Result, ResultBuilder, check_size, video_metadata
from masklet.io.writer import FolderOptions, FolderWriter, StrPath
from masklet.masks.polygons import Polygon, fill_polygons, joined, polygons_of_mask
from masklet.types import FrameMasks, ObjectId, RgbImage, Rle, Size

SCHEMA, VERSION = "masklet/yolo", 1
MAX_BYTES = 2**26
MAX_LIST_BYTES = 2**20
MAX_IMAGES = 2**20

Side = Annotated[int, msgspec.Meta(ge=1)]


class YoloWriter(FolderWriter):
    """Writes a folder with ``labels/NAME.txt`` per frame, ``data.yaml`` with the classes, and ``masklet.json``.

    A line is a class and the corners x, y of one polygon, as fractions of width and height. Regions and holes of a mask
    are connected by bridges of zero width. Corners lie on pixel edges: rasterizing by pixel centers restores the mask
    exactly if ``tolerance`` is 0; tools that round corners to whole pixels lose half a pixel along the edges. Classes
    are the names of objects. ``masklet.json`` stores the objects and the size, which YOLO labels cannot.

    Args:
        tolerance: maximum deviation of simplified polygons, in pixels.
        classes: the first classes, in this order, even if unused, so that several folders number them equally.
    """

    OPTIONS = ("tolerance",)
    FILE_PATTERN = re.compile(r"labels/[^/]+\.txt|data\.yaml|masklet\.json")

    def __init__(
        self, path: StrPath, *, tolerance: float = 0.0, classes: Sequence[str] = (), **options: Unpack[FolderOptions]
    ) -> None:
        super().__init__(path, **options)
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
        names, lines, owners = self.provenance.names, [], []
        for object_id, mask in zip(masks.object_ids, masks.masks, strict=True):
            number = self._classes.setdefault(names.get(object_id) or UNNAMED, len(self._classes))
            ring = joined(polygons_of_mask(mask, tolerance=self._tolerance)) / (width, height)
            if len(ring):
                lines.append(f"{number} {' '.join(f'{value:.6g}' for value in ring.ravel().tolist())}\n")
                owners.append(object_id)
        self._lines[masks.frame_index] = owners
        name = PurePosixPath(self._image_name(masks.frame_index)).stem
        self._new_file(f"labels/{name}.txt").write_text("".join(lines), encoding="utf-8")

    def _complete(self) -> None:
        super()._complete()
        names = "".join(f"  {number}: {json.dumps(name)}\n" for name, number in self._classes.items())
        (self._output.path / "data.yaml").write_text(
            f"path: .\ntrain: images\nval: images\nnames:\n{names}" if names else "names: {}\n", encoding="utf-8"
        )
        stop = max(self._lines) + 1
        facts = {"fps": None, "num_frames": stop, "video": ""} | video_metadata(self._like, stop)
        document = {
            "schema": SCHEMA,
            "version": VERSION,
            "size": self._size,
            **{key: facts[key] for key in ("fps", "num_frames", "video")},
            "objects": [{"id": i, "name": self.provenance.names.get(i, "")} for i in sorted(self._ids)],
            "frames": [
                {"frame": i, "file": PurePosixPath(self._image_name(i)).stem, "objects": owners}
                for i, owners in sorted(self._lines.items())
            ],
        }
        dump_json(self._output.path / "masklet.json", document)


class _Object(msgspec.Struct):
    id: int
    name: str


class _Frame(msgspec.Struct):
    frame: int
    file: str
    objects: list[int]


class _Sidecar(msgspec.Struct):
    """The content of ``masklet.json``: what the labels do not hold."""

    size: tuple[Side, Side]
    fps: float | None
    num_frames: Annotated[int, msgspec.Meta(ge=0, le=MAX_FRAMES)]
    video: str
    objects: list[_Object]
    frames: list[_Frame]


def read_yolo(folder: str | os.PathLike[str]) -> Result:
    """Read a folder written by `YoloWriter`, or the labels of another tool together with their images."""
    root = Path(folder)
    path = root / "masklet.json"
    if not path.is_file():
        return read_yolo_data(root)
    sidecar = read_json(path, _Sidecar, what="YOLO sidecar", schema=(SCHEMA, VERSION), max_bytes=MAX_BYTES)
    with expecting("YOLO labels with masklet.json", str(root)):
        height, width = size = check_size(*sidecar.size)
        builder = ResultBuilder(size)
        for entry in sidecar.objects:
            builder.add_object(entry.id, entry.name)
        for frame in sidecar.frames:
            if "/" in frame.file or "\\" in frame.file or frame.file in ("", ".", "..") or not frame.file.isprintable():
                raise FormatError(f"expected the name of a label file, got {frame.file!r}")
            lines = read_labels(root / "labels" / f"{frame.file}.txt")
            for object_id, (_, corners) in zip(frame.objects, lines, strict=True):
                mask = fill_polygons([Polygon(corners * (width, height))], size)
                builder.add_mask(object_id, frame.frame, Rle.from_mask(mask))
    return builder.build(num_frames=sidecar.num_frames, fps=sidecar.fps, video=sidecar.video)


def read_yolo_data(root: Path) -> Result:
    """Read the labels of another tool; every polygon becomes an object, because labels have no tracks.

    The labels of an image ``.../images/.../a.jpg`` are in ``.../labels/.../a.txt``, or in ``a.txt`` beside it. Frames
    are the images in natural order; an image without labels is a frame without objects. Names are the classes in
    ``data.yaml`` (or another ``.yaml`` file with names), ``classes.txt`` or ``obj.names``, else "class 0".
    """
    images = _images(root)
    classes = _classes(root)
    builder = ResultBuilder()
    for index, (image, labels) in enumerate(images):
        size = read_image_size(image)
        builder.start_frame(index, size)
        if size != builder.size:
            sizes = f"{images[0][0].name} has {size_text(builder.size or size)} pixels, {image.name} {size_text(size)}"
            raise FormatError(f"expected images of one size, as the frames of a video, {sizes}: {root}")
        for number, corners in read_labels(labels) if labels.is_file() else ():
            object_id = len(builder.names) + 1
            builder.names[object_id] = classes.get(number, f"class {number}")
            mask = fill_polygons([Polygon(corners * np.array(size[::-1]))], size)
            builder.add_mask(object_id, index, Rle.from_mask(mask))
    frame_names = tuple(image.relative_to(root).as_posix() for image, _ in images)
    return builder.build(Provenance(names=builder.names, source="manual"), frame_names=frame_names)


def is_yolo_data(root: Path) -> bool:
    """Whether a folder looks like YOLO data of another tool: it has a list of classes, or a folder of labels."""
    return any(root.glob("*.yaml")) or any(path.is_dir() for path in (*root.glob("labels"), *root.glob("*/labels")))


def _images(root: Path) -> list[tuple[Path, Path]]:
    """List every image with the path of its labels, in natural order."""
    found = []
    for path in root.rglob("*"):
        if path.suffix.lower() in IMAGE_SUFFIXES and path.name[0] != ".":
            found.append((path, _labels_of(path, root)))
        if len(found) > MAX_IMAGES:
            raise FormatError(f"expected at most {MAX_IMAGES} images in {root}")
    if not any(labels.is_file() for _, labels in found):
        raise FormatError(
            "YOLO labels contain neither sizes nor objects: expected images (images/a.jpg with labels/a.txt) or "
            f"masklet.json in {root}"
        )
    return sorted(found, key=lambda pair: natural_key(pair[0].relative_to(root).as_posix()))


def _labels_of(image: Path, root: Path) -> Path:
    parts = list(image.relative_to(root).with_suffix(".txt").parts)
    if "images" in parts[:-1]:
        last = max(place for place, part in enumerate(parts[:-1]) if part == "images")
        parts[last] = "labels"
    return root.joinpath(*parts)


def _classes(root: Path) -> dict[int, str]:
    """Read the class names by number from the first list of classes found."""
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


def read_labels(path: Path) -> list[tuple[int, Float64[np.ndarray, "n 2"]]]:
    """Read class and corners (x, y), as fractions of width and height, of polygons; `FormatError` for others."""
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
        raise FormatError(
            f"expected at least 3 corners x, y as fractions of width and height, got {line[:60]!r}: {path}"
        )
    return int(words[0]), np.array(values).reshape(-1, 2)
