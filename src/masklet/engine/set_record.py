"""What a data set on disk says about each of its videos: facts, objects, how they were annotated, and its files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, cast, get_args

from masklet.bounded_json import expecting, read_json
from masklet.engine.files import write_json
from masklet.engine.quality import returns
from masklet.engine.records import MaskletVersion, Phase, Split
from masklet.errors import FormatError, MaskletError
from masklet.types import Size, Source

SCHEMA, VERSION = "masklet/set-video", 1
FOLDER = "records"
MAX_BYTES = 2**26


@dataclass(frozen=True, kw_only=True)
class ObjectRecord:
    """One masklet of a set, in numbers; people who made it are not named.

    Attributes:
        id: of the object in its video.
        name: what people call it, or "".
        source: "manual", "assisted" or "automatic".
        phase: how it was made.
        frames: annotated frames, those where it is absent too.
        masks: masks in the set that are not empty; SA-V holds those of every fourth frame.
        area: mean share of the picture that a mask covers, 0 to 1.
        returns: whether it was out of sight and came back.
        clicks: of its last author.
        clicked: frames with clicks.
        edited: frames that were touched.
        seconds: that its last author took, or None where nobody measured it.
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


@dataclass(frozen=True, kw_only=True)
class VideoRecord:
    """One video of a set.

    Attributes:
        form: the form of the set.
        name: of the video in the set.
        content: hash of the original media.
        split: which part of the set.
        license: under which it may be passed on, or "".
        num_frames, fps, size: of the video.
        versions: of the masklets, as the store counts them; a set is written again where they change.
        objects: its masklets.
        files: every file of it, relative to the root of the set, with its length in bytes.
    """

    form: str
    name: str
    content: str
    split: Split
    license: str
    num_frames: int
    fps: float | None
    size: Size
    versions: tuple[int, ...]
    objects: tuple[ObjectRecord, ...]
    files: Mapping[str, int] = field(default_factory=dict)

    @property
    def seconds(self) -> float | None:
        """How long the video is, where it has a clock."""
        return self.num_frames / self.fps if self.fps else None


def object_record(version: MaskletVersion, every: int = 1) -> ObjectRecord:
    """A masklet in numbers; the set holds the masks of every so many frames."""
    masklet, work = version.masklet, version.work
    areas = [masklet.frames[index].area for index in sorted(masklet.frames)]
    seen = [area for area in areas if area]
    return ObjectRecord(
        id=masklet.object_id,
        name=masklet.name,
        source=masklet.source,
        phase=work.phase,
        frames=len(areas),
        masks=sum(bool(rle.area) for index, rle in masklet.frames.items() if not index % every),
        area=sum(seen) / len(seen) / (masklet.size[0] * masklet.size[1]) if seen else 0.0,
        returns=returns(masklet.frames),
        clicks=work.clicks,
        clicked=sum(bool(len(said.points)) for said in work.prompts.values()),
        edited=len(work.edited),
        seconds=work.seconds,
    )


def write_record(root: Path, record: VideoRecord) -> None:
    """Write it, as the last file of its video: a video without one is not complete."""
    path = place_of(root, record.name)
    path.parent.mkdir(exist_ok=True)
    write_json(path, {"schema": SCHEMA, "version": VERSION, **asdict(record)})


def place_of(root: Path, name: str) -> Path:
    """Where the record of a video lies."""
    return root / FOLDER / f"{name}.json"


def read_record(path: Path) -> VideoRecord:
    """The record in a file.

    Raises:
        FormatError: missing, of a newer version, or not a record.
    """
    document = read_json(path, dict[str, Any], what="video record", max_bytes=MAX_BYTES)
    with expecting("the record of a video in a data set", str(path)):
        if (document["schema"], document["version"]) != (SCHEMA, VERSION):
            raise FormatError(
                f"expected {SCHEMA!r} version {VERSION}, got {document['schema']!r} {document['version']}"
            )
        facts: dict[str, Any] = {k: v for k, v in document.items() if k not in ("schema", "version")}
        if facts["split"] not in get_args(Split):
            raise FormatError(f"expected a split of {', '.join(get_args(Split))}, got {facts['split']!r}")
        height, width = (int(side) for side in facts["size"])
        facts |= {
            "size": (height, width),
            "versions": tuple(int(version) for version in facts["versions"]),
            "objects": tuple(_object(entry) for entry in facts["objects"]),
            "files": {str(name): int(length) for name, length in facts["files"].items()},
        }
        return VideoRecord(**facts)


def _object(entry: Mapping[str, Any]) -> ObjectRecord:
    if entry["source"] not in get_args(Source) or entry["phase"] not in get_args(Phase):
        raise FormatError(f"expected a source and a phase, got {entry['source']!r} and {entry['phase']!r}")
    return ObjectRecord(**cast("dict[str, Any]", entry))


def records_of(root: Path) -> Iterator[VideoRecord | MaskletError]:
    """Every record of a set by name; one that cannot be read comes as its error."""
    for path in sorted((root / FOLDER).glob("*.json")):
        try:
            yield read_record(path)
        except MaskletError as error:
            yield error


def damage(root: Path, record: VideoRecord) -> str:
    """What is wrong with the files of a video, or ""; their lengths are compared, they are not read."""
    for name, length in record.files.items():
        path = root / name
        if ".." in Path(name).parts or Path(name).is_absolute():
            return f"expected files inside the set, got {name!r}"
        if not path.is_file():
            return f"expected {name}, found nothing"
        if path.stat().st_size != length:
            return f"expected {length} bytes, got {path.stat().st_size}: {name}"
    return ""
