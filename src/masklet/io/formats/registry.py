"""The forms in which results can be written and read: one table, chosen from by name, suffix or content."""

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
"""Stands for a folder among suffixes."""


@dataclass(frozen=True, kw_only=True)
class OutputOptions:
    """How results look and what they are measured in; each form takes what concerns it.

    Attributes:
        style: of overlay videos.
        edge: how masks become alpha, in mattes and cut-outs.
        calibration: pixel size and time between frames of measurements, in place of what the source tells.
        tolerance: how far polygons may stray to save corners, in pixels.
        audio: whether videos keep the audio of the source.
    """

    style: Style = field(default_factory=Style)
    edge: Edge = field(default_factory=Edge)
    calibration: Calibration | None = None
    tolerance: float = 0.0
    audio: bool = True


@dataclass(frozen=True, kw_only=True)
class Format:
    """One form of results.

    Attributes:
        name: as in ``--to`` and in file names (``dog.coco.json``).
        summary: a line for people.
        suffixes: of its files, the usual one first; `FOLDER` for a folder.
        writer: makes the writer of a path with a suffix.
        takes: the fields of `OutputOptions` that concern it, by the writer's argument.
        read: the way back, or None.
        loses: what does not come back equal, or "".
        needs_frames: whether it cannot be written without the frames.
    """

    name: str
    summary: str
    suffixes: tuple[str, ...]
    writer: Callable[..., Writer]
    takes: tuple[str, ...] = ()
    read: Callable[[Path], Result] | None = None
    loses: str = ""
    needs_frames: bool = False

    @property
    def is_folder(self) -> bool:
        """Whether it is always a folder."""
        return self.suffixes == (FOLDER,)

    def file_name(self, stem: str) -> str:
        """What a result is called where nobody says: ``dog.coco.json``, ``dog.yolo/``."""
        suffix = self.suffixes[0]
        return f"{stem}.{self.name}/" if suffix == FOLDER else f"{stem}.{self.name}{suffix}"

    def open(self, path: str, options: OutputOptions, *, overwrite: bool, **about: Any) -> Writer:
        """The writer of a path; ``about`` are ``like`` and ``provenance``."""
        chosen = {name: getattr(options, name) for name in self.takes}
        if self.is_folder:
            chosen["overwrite"] = overwrite
        return self.writer(path, **chosen, **about)


def _alpha(path: str, *, overwrite: bool = False, audio: bool = True, **options: Any) -> Writer:
    """A video, or a folder of pictures."""
    if Path(path).suffix.lower() in CutoutWriter.FORMATS and not path.endswith("/"):
        return CutoutWriter(path, audio=audio, **options)
    return CutoutFolderWriter(path, overwrite=overwrite, **options)


def _coco_polygons(path: str, **options: Any) -> Writer:
    return CocoWriter(path, shape="polygons", **options)


_OVERLAP = "where masks overlap, only the object listed last"
_NO_EMPTY = "objects without a pixel are not told"

_TABLE = (
    Format(
        name="overlay",
        summary="video with the masks drawn in, and the sound of the source",
        suffixes=tuple(VIDEO_FORMATS),
        writer=OverlayWriter,
        takes=("style", "audio"),
        needs_frames=True,
    ),
    Format(
        name="alpha",
        summary="the objects with transparency around: ProRes 4444 (.mov), VP9 (.webm), or a folder of PNG",
        suffixes=(".mov", ".webm", FOLDER),
        writer=_alpha,
        takes=("edge", "audio"),
        needs_frames=True,
    ),
    Format(
        name="png",
        summary="mattes: a folder for each object, 8-bit gray",
        suffixes=(FOLDER,),
        writer=PngMatteWriter,
        takes=("edge",),
        read=read_mattes,
        loses="names",
    ),
    Format(
        name="tiff",
        summary="mattes: a folder for each object, 16-bit gray",
        suffixes=(FOLDER,),
        writer=TiffMatteWriter,
        takes=("edge",),
        read=read_mattes,
        loses="names",
    ),
    Format(
        name="exr",
        summary="mattes: OpenEXR with a channel for each object",
        suffixes=(FOLDER,),
        writer=ExrWriter,
        takes=("edge",),
        read=read_exr_mattes,
    ),
    Format(
        name="rle",
        summary="masklet's own JSON: run lengths, names and scores",
        suffixes=(".json",),
        writer=RleWriter,
        read=read_rle_result,
    ),
    Format(
        name="davis",
        summary="label maps with palette (PNG)",
        suffixes=(FOLDER,),
        writer=LabelMapWriter,
        read=read_label_maps,
        loses=f"names; {_OVERLAP}; {_NO_EMPTY}",
    ),
    Format(
        name="sav",
        summary="SA-V JSON",
        suffixes=(".json",),
        writer=SavWriter,
        read=read_sav_result,
        loses="names; only every fourth frame",
    ),
    Format(
        name="sa1b",
        summary="SA-1B JSON, one for each frame",
        suffixes=(FOLDER,),
        writer=Sa1bWriter,
        read=read_sa1b,
        loses="names",
    ),
    Format(
        name="coco",
        summary="COCO JSON with run lengths, frames and tracks",
        suffixes=(".json",),
        writer=CocoWriter,
        read=read_coco,
    ),
    Format(
        name="coco-polygons",
        summary="COCO JSON with polygons, frames and tracks",
        suffixes=(".json",),
        writer=_coco_polygons,
        takes=("tolerance",),
        read=read_coco,
    ),
    Format(
        name="youtube-vis",
        summary="YouTube-VIS JSON",
        suffixes=(".json",),
        writer=YouTubeVisWriter,
        read=read_youtube_vis,
    ),
    Format(
        name="yolo",
        summary="YOLO segmentation labels",
        suffixes=(FOLDER,),
        writer=YoloWriter,
        takes=("tolerance",),
        read=read_yolo,
    ),
    Format(
        name="mots",
        summary="MOTS text",
        suffixes=(".txt",),
        writer=MotsWriter,
        read=read_mots,
        loses=f"names other than car and pedestrian; {_OVERLAP}; {_NO_EMPTY}; ids above 999 are refused",
    ),
    Format(
        name="label-studio",
        summary="Label Studio tasks with brush strokes",
        suffixes=(".json",),
        writer=LabelStudioWriter,
        read=read_label_studio,
    ),
    Format(
        name="cvat",
        summary='CVAT XML ("CVAT for images 1.1")',
        suffixes=(".xml",),
        writer=CvatWriter,
        read=read_cvat,
    ),
    Format(
        name="labelme",
        summary="LabelMe JSON, one for each frame",
        suffixes=(FOLDER,),
        writer=LabelMeWriter,
        read=read_labelme,
    ),
    Format(
        name="numpy",
        summary="NumPy archive: masks as one array",
        suffixes=(".npz",),
        writer=NpzWriter,
        read=read_npz,
    ),
    Format(
        name="csv",
        summary="measurements",
        suffixes=(".csv",),
        writer=CsvWriter,
        takes=("calibration",),
    ),
    Format(
        name="parquet",
        summary="measurements",
        suffixes=(".parquet",),
        writer=ParquetTableWriter,
        takes=("calibration",),
    ),
    Format(
        name="ctc",
        summary="Cell Tracking Challenge: label maps and res_track.txt",
        suffixes=(FOLDER,),
        writer=CtcWriter,
        read=read_ctc,
        loses=f"names; {_OVERLAP}; {_NO_EMPTY}",
    ),
    Format(
        name="geotiff",
        summary="label maps with their place on the map",
        suffixes=(FOLDER,),
        writer=GeoTiffWriter,
        read=read_geotiff,
        loses=f"names; {_OVERLAP}; {_NO_EMPTY}",
    ),
    Format(
        name="geojson",
        summary="polygons in longitude and latitude, with area on the ground",
        suffixes=(".geojson",),
        writer=GeoJsonWriter,
    ),
    Format(
        name="geopackage",
        summary="polygons in the map's own system, with area on the ground",
        suffixes=(".gpkg",),
        writer=GeoPackageWriter,
    ),
)

FORMATS: dict[str, Format] = {form.name: form for form in _TABLE}
"""Every form by its name."""

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
"""What a name without a form in it stands for, by suffix; "" is a folder."""
