"""A verified set on disk: SA-V, DAVIS, COCO or YOLO, video by video, complete or not there.

Every video is written beside the set and moved into place, its record last; a set that was broken off goes on where it
stopped. What concerns all videos (lists, one COCO file, the card) is made from the records at the end.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np

from masklet.engine.accepted import VerifiedVideo
from masklet.engine.set_lists import class_list
from masklet.engine.set_record import VideoRecord, damage, object_record, place_of, read_record, write_record
from masklet.errors import FormatError, MaskletError
from masklet.io import LiveVideo, open_video, write_image
from masklet.io.atomic import AtomicOutput, output_errors
from masklet.io.formats.coco import CocoWriter
from masklet.io.formats.davis import LabelMapWriter
from masklet.io.formats.sav import FRAME_STEP, SavWriter
from masklet.io.formats.yolo import UNNAMED, YoloWriter
from masklet.io.mattes import PngMatteWriter
from masklet.io.result_builder import Provenance, Result
from masklet.io.source import RecordedSource
from masklet.io.writer import Writer
from masklet.predict.worker_pool import SerialPool, WorkerPool
from masklet.types import FrameMasks

SetForm = Literal["sav", "davis", "coco", "yolo"]


@dataclass
class Exported:
    """What came of an export.

    Attributes:
        written: names of the videos that were written.
        kept: of those that were there already, unchanged.
        failed: name -> why it is not in the set.
    """

    written: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)


def export_videos(
    videos: Iterable[VerifiedVideo],
    root: Path,
    form: SetForm = "sav",
    *,
    pool: WorkerPool | None = None,
    progress: Callable[[str], None] | None = None,
) -> Exported:
    """Write videos to a set; what cannot be read is named, and the others are written.

    Args:
        videos: to be written.
        root: folder of the set; made if it is not there.
        form: "sav" (videos with manual and automatic JSON for train, pictures and PNG for val and test), "davis" (label
            maps: where objects overlap one is seen), "coco" or "yolo".
        pool: where videos are written; default: one after the other in this process.
        progress: called with the name of each video when it is done.

    Raises:
        OutputError: the folder cannot be written.
    """
    done = Exported()
    with output_errors(root):
        root.mkdir(parents=True, exist_ok=True)
    tell = progress or (lambda _name: None)

    def missing() -> Iterator[VerifiedVideo]:
        for video in videos:
            if is_there(video, root, form):
                done.kept.append(name_of(video))
                tell(name_of(video))
            else:
                if form == "yolo":  # here, so that no two workers add to the list at a time
                    class_list(root, class_names(video))
                yield video

    export = VideoExport(root=root, form=form)
    for video, result in (pool or SerialPool()).map_unordered(export, missing()):
        name = name_of(video)
        if isinstance(result, MaskletError):
            done.failed[name] = str(result)
        else:
            done.written.append(name)
        tell(name)
    done.written.sort()
    return done


@dataclass(frozen=True, kw_only=True)
class VideoExport:
    """Writes videos to a data set (a `WorkerTask`)."""

    root: Path
    form: SetForm

    def start_worker(self) -> Callable[[VerifiedVideo], VideoRecord]:
        """Return the function that writes one video."""
        return partial(export_video, root=self.root, form=self.form)


def class_names(video: VerifiedVideo) -> list[str]:
    """The classes of a video's objects, for forms that know classes."""
    return [one.masklet.name or UNNAMED for one in video.versions]


def is_there(video: VerifiedVideo, root: Path, form: SetForm) -> bool:
    """Whether a set holds just this video with just these masklets, and all of its files."""
    path = place_of(root, name_of(video))
    if not path.is_file():
        return False
    try:
        record = read_record(path)
    except FormatError:
        return False
    same = (record.form, record.content, record.split) == (form, video.media.content, video.media.split)
    return same and record.versions == tuple(one.id for one in video.versions) and not damage(root, record)


def export_video(video: VerifiedVideo, root: Path, form: SetForm) -> VideoRecord:
    """Write one video and its record; broken off, the set has no record of it, and the next export writes it again.

    Raises:
        MediaError: the video cannot be read any more.
        OutputError: it cannot be written.
    """
    media, name = video.media, name_of(video)
    draft = AtomicOutput(root, folder=True)
    try:
        with output_errors(root):
            if form == "yolo":
                _yolo(video, draft.path, class_list(root, class_names(video)))
            else:
                _WRITERS[form](video, draft.path)
            files = {
                p.relative_to(draft.path).as_posix(): p.stat().st_size for p in draft.path.rglob("*") if p.is_file()
            }
            record = VideoRecord(
                form=form,
                name=name,
                content=media.content,
                split=media.split,
                license=media.license,
                num_frames=media.num_frames,
                fps=media.fps,
                size=media.size,
                versions=tuple(one.id for one in video.versions),
                objects=tuple(object_record(one, FRAME_STEP if form == "sav" else 1) for one in video.versions),
                files=dict(sorted(files.items())),
            )
            _forget(root, name)
            draft.commit()
        write_record(root, record)
    finally:
        draft.discard()
    return record


def name_of(video: VerifiedVideo) -> str:
    """What a video is called in a set: its media's name; one that lists or readers would trip over is changed."""
    name = video.media.name
    plain = re.sub(r"[\\/:\s\0]+", "_", name).strip(".")
    return plain if plain == name else f"{plain}-{video.media.content[:8]}"


def _forget(root: Path, name: str) -> None:
    """Remove what the set holds of a video: its record first."""
    path = place_of(root, name)
    if path.is_file():
        try:
            files = read_record(path).files
        except FormatError:
            files = {}
        path.unlink()
        for file in files:
            if ".." not in Path(file).parts:
                (root / file).unlink(missing_ok=True)


def _sav(video: VerifiedVideo, root: Path) -> None:
    if video.media.split == "train":
        _sav_train(video, root / "train")
    else:
        _sav_pictures(video, root / f"sav_{video.media.split}")


def _sav_train(video: VerifiedVideo, folder: Path) -> None:
    name, source = name_of(video), Path(video.media.path)
    folder.mkdir(parents=True)
    if source.suffix.lower() == ".mp4":
        with opened(video):  # a video that has gone or broken since is told before it is copied
            shutil.copyfile(source, folder / f"{name}.mp4")
    else:
        _write_pictures(video, folder / name)
    for kind, automatic in (("manual", False), ("auto", True)):
        result = video.result(automatic=automatic)
        if result.masklets or not automatic:
            told = Provenance(source="automatic" if automatic else "assisted")
            _written(SavWriter(folder / f"{name}_{kind}.json", like=result, provenance=told), result)


def _sav_pictures(video: VerifiedVideo, folder: Path) -> None:
    name, result = name_of(video), video.result()
    _write_pictures(video, folder / "JPEGImages_24fps" / name)
    labels = folder / "Annotations_6fps" / name
    labels.parent.mkdir(parents=True)
    places = {object_id: place for place, object_id in enumerate(result.masklets, start=1)}
    writer = PngMatteWriter(labels)
    with writer:
        for index in range(0, result.num_frames, FRAME_STEP):
            masks = result.frame(index)
            writer.write(None, _numbered(masks, [places[i] for i in masks.object_ids]))
    for place in places.values():
        (labels / str(place)).rename(labels / f"{place - 1:03d}.new")
    for moved in labels.glob("*.new"):
        moved.rename(moved.with_suffix(""))


def _davis(video: VerifiedVideo, root: Path) -> None:
    name, result = name_of(video), video.result()
    _write_pictures(video, root / "JPEGImages" / "Full-Resolution" / name)
    labels = root / "Annotations" / "Full-Resolution" / name
    labels.parent.mkdir(parents=True)
    _written(LabelMapWriter(labels, like=result), result, only=set(result.frame_indices))


def _coco(video: VerifiedVideo, root: Path) -> None:
    name, result = name_of(video), video.result()
    _write_pictures(video, root / video.media.split / name)
    path = root / "annotations" / "videos" / f"{name}.json"
    path.parent.mkdir(parents=True)
    _written(CocoWriter(path, like=result, provenance=result.provenance), result)


def _yolo(video: VerifiedVideo, root: Path, classes: list[str]) -> None:
    name, result = name_of(video), video.result()
    folder = root / video.media.split / name
    _write_pictures(video, folder / "images")
    writer = YoloWriter(folder, like=result, provenance=result.provenance, overwrite=True, classes=classes)
    _written(writer, result)


_WRITERS: dict[str, Callable[[VerifiedVideo, Path], None]] = {
    "sav": _sav,
    "davis": _davis,
    "coco": _coco,
}


def _written(writer: Writer, result: Result, only: set[int] | None = None) -> None:
    """A result through a writer; frames without any mask too, unless ``only`` leaves them out."""
    with writer:
        for index in range(result.num_frames):
            if only is None or index in only:
                writer.write(None, result.frame(index))


def _numbered(masks: FrameMasks, places: list[int]) -> FrameMasks:
    return FrameMasks(masks.frame_index, tuple(places), masks.masks, masks.presence, masks.iou)


def _write_pictures(video: VerifiedVideo, folder: Path) -> None:
    folder.mkdir(parents=True)
    with opened(video) as source:
        for index, picture in enumerate(source):
            write_image(folder / f"{index:05d}.jpg", np.ascontiguousarray(picture))
    found = index + 1
    if found != video.media.num_frames:
        raise FormatError(f"expected {video.media.num_frames} frames, got {found}: {video.media.path}")


def opened(video: VerifiedVideo) -> RecordedSource:
    """The frames of a video; `MediaError` if they cannot be read, `FormatError` if it is not the video it was."""
    source = open_video(video.media.path)
    if isinstance(source, LiveVideo) or source.size != video.media.size or len(source) != video.media.num_frames:
        source.close()
        told = f"{video.media.num_frames} frames of {video.media.size[1]}x{video.media.size[0]}"
        raise FormatError(f"expected {told} as when it was added, got another video: {video.media.path}")
    return source
