"""Georeferenced results: GeoTIFF label maps, polygons as GeoJSON or GeoPackage, and areas on the ground."""

from __future__ import annotations

import contextlib
import datetime
import importlib
import io
import json
import math
import os
import re
from abc import abstractmethod
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar, Unpack

import numpy as np
from jaxtyping import Bool, Float64

from masklet.errors import FormatError, OutputError, needs
from masklet.io.images import natural_key
from masklet.io.palette import color_of
from masklet.io.result_builder import Result, ResultBuilder, VideoLike
from masklet.io.source import GeoReference
from masklet.io.writer import FolderOptions, FolderWriter, StrPath, Writer, WriterOptions
from masklet.masks.polygons import polygons_of_mask, signed_area
from masklet.types import MAX_MASK_PIXELS, FrameMasks, RgbImage

EQUAL_AREA = "EPSG:6933"
"""A cylindrical equal-area projection of the whole earth, in meters."""

LONGITUDE_LATITUDE = "OGC:CRS84"
"""The CRS of GeoJSON (RFC 7946)."""

LAYER = "masks"
_DATE = re.compile(r"(?<!\d)((?:19|20)\d\d)([-_.]?)(0[1-9]|1[0-2])\2(0[1-9]|[12]\d|3[01])(?!\d)")
DECIMALS = 8
"""Decimals of degrees: about a millimeter."""


def reference_of(like: VideoLike | None, path: str | os.PathLike[str]) -> GeoReference:
    """Return the georeference of a source; `OutputError` if it has none with a known CRS. Needs rasterio."""
    from rasterio.crs import CRS  # noqa: PLC0415

    place = getattr(like, "georeference", None)
    if not isinstance(place, GeoReference):
        raise OutputError(f"cannot write {path}: the frames have no georeference (expected GeoTIFF with a CRS)")
    try:
        CRS.from_user_input(place.crs)
    except ValueError:  # CRSError and the errors of its parser
        raise OutputError(f"cannot write {path}: expected a known CRS of the frames, got {place.crs[:60]!r}") from None
    return place


class GeoTiffWriter(FolderWriter):
    """Writes a folder with one label map per frame, named like its image, with its CRS and transform.

    Label maps are 8-bit with the palette, 16-bit with ids above 255; 0 is "no data". Under an overlap, the object
    listed last is visible. Needs the extra "geo".
    """

    FILE_PATTERN = re.compile(r"[^/]+\.tif")

    def __init__(self, path: StrPath, **options: Unpack[FolderOptions]) -> None:
        with needs("geo", path):
            import rasterio  # noqa: F401, PLC0415
        self._place = reference_of(options.get("like"), path)
        super().__init__(path, **options)

    def _write(self, frame: RgbImage | None, masks: FrameMasks) -> None:
        from rasterio.io import MemoryFile  # noqa: PLC0415
        from rasterio.transform import Affine  # noqa: PLC0415

        labels = self._label_map(masks)
        height, width = labels.shape
        with MemoryFile() as memory:
            with memory.open(
                driver="GTiff",
                height=height,
                width=width,
                count=1,
                dtype=labels.dtype.name,
                crs=self._place.crs,
                transform=Affine(*self._place.transform),
                nodata=0,
                compress="deflate",
            ) as file:
                file.write(labels, 1)
                if labels.dtype == np.uint8:
                    file.write_colormap(1, {i: (*color_of(i), 255) for i in range(1, 256)} | {0: (0, 0, 0, 0)})
            stem = PurePosixPath(self._image_name(masks.frame_index)).stem
            self._new_file(f"{stem}.tif").write_bytes(memory.read())


def read_geotiff(folder: str | os.PathLike[str]) -> Result:
    """Read a folder of label maps written by `GeoTiffWriter`; frames are in natural order of the names."""
    with needs("geo", folder):
        import rasterio  # noqa: PLC0415
    files = sorted(Path(folder).glob("*.tif"), key=lambda file: natural_key(file.name))
    if not files:
        raise FormatError(f"expected label maps as GeoTIFF, found none: {folder}")
    builder = ResultBuilder()
    for index, path in enumerate(files):
        try:
            with rasterio.open(path, driver="GTiff") as file:
                deep = file.count != 1 or file.dtypes[0] not in ("uint8", "uint16")
                if deep or file.width * file.height > MAX_MASK_PIXELS:
                    raise FormatError(f"expected one band of 8 or 16 bits: {path}")
                labels = file.read(1)
        except rasterio.errors.RasterioError as error:
            raise FormatError(f"cannot read {path}: {error}") from error
        builder.add_label_map(index, labels)
    builder.fill_missing()
    return builder.build(frame_names=tuple(file.name for file in files))


class _MapWriter(Writer):
    """Writes one polygon feature per object and frame, with its attributes, where the object has a pixel."""

    CRS: ClassVar[str | None] = None
    LIBRARIES: ClassVar[tuple[str, ...]] = ("rasterio",)

    def __init__(self, path: StrPath, **options: Unpack[WriterOptions]) -> None:
        with needs("geo", path):
            for library in self.LIBRARIES:
                importlib.import_module(library)
        self._place = reference_of(options.get("like"), path)
        super().__init__(path, **options)

    def _write(self, frame: RgbImage | None, masks: FrameMasks) -> None:
        index = masks.frame_index
        scores = zip(masks.presence.tolist(), masks.iou.tolist(), strict=True)
        for object_id, mask, (presence, iou) in zip(masks.object_ids, masks.masks, scores, strict=True):
            if mask.any():
                attributes = {
                    "object_id": object_id,
                    "name": self.provenance.names.get(object_id, ""),
                    "frame": index,
                    "date": date_in_name(self._image_name(index)) or "",
                    "area_m2": ground_area(mask, self._place),
                    "presence": None if math.isnan(presence) else round(presence, 6),
                    "iou": None if math.isnan(iou) else round(iou, 6),
                }
                self._put(outlines(mask, self._place, self.CRS), attributes)

    @abstractmethod
    def _put(self, regions: list[list[np.ndarray]], attributes: dict[str, Any]) -> None:
        """Write one feature: its regions, each the outer ring and those of holes, and its attributes."""


class GeoJsonWriter(_MapWriter):
    """Writes polygons as GeoJSON in longitude and latitude (RFC 7946), with object, frame, date, area and scores.

    Needs the extra "geo".
    """

    CRS = LONGITUDE_LATITUDE
    _started = False

    def _put(self, regions: list[list[np.ndarray]], attributes: dict[str, Any]) -> None:
        coordinates = [[np.round(ring, DECIMALS).tolist() for ring in rings] for rings in regions]
        geometry = {"type": "MultiPolygon", "coordinates": coordinates}
        feature = {"type": "Feature", "properties": attributes, "geometry": geometry}
        text = json.dumps(feature, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        self._append((",\n" if self._started else "") + text)

    def _append(self, text: str) -> None:
        with self._output.path.open("a", encoding="utf-8") as file:
            file.write(("" if self._started else '{"type":"FeatureCollection","features":[\n') + text)
        self._started = True

    def _complete(self) -> None:
        self._append("\n]}\n")


class GeoPackageWriter(_MapWriter):
    """Writes polygons as a GeoPackage in the CRS of the source, layer "masks"; needs the extra "geo"."""

    LIBRARIES = ("rasterio", "pyogrio", "shapely")

    def __init__(self, path: StrPath, **options: Unpack[WriterOptions]) -> None:
        super().__init__(path, **options)
        self._shapes: list[bytes] = []
        self._attributes: list[dict[str, Any]] = []

    def _put(self, regions: list[list[np.ndarray]], attributes: dict[str, Any]) -> None:
        import shapely  # noqa: PLC0415

        self._shapes.append(shapely.to_wkb(shapely.MultiPolygon([(rings[0], rings[1:]) for rings in regions])))
        self._attributes.append(attributes)

    def _complete(self) -> None:
        import pyogrio.raw  # noqa: PLC0415

        kinds = {"object_id": np.int64, "name": object, "frame": np.int64, "date": object}
        kinds |= dict.fromkeys(("area_m2", "presence", "iou"), np.float64)
        file = io.BytesIO()  # written to a path, GDAL does not report a full disk
        pyogrio.raw.write(
            file,
            np.array(self._shapes, object),
            [np.array([attributes[name] for attributes in self._attributes], kind) for name, kind in kinds.items()],
            list(kinds),
            geometry_type="MultiPolygon",
            crs=self._place.crs,
            driver="GPKG",
            layer=LAYER,
        )
        self._output.path.write_bytes(file.getbuffer())


def date_in_name(name: str) -> str | None:
    """Return the first date in a file name, written as 2024-05-31, 2024_05_31 or 20240531, as 2024-05-31, or None."""
    for match in _DATE.finditer(name):
        year, _, month, day = match.groups()
        with contextlib.suppress(ValueError):  # such as February 30
            return datetime.date(int(year), int(month), int(day)).isoformat()
    return None


def ground_area(mask: Bool[np.ndarray, "h w"], place: GeoReference) -> float:
    """Return the area of a mask in square meters, computed in an equal-area projection; needs rasterio."""
    regions = outlines(mask, place, EQUAL_AREA)
    return float(sum(sum(signed_area(ring[:-1]) for ring in rings) for rings in regions))


def outlines(
    mask: Bool[np.ndarray, "h w"], place: GeoReference, crs: str | None = None
) -> list[list[Float64[np.ndarray, "n 2"]]]:
    """Return the regions of a mask in map coordinates, each as closed rings: the outer ring, then the holes.

    Outer rings are counterclockwise and holes clockwise with y upward, as in GeoJSON. ``crs`` is the target CRS, by
    default that of the image; another one needs rasterio.
    """
    a, b, c, d, e, f = place.transform
    regions = []
    for polygon in polygons_of_mask(mask):
        rings = []
        for number, ring in enumerate(polygon.rings):
            x, y = ring[:, 0], ring[:, 1]
            corners = np.stack([a * x + b * y + c, d * x + e * y + f], axis=1)
            if crs is not None:
                corners = _reprojected(corners, place.crs, crs)
            if (signed_area(corners) > 0) == bool(number):
                corners = corners[::-1]
            rings.append(np.concatenate([corners, corners[:1]]))
        regions.append(rings)
    return regions


def _reprojected(corners: Float64[np.ndarray, "n 2"], old: str, new: str) -> Float64[np.ndarray, "n 2"]:
    with needs("geo", "a georeference"):
        from rasterio.warp import transform  # noqa: PLC0415
    x, y = transform(_crs(old), _crs(new), corners[:, 0].tolist(), corners[:, 1].tolist())[:2]
    return np.array([x, y]).T


@lru_cache(maxsize=64)
def _crs(text: str) -> Any:
    from rasterio.crs import CRS  # noqa: PLC0415

    return CRS.from_user_input(text)
