"""Export of accepted masklets to a data set on disk in SA-V, DAVIS, COCO or YOLO format.

Each video is written to a temporary folder and moved into place, its record last. An interrupted export continues with
the missing videos. Files about all videos (lists, the COCO files, the data card) are made from the records at the end.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from masklet.bounded_json import read_json
from masklet.engine.dataset.record import (
    DatasetFormat,
    VideoRecord,
    find_damage,
    object_record,
    read_record,
    record_path,
    write_record,
)
from masklet.engine.records import MaskletVersion, Media
from masklet.engine.store import Store
from masklet.errors import FormatError, MaskletError
from masklet.io import LiveVideo, open_video, write_image
from masklet.io.atomic import AtomicOutput, output_errors, write_text
from masklet.io.formats.coco import CocoWriter
from masklet.io.formats.davis import LabelMapWriter
from masklet.io.formats.mattes import PngMatteWriter
from masklet.io.formats.sav import FRAME_STEP, SavWriter
from masklet.io.formats.yolo import YoloWriter
from masklet.io.result_builder import UNNAMED, Provenance, Result
from masklet.io.source import RecordedSource
from masklet.io.writer import Writer
from masklet.predict.worker_pool import SerialPool, WorkerPool

CLASSES = "classes.json"
"""The class list of a YOLO data set; it only grows, so that existing labels stay valid."""


@dataclass(frozen=True, kw_only=True)
class AcceptedVideo:
    """One video with its accepted masklets, one for each object."""

    media: Media
    versions: tuple[MaskletVersion, ...]

    def result(self, *, automatic: bool | None = None) -> Result:
        """Return the masklets as a result named after the media.

        Args:
            automatic: True for masklets without prompts only, False for the others only, None for all.
        """
        masklets = [
            version.masklet
            for version in self.versions
            if automatic is None or (version.masklet.source == "automatic") == automatic
        ]
        return Result(
            masklets={masklet.object_id: masklet for masklet in sorted(masklets, key=lambda one: one.object_id)},
            size=self.media.size,
            num_frames=self.media.num_frames,
            fps=self.media.fps,
            video=f"{self.media.name}.mp4",
        )


def accepted_videos(store: Store) -> Iterator[AcceptedVideo]:
    """Yield the videos of a project that have accepted masklets, in the order they were added."""
    for media in store.all_media():
        versions = tuple(store.accepted(media.content))
        if versions:
            yield AcceptedVideo(media=media, versions=versions)


@dataclass
class ExportReport:
    """The outcome of `export_videos`.

    Attributes:
        written: names of the videos that were written.
        kept: names of the videos that were complete and unchanged.
        failed: name -> why the video could not be written.
    """

    written: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)


def export_videos(
    videos: Iterable[AcceptedVideo],
    root: Path,
    format: DatasetFormat = "sav",
    *,
    pool: WorkerPool | None = None,
    progress: Callable[[str], None] | None = None,
) -> ExportReport:
    """Write videos to a data set; those that fail are reported, not raised.

    Args:
        videos: the videos to write.
        root: folder of the data set; created if it does not exist.
        format: "sav" (train: videos with manual and automatic JSON; val and test: images with PNG masks), "davis"
            (label maps, in which one object hides another where they overlap), "coco" or "yolo".
        pool: where videos are written; default: one after the other in this process.
        progress: called with the name of each video when it is done.

    Raises:
        OutputError: the folder cannot be created.
    """
    report = ExportReport()
    with output_errors(root):
        root.mkdir(parents=True, exist_ok=True)
    finished = progress or (lambda _name: None)

    def missing() -> Iterator[AcceptedVideo]:
        for video in videos:
            if is_complete(video, root, format):
                report.kept.append(dataset_name(video))
                finished(dataset_name(video))
            else:
                if format == "yolo":  # before the workers start, because they must not extend the list concurrently
                    add_classes(root, _class_names(video))
                yield video

    for video, result in (pool or SerialPool()).map_unordered(VideoExport(root, format), missing()):
        name = dataset_name(video)
        if isinstance(result, MaskletError):
            report.failed[name] = str(result)
        else:
            report.written.append(name)
        finished(name)
    report.written.sort()
    return report


@dataclass(frozen=True)
class VideoExport:
    """Writes videos to a data set (a `WorkerTask`)."""

    root: Path
    format: DatasetFormat

    def start_worker(self) -> Callable[[AcceptedVideo], VideoRecord]:
        """Return the function that writes one video."""
        return partial(export_video, root=self.root, format=self.format)


def is_complete(video: AcceptedVideo, root: Path, format: DatasetFormat) -> bool:
    """Return whether a data set holds the video with the same masklets and all of its files."""
    try:
        record = read_record(record_path(root, dataset_name(video)))
    except FormatError:
        return False
    same = (record.format, record.content, record.split) == (format, video.media.content, video.media.split)
    return same and record.versions == tuple(one.id for one in video.versions) and not find_damage(root, record)


def export_video(video: AcceptedVideo, root: Path, format: DatasetFormat) -> VideoRecord:
    """Write one video and its record; after an interruption there is no record, and the next export writes it again.

    Raises:
        MediaError: the video cannot be read.
        OutputError: it cannot be written.
    """
    media, name = video.media, dataset_name(video)
    draft = AtomicOutput(root, folder=True)
    try:
        with output_errors(root):
            if format == "yolo":
                _write_yolo(video, draft.path, add_classes(root, _class_names(video)))
            else:
                _WRITERS[format](video, draft.path)
            files = {
                p.relative_to(draft.path).as_posix(): p.stat().st_size for p in draft.path.rglob("*") if p.is_file()
            }
            record = VideoRecord(
                format=format,
                name=name,
                content=media.content,
                split=media.split,
                license=media.license,
                num_frames=media.num_frames,
                fps=media.fps,
                size=media.size,
                versions=tuple(one.id for one in video.versions),
                objects=tuple(object_record(one, FRAME_STEP if format == "sav" else 1) for one in video.versions),
                files=dict(sorted(files.items())),
            )
            _remove_video(root, name)
            draft.commit()
        write_record(root, record)
    finally:
        draft.discard()
    return record


def dataset_name(video: AcceptedVideo) -> str:
    """Return the name of a video in a data set: the name of its media, without characters that lists cannot hold."""
    name = video.media.name
    plain = re.sub(r"[\\/:\s\0]+", "_", name).strip(".")
    return plain if plain == name else f"{plain}-{video.media.content[:8]}"


def _class_names(video: AcceptedVideo) -> list[str]:
    return [one.masklet.name or UNNAMED for one in video.versions]


def _remove_video(root: Path, name: str) -> None:
    """Remove the files of a video from the data set, its record first."""
    path = record_path(root, name)
    if path.is_file():
        try:
            files = read_record(path).files
        except FormatError:
            files = {}
        path.unlink()
        for file in files:
            if ".." not in Path(file).parts:
                (root / file).unlink(missing_ok=True)


def _write_sav(video: AcceptedVideo, root: Path) -> None:
    if video.media.split == "train":
        _write_sav_train(video, root / "train")
    else:
        _write_sav_images(video, root / f"sav_{video.media.split}")


def _write_sav_train(video: AcceptedVideo, folder: Path) -> None:
    name, source = dataset_name(video), Path(video.media.path)
    folder.mkdir(parents=True)
    if source.suffix.lower() == ".mp4":
        with _open_unchanged(video):  # raises if it was deleted or damaged
            shutil.copyfile(source, folder / f"{name}.mp4")
    else:
        _write_images(video, folder / name)
    for kind, automatic in (("manual", False), ("auto", True)):
        result = video.result(automatic=automatic)
        if result.masklets or not automatic:
            provenance = Provenance(source="automatic" if automatic else "assisted")
            _write_result(SavWriter(folder / f"{name}_{kind}.json", like=result, provenance=provenance), result)


def _write_sav_images(video: AcceptedVideo, folder: Path) -> None:
    name, result = dataset_name(video), video.result()
    _write_images(video, folder / "JPEGImages_24fps" / name)
    labels = folder / "Annotations_6fps" / name
    labels.parent.mkdir(parents=True)
    numbers = {object_id: i for i, object_id in enumerate(result.masklets, start=1)}
    writer = PngMatteWriter(labels)
    with writer:
        for index in range(0, result.num_frames, FRAME_STEP):
            masks = result.frame(index)
            writer.write(None, replace(masks, object_ids=tuple(numbers[i] for i in masks.object_ids)))
    for number in numbers.values():  # SA-V counts from 0
        (labels / str(number)).rename(labels / f"{number - 1:03d}.new")
    for moved in labels.glob("*.new"):
        moved.rename(moved.with_suffix(""))


def _write_davis(video: AcceptedVideo, root: Path) -> None:
    name, result = dataset_name(video), video.result()
    _write_images(video, root / "JPEGImages" / "Full-Resolution" / name)
    labels = root / "Annotations" / "Full-Resolution" / name
    labels.parent.mkdir(parents=True)
    _write_result(LabelMapWriter(labels, like=result), result, only=set(result.frame_indices))


def _write_coco(video: AcceptedVideo, root: Path) -> None:
    name, result = dataset_name(video), video.result()
    _write_images(video, root / video.media.split / name)
    path = root / "annotations" / "videos" / f"{name}.json"
    path.parent.mkdir(parents=True)
    _write_result(CocoWriter(path, like=result, provenance=result.provenance), result)


def _write_yolo(video: AcceptedVideo, root: Path, classes: list[str]) -> None:
    name, result = dataset_name(video), video.result()
    folder = root / video.media.split / name
    _write_images(video, folder / "images")
    writer = YoloWriter(folder, like=result, provenance=result.provenance, overwrite=True, classes=classes)
    _write_result(writer, result)


_WRITERS: dict[str, Callable[[AcceptedVideo, Path], None]] = {
    "sav": _write_sav,
    "davis": _write_davis,
    "coco": _write_coco,
}


def _write_result(writer: Writer, result: Result, only: set[int] | None = None) -> None:
    """Write all frames of a result, or those in ``only``, including frames without masks."""
    with writer:
        for index in range(result.num_frames):
            if only is None or index in only:
                writer.write(None, result.frame(index))


def _write_images(video: AcceptedVideo, folder: Path) -> None:
    folder.mkdir(parents=True)
    with _open_unchanged(video) as source:
        for index, image in enumerate(source):
            write_image(folder / f"{index:05d}.jpg", np.ascontiguousarray(image))
    found = index + 1
    if found != video.media.num_frames:
        raise FormatError(f"expected {video.media.num_frames} frames, got {found}: {video.media.path}")


def _open_unchanged(video: AcceptedVideo) -> RecordedSource:
    """Open a video; `MediaError` if it cannot be read, `FormatError` if its length or size has changed."""
    media = video.media
    source = open_video(media.path)
    if isinstance(source, LiveVideo) or source.size != media.size or len(source) != media.num_frames:
        source.close()
        raise FormatError(
            f"expected {media.num_frames} frames of {media.size[1]}x{media.size[0]} as when it was added, "
            f"got a different video: {media.path}"
        )
    return source


# --- files about all videos ---


def write_lists(root: Path, records: Sequence[VideoRecord]) -> None:
    """Write the files about all videos: lists of names, one COCO file per split, the class list of YOLO.

    Args:
        root: folder of the data set.
        records: records of all complete videos, all in one format.

    Raises:
        OutputError: a file cannot be written.
        FormatError: the COCO file of a video is damaged.
    """
    by_split: dict[str, list[VideoRecord]] = {}
    for record in records:
        by_split.setdefault(record.split, []).append(record)
    for split, videos in by_split.items():
        names = "".join(f"{record.name}\n" for record in videos)
        if videos[0].format == "sav" and split != "train":
            write_text(root / f"sav_{split}" / f"sav_{split}.txt", names)
        elif videos[0].format == "davis":
            folder = root / "ImageSets" / "2017"
            with output_errors(folder):
                folder.mkdir(parents=True, exist_ok=True)
            write_text(folder / f"{split}.txt", names)
        elif videos[0].format == "coco":
            paths = [root / "annotations" / "videos" / f"{record.name}.json" for record in videos]
            documents = [read_json(path, dict[str, Any], what="COCO annotation") for path in paths]
            merged = json.dumps(merge_coco(documents), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
            write_text(root / "annotations" / f"instances_{split}.json", merged)
    if records and records[0].format == "yolo":
        write_text(root / "data.yaml", _yolo_yaml(root, by_split))


def merge_coco(documents: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Merge the COCO files of several videos: ids are renumbered, categories are merged by name."""
    names = sorted({str(category["name"]) for document in documents for category in document["categories"]})
    category_ids = {name: i for i, name in enumerate(names, start=1)}
    merged: dict[str, Any] = {"info": {"description": "masklet"}}
    merged |= {key: [] for key in ("videos", "images", "tracks", "annotations")}
    merged["categories"] = [{"id": i, "name": name} for name, i in category_ids.items()]
    for video_id, document in enumerate(documents, start=1):
        first_image, first_track = len(merged["images"]), len(merged["tracks"])
        categories = {category["id"]: category_ids[category["name"]] for category in document["categories"]}
        tracks = {track["id"]: first_track + i for i, track in enumerate(document["tracks"], start=1)}
        merged["videos"] += [{**video, "id": video_id} for video in document["videos"]]
        merged["images"] += [
            {**image, "id": first_image + image["id"], "video_id": video_id} for image in document["images"]
        ]
        for track in document["tracks"]:
            category_id = categories[track["category_id"]]
            merged["tracks"].append({"id": tracks[track["id"]], "video_id": video_id, "category_id": category_id})
        for annotation in document["annotations"]:
            ids = {"id": len(merged["annotations"]) + 1, "image_id": first_image + annotation["image_id"]}
            ids |= {"category_id": categories[annotation["category_id"]], "track_id": tracks[annotation["track_id"]]}
            merged["annotations"].append({**annotation, **ids})
    return merged


def _yolo_yaml(root: Path, by_split: Mapping[str, Sequence[VideoRecord]]) -> str:
    """List the image folders of each split; labels are beside them, in folders called labels."""
    lines = ["path: ."]
    for split in ("train", "val", "test"):
        folders = [f"{split}/{record.name}/images" for record in by_split.get(split, ())]
        if folders or split != "test":
            lines += [f"{split}:", *(f"  - {json.dumps(folder)}" for folder in folders)]
    names = add_classes(root, ())
    return "\n".join([*lines, "names:", *(f"  {i}: {json.dumps(name)}" for i, name in enumerate(names))]) + "\n"


def add_classes(root: Path, names: Sequence[str]) -> list[str]:
    """Append new names to the class list of a YOLO data set and return the list.

    Raises:
        FormatError: the list on disk is damaged.
    """
    path = root / CLASSES
    known = read_json(path, list[str], what="class list") if path.is_file() else []
    new = sorted(set(names) - set(known))
    if new:
        write_text(path, json.dumps([*known, *new], ensure_ascii=False) + "\n")
    return [*known, *new]
