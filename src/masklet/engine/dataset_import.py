"""A set on disk read back: masklets by video; what is broken or half copied is named, and all else is there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from masklet.engine.records import Split
from masklet.engine.set_record import FOLDER, VideoRecord, damage, records_of
from masklet.errors import FormatError, MaskletError
from masklet.io import Provenance, Result
from masklet.io.datasets import Split as Part
from masklet.io.datasets import VideoSequence, dataset_info
from masklet.io.datasets.layouts import Layout
from masklet.io.formats.coco import read_coco
from masklet.io.formats.yolo import read_yolo
from masklet.io.result_builder import ResultBuilder
from masklet.masks.rle import encode_masks
from masklet.types import Masklet, ObjectId

SPLITS: tuple[Split, ...] = ("train", "val", "test")


@dataclass(frozen=True, kw_only=True)
class ImportedVideo:
    """One video of a set that is whole.

    Attributes:
        name: of the video in its set.
        split: which part.
        media: the video file, or the folder of its pictures.
        masklets: by object; where the set has a record, with their names and sources.
        record: what the set says about it, or None for a set that another program wrote.
    """

    name: str
    split: Split
    media: Path
    masklets: Mapping[ObjectId, Masklet]
    record: VideoRecord | None = None


@dataclass
class Imported:
    """What an import found.

    Attributes:
        videos: those that are whole.
        failed: video or file -> what is wrong with it.
    """

    videos: list[ImportedVideo] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)


def import_set(root: Path, form: str | None = None) -> Imported:
    """Read a set: one that this engine wrote, by its records, or an SA-V or DAVIS set of another program.

    Args:
        root: folder of the set.
        form: "sav" or "davis", for a set without records.

    Raises:
        FormatError: there is no set, or nobody says of which form it is.
    """
    if (root / FOLDER).is_dir():
        return _by_records(root)
    if form not in ("sav", "davis"):
        raise FormatError(
            f"expected a set with {FOLDER}/, or the form sav or davis of one without, got {form!r}: {root}"
        )
    found = Imported()
    for split, sequence, problem in _sequences(root, form):
        if sequence is None:
            found.failed[problem[0]] = problem[1]
            continue
        try:
            odd = [str(one) for one in sequence.problems()]
            if odd:
                raise FormatError(odd[0])
            masklets = masklets_of(sequence).masklets
            found.videos.append(
                ImportedVideo(name=sequence.name, split=split, media=media_of(sequence), masklets=masklets)
            )
        except MaskletError as error:
            found.failed[sequence.name] = str(error)
    return found


def _by_records(root: Path) -> Imported:
    found, reader = Imported(), _Reader(root)
    for record in records_of(root):
        if isinstance(record, MaskletError):
            found.failed[str(record).rpartition(": ")[2]] = str(record)
            continue
        try:
            media, masklets = reader.read(record)
        except MaskletError as error:
            found.failed[record.name] = str(error)
        else:
            video = ImportedVideo(name=record.name, split=record.split, media=media, masklets=masklets, record=record)
            found.videos.append(video)
    return found


def masklets_of(sequence: VideoSequence) -> Result:
    """The truth of an annotated video as masklets, under the ids of the reader; absent where a frame says so.

    Raises:
        MediaError, FormatError: an annotation cannot be read.
    """
    builder = ResultBuilder()
    builder.size = sequence.size
    known: list[int] = []
    for index in sequence.annotated:
        truth = sequence.truth(index)
        for object_id, rle in zip(truth.object_ids, encode_masks(truth.masks), strict=True):
            builder.add_mask(object_id, index, rle)
        if not truth.unknown:
            known.append(index)
    builder.fill_missing(known)
    return builder.build(Provenance(source="manual"), num_frames=sequence.num_frames)


def media_of(sequence: VideoSequence) -> Path:
    """The video file of a sequence, or the folder of its pictures."""
    media = getattr(sequence, "media", None) or getattr(sequence, "pictures", None)
    if not isinstance(media, Path):
        raise FormatError(f"expected a video file or a folder of pictures for {sequence.name}")
    return media


def layout_of(form: str, split: Split) -> tuple[Layout, Part]:
    """How a split of a set lies on disk."""
    if form == "sav":
        return (
            (dataset_info("sa-v-train").layout, Part("train", ("manual", "auto")))
            if split == "train"
            else (
                dataset_info("sa-v").layout,
                Part(split),
            )
        )
    return dataset_info("davis2017").layout, Part(split)


def _sequences(root: Path, form: str) -> Iterator[tuple[Split, VideoSequence | None, tuple[str, str]]]:
    """Every sequence of a set with its split, and what its lists name but is not there."""
    seen = False
    for split in SPLITS:
        layout, part = layout_of(form, split)
        try:
            found = layout.find(root, part)
        except MaskletError:
            continue
        if form == "davis" and not (root / "ImageSets" / "2017" / f"{split}.txt").is_file() and seen:
            continue  # without lists all belongs to the first split
        seen = True
        for problem in found.warnings:
            if problem.kind != "no list":
                yield split, None, (problem.where, str(problem))
        for item in found.items:
            if isinstance(item, VideoSequence):
                yield split, item, ("", "")
    if not seen:
        raise FormatError(f"expected a set of the form {form}, found none: {root}")


class _Reader:
    """Reads the videos of one set that have records; what is listed is listed once."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._listed: dict[tuple[str, Split], Mapping[str, VideoSequence]] = {}
        self.forms: Mapping[str, Callable[[VideoRecord], tuple[Path, Mapping[ObjectId, Masklet]]]] = {
            "sav": self._by_evaluation,
            "davis": self._by_evaluation,
            "coco": self._coco,
            "yolo": self._yolo,
        }

    def read(self, record: VideoRecord) -> tuple[Path, Mapping[ObjectId, Masklet]]:
        """The media and the masklets of a video; `MaskletError` if anything of it is broken."""
        wrong = damage(self.root, record)
        if wrong:
            raise FormatError(wrong)
        if record.form not in self.forms:
            raise FormatError(f"expected a form of {', '.join(self.forms)}, got {record.form!r}")
        media, masklets = self.forms[record.form](record)
        told = {one.id: one for one in record.objects}
        named = {i: replace(m, name=told[i].name, source=told[i].source) for i, m in masklets.items() if i in told}
        missing = sorted(told.keys() - named.keys())
        if missing and record.form != "davis":  # there one object may hide another in every frame
            raise FormatError(f"expected the objects {sorted(told)}, found none of {missing}")
        return media, named

    def _sequence(self, record: VideoRecord) -> VideoSequence:
        key = (record.form, record.split)
        if key not in self._listed:
            layout, part = layout_of(*key)
            items = layout.find(self.root, part).items
            self._listed[key] = {item.name: item for item in items if isinstance(item, VideoSequence)}
        if record.name not in self._listed[key]:
            raise FormatError(f"expected {record.name} in the {record.split} part of the set, found nothing")
        return self._listed[key][record.name]

    def _by_evaluation(self, record: VideoRecord) -> tuple[Path, Mapping[ObjectId, Masklet]]:
        """By the evaluation's reader; SA-V counts its masklets anew, those with a person first."""
        sequence = self._sequence(record)
        read = masklets_of(sequence).masklets
        if record.form == "sav":
            kept = sorted(record.objects, key=lambda one: one.id)
            if record.split == "train":
                kept.sort(key=lambda one: one.source == "automatic")
            ids = {place: one.id for place, one in enumerate(kept, start=1)}
            read = {ids[i]: replace(one, object_id=ids[i]) for i, one in read.items() if i in ids}
        return media_of(sequence), read

    def _coco(self, record: VideoRecord) -> tuple[Path, Mapping[ObjectId, Masklet]]:
        result = read_coco(self.root / "annotations" / "videos" / f"{record.name}.json")
        return self.root / record.split / record.name, result.masklets

    def _yolo(self, record: VideoRecord) -> tuple[Path, Mapping[ObjectId, Masklet]]:
        folder = self.root / record.split / record.name
        return folder / "images", read_yolo(folder).masklets
