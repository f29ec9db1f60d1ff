"""Output formats: a table of all, and the choice of one by the name of an output, or the content of a result."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from masklet.bounded_json import read_json
from masklet.errors import FormatError, OutputError
from masklet.io.atomic import output_errors
from masklet.io.formats.arrays import NpzWriter, read_npz
from masklet.io.formats.coco import CocoPolygonsWriter, CocoWriter, YouTubeVisWriter, read_coco, read_youtube_vis
from masklet.io.formats.ctc import CtcWriter, read_ctc
from masklet.io.formats.cvat import CvatWriter, read_cvat
from masklet.io.formats.davis import LabelMapWriter, read_label_maps
from masklet.io.formats.geospatial import GeoJsonWriter, GeoPackageWriter, GeoTiffWriter, read_geotiff
from masklet.io.formats.label_studio import LabelStudioWriter, read_label_studio
from masklet.io.formats.labelme import LabelMeWriter, read_labelme
from masklet.io.formats.mattes import (
    CutoutFolderWriter,
    ExrWriter,
    PngMatteWriter,
    TiffMatteWriter,
    read_exr_mattes,
    read_mattes,
)
from masklet.io.formats.mots import MotsWriter, read_mots
from masklet.io.formats.rle_json import RleWriter, read_rle_result
from masklet.io.formats.sa1b import Sa1bWriter, read_sa1b
from masklet.io.formats.sav import SavWriter, read_sav_result
from masklet.io.formats.tables import CsvWriter, ParquetTableWriter
from masklet.io.formats.yolo import YoloWriter, is_yolo_data, read_yolo
from masklet.io.overlay import Style
from masklet.io.result_builder import Provenance, Result, VideoLike
from masklet.io.source import Calibration
from masklet.io.video_writer import VIDEO_FORMATS, CutoutWriter, OverlayWriter
from masklet.io.writer import FolderWriter, Writer
from masklet.masks.soft import Edge

MAX_JSON_BYTES = 2**29

FOLDER = "/"
"""Represents a folder in `Format.suffixes`."""


@dataclass(frozen=True, kw_only=True)
class OutputOptions:
    """Options of output formats; each format uses those that apply to it.

    Attributes:
        style: of overlay videos.
        edge: how masks become alpha, in mattes and cut-outs.
        calibration: pixel size and frame interval of measurements; overrides that of the source.
        tolerance: maximum deviation of simplified polygons, in pixels.
        audio: whether videos keep the audio of the source.
    """

    style: Style = field(default_factory=Style)
    edge: Edge = field(default_factory=Edge)
    calibration: Calibration | None = None
    tolerance: float = 0.0
    audio: bool = True


@dataclass(frozen=True)
class Format:
    """One output format.

    Attributes:
        name: as in ``--to`` and in file names (``dog.coco.json``).
        summary: one line for people.
        suffixes: of its files, the default first; `FOLDER` for a folder.
        writer: the class of its writer; of files, where it can be a file or a folder.
        read: reads a result back, or None. Raises `FormatError` for content that is missing, malformed or inconsistent,
            `MediaError` for unreadable images, and `MissingExtraError` for a missing library.
        folder_writer: the class that writes folders, where it can be a file or a folder.
        loses: what reading back does not restore, or "".
        needs_frames: whether it cannot be written without the frames.
    """

    name: str
    summary: str
    suffixes: tuple[str, ...]
    writer: type[Writer]
    read: Callable[[Path], Result] | None = None
    folder_writer: type[FolderWriter] | None = None
    loses: str = ""
    needs_frames: bool = False

    @property
    def is_folder(self) -> bool:
        """Whether it is always a folder."""
        return self.suffixes == (FOLDER,)

    def file_name(self, stem: str) -> str:
        """Return the default name of a result: ``dog.coco.json``, ``dog.yolo/``."""
        return f"{stem}.{self.name}{self.suffixes[0]}"

    def writes_folder(self, path: str) -> bool:
        """Whether its output at a path is a folder."""
        return FOLDER in self.suffixes and (path.endswith(FOLDER) or Path(path).suffix.lower() not in self.suffixes)

    def open(self, path: str, options: OutputOptions, *, overwrite: bool, **source: Any) -> Writer:
        """Create the writer for a path; ``source`` are the arguments ``like`` and ``provenance`` of `Writer`."""
        as_folder = self.writes_folder(path)
        writer = self.folder_writer if as_folder and self.folder_writer else self.writer
        chosen = {name: getattr(options, name) for name in writer.OPTIONS}
        if as_folder:
            chosen["overwrite"] = overwrite
        return writer(path, **chosen, **source)


_JSON, _FOLDER = (".json",), (FOLDER,)
_OVERLAP = "under an overlap all objects but the one listed last; objects without a pixel"
_LABELS_LOSE = f"names; {_OVERLAP}"

_TABLE = (
    Format(
        "overlay",
        "video with the masks drawn over the frames, and the audio of the source",
        tuple(VIDEO_FORMATS),
        OverlayWriter,
        needs_frames=True,
    ),
    Format(
        "alpha",
        "objects on a transparent background: ProRes 4444 (.mov), VP9 (.webm), or a folder of PNG",
        (".mov", ".webm", FOLDER),
        CutoutWriter,
        folder_writer=CutoutFolderWriter,
        needs_frames=True,
    ),
    Format("png", "mattes: a folder per object, 8-bit gray", _FOLDER, PngMatteWriter, read_mattes, loses="names"),
    Format("tiff", "mattes: a folder per object, 16-bit gray", _FOLDER, TiffMatteWriter, read_mattes, loses="names"),
    Format("exr", "mattes: OpenEXR with a channel per object", _FOLDER, ExrWriter, read_exr_mattes),
    Format("rle", "masklet's own JSON: RLE, names and scores", _JSON, RleWriter, read_rle_result),
    Format("davis", "label maps with palette (PNG)", _FOLDER, LabelMapWriter, read_label_maps, loses=_LABELS_LOSE),
    Format("sav", "SA-V JSON", _JSON, SavWriter, read_sav_result, loses="names; all but every fourth frame"),
    Format("sa1b", "SA-1B JSON, one file per frame", _FOLDER, Sa1bWriter, read_sa1b, loses="names"),
    Format("coco", "COCO JSON with RLE, frames and tracks", _JSON, CocoWriter, read_coco),
    Format("coco-polygons", "COCO JSON with polygons, frames and tracks", _JSON, CocoPolygonsWriter, read_coco),
    Format("youtube-vis", "YouTube-VIS JSON", _JSON, YouTubeVisWriter, read_youtube_vis),
    Format("yolo", "YOLO segmentation labels", _FOLDER, YoloWriter, read_yolo),
    Format(
        "mots",
        "MOTS text",
        (".txt",),
        MotsWriter,
        read_mots,
        loses=f"names other than car and pedestrian; {_OVERLAP}; ids above 999 are refused",
    ),
    Format("label-studio", "Label Studio tasks with brush regions", _JSON, LabelStudioWriter, read_label_studio),
    Format("cvat", 'CVAT XML ("CVAT for images 1.1")', (".xml",), CvatWriter, read_cvat),
    Format("labelme", "LabelMe JSON, one file per frame", _FOLDER, LabelMeWriter, read_labelme),
    Format("numpy", "NumPy archive: masks as one array", (".npz",), NpzWriter, read_npz),
    Format("csv", "measurements", (".csv",), CsvWriter),
    Format("parquet", "measurements", (".parquet",), ParquetTableWriter),
    Format(
        "ctc",
        "Cell Tracking Challenge: label maps and res_track.txt",
        _FOLDER,
        CtcWriter,
        read_ctc,
        loses=_LABELS_LOSE,
    ),
    Format("geotiff", "georeferenced label maps", _FOLDER, GeoTiffWriter, read_geotiff, loses=_LABELS_LOSE),
    Format("geojson", "polygons in longitude and latitude, with ground area", (".geojson",), GeoJsonWriter),
    Format("geopackage", "polygons in the CRS of the source, with ground area", (".gpkg",), GeoPackageWriter),
)

FORMATS: dict[str, Format] = {format.name: format for format in _TABLE}
"""Every output format by its name."""

DEFAULT_FORMATS = {
    **dict.fromkeys(VIDEO_FORMATS, "overlay"),
    ".json": "rle",
    ".txt": "mots",
    ".xml": "cvat",
    ".npz": "numpy",
    ".csv": "csv",
    ".parquet": "parquet",
    ".geojson": "geojson",
    ".gpkg": "geopackage",
    "": "davis",
}
"""The format of a path that does not name one, by suffix; "" is a folder."""


def open_writer(
    path: str | os.PathLike[str],
    *,
    format: str | None = None,
    like: VideoLike | None = None,
    provenance: Provenance | None = None,
    overwrite: bool = False,
    options: OutputOptions | None = None,
) -> Writer:
    """Open a writer; the output format is inferred from the path.

    ``.mp4``, ``.mov``, ``.mkv`` and ``.webm`` are videos with the masks drawn over the frames, ``.json`` holds
    run-length codes with scores, ``.csv`` and ``.parquet`` measurements; a name without a suffix or with a slash at the
    end is a folder of PNG label maps. Other formats are named before the suffix: ``dog.coco.json``, ``dog.alpha.mov``,
    ``dog.yolo/`` (`masklet.io.FORMATS` lists them).

    Args:
        path: the file or folder to write.
        format: name of a format, which overrides the path.
        like: the source of the frames, or a result that was read; supplies names, times, frame rate and frame count.
        provenance: names, prompted frames and model, for formats that can store them.
        overwrite: replace an existing file, or the files of this format in a folder; others stay.
        options: style, alpha edges, calibration and others, for formats that use them.

    Raises:
        OutputError: no known format, the output exists already, or it cannot be written there.
        MissingExtraError: the library of the format is not installed.
    """
    name = os.fspath(path)
    chosen = format_of(name) if format is None else _format_named(format, name)
    check_overwrite(
        Path(name), overwrite=overwrite, source=getattr(like, "path", None), folder=chosen.writes_folder(name)
    )
    return chosen.open(name, options or OutputOptions(), overwrite=overwrite, like=like, provenance=provenance)


def read_result(path: str | os.PathLike[str], *, format: str | None = None) -> Result:
    """Read a result in any readable format.

    Args:
        path: the file or folder.
        format: name of the format; None to recognize it by the name or the content.

    Raises:
        FormatError: missing, of no known format, or not in the given format.
        MissingExtraError: the library of the format is not installed.
    """
    place = Path(path)
    if not place.exists():
        raise FormatError(f"expected a result, found nothing: {path}")
    chosen = _recognize(place) if format is None else _format_named(format, str(path))
    if chosen.read is None:
        readable = ", ".join(name for name, one in FORMATS.items() if one.read)
        raise FormatError(f"results in the format {chosen.name} cannot be read (only {readable}): {path}")
    if place.is_dir() != chosen.is_folder and chosen.name != "sa1b":
        expected, found = ("a folder", "a file") if chosen.is_folder else ("a file", "a folder")
        raise FormatError(f"expected {expected} in the format {chosen.name}, got {found}: {path}")
    return chosen.read(place)


def format_of(name: str) -> Format:
    """Infer the output format from a path; `OutputError` if it has the suffix of no format."""
    suffixes = [suffix.lower() for suffix in Path(name).suffixes[-2:]]
    last = suffixes[-1] if suffixes else ""
    folder_format = FORMATS.get(last[1:])
    if folder_format is not None and FOLDER not in folder_format.suffixes:
        folder_format = None
    is_folder_name = folder_format is not None and folder_format.name not in ("png", "tiff")  # these are suffixes too
    if name.endswith((FOLDER, os.sep)) or not last or is_folder_name:
        return folder_format or FORMATS[DEFAULT_FORMATS[""]]
    inner = FORMATS.get(suffixes[0][1:]) if len(suffixes) == 2 else None
    if inner is not None and last in inner.suffixes:
        return inner
    if last not in DEFAULT_FORMATS:
        known = ", ".join(suffix for suffix in DEFAULT_FORMATS if suffix)
        raise OutputError(
            f"cannot write {name}: expected a name with {known}, or a folder (no suffix, or a slash at the end), "
            f"got {last!r}"
        )
    return FORMATS[DEFAULT_FORMATS[last]]


def _format_named(format: str, path: str) -> Format:
    if format not in FORMATS:
        raise OutputError(f"expected one of the formats {', '.join(FORMATS)}, got {format!r}: {path}")
    return FORMATS[format]


def check_overwrite(path: Path, *, overwrite: bool, source: Path | None = None, folder: bool | None = None) -> None:
    """Raise `OutputError` if the output exists and ``overwrite`` is off, or if it is the ``source`` itself.

    A file where a folder is expected, or the other way round, is left to the writer, which refuses it in any case.
    """
    with output_errors(path):
        if not path.exists() or (folder is not None and path.is_dir() != folder):
            return
        if source is not None and path.samefile(source):
            raise OutputError(f"cannot write {path}: it is the source of the frames")
        if not overwrite and not (path.is_dir() and not any(path.iterdir())):
            raise OutputError(f"cannot write {path}: it exists already (--overwrite, or overwrite=True, replaces it)")


def _recognize(path: Path) -> Format:
    """Recognize the format by the name, else by the content."""
    inner = path.suffixes[-1 if path.is_dir() else -2][1:].lower() if len(path.suffixes) > (not path.is_dir()) else ""
    if inner in FORMATS and (FOLDER in FORMATS[inner].suffixes or path.suffix.lower() in FORMATS[inner].suffixes):
        return FORMATS[inner]
    found = _recognize_folder(path) if path.is_dir() else _recognize_file(path)
    if found is None:
        raise FormatError(f"expected a result in a readable format (name it with format= or --from): {path}")
    return FORMATS[found]


def _recognize_file(path: Path) -> str | None:
    suffix = path.suffix.lower()
    if suffix != ".json":
        return DEFAULT_FORMATS.get(suffix)
    content = read_json(path, object, what="result", max_bytes=MAX_JSON_BYTES)
    if isinstance(content, list):
        return "label-studio"
    if not isinstance(content, dict):
        return None
    if "images" not in content and "videos" in content:
        return "youtube-vis"
    keys = {"schema": "rle", "masklet_id": "sav", "images": "coco", "image": "sa1b"}
    return next((name for key, name in keys.items() if key in content), None)


def _recognize_folder(folder: Path) -> str | None:
    names = [path.relative_to(folder).as_posix() for path in (*folder.glob("*"), *folder.glob("*/*"))]
    if "masklet.json" in names and any(name.startswith("labels") for name in names):
        return "yolo"
    for format in ("ctc", "davis", "png", "tiff", "exr", "geotiff"):
        pattern = getattr(FORMATS[format].writer, "FILE_PATTERN", None)
        if pattern is not None and any(pattern.fullmatch(name) for name in names):
            return format
    if is_yolo_data(folder):
        return "yolo"
    annotations = sorted(folder.glob("*.json"))
    if not annotations:
        return None
    content = read_json(annotations[0], object, what="result", max_bytes=MAX_JSON_BYTES)
    keys = {"shapes": "labelme", "image": "sa1b"}
    return next((name for key, name in keys.items() if isinstance(content, dict) and key in content), None)
