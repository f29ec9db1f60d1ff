"""TIFF stacks through tifffile: more than 8 bits, OME-TIFF, ImageJ and others."""

from __future__ import annotations

import contextlib
import json
import logging
import math
import warnings
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from masklet.errors import MediaError, needs
from masklet.io.axes import ArrayStack, AxisChoice, Index
from masklet.io.images import check_pixels, media_errors
from masklet.io.source import Calibration, MediaWarning

if TYPE_CHECKING:
    import tifffile

TIFF_MAGIC = frozenset({b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"})
_MICROSCOPE_TAGS = frozenset({34412, 33628, 33629})  # Zeiss LSM, MetaMorph STK
_GEO_TAGS = frozenset({33550, 33922, 34264, 34735})
_MICRONS = frozenset({"um", "micron", "microns", "\\u00B5m"})  # as ImageJ writes it
_SECONDS = {"s": 1.0, "sec": 1.0, "ms": 1e-3, "µs": 1e-6, "min": 60.0, "h": 3600.0}

logging.getLogger("tifffile").addHandler(logging.NullHandler())  # keeps its remarks on unusual files off stderr


class TiffHeader:
    """The tags of the first page of a TIFF file, read with Pillow; empty where they cannot be read."""

    def __init__(self, path: Path) -> None:
        self._tags: Mapping[int, Any] = {}
        with contextlib.suppress(Exception), path.open("rb") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a damaged header is reported when the file is read
            magic = file.read(8)
            directory = ImageFileDirectory_v2(magic + (file.read(8) if b"+" in magic[:4] else b""))
            file.seek(directory.next)
            directory.load(file)
            self._tags = dict(directory)

    @property
    def is_geo(self) -> bool:
        """Whether the file is georeferenced."""
        return bool(_GEO_TAGS & self._tags.keys())

    @cached_property
    def is_stack(self) -> bool:
        """Whether it is more than a sequence of images of up to 8 bits."""
        bits, tags = self._tags.get(258, (1,)), self._tags
        if not tags:
            return False
        deep = max(bits if isinstance(bits, tuple) else (bits,)) > 8 or bool(_MICROSCOPE_TAGS & tags.keys())
        return deep or tags.get(277, 1) not in (1, 3, 4) or tags.get(284, 1) != 1 or _has_axes(str(tags.get(270, "")))


def _has_axes(description: str) -> bool:
    """Return whether a description defines axes: of OME, ImageJ, or tifffile beyond (pages, rows, columns, colors)."""
    if description.startswith("ImageJ=") or "<OME" in description[:4096]:
        return True
    try:
        shape = json.loads(description)["shape"] if description.startswith('{"shape"') else []
        return len(shape) > 4 or (len(shape) == 4 and shape[-1] not in (3, 4))
    except (ValueError, KeyError, TypeError):
        return False


class TiffStack(ArrayStack):
    """The first image series of a TIFF file, read straight where it is contiguous, else page by page.

    Axes, channel names, pixel size and time between frames are read from OME, ImageJ and tifffile metadata.
    """

    def __init__(self, path: Path, choice: AxisChoice | None = None) -> None:
        with needs("tiff", path):
            import tifffile  # noqa: PLC0415  an extra
        self._path = path
        with media_errors(path):
            self._file = tifffile.TiffFile(path)
            try:
                self._open(choice or AxisChoice())
            except BaseException:
                self.close()
                raise

    def _open(self, choice: AxisChoice) -> None:
        if not self._file.series:
            raise MediaError(f"no images in {self._path}")
        if len(self._file.series) > 1:
            warnings.warn(
                f"{self._path} holds {len(self._file.series)} images: using the first", MediaWarning, stacklevel=4
            )
        self._series = series = self._file.series[0]
        self._shape = tuple(int(length) for length in series.shape)
        axes, dtype = series.axes.lower(), np.dtype(series.dtype if series.dtype is not None else object)
        self._stored = dtype.newbyteorder(self._file.byteorder)
        self._offset = series.dataoffset
        check_pixels(str(self._path), *(self._shape[axes.find(axis)] for axis in "yx"))
        if self._offset is None:
            page = math.prod(self._shape) // max(1, len(series.pages))
            if page > 8 * 2**28 or math.prod(self._shape[: self._split()]) != len(series.pages):
                raise MediaError(f"the pages of {self._path} do not add up to the shape {self._shape}")
        metadata = _Metadata(self._file)
        super().__init__(
            str(self._path),
            axes,
            self._shape,
            dtype,
            choice,
            channel_names=metadata.channel_names,
            calibration=metadata.calibration(axes, choice.frame),
        )

    def _split(self) -> int:
        """Return how many of the axes count pages; the others lie within a page."""
        count, pages = 1, len(self._series.pages)
        for place, length in enumerate(self._shape):
            if count == pages:
                return place
            count *= length
        return len(self._shape)

    def _take(self, index: Index) -> np.ndarray:
        if self._offset is None:
            return self._from_page(index)
        split = next(place for place, part in enumerate(index) if isinstance(part, slice))
        tail = self._shape[split:]
        number = self._number(index[:split])
        offset = int(self._offset) + number * math.prod(tail) * self._stored.itemsize
        values = np.fromfile(self._path, self._stored, math.prod(tail), offset=offset)
        if values.size < math.prod(tail):
            raise MediaError(f"{self._path} ends before page {number}")
        return np.asarray(values.reshape(tail)[index[split:]])

    def _from_page(self, index: Index) -> np.ndarray:
        split = self._split()
        number = self._number(index[:split])
        with media_errors(self._path):
            page = self._series.pages[number]
            if page is None:
                raise MediaError(f"page {number} of {self._path} is missing")
            return np.asarray(page.asarray().reshape(self._shape[split:])[index[split:]])

    def _number(self, index: Index) -> int:
        """Return the number of the page at places on the first axes."""
        places = tuple(place for place in index if isinstance(place, int))
        return int(np.ravel_multi_index(places, self._shape[: len(places)])) if places else 0

    def close(self) -> None:
        self._file.close()


class _Metadata:
    """Channel names and physical scale from OME or ImageJ metadata."""

    def __init__(self, file: tifffile.TiffFile) -> None:
        import tifffile  # noqa: PLC0415  an extra, present where a file is open

        self._imagej: Mapping[str, Any] = file.imagej_metadata or {}
        self._resolution: tuple[float, float] | None = None
        self._pixels: Mapping[str, Any] = {}
        if file.is_ome and file.ome_metadata:
            image = tifffile.xml2dict(file.ome_metadata).get("OME", {}).get("Image", {})
            self._pixels = (image[0] if isinstance(image, list) else image).get("Pixels", {})
        if self._imagej:
            x, y = file.pages.first.resolution
            self._resolution = (float(y), float(x))

    @property
    def channel_names(self) -> tuple[str, ...]:
        channels = self._pixels.get("Channel", [])
        channels = channels if isinstance(channels, list) else [channels]
        return tuple(str(channel.get("Name", "")) for channel in channels)

    def calibration(self, axes: str, frame_axis: str) -> Calibration | None:
        """Return the physical scale, or None where none is stored; only frames along time have an interval."""
        interval = _number(self._pixels.get("TimeIncrement", self._imagej.get("finterval")))
        if interval is not None:
            interval *= _SECONDS.get(str(self._pixels.get("TimeIncrementUnit", "s")), math.nan)
        in_time = (frame_axis or "t") == "t" and "t" in axes and interval and math.isfinite(interval)
        size, unit = self._pixel_size()
        found = Calibration(pixel_size=size, unit=unit, frame_interval=interval if in_time else None)
        return found if size or in_time else None

    def _pixel_size(self) -> tuple[tuple[float, float] | None, str]:
        height, width = (_number(self._pixels.get(f"PhysicalSize{axis}")) for axis in "YX")
        if height and width:
            return (height, width), str(self._pixels.get("PhysicalSizeXUnit", "µm"))
        unit = str(self._imagej.get("unit", ""))
        unit = "µm" if unit in _MICRONS else unit
        if self._resolution and min(self._resolution) > 0 and unit not in ("", "pixel"):
            return (1 / self._resolution[0], 1 / self._resolution[1]), unit
        return None, "µm"


def _number(value: object) -> float | None:
    """Return a value as a positive finite number, or None."""
    try:
        number = float(str(value))
    except ValueError:
        return None
    return number if math.isfinite(number) and number > 0 else None
