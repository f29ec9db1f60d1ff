"""Zarr arrays and OME-Zarr images in a folder, as stacks."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from masklet.errors import MediaError, needs
from masklet.io.axes import ArrayStack, AxisChoice, Index, guess_axes
from masklet.io.images import check_pixels, media_errors
from masklet.io.source import Calibration

if TYPE_CHECKING:
    import zarr

METADATA = ("zarr.json", ".zarray", ".zgroup")
SAFE_CODECS = frozenset(
    {"blosc", "zlib", "gzip", "zstd", "lz4", "lzma", "bz2"}
    | {"delta", "shuffle", "fixedscaleoffset", "bytes", "transpose", "sharding_indexed"}
    | {"crc32c", "crc32", "adler32", "fletcher32"}
)
"""Codecs that are safe for untrusted files: others could run code (pickle) or are not for numbers."""

MAX_CHUNK_VALUES = 2**29
_UNITS = {"micrometer": "µm", "nanometer": "nm", "millimeter": "mm", "centimeter": "cm", "meter": "m"}
_SECONDS = {"second": 1.0, "millisecond": 1e-3, "microsecond": 1e-6, "minute": 60.0, "hour": 3600.0}


def is_zarr(folder: Path) -> bool:
    """Return whether a folder is a Zarr array or group."""
    return any((folder / name).is_file() for name in METADATA)


class ZarrStack(ArrayStack):
    """A Zarr array, or the full-size level of an OME-Zarr image.

    Axes come from OME-Zarr, ``dimension_names`` or xarray; without any, rows and columns are last and time is first.
    """

    def __init__(self, folder: Path, choice: AxisChoice | None = None) -> None:
        with needs("zarr", folder):
            import zarr  # noqa: PLC0415  an extra
        with media_errors(folder):
            node = zarr.open(str(folder), mode="r")
            image = _Image(dict(node.attrs))
            array = node if isinstance(node, zarr.Array) else node.get(image.level or "")
            if not isinstance(array, zarr.Array):
                raise MediaError(f"expected a Zarr array or an OME-Zarr image, got a group without one: {folder}")
            _check_safe(array, folder)
            axes = image.axes or _named_axes(array)
            if len(axes) != len(array.shape):
                raise MediaError(f"expected {len(axes)} axes {axes!r}, got the shape {array.shape}: {folder}")
            self._array = array
            super().__init__(
                str(folder),
                axes,
                array.shape,
                array.dtype,
                choice or AxisChoice(),
                channel_names=image.channel_names,
                calibration=image.calibration(choice),
            )

    def _take(self, index: Index) -> np.ndarray:
        with media_errors(self.name):
            return np.asarray(self._array[index])


def _check_safe(array: zarr.Array[Any], folder: Path) -> None:
    metadata = json.loads(json.dumps(array.metadata.to_dict(), default=str))
    parts = [metadata.get(key) for key in ("codecs", "compressor", "filters", "chunk_key_encoding")]
    unsafe = {name for name in _codec_names(parts[:3]) if name.removeprefix("numcodecs.") not in SAFE_CODECS}
    if unsafe:
        raise MediaError(f"the codec {', '.join(sorted(unsafe))} is not safe to read: {folder}")
    if np.prod(array.chunks, dtype=float) > MAX_CHUNK_VALUES:
        raise MediaError(f"expected chunks of up to {MAX_CHUNK_VALUES} values, got {array.chunks}: {folder}")
    check_pixels(str(folder), *array.shape[-2:]) if array.shape[-1:] not in ((3,), (4,)) else None


def _codec_names(part: object) -> Iterator[str]:
    """Yield the names of codecs in metadata at any depth, including those of a shard's chunks."""
    if isinstance(part, list):
        for item in part:
            yield from _codec_names(item)
    elif isinstance(part, Mapping):
        yield str(part.get("name", part.get("id")))
        settings = part.get("configuration", {})
        for key in ("codecs", "index_codecs"):
            yield from _codec_names(settings.get(key) if isinstance(settings, Mapping) else None)


def _named_axes(array: zarr.Array[Any]) -> str:
    names = getattr(array.metadata, "dimension_names", None) or array.attrs.get("_ARRAY_DIMENSIONS")
    if not isinstance(names, list | tuple) or not all(names):
        return guess_axes(array.shape)
    letters = {"time": "t", "channel": "c", "band": "c", "depth": "z", "rgb": "s", "lat": "y", "lon": "x"}
    return "".join(letters.get(str(name).lower(), str(name).lower()[:1]) for name in names)


class _Image:
    """Metadata of an OME-Zarr image (versions 0.4 and 0.5); empty for other groups and arrays."""

    def __init__(self, attributes: Mapping[str, Any]) -> None:
        ome = attributes.get("ome", attributes)
        try:
            scales = (ome.get("multiscales") or [{}])[0]
            self._axes = [{"name": axis} if isinstance(axis, str) else dict(axis) for axis in scales.get("axes", [])]
            level = (scales.get("datasets") or [{}])[0]
            self.level = str(level["path"]) if "path" in level else None
            self._scale = [
                float(length)
                for step in level.get("coordinateTransformations", [])
                if step.get("type") == "scale"
                for length in step["scale"]
            ]
            channels = (ome.get("omero") or {}).get("channels", [])
            self.channel_names = tuple(str(channel.get("label", "")) for channel in channels)
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            raise MediaError(f"invalid OME-Zarr metadata: {error}") from error
        self.axes = "".join(str(axis.get("name", "?")).lower()[:1] for axis in self._axes)

    def calibration(self, choice: AxisChoice | None) -> Calibration | None:
        """Return the physical scale, or None where none is stored."""
        if len(self._scale) != len(self._axes) or not {"y", "x"} <= set(self.axes):
            return None
        unit = {axis: str(self._axes[place].get("unit", "")) for place, axis in enumerate(self.axes)}
        length = dict(zip(self.axes, self._scale, strict=True))
        sized = unit["x"] != "" and min(length["y"], length["x"]) > 0
        in_time = (choice is None or choice.frame in ("", "t")) and unit.get("t") in _SECONDS and length["t"] > 0
        if not (sized or in_time):
            return None
        return Calibration(
            pixel_size=(length["y"], length["x"]) if sized else None,
            unit=_UNITS.get(unit["x"], unit["x"]),
            frame_interval=length["t"] * _SECONDS[unit["t"]] if in_time else None,
        )
