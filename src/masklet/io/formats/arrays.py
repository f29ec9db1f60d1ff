"""NumPy archives: all masks of a result as one boolean array, with ids and scores."""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from masklet.errors import FormatError
from masklet.io.result_builder import MAX_FRAMES, Result, ResultBuilder
from masklet.io.writer import DeferredWriter
from masklet.types import MAX_MASK_PIXELS, Rle

MAX_SMALL_BYTES = 2**28
"""Size limit of each array other than the masks."""


class NpzWriter(DeferredWriter):
    """Writes an ``.npz`` archive for ``numpy.load``, frame by frame, in constant memory.

    =============  =========  ====================================================================
    masks          (t n h w)  bool; all False if an object has no mask
    known          (t n)      bool, whether the object has a mask (possibly empty) on the frame
    object_ids     (n)        int64
    names          (n)        text
    presence, iou  (t n)      float32, NaN if unknown
    fps            ()         float64, NaN if unknown
    =============  =========  ====================================================================
    """

    def _save(self, result: Result) -> None:
        masklets = list(result.masklets.values())
        height, width = result.size or (0, 0)
        shape = (result.num_frames, len(masklets), height, width)
        small = {
            "known": np.array([i in one.frames for i in range(shape[0]) for one in masklets], bool).reshape(shape[:2]),
            "object_ids": np.array([one.object_id for one in masklets], np.int64),
            "names": np.array([one.name for one in masklets], np.str_),
            "presence": _table(shape, [one.presence for one in masklets]),
            "iou": _table(shape, [one.iou for one in masklets]),
            "fps": np.array(np.nan if result.fps is None else result.fps),
        }
        with zipfile.ZipFile(self._output.path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for name, array in small.items():
                with archive.open(f"{name}.npy", "w") as file:
                    np.lib.format.write_array(file, array, allow_pickle=False)
            with archive.open("masks.npy", "w", force_zip64=True) as file:
                described: Any = {"descr": "|b1", "fortran_order": False, "shape": shape}
                np.lib.format.write_array_header_1_0(file, described)
                empty = np.zeros((height, width), bool).tobytes()
                for index in range(result.num_frames):
                    for one in masklets:
                        rle = one.frames.get(index)
                        file.write(rle.to_mask().tobytes() if rle is not None and rle.area else empty)


def read_npz(path: str | os.PathLike[str]) -> Result:
    """Read an archive written by `NpzWriter`, one mask at a time."""
    with _reading(path), zipfile.ZipFile(path) as archive:
        ids, known = _array(archive, "object_ids"), _array(archive, "known")
        names, presence, iou = (_array(archive, name) for name in ("names", "presence", "iou"))
        fps = float(_array(archive, "fps").item())
        with archive.open("masks.npy") as file:
            shape, fortran, dtype = _header(file)
            if len(shape) != 4 or fortran or dtype != np.bool_ or shape[2] * shape[3] > MAX_MASK_PIXELS:
                raise FormatError(f"expected masks as bool of t n h w, got {dtype} of {shape}")
            frames, count, height, width = shape
            if any(a.shape != (frames, count) for a in (known, presence, iou)) or frames > MAX_FRAMES:
                raise FormatError(f"expected scores of {count} objects on {frames} frames")
            if not len(ids) == len(names) == count:
                raise FormatError(f"expected {count} ids and names, got {len(ids)} and {len(names)}")
            builder = ResultBuilder((height, width) if height * width else None)
            for object_id, name in zip(ids.tolist(), names.tolist(), strict=True):
                builder.add_object(object_id, name)
            for index in range(frames):
                for place, object_id in enumerate(ids.tolist()):
                    data = file.read(height * width)
                    if known[index, place]:
                        mask = np.frombuffer(data, np.uint8).reshape(height, width) != 0
                        scores = {"presence": presence[index, place], "iou": iou[index, place]}
                        builder.add_mask(object_id, index, Rle.from_mask(mask), **scores)
    return builder.build(num_frames=frames, fps=None if np.isnan(fps) else fps)


def _table(shape: tuple[int, ...], scores: list[dict[int, float]]) -> np.ndarray:
    table = [[column.get(index, np.nan) for column in scores] for index in range(shape[0])]
    return np.array(table, np.float32).reshape(shape[:2])


_BROKEN = (OSError, EOFError, KeyError, TypeError, ValueError, RuntimeError, zipfile.BadZipFile, zlib.error)
"""The errors that damaged archives and arrays cause."""


@contextmanager
def _reading(path: str | os.PathLike[str]) -> Iterator[None]:
    try:
        yield
    except FormatError as error:
        raise FormatError(f"{error}: {path}") from None
    except _BROKEN as error:
        raise FormatError(f"expected a NumPy archive of masklet, got something else ({error}): {path}") from error


def _header(file: Any) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = np.lib.format.read_magic(file)
    if version != (1, 0):
        raise FormatError(f"expected version 1.0 of the .npy format, got {version}")
    shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
    return shape, fortran, dtype


def _array(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    """Read one of the arrays other than the masks."""
    if archive.getinfo(f"{name}.npy").file_size > MAX_SMALL_BYTES:
        raise FormatError(f"expected {name} of at most {MAX_SMALL_BYTES} bytes")
    with archive.open(f"{name}.npy") as file:
        array: np.ndarray = np.lib.format.read_array(file, allow_pickle=False, max_header_size=10000)
        return array
