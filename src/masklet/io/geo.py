"""GeoTIFF stacks: bands as channels or as frames, with their georeference."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Shaped

from masklet.errors import MediaError, needs
from masklet.io.axes import AxisChoice
from masklet.io.images import check_pixels, media_errors
from masklet.io.intensity import Percentiles
from masklet.io.source import GeoReference
from masklet.io.stack import Stack

if TYPE_CHECKING:
    from rasterio.io import DatasetReader

BAND_AXIS = "band"


class GeoStack(Stack):
    """A GeoTIFF; pixels excluded by its mask or no-data value have no value, and are shown black.

    Args:
        path: the file.
        choice: "band" makes each band a frame; by default there is one frame, and the bands are its channels.
    """

    def __init__(self, path: Path, choice: AxisChoice | None = None) -> None:
        with needs("geo", path):
            import rasterio  # noqa: PLC0415  an extra
            from rasterio.enums import ColorInterp  # noqa: PLC0415
        self.name = str(path)
        with media_errors(path):
            self._file: DatasetReader = rasterio.open(path.resolve(), driver="GTiff")
        try:
            check_pixels(self.name, self._file.height, self._file.width)
            dtypes = {np.dtype(dtype) for dtype in self._file.dtypes}
            if any(dtype.kind not in "uif" for dtype in dtypes):
                raise MediaError(f"expected real numbers, got {', '.join(map(str, dtypes))}: {path}")
            if choice and (choice.at or choice.frame not in ("", BAND_AXIS)):
                raise MediaError(f"expected the axis {BAND_AXIS!r} or none for a GeoTIFF, got {choice.frame!r}: {path}")
        except BaseException:
            self._file.close()
            raise
        self._bands_are_frames = bool(choice and choice.frame)
        self.num_frames = self._file.count if self._bands_are_frames else 1
        self.size = (self._file.height, self._file.width)
        names = tuple(name or "" for name in self._file.descriptions)
        colors = tuple(self._file.colorinterp[:3])
        self.is_color = not self._bands_are_frames and colors == (ColorInterp.red, ColorInterp.green, ColorInterp.blue)
        self.channels = ("",) if self._bands_are_frames else names
        self.frame_names = names if self._bands_are_frames else (path.name,)
        self.scale = (0.0, 255.0) if dtypes == {np.dtype(np.uint8)} else Percentiles(2, 98)
        if self._file.crs is not None:
            a, b, c, d, e, f = self._file.transform[:6]
            self.georeference = GeoReference(crs=self._file.crs.to_wkt(), transform=(a, b, c, d, e, f))

    def read(self, frame: int, channels: Sequence[int]) -> Shaped[np.ndarray, "h w k"]:
        bands = [frame + 1] if self._bands_are_frames else [channel + 1 for channel in channels]
        with media_errors(self.name):
            values = self._file.read(bands, masked=True)
        planes = np.moveaxis(np.ma.getdata(values), 0, 2)
        missing = np.ma.getmaskarray(values)
        return np.where(np.moveaxis(missing, 0, 2), np.nan, planes) if missing.any() else planes

    def close(self) -> None:
        self._file.close()
