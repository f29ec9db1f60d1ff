"""YOLO segmentation labels: one text file for each frame, a polygon with a class on each line."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from masklet.errors import FormatError
from masklet.io.formats.json_file import dump_json, expecting, load_json
from masklet.io.formats.yolo_data import read_yolo_data
from masklet.io.formats.yolo_labels import MAX_BYTES, read_labels
from masklet.io.result_builder import MAX_FRAMES, Gathering, Like, Provenance, Result, video_facts
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

    OWN = re.compile(r"labels/[^/]+\.txt|data\.yaml|masklet\.json")

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        like: Like | None = None,
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
        (self._draft.path / "labels").mkdir(exist_ok=True)
        lines, owners = [], []
        for object_id, mask in zip(masks.object_ids, masks.masks, strict=True):
            number = self._class_of(object_id)
            ring = joined(polygons_of_mask(mask, tolerance=self._tolerance)) / (width, height)
            if len(ring):
                lines.append(f"{number} {' '.join(f'{value:.6g}' for value in ring.ravel().tolist())}\n")
                owners.append(object_id)
        self._lines[masks.frame_index] = owners
        name = PurePosixPath(self._picture_name(masks.frame_index)).stem
        self._new_file(f"labels/{name}.txt").write_text("".join(lines), encoding="utf-8")

    def _class_of(self, object_id: ObjectId) -> int:
        name = self.provenance.names.get(object_id) or UNNAMED
        return self._classes.setdefault(name, len(self._classes))

    def _complete(self) -> None:
        super()._complete()
        names = "".join(f"  {number}: {json.dumps(name)}\n" for name, number in self._classes.items())
        (self._draft.path / "data.yaml").write_text(
            f"path: .\ntrain: images\nval: images\nnames:\n{names}" if names else "names: {}\n", encoding="utf-8"
        )
        facts = video_facts(self._like, max(self._lines) + 1)
        dump_json(
            self._draft.path / "masklet.json",
            {
                "schema": SCHEMA,
                "version": VERSION,
                "size": self._size,
                "fps": facts.get("fps"),
                "num_frames": facts.get("num_frames", max(self._lines) + 1),
                "video": facts.get("video", ""),
                "objects": [{"id": i, "name": self.provenance.names.get(i, "")} for i in sorted(self._ids)],
                "frames": [
                    {"frame": i, "file": PurePosixPath(self._picture_name(i)).stem, "objects": owners}
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
    document = load_json(root / "masklet.json", max_bytes=MAX_BYTES)
    with expecting("a masklet.json of YOLO labels", str(root)):
        if (document["schema"], document["version"]) != (SCHEMA, VERSION):
            raise FormatError(f"expected schema {SCHEMA!r} version {VERSION}, got {document['schema']!r}")
        height, width = document["size"]
        if type(height) is not int or type(width) is not int or not 0 < height * width <= MAX_MASK_PIXELS or height < 1:
            raise FormatError(f"expected a size [height, width], got {document['size']}")
        if not 0 <= document["num_frames"] <= MAX_FRAMES:
            raise FormatError(f"expected at most {MAX_FRAMES} frames, got {document['num_frames']}")
        gathering = Gathering()
        gathering.size = (height, width)
        for entry in document["objects"]:
            gathering.object(entry["id"])
        for entry in document["frames"]:
            name = str(entry["file"])
            if "/" in name or "\\" in name or name in ("", ".", ".."):
                raise FormatError(f"expected the name of a label file, got {name!r}")
            lines = read_labels(root / "labels" / f"{name}.txt")
            for object_id, (_, corners) in zip(entry["objects"], lines, strict=True):
                mask = fill_polygons([Polygon(corners * (width, height))], (height, width))
                gathering.put(object_id, entry["frame"], Rle.from_mask(mask))
        names = {entry["id"]: str(entry["name"]) for entry in document["objects"]}
        return gathering.result(
            Provenance(names=names),
            num_frames=document["num_frames"],
            fps=document["fps"],
            video=str(document["video"]),
        )
