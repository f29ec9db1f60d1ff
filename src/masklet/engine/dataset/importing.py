"""Import of data sets on disk into a project: videos become media, masklets become tasks, each data set once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, partial
from pathlib import Path

from masklet.engine.dataset.record import FOLDER, VideoRecord, find_damage, read_records
from masklet.engine.ingest import IngestReport, IngestSettings, insert_media, read_media
from masklet.engine.records import Split, TaskKind, TaskState, Work
from masklet.engine.store import Store, media_row
from masklet.engine.tables import ProposalRow
from masklet.engine.transactions import new_object_id, new_task, prepare_masklet
from masklet.errors import FormatError, MaskletError
from masklet.io import Provenance, Result
from masklet.io.datasets import Split as DatasetSplit
from masklet.io.datasets import VideoSequence, dataset_info
from masklet.io.datasets.layouts import Layout
from masklet.io.formats.coco import read_coco
from masklet.io.formats.yolo import read_yolo
from masklet.io.result_builder import ResultBuilder
from masklet.masks.rle import encode_masks
from masklet.types import Masklet, ObjectId

SPLITS: tuple[Split, ...] = ("train", "val", "test")

FORMATS = "sav", "davis", "coco", "yolo"


@dataclass(frozen=True, kw_only=True)
class DatasetVideo:
    """One complete video of a data set.

    Attributes:
        name: name of the video in the data set.
        media: the video file, or the folder of its images.
        masklets: masklets by object id; with names and sources if the data set has a record of the video.
        record: the record; None for a data set of another program.
    """

    name: str
    split: Split
    media: Path
    masklets: Mapping[ObjectId, Masklet]
    record: VideoRecord | None = None


@dataclass
class Dataset:
    """A data set on disk.

    Attributes:
        videos: the complete videos.
        failed: video or file -> why it cannot be read.
    """

    videos: list[DatasetVideo] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)


@dataclass
class ImportReport:
    """The outcome of `import_dataset`.

    Attributes:
        media: number of videos whose masklets were imported.
        masklets: number of their masklets.
        known: names of videos that were imported from this data set before.
        failed: name -> why the video was not imported.
    """

    media: int = 0
    masklets: int = 0
    known: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)


def import_dataset(
    store: Store,
    dataset: Dataset,
    label: str,
    *,
    accepted: bool = False,
    progress: Callable[[str], None] | None = None,
) -> ImportReport:
    """Import a data set into a project, video by video; those that fail are reported, not raised.

    The masklets count as automatic, whoever made them elsewhere, so that the statistics of the team do not change.

    Args:
        store: store of the project.
        dataset: from `read_dataset`.
        label: identifies the data set in histories and in later imports; a video is imported once per label.
        accepted: import the masklets as accepted; otherwise a person verifies each.
        progress: called with the name of each video.

    Raises:
        OutputError: the database failed; what was imported before stays.
    """
    report = ImportReport(failed=dict(dataset.failed))
    state = TaskState.DONE if accepted else TaskState.VERIFY
    for video in dataset.videos:
        try:
            count = _import_video(store, video, label, state)
        except MaskletError as error:
            report.failed[video.name] = str(error)
        else:
            if count is None:
                report.known.append(video.name)
            else:
                report.media, report.masklets = report.media + 1, report.masklets + count
        if progress is not None:
            progress(video.name)
    return report


def _import_video(store: Store, video: DatasetVideo, label: str, state: TaskState) -> int | None:
    """Import one video in one transaction; return the number of masklets, or None if it was imported before."""
    settings = IngestSettings(license=video.record.license if video.record else "", split=video.split)
    media = read_media(video.media, settings)
    prepared = [prepare_masklet(masklet, media) for _, masklet in sorted(video.masklets.items())]
    with store.change() as change:
        session = change.session
        insert_media(change, media, settings, IngestReport())
        row = media_row(session, media.content)
        session.refresh(row, with_for_update=True)
        if session.get(ProposalRow, (row.id, label)) is not None:
            return None
        session.add(ProposalRow(media_id=row.id, model=label, count=len(prepared), error=None))
        for one in prepared:
            task = new_task(row, TaskKind.PROPOSAL, state, new_object_id(session, row.id))
            task.name = one.masklet.name
            change.create_task(task, label)
            change.add_version(task, one, Work(author=label, phase="auto", model=one.masklet.model))
            change.add_event(task, "imported", label, before=task.state, note=one.findings)
    return len(prepared)


def read_dataset(root: Path, format: str | None = None) -> Dataset:
    """Read a data set that `export_videos` wrote, by its records, or an SA-V or DAVIS data set of another program.

    Args:
        root: folder of the data set.
        format: "sav" or "davis", for a data set without records.

    Raises:
        FormatError: there is no data set, or it has no records and no format was given.
    """
    dataset = Dataset()
    if (root / FOLDER).is_dir():
        sequences = cache(partial(_sequences, root))
        for path, record in read_records(root):
            if isinstance(record, MaskletError):
                dataset.failed[str(path)] = str(record)
                continue
            try:
                dataset.videos.append(_read_recorded(root, record, sequences))
            except MaskletError as error:
                dataset.failed[record.name] = str(error)
        return dataset
    if format not in ("sav", "davis"):
        raise FormatError(
            f"expected a data set with the folder {FOLDER}, or the format sav or davis of one without, "
            f"got {format!r}: {root}"
        )
    for split, sequence, problem in _find_sequences(root, format):
        if sequence is None:
            dataset.failed[problem[0]] = problem[1]
            continue
        try:
            problems = [str(one) for one in sequence.problems()]
            if problems:
                raise FormatError(problems[0])
            masklets = sequence_masklets(sequence).masklets
            dataset.videos.append(
                DatasetVideo(name=sequence.name, split=split, media=_media_path(sequence), masklets=masklets)
            )
        except MaskletError as error:
            dataset.failed[sequence.name] = str(error)
    return dataset


def sequence_masklets(sequence: VideoSequence) -> Result:
    """Read the annotations of a video as masklets with the object ids of the reader.

    Raises:
        MediaError, FormatError: an annotation cannot be read.
    """
    builder = ResultBuilder()
    builder.size = sequence.size
    complete: list[int] = []
    for index in sequence.annotated:
        truth = sequence.truth(index)
        for object_id, rle in zip(truth.object_ids, encode_masks(truth.masks), strict=True):
            builder.add_mask(object_id, index, rle)
        if not truth.unknown:
            complete.append(index)
    builder.fill_missing(complete)
    return builder.build(Provenance(source="manual"), num_frames=sequence.num_frames)


def _media_path(sequence: VideoSequence) -> Path:
    """Return the video file or the image folder of a sequence."""
    media = getattr(sequence, "media", None) or getattr(sequence, "images", None)
    if not isinstance(media, Path):
        raise FormatError(f"expected a video file or a folder of images for {sequence.name}")
    return media


def _layout(format: str, split: Split) -> tuple[Layout, DatasetSplit]:
    """Return the file layout of a split."""
    if format == "davis":
        return dataset_info("davis2017").layout, DatasetSplit(split)
    if split == "train":
        return dataset_info("sa-v-train").layout, DatasetSplit("train", ("manual", "auto"))
    return dataset_info("sa-v").layout, DatasetSplit(split)


def _find_sequences(root: Path, format: str) -> Iterator[tuple[Split, VideoSequence | None, tuple[str, str]]]:
    """Yield every sequence with its split, and every video that a list names but that is missing: None and why."""
    found_any = False
    for split in SPLITS:
        layout, part = _layout(format, split)
        try:
            found = layout.find(root, part)
        except MaskletError:
            continue
        if format == "davis" and not (root / "ImageSets" / "2017" / f"{split}.txt").is_file() and found_any:
            continue  # without lists all videos belong to the first split
        found_any = True
        for problem in found.warnings:
            if problem.kind != "no list":
                yield split, None, (problem.where, str(problem))
        for item in found.items:
            if isinstance(item, VideoSequence):
                yield split, item, ("", "")
    if not found_any:
        raise FormatError(f"expected a data set in the format {format}, found none: {root}")


def _sequences(root: Path, format: str, split: Split) -> Mapping[str, VideoSequence]:
    layout, part = _layout(format, split)
    return {item.name: item for item in layout.find(root, part).items if isinstance(item, VideoSequence)}


def _read_recorded(
    root: Path, record: VideoRecord, sequences: Callable[[str, Split], Mapping[str, VideoSequence]]
) -> DatasetVideo:
    """Read a video that has a record; `MaskletError` if a file is missing or damaged."""
    if damage := find_damage(root, record):
        raise FormatError(damage)
    objects = {one.id: one for one in record.objects}
    media = root / record.split / record.name
    if record.format == "yolo":
        masklets, media = read_yolo(media).masklets, media / "images"
    elif record.format == "coco":
        masklets = read_coco(root / "annotations" / "videos" / f"{record.name}.json").masklets
    elif record.format in ("sav", "davis"):
        sequence = sequences(record.format, record.split).get(record.name)
        if sequence is None:
            raise FormatError(f"expected {record.name} in the {record.split} split of the data set, found nothing")
        masklets, media = sequence_masklets(sequence).masklets, _media_path(sequence)
        if record.format == "sav":  # the reader numbers the masklets from 1, manual ones before automatic ones
            ordered = sorted(objects)
            if record.split == "train":
                ordered.sort(key=lambda object_id: objects[object_id].source == "automatic")
            ids = dict(enumerate(ordered, start=1))
            masklets = {ids[i]: replace(one, object_id=ids[i]) for i, one in masklets.items() if i in ids}
    else:
        raise FormatError(f"expected the format {', '.join(FORMATS)}, got {record.format!r}")
    named = {
        i: replace(masklet, name=objects[i].name, source=objects[i].source)
        for i, masklet in masklets.items()
        if i in objects
    }
    missing = sorted(objects.keys() - named.keys())
    if missing and record.format != "davis":  # there one object may hide another in every frame
        raise FormatError(f"expected the objects {sorted(objects)}, found none of {missing}")
    return DatasetVideo(name=record.name, split=record.split, media=media, masklets=named, record=record)
