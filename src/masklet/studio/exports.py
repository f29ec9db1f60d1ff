"""Exports as jobs: every format that `masklet.io` writes, and images with effects, frame by frame."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from masklet.errors import FrameRangeError
from masklet.io import RecordedSource, open_writer
from masklet.io.atomic import output_errors
from masklet.io.images import write_image
from masklet.io.outputs import FOLDER, FORMATS, Format
from masklet.io.palette import Color
from masklet.io.result_builder import Provenance
from masklet.io.video_writer import VIDEO_FORMATS
from masklet.studio.effects import frame_masks, object_colors
from masklet.studio.errors import BusyError, ConflictError, NotFoundError
from masklet.studio.jobs import Job, JobSteps
from masklet.studio.library import hide_path, open_listed, safe_name
from masklet.studio.revisions import Pin
from masklet.studio.schemas import ExportIn
from masklet.studio.services import Services
from masklet.studio.tables import MediaRow, ProjectRow
from masklet.types import FrameMasks, ObjectId, RgbImage

MAX_EXPORTS = 4
"""Exports of one project that are running or waiting."""

CHUNK = 64
"""Frames whose masks are read from the database at once."""

Kind = Literal["video", "images", "mattes", "annotation", "measurements", "map"]

_DESCRIPTIONS: dict[str, tuple[Kind, str, str]] = {
    "overlay": ("video", "Video as on the screen", ""),
    "alpha": ("mattes", "Cut-out", "PNG images with a transparent background"),
    "png": ("mattes", "Gray mattes", "8 bit, a folder for each object"),
    "tiff": ("mattes", "Fine mattes", "16 bit, a folder for each object"),
    "exr": ("mattes", "OpenEXR mattes", "a channel for each object"),
    "rle": ("annotation", "masklet", "masks, names and scores"),
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
    "csv": ("measurements", "Table", "area, position and shape in each frame"),
    "parquet": ("measurements", "Table for data tools", "the same columns"),
    "geotiff": ("map", "GeoTIFF", "label maps"),
    "geojson": ("map", "GeoJSON", "outlines in longitude and latitude"),
    "geopackage": ("map", "GeoPackage", "outlines in the coordinate system of the map"),
}
"""Kind, label and note of each format, in the order in which the page lists them."""

_NOTES = {
    ("overlay", ".mp4"): "plays everywhere",
    ("overlay", ".mov"): "for editing",
    ("overlay", ".mkv"): "open container",
    ("overlay", ".webm"): "for web pages",
    ("alpha", ".mov"): "ProRes 4444 with transparency, for editing",
    ("alpha", ".webm"): "VP9 with transparency, for web pages",
}
"""Notes of formats with several suffixes."""


@dataclass(frozen=True, kw_only=True)
class ExportFormat:
    """One format of exports.

    Attributes:
        name: of the format in `masklet.io.outputs`; "" for images that are drawn here.
        suffix: of the file; with a slash at the end a folder is written and zipped.
    """

    label: str
    note: str
    kind: Kind
    name: str
    suffix: str
    effects: bool = False
    images: bool = True


def _export_format(one: Format, suffix: str) -> ExportFormat:
    kind, label, note = _DESCRIPTIONS.get(one.name, ("annotation", one.name, one.summary))
    return ExportFormat(
        label=label,
        note=_NOTES.get((one.name, suffix), note),
        kind=kind,
        name=one.name,
        suffix=suffix if one.name == "overlay" else f".{one.name}{suffix}",
        effects=one.name == "overlay",
        images=one.needs_frames or suffix in VIDEO_FORMATS or kind == "measurements",
    )


def _export_formats() -> dict[str, ExportFormat]:
    """Collect the formats by key: overlay videos, overlay images, then the others as described above."""
    order = {name: place for place, name in enumerate(_DESCRIPTIONS)}
    found = {
        one.name + ("" if suffix == FOLDER else suffix): _export_format(one, suffix)
        for one in sorted(FORMATS.values(), key=lambda one: order.get(one.name, len(order)))
        for suffix in one.suffixes
    }
    images = ExportFormat(label="Images as on the screen", note="", kind="images", name="", suffix="/", effects=True)
    videos = {key: one for key, one in found.items() if one.name == "overlay"}
    return videos | {"overlay.png": images} | found


EXPORT_FORMATS = _export_formats()


def start_export(services: Services, project_id: str, request: ExportIn) -> Job:
    """Queue an export of the present revision of a project.

    Raises:
        NotFoundError: there is no such project, format or object.
        ConflictError: the project is being tracked, so that its masks are still changing.
        FrameRangeError: the range is empty or outside the media.
        BusyError: too many exports of the project are waiting.
    """
    if request.format not in EXPORT_FORMATS:
        raise NotFoundError(f"expected one of the formats {', '.join(EXPORT_FORMATS)}, got {request.format[:40]!r}")
    pin = services.revisions.pin(project_id)
    if services.jobs.active(project_id, "track"):  # jobs that start later write to a later revision
        raise ConflictError("the project is being tracked: cancel that job, or wait for its end")
    project, media = services.store.project(project_id)
    start = project.start if request.start is None else request.start
    end = project.end if request.end is None else request.end
    if not 0 <= start < end <= media.num_frames:
        raise FrameRangeError(f"expected 0 <= start < end <= {media.num_frames}, got start {start} and end {end}")
    objects = services.revisions.objects(project_id, at=pin)
    missing = sorted(set(request.objects or ()) - {row.object_id for row in objects})
    if missing:
        raise NotFoundError(f"there is no object {missing[0]} in this project")
    if len(services.jobs.active(project_id, "export")) >= MAX_EXPORTS:
        raise BusyError(f"{MAX_EXPORTS} exports of this project are waiting: cancel one, or wait")
    for folder in services.settings.exports.iterdir():
        if services.jobs.project_of(folder.name) is None:
            shutil.rmtree(folder, ignore_errors=True)
    job = Job(project_id=project_id, kind="export", total=end - start)
    export = Export(services, job, request, object_colors(objects), project, media, pin, range(start, end))
    return services.jobs.start(job, services.exporter, export.steps)


@dataclass(frozen=True)
class Export:
    """One export of a project at a revision: later edits and undo do not change what is written.

    Attributes:
        colors, project, media: as they were when the export was requested.
    """

    services: Services
    job: Job
    request: ExportIn
    colors: Mapping[ObjectId, Color]
    project: ProjectRow
    media: MediaRow
    pin: Pin
    frames: range

    def steps(self) -> JobSteps:
        """Write the file, one frame at a step."""
        format_ = EXPORT_FORMATS[self.request.format]
        folder = self.services.settings.exports / self.job.id
        with output_errors(folder):
            folder.mkdir()
        path = folder / (safe_name(self.project.name) + format_.suffix)
        with open_listed(self.media) as source:
            yield from self._write(format_, path, source) if format_.name else self._write_images(path, source)
        file = path
        if path.is_dir():
            files = sorted(each for each in path.rglob("*") if each.is_file())
            file = folder / f"{path.name}{files[0].suffix if len(files) == 1 else '.zip'}"
            if len(files) == 1:
                files[0].replace(file)
            else:
                yield from _zipped(path, files, file)
            shutil.rmtree(path)
        url = f"/api/exports/{self.job.id}/{quote(file.name)}"
        return {"url": url, "name": file.name, "bytes": file.stat().st_size}

    def _write(self, format_: ExportFormat, path: Path, source: RecordedSource) -> Iterator[None]:
        """Write with a writer of `masklet.io`; frames with effects come without masks: nothing is drawn on them."""
        wanted = self.request.objects
        revisions, project_id = self.services.revisions, self.project.id
        rows = revisions.objects(project_id, at=self.pin)
        names = {row.object_id: row.name for row in rows if wanted is None or row.object_id in wanted}
        prompted = revisions.prompted_frames(project_id, self.pin)
        provenance = Provenance(
            names=names,
            prompted={i: tuple(frames) for i, frames in prompted.items() if i in names},
            model=self.services.devices[0].model.config.full_name,
        )
        target = f"{path}/" if format_.suffix.endswith(FOLDER) else str(path)
        with open_writer(target, format=format_.name, like=source, provenance=provenance) as sink:
            for image, masks in self._read(source, with_images=format_.images):
                if format_.effects:
                    assert image is not None
                    drawn = self.request.effects.draw(image, masks, self.colors)
                    sink.write(drawn, frame_masks(masks.frame_index, [], source.size))
                else:
                    sink.write(image, masks)
                yield

    def _write_images(self, folder: Path, source: RecordedSource) -> Iterator[None]:
        with output_errors(folder):
            folder.mkdir()
        for image, masks in self._read(source, with_images=True):
            assert image is not None
            write_image(folder / f"{masks.frame_index:05d}.png", self.request.effects.draw(image, masks, self.colors))
            yield

    def _read(self, source: RecordedSource, *, with_images: bool) -> Iterator[tuple[RgbImage | None, FrameMasks]]:
        for first in range(self.frames.start, self.frames.stop, CHUNK):
            last = min(first + CHUNK, self.frames.stop)
            stored = self.services.revisions.frames(self.project.id, first, last, self.request.objects, self.pin)
            rows = self.services.cleaned(self.project, stored, source.size)
            for index in range(first, last):
                masks = frame_masks(index, [row for row in rows if row.frame == index], source.size)
                with hide_path(self.media):
                    image = source[index] if with_images else None
                yield image, masks
                self.job.done += 1


def _zipped(folder: Path, files: Sequence[Path], target: Path) -> Iterator[None]:
    """Move files into one zip archive, without compressing them again."""
    with output_errors(target), zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for file in files:
            archive.write(file, f"{folder.name}/{file.relative_to(folder).as_posix()}")
            file.unlink()
            yield


def export_file(services: Services, job_id: str, name: str) -> Path:
    """Return the file of a finished export; raise `NotFoundError` if there is none of that name."""
    job = services.jobs.job(job_id)
    path = services.settings.exports / job.id / name
    if job.kind != "export" or job.state != "done" or job.result is None or job.result["name"] != name:
        raise NotFoundError(f"there is no export {name[:80]!r}")
    if not path.is_file():
        raise NotFoundError("the file of this export was removed: export again")
    return path


def formats_json() -> list[dict[str, Any]]:
    """Return the formats as the API lists them."""
    return [
        {
            "format": key,
            "label": one.label,
            "note": one.note,
            "kind": one.kind,
            "effects": one.effects,
            "suffix": "." + key.rpartition(".")[2] if "." in key and one.name else ".zip",
        }
        for key, one in EXPORT_FORMATS.items()
    ]
