"""The record of each video in a data set on disk: its properties, its objects with counts, and its files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec

from masklet.bounded_json import read_json
from masklet.engine.records import MaskletVersion, Phase, Split
from masklet.engine.statistics import reappears
from masklet.errors import MaskletError
from masklet.io.atomic import write_text
from masklet.types import Size, Source

FOLDER = "records"
MAX_BYTES = 2**26

DatasetFormat = Literal["sav", "davis", "coco", "yolo"]
"""Format of a data set; SA-V has videos for train and images for val and test."""


class ObjectRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One masklet of a data set; its annotators are not named.

    Attributes:
        id: id of the object in its video.
        name: name of the object, or "".
        frames: number of annotated frames, including those where the object is absent.
        masks: number of non-empty masks in the data set (SA-V: of every fourth frame).
        area: mean share of the image that a non-empty mask covers, 0 to 1.
        returns: the object disappears and reappears.
        clicks: number of clicks of the last author.
        clicked: number of frames with clicks.
        edited: number of frames that the author changed.
        seconds: working time of the last author; None if it was not measured.
    """

    id: int
    name: str
    source: Source
    phase: Phase
    frames: int
    masks: int
    area: float
    returns: bool
    clicks: int = 0
    clicked: int = 0
    edited: int = 0
    seconds: float | None = None


class VideoRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One video of a data set, as its JSON file holds it.

    Attributes:
        format: format of the data set.
        name: name of the video in the data set.
        content: content hash of the original media.
        license: license of the video, or "".
        size: (height, width) in pixels.
        versions: ids of the masklet versions; the video is exported again when they change.
        files: path relative to the root of the data set -> size in bytes.
    """

    schema: Literal["masklet/set-video"] = "masklet/set-video"
    version: Literal[1] = 1
    format: str = msgspec.field(name="form")
    name: str
    content: str
    split: Split
    license: str
    num_frames: int
    fps: float | None
    size: Size
    versions: tuple[int, ...]
    objects: tuple[ObjectRecord, ...]
    files: dict[str, int] = {}

    @property
    def seconds(self) -> float | None:
        """Duration of the video; None without a frame rate."""
        return self.num_frames / self.fps if self.fps else None


def object_record(version: MaskletVersion, every: int = 1) -> ObjectRecord:
    """Summarize a masklet in a data set that holds the masks of every ``every``-th frame."""
    masklet, work = version.masklet, version.work
    areas = [rle.area for rle in masklet.frames.values() if rle.area]
    return ObjectRecord(
        id=masklet.object_id,
        name=masklet.name,
        source=masklet.source,
        phase=work.phase,
        frames=len(masklet.frames),
        masks=sum(bool(rle.area) for index, rle in masklet.frames.items() if not index % every),
        area=sum(areas) / len(areas) / (masklet.size[0] * masklet.size[1]) if areas else 0.0,
        returns=reappears(masklet.frames),
        clicks=work.clicks,
        clicked=work.num_clicked,
        edited=len(work.edited),
        seconds=work.seconds,
    )


def record_path(root: Path, name: str) -> Path:
    """Path of the record of a video."""
    return root / FOLDER / f"{name}.json"


def write_record(root: Path, record: VideoRecord) -> None:
    """Write a record, as the last file of its video: a video without record is incomplete."""
    path = record_path(root, record.name)
    path.parent.mkdir(exist_ok=True)
    write_text(path, msgspec.json.encode(record).decode())


def read_record(path: Path) -> VideoRecord:
    """Read a record.

    Raises:
        FormatError: the file is missing, has another schema version, or is not a record.
    """
    return read_json(path, VideoRecord, what="record of a video in a data set", max_bytes=MAX_BYTES)


def read_records(root: Path) -> Iterator[tuple[Path, VideoRecord | MaskletError]]:
    """Yield the records of a data set with their paths, ordered by name; unreadable ones as their error."""
    for path in sorted((root / FOLDER).glob("*.json")):
        try:
            yield path, read_record(path)
        except MaskletError as error:
            yield path, error


def find_damage(root: Path, record: VideoRecord) -> str:
    """Compare the files of a video with its record, by size only; return the first difference, or ""."""
    for name, num_bytes in record.files.items():
        path = root / name
        if ".." in Path(name).parts or Path(name).is_absolute():
            return f"expected files inside the data set, got {name!r}"
        if not path.is_file():
            return f"missing file: {name}"
        if path.stat().st_size != num_bytes:
            return f"expected {num_bytes} bytes, got {path.stat().st_size}: {name}"
    return ""
