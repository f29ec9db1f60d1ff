"""Tables of measurements, CSV or Parquet: one row per object and frame."""

from __future__ import annotations

import contextlib
import csv
import math
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple, Unpack

import numpy as np
from jaxtyping import Shaped

from masklet.errors import needs
from masklet.io.formats.geospatial import date_in_name, ground_area
from masklet.io.source import Calibration
from masklet.io.writer import StrPath, Writer, WriterOptions
from masklet.masks.measures import mean_values, measure
from masklet.types import FrameMasks, ObjectId, RgbImage

if TYPE_CHECKING:
    from pyarrow.parquet import ParquetWriter

ROWS_AT_A_TIME = 20_000
Row = dict[str, Any]

_COLUMNS: dict[str, type] = {
    "frame": int,
    "time_s": float,
    "date": str,
    "object_id": int,
    "name": str,
    "present": bool,
    "presence": float,
    "iou": float,
}
"""The first columns; see `TableWriter`."""


class _Position(NamedTuple):
    frame: int
    time: float | None
    center: tuple[float, float]


class TableWriter(Writer):
    """Writes measurements as the frames come; a repeated frame is refused.

    ==================  ==================================================================================
    frame, time_s       frame index and time; empty without timestamps
    date                from the file name of the frame, if it has one
    object_id, name     of the object
    present             whether the object has a pixel
    presence, iou       predicted probability that the object is visible, and predicted IoU of the mask
    area                in pixels, or in the unit squared
    area_m2             ground area of georeferenced sources (in an equal-area projection)
    centroid, box       x and y, see `Measures`
    perimeter           by Crofton's formula
    circularity         1 for a disk
    speed               of the centroid since the last frame on which the object was visible
    mean_...            mean of each channel in the mask: original values of stacks, else red, green, blue
    ==================  ==================================================================================

    Column names include the unit, such as ``area_px2`` or ``speed_um_per_s``. Unknown values are empty. ``calibration``
    overrides the pixel size and the frame interval of the source.
    """

    OPTIONS = ("calibration",)

    def __init__(
        self, path: StrPath, *, calibration: Calibration | None = None, **options: Unpack[WriterOptions]
    ) -> None:
        super().__init__(path, **options)
        like = options.get("like")
        source: Calibration = getattr(like, "calibration", None) or Calibration()
        if calibration is not None:
            source = replace(
                source,
                pixel_size=calibration.pixel_size or source.pixel_size,
                unit=calibration.unit if calibration.pixel_size else source.unit,
                frame_interval=calibration.frame_interval or source.frame_interval,
            )
        self._interval = source.frame_interval
        self._given_interval = calibration is not None and calibration.frame_interval is not None
        self._pixel = source.pixel_size or (1.0, 1.0)
        self._unit = source.unit.replace("µ", "u").replace("μ", "u") if source.pixel_size else "px"
        self._georeference = getattr(like, "georeference", None)
        self._values: Callable[[int], Shaped[np.ndarray, "h w c"]] | None = getattr(like, "values", None)
        self._channels: tuple[str, ...] | None = None
        self._measured: list[str] = []
        self._positions: dict[ObjectId, _Position] = {}

    def _write(self, frame: RgbImage | None, masks: FrameMasks) -> None:
        index = masks.frame_index
        time = self._time(index)
        if self._channels is None:
            self._channels = self._channel_names(frame)
            self._measured = self._measured_columns("frame" if time is None else "s")
            self._start(_COLUMNS | dict.fromkeys(self._measured, float))
        values = self._values(index) if self._values and self._channels else frame
        for place, (object_id, mask) in enumerate(zip(masks.object_ids, masks.masks, strict=True)):
            row: Row = {
                "frame": index,
                "time_s": time,
                "date": date_in_name(self._image_name(index)),
                "object_id": object_id,
                "name": self.provenance.names.get(object_id, ""),
                "present": bool(mask.any()),
                "presence": _known(masks.presence[place]),
                "iou": _known(masks.iou[place]),
            }
            found = measure(mask, self._pixel)
            if found is not None:
                means: list[float | None] = [None] * len(self._channels)
                if self._channels and values is not None:
                    means = [_known(mean) for mean in mean_values(values, mask)]
                ground = () if self._georeference is None else (ground_area(mask, self._georeference),)
                speed = self._speed(object_id, _Position(index, time, found.centroid))
                shape = (found.perimeter, found.circularity, speed)
                measured = (found.area, *ground, *found.centroid, *found.box, *shape, *means)
                row |= zip(self._measured, measured, strict=True)
            self._put(row)

    def _measured_columns(self, per: str) -> list[str]:
        """Return the names of the columns that are empty for absent objects; ``per`` is the unit of time."""
        unit = self._unit
        names = [f"area_{unit}2", *(() if self._georeference is None else ("area_m2",))]
        lengths = ("centroid_x", "centroid_y", "box_x0", "box_y0", "box_x1", "box_y1", "perimeter")
        names += [f"{name}_{unit}" for name in lengths]
        return [*names, "circularity", f"speed_{unit}_per_{per}", *(f"mean_{name}" for name in self._channels or ())]

    def _speed(self, object_id: ObjectId, now: _Position) -> float | None:
        before = self._positions.get(object_id)
        self._positions[object_id] = now
        if before is None:
            return None
        distance = math.dist(before.center, now.center)
        if now.time is None or before.time is None:
            return distance / (now.frame - before.frame) if now.frame > before.frame else None
        return distance / (now.time - before.time) if now.time > before.time else None

    def _channel_names(self, frame: RgbImage | None) -> tuple[str, ...]:
        if self._values is not None:
            names: tuple[str, ...] = getattr(self._like, "channels", ())
            return tuple(name or str(number) for number, name in enumerate(names))
        return () if frame is None else ("red", "green", "blue")

    def _time(self, index: int) -> float | None:
        times: Sequence[float] = () if self._given_interval else getattr(self._like, "timestamps", ())
        if index < len(times):
            return times[index]
        return None if self._interval is None else index * self._interval

    @abstractmethod
    def _start(self, columns: Mapping[str, type]) -> None:
        """Start the table."""

    @abstractmethod
    def _put(self, row: Row) -> None:
        """Write a row; missing columns are empty."""


class CsvWriter(TableWriter):
    """Writes measurements as CSV (UTF-8, comma-separated); see `TableWriter`."""

    def _start(self, columns: Mapping[str, type]) -> None:
        self._file = self._output.path.open("w", encoding="utf-8", newline="")
        self._rows = csv.DictWriter(self._file, list(columns), restval="", lineterminator="\n")
        self._rows.writeheader()

    def _put(self, row: Row) -> None:
        self._rows.writerow({name: _text(value) for name, value in row.items()})

    def _complete(self) -> None:
        self._file.close()

    def _close_output(self) -> None:
        if hasattr(self, "_file"):
            with contextlib.suppress(OSError):  # the temporary file is deleted anyway
                self._file.close()


class ParquetTableWriter(TableWriter):
    """Writes measurements as Parquet; see `TableWriter`. Needs the extra "tables"."""

    def __init__(self, path: StrPath, **options: Any) -> None:
        with needs("tables", path):
            import pyarrow.parquet  # noqa: F401, PLC0415
        super().__init__(path, **options)
        self._pending: list[Row] = []
        self._table: ParquetWriter | None = None

    def _start(self, columns: Mapping[str, type]) -> None:
        import pyarrow as pa  # noqa: PLC0415
        from pyarrow.parquet import ParquetWriter  # noqa: PLC0415

        kinds = {int: pa.int64(), float: pa.float64(), str: pa.string(), bool: pa.bool_()}
        self._schema = pa.schema([(name, kinds[kind]) for name, kind in columns.items()])
        self._table = ParquetWriter(self._output.path, self._schema)

    def _put(self, row: Row) -> None:
        self._pending.append(row)
        if len(self._pending) >= ROWS_AT_A_TIME:
            self._flush()

    def _flush(self) -> None:
        import pyarrow as pa  # noqa: PLC0415

        if self._table is not None:
            self._table.write_table(pa.Table.from_pylist(self._pending, schema=self._schema))
            self._pending = []

    def _complete(self) -> None:
        self._flush()
        if self._table is not None:
            self._table.close()

    def _close_output(self) -> None:
        if self._table is not None and self._table.is_open:
            with contextlib.suppress(OSError):  # the temporary file is deleted anyway
                self._table.close()


def _known(score: np.floating[Any]) -> float | None:
    """Return the shortest decimal that is the same number; None for NaN."""
    return None if np.isnan(score) else float(str(score))


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(int(value))
    return f"{round(value, 6):.15g}" if isinstance(value, float) else str(value)
