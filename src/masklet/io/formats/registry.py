"""The registry of output formats: the name, suffixes, writer and reader of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from masklet.io.encoder import VIDEO_FORMATS
from masklet.io.formats.arrays import NpzWriter, read_npz
from masklet.io.formats.coco import CocoWriter, YouTubeVisWriter, read_coco, read_youtube_vis
from masklet.io.formats.ctc import CtcWriter, read_ctc
from masklet.io.formats.cvat import CvatWriter, read_cvat
from masklet.io.formats.davis import LabelMapWriter, read_label_maps
from masklet.io.formats.exr_mattes import ExrWriter, read_exr_mattes
from masklet.io.formats.geospatial import GeoJsonWriter, GeoPackageWriter, GeoTiffWriter, read_geotiff
from masklet.io.formats.label_studio import LabelStudioWriter, read_label_studio
from masklet.io.formats.labelme import LabelMeWriter, read_labelme
from masklet.io.formats.mots import MotsWriter, read_mots
from masklet.io.formats.rle_json import RleWriter, read_rle_result
from masklet.io.formats.sa1b import Sa1bWriter, read_sa1b
from masklet.io.formats.sav import SavWriter, read_sav_result
from masklet.io.formats.tables import CsvWriter, ParquetTableWriter
from masklet.io.formats.yolo import YoloWriter, read_yolo
from masklet.io.mattes import CutoutFolderWriter, PngMatteWriter, TiffMatteWriter, read_mattes
from masklet.io.overlay import Style
from masklet.io.result_builder import Result
from masklet.io.source import Calibration
from masklet.io.video_writer import CutoutWriter, OverlayWriter
from masklet.io.writer import Writer
from masklet.masks.soft import Edge

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
        writer: creates the writer for a path.
        read: reads a result back, or None.
        options: the fields of `OutputOptions` that ``writer`` accepts.
        loses: what reading back does not restore, or "".
        needs_frames: whether it cannot be written without the frames.
    """

    name: str
    summary: str
    suffixes: tuple[str, ...]
    writer: Callable[..., Writer]
    read: Callable[[Path], Result] | None = None
    options: tuple[str, ...] = ()
    loses: str = ""
    needs_frames: bool = False

    @property
    def is_folder(self) -> bool:
        """Whether it is always a folder."""
        return self.suffixes == (FOLDER,)

    def file_name(self, stem: str) -> str:
        """Return the default name of a result: ``dog.coco.json``, ``dog.yolo/``."""
        return f"{stem}.{self.name}{self.suffixes[0]}"

    def open(self, path: str, options: OutputOptions, *, overwrite: bool, **source: Any) -> Writer:
        """Create the writer for a path; ``source`` are the arguments ``like`` and ``provenance`` of `Writer`."""
        chosen = {name: getattr(options, name) for name in self.options}
        if self.is_folder:
            chosen["overwrite"] = overwrite
        return self.writer(path, **chosen, **source)


def _alpha(path: str, *, overwrite: bool = False, audio: bool = True, **options: Any) -> Writer:
    """Create a writer of a video or, by the path, of a folder of images."""
    if Path(path).suffix.lower() in CutoutWriter.FORMATS and not path.endswith("/"):
        return CutoutWriter(path, audio=audio, **options)
    return CutoutFolderWriter(path, overwrite=overwrite, **options)


def _coco_polygons(path: str, **options: Any) -> Writer:
    return CocoWriter(path, shape="polygons", **options)


_JSON, _FOLDER = (".json",), (FOLDER,)
_OVERLAP = "under an overlap all objects but the one listed last; objects without a pixel"

_TABLE = (
    Format(
        "overlay",
        "video with the masks drawn over the frames, and the audio of the source",
        tuple(VIDEO_FORMATS),
        OverlayWriter,
        options=("style", "audio"),
        needs_frames=True,
    ),
    Format(
        "alpha",
        "objects on a transparent background: ProRes 4444 (.mov), VP9 (.webm), or a folder of PNG",
        (".mov", ".webm", FOLDER),
        _alpha,
        options=("edge", "audio"),
        needs_frames=True,
    ),
    Format(
        "png",
        "mattes: a folder per object, 8-bit gray",
        _FOLDER,
        PngMatteWriter,
        read_mattes,
        options=("edge",),
        loses="names",
    ),
    Format(
        "tiff",
        "mattes: a folder per object, 16-bit gray",
        _FOLDER,
        TiffMatteWriter,
        read_mattes,
        options=("edge",),
        loses="names",
    ),
    Format("exr", "mattes: OpenEXR with a channel per object", _FOLDER, ExrWriter, read_exr_mattes, options=("edge",)),
    Format("rle", "masklet's own JSON: RLE, names and scores", _JSON, RleWriter, read_rle_result),
    Format(
        "davis", "label maps with palette (PNG)", _FOLDER, LabelMapWriter, read_label_maps, loses=f"names; {_OVERLAP}"
    ),
    Format("sav", "SA-V JSON", _JSON, SavWriter, read_sav_result, loses="names; all but every fourth frame"),
    Format("sa1b", "SA-1B JSON, one file per frame", _FOLDER, Sa1bWriter, read_sa1b, loses="names"),
    Format("coco", "COCO JSON with RLE, frames and tracks", _JSON, CocoWriter, read_coco),
    Format(
        "coco-polygons",
        "COCO JSON with polygons, frames and tracks",
        _JSON,
        _coco_polygons,
        read_coco,
        options=("tolerance",),
    ),
    Format("youtube-vis", "YouTube-VIS JSON", _JSON, YouTubeVisWriter, read_youtube_vis),
    Format("yolo", "YOLO segmentation labels", _FOLDER, YoloWriter, read_yolo, options=("tolerance",)),
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
    Format("csv", "measurements", (".csv",), CsvWriter, options=("calibration",)),
    Format("parquet", "measurements", (".parquet",), ParquetTableWriter, options=("calibration",)),
    Format(
        "ctc",
        "Cell Tracking Challenge: label maps and res_track.txt",
        _FOLDER,
        CtcWriter,
        read_ctc,
        loses=f"names; {_OVERLAP}",
    ),
    Format("geotiff", "georeferenced label maps", _FOLDER, GeoTiffWriter, read_geotiff, loses=f"names; {_OVERLAP}"),
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
