"""Results to take away: every form `masklet.io` writes, made frame by frame as a job."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from masklet.errors import FrameRangeError
from masklet.io import RecordedSource, open_writer
from masklet.io.atomic import output_errors
from masklet.io.encoder import VIDEO_FORMATS
from masklet.io.formats.registry import FOLDER, FORMATS, Format
from masklet.io.images import write_image
from masklet.io.result_builder import Provenance
from masklet.studio.cleaning import Cleaning
from masklet.studio.effects import Effects, frame_masks, no_masks
from masklet.studio.errors import BusyError, ConflictError, NotFoundError
from masklet.studio.jobs import Job, Steps
from masklet.studio.library import by_name, open_listed, safe_name
from masklet.studio.revisions import Pin
from masklet.studio.services import Desk
from masklet.studio.tables import MediaRow, ProjectRow
from masklet.types import FrameMasks, ObjectId, RgbImage

EXPORTS_IN_LINE = 4
"""Of one project at a time."""

CHUNK = 64
"""Frames whose masks are read from the database at once."""


Kind = Literal["video", "pictures", "mattes", "annotation", "measurements", "map"]

_TOLD: dict[str, tuple[Kind, str, str]] = {
    "overlay": ("video", "Video as on the screen", ""),
    "alpha": ("mattes", "Cut-out", "PNG pictures, transparent around"),
    "png": ("mattes", "Gray mattes", "8 bit, a folder for each object"),
    "tiff": ("mattes", "Fine mattes", "16 bit, a folder for each object"),
    "exr": ("mattes", "OpenEXR mattes", "a channel for each object"),
    "rle": ("annotation", "masklet", "everything: masks, names, scores"),
    "coco": ("annotation", "COCO", "masks and tracks"),
    "coco-polygons": ("annotation", "COCO polygons", "outlines and tracks"),
    "davis": ("annotation", "DAVIS", "label maps with a palette"),
    "sav": ("annotation", "SA-V", "every fourth frame"),
    "sa1b": ("annotation", "SA-1B", "a file for each frame"),
    "youtube-vis": ("annotation", "YouTube-VIS", ""),
    "yolo": ("annotation", "YOLO", "segmentation labels"),
    "mots": ("annotation", "MOTS", ""),
    "ctc": ("annotation", "Cell Tracking Challenge", ""),
    "cvat": ("annotation", "CVAT", "for images 1.1"),
    "labelme": ("annotation", "LabelMe", "a file for each frame"),
    "label-studio": ("annotation", "Label Studio", "brush strokes"),
    "numpy": ("annotation", "NumPy", "masks as one array"),
    "csv": ("measurements", "Table", "area, place and shape in each frame"),
    "parquet": ("measurements", "Table for data tools", "the same columns"),
    "geotiff": ("map", "GeoTIFF", "label maps"),
    "geojson": ("map", "GeoJSON", "outlines in longitude and latitude"),
    "geopackage": ("map", "GeoPackage", "outlines in the map's own system"),
}
"""For people, in the order they see: what it is, what it is called, and a few words on it."""

_NOTES = {
    ("overlay", ".mp4"): "plays everywhere",
    ("overlay", ".mov"): "for editing",
    ("overlay", ".mkv"): "open container",
    ("overlay", ".webm"): "for web pages",
    ("alpha", ".mov"): "ProRes 4444, transparent around, for editing",
    ("alpha", ".webm"): "VP9, transparent around, for web pages",
}
"""Where one form has several files."""


@dataclass(frozen=True, kw_only=True)
class ExportForm:
    """One form that can be asked for.

    Attributes:
        label, note: what it is called, and a few words on it.
        kind: what it is.
        name: of the form in `masklet.io.formats.registry`; "" for pictures drawn here.
        ending: ends the name of what is written; with a slash it is a folder, which is zipped.
        effects: whether effects are drawn.
        pictures: whether the frames are needed.
    """

    label: str
    note: str
    kind: Kind
    name: str
    ending: str
    effects: bool = False
    pictures: bool = True


def _offered(form: Format, suffix: str) -> ExportForm:
    video = suffix in VIDEO_FORMATS
    kind, label, note = _TOLD.get(form.name, ("annotation", form.name, form.summary))
    return ExportForm(
        label=label,
        note=_NOTES.get((form.name, suffix), note),
        kind=kind,
        name=form.name,
        ending=suffix if form.name == "overlay" else f".{form.name}{suffix}",
        effects=form.name == "overlay",
        pictures=form.needs_frames or video or kind == "measurements",
    )


def _all_forms() -> dict[str, ExportForm]:
    """By key: video as on the screen, pictures as on the screen, and the rest in the order of the table above."""
    order = list(_TOLD)
    others = sorted(FORMATS.values(), key=lambda form: order.index(form.name) if form.name in order else len(order))
    found = {
        form.name + ("" if suffix == FOLDER else suffix): _offered(form, suffix)
        for form in others
        for suffix in form.suffixes
    }
    drawn = ExportForm(label="Pictures as on the screen", note="", kind="pictures", name="", ending="/", effects=True)
    videos = {key: form for key, form in found.items() if form.name == "overlay"}
    return videos | {"overlay.png": drawn} | found


EXPORT_FORMS = _all_forms()
"""What can be exported: every form that `masklet.io` writes, and pictures with effects."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """What is to be exported.

    Attributes:
        form: a key of `EXPORT_FORMS`.
        objects: which, None for all.
        start, end: the range, None for the project's markers.
        effects: how pictures are drawn.
    """

    form: str
    objects: Sequence[ObjectId] | None = None
    start: int | None = None
    end: int | None = None
    effects: Effects = field(default_factory=Effects)


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A project as it was when its export was ordered: edits and undo go on, and what is written does not change.

    Attributes:
        project: its name, markers and cleaning.
        media: what it is on.
        at: its revision.
    """

    project: ProjectRow
    media: MediaRow
    at: Pin


def start_export(desk: Desk, project_id: str, order: Order) -> Job:
    """Put an export of a project in line, as the project is now.

    Raises:
        NotFoundError: no such project, form or object.
        ConflictError: it is being tracked, so that its masks are still changing.
        FrameRangeError: a range without frames or outside the media.
    """
    if order.form not in EXPORT_FORMS:
        raise NotFoundError(f"there is no form {order.form[:40]!r}; expected one of {', '.join(EXPORT_FORMS)}")
    at = desk.record.pin(project_id)
    if desk.jobs.active(project_id, "track"):  # those that come later write into a later revision
        raise ConflictError("the project is being tracked: export it when that has ended, or stop it")
    project, media = desk.store.project(project_id)
    start = project.start if order.start is None else order.start
    end = project.end if order.end is None else order.end
    if not 0 <= start < end <= media.num_frames:
        raise FrameRangeError(f"expected 0 <= start < end <= {media.num_frames}, got start {start} and end {end}")
    known = {row.object_id for row in desk.record.objects(project_id, at=at)}
    missing = sorted(set(order.objects or ()) - known)
    if missing:
        raise NotFoundError(f"there is no object {missing[0]} in this project")
    order = replace(order, start=start, end=end)
    if len(desk.jobs.active(project_id, "export")) >= EXPORTS_IN_LINE:
        raise BusyError("several exports of this project are being made: wait for one of them, or cancel it")
    _remove_old(desk)
    subject = Subject(project=project, media=media, at=at)
    job = Job(project_id=project_id, kind="export", total=end - start)
    return desk.jobs.start(job, desk.exporter, lambda: _steps(desk, job, order, subject))


def _steps(desk: Desk, job: Job, order: Order, subject: Subject) -> Steps:
    form = EXPORT_FORMS[order.form]
    folder = desk.settings.exports / job.id
    with output_errors(folder):
        folder.mkdir()
    made = folder / (safe_name(subject.project.name) + form.ending)
    with open_listed(subject.media) as source:
        frames = _frames(desk, job, order, subject, source)
        if form.name:
            yield from _written(desk, order, subject, frames, made, source)
        else:
            yield from _drawn(order, frames, made)
    file = made
    if made.is_dir():
        files = sorted(path for path in made.rglob("*") if path.is_file())
        file = folder / f"{made.name}{files[0].suffix if len(files) == 1 else '.zip'}"
        if len(files) == 1:
            files[0].replace(file)
        else:
            yield from _zipped(made, files, file)
        shutil.rmtree(made)
    return {"url": f"/api/exports/{job.id}/{quote(file.name)}", "name": file.name, "bytes": file.stat().st_size}


Frames = Iterator[tuple[RgbImage | None, FrameMasks]]
"""What is written, one after the other."""


def _written(
    desk: Desk, order: Order, subject: Subject, frames: Frames, path: Path, like: RecordedSource
) -> Iterator[None]:
    """By a writer of `masklet.io`; frames with effects go there without masks, so that it has nothing to add."""
    form = EXPORT_FORMS[order.form]
    rows = desk.record.objects(subject.project.id, at=subject.at)
    prompted = desk.record.prompted_frames(subject.project.id, subject.at)
    wanted = {row.object_id for row in rows if order.objects is None or row.object_id in order.objects}
    provenance = Provenance(
        names={row.object_id: row.name for row in rows if row.object_id in wanted},
        prompted={i: tuple(said) for i, said in prompted.items() if i in wanted},
        model=desk.devices[0].model.config.full_name,
    )
    target = f"{path}/" if form.ending.endswith(FOLDER) else str(path)
    with open_writer(target, format=form.name, like=like, provenance=provenance) as sink:
        for picture, masks in frames:
            if form.effects:
                assert picture is not None
                sink.write(order.effects.draw(picture, masks), no_masks(masks.frame_index, like.size))
            else:
                sink.write(picture, masks)
            yield


def _drawn(order: Order, frames: Frames, folder: Path) -> Iterator[None]:
    with output_errors(folder):
        folder.mkdir()
    for picture, masks in frames:
        assert picture is not None
        write_image(folder / f"{masks.frame_index:05d}.png", order.effects.draw(picture, masks))
        yield


def _frames(desk: Desk, job: Job, order: Order, subject: Subject, source: RecordedSource) -> Frames:
    cleaning = Cleaning.of(subject.project)
    pictures = EXPORT_FORMS[order.form].pictures
    assert order.start is not None
    assert order.end is not None
    for first in range(order.start, order.end, CHUNK):
        last = min(first + CHUNK, order.end)
        found = desk.record.frames(job.project_id, first, last, order.objects, subject.at)
        rows = cleaning.rows(found, source.size, desk.clean)
        for index in range(first, last):
            masks = frame_masks(index, [row for row in rows if row.frame == index], source.size)
            with by_name(subject.media):
                picture = source[index] if pictures else None
            yield picture, masks
            job.done += 1


def _zipped(folder: Path, files: Sequence[Path], target: Path) -> Iterator[None]:
    """One zip file of files that are compressed already."""
    with output_errors(target), zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for file in files:
            archive.write(file, f"{folder.name}/{file.relative_to(folder).as_posix()}")
            file.unlink()
            yield


def exported(desk: Desk, job_id: str, name: str) -> Path:
    """The file of a finished export; `NotFoundError` if there is none of that name."""
    job = desk.jobs.job(job_id)
    path = desk.settings.exports / job.id / name
    if job.kind != "export" or job.state != "done" or job.result is None or job.result["name"] != name:
        raise NotFoundError("there is no such export")
    if not path.is_file():
        raise NotFoundError("the file of this export is gone: export again")
    return path


def _remove_old(desk: Desk) -> None:
    """Remove the files of jobs that are forgotten."""
    for folder in desk.settings.exports.iterdir():
        if not desk.jobs.knows(folder.name):
            shutil.rmtree(folder, ignore_errors=True)


def form_entries() -> list[dict[str, Any]]:
    """The forms as the page takes them."""
    return [
        {
            "form": key,
            "label": form.label,
            "note": form.note,
            "kind": form.kind,
            "effects": form.effects,
            "ending": "." + key.rpartition(".")[2] if "." in key and form.name else ".zip",
        }
        for key, form in EXPORT_FORMS.items()
    ]
