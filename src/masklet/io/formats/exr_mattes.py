"""OpenEXR mattes: one file per frame, with the alpha of each object in its own channel, for compositing."""

from __future__ import annotations

import io
import os
import re
from pathlib import Path
from typing import Any

import numpy as np

from masklet.errors import FormatError, needs
from masklet.io.exr import ExrStack
from masklet.io.images import media_errors
from masklet.io.mattes import AlphaWriter
from masklet.io.result_builder import Provenance, Result, ResultBuilder
from masklet.masks.soft import alpha_of
from masklet.types import FrameMasks, RgbImage, Rle

LAYER = "matte"
NAMES = "maskletNames"
"""The header attribute with the object names, one line each: id, space, name."""

_CHANNEL = re.compile(rf"{LAYER}\.object(\d+)")
_FILE = re.compile(r"(\d{5,})\.exr")


class ExrWriter(AlphaWriter):
    """Writes a folder of ``00007.exr`` with a half-float channel ``matte.object3``, 0 to 1, per object."""

    FILE_PATTERN = _FILE

    def _write(self, frame: RgbImage | None, masks: FrameMasks) -> None:
        with needs("exr", self.path):
            import OpenEXR  # noqa: PLC0415
        self._check_image(frame, masks)
        if not masks.object_ids:  # a file needs a channel
            channels = {f"{LAYER}.none": np.zeros(masks.masks.shape[1:], np.float16)}
        else:
            channels = {
                f"{LAYER}.object{object_id}": alpha_of(mask, self._edge, frame).astype(np.float16)
                for object_id, mask in zip(masks.object_ids, masks.masks, strict=True)
            }
        names = "\n".join(f"{i} {name}" for i, name in self.provenance.names.items() if i in masks.object_ids)
        header: dict[str, Any] = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
        if names:
            header[NAMES] = names
        buffer = io.BytesIO()  # written to a path, OpenEXR does not report a full disk
        OpenEXR.File(header, channels).write(buffer)
        (self._output.path / f"{masks.frame_index:05d}.exr").write_bytes(buffer.getvalue())


def read_exr_mattes(folder: str | os.PathLike[str]) -> Result:
    """Read a folder written by `ExrWriter`; a mask is where alpha is at least 0.5.

    Raises:
        FormatError: the folder is missing or contains no mattes.
        MediaError: a file cannot be read.
        MissingExtraError: OpenEXR is not installed.
    """
    builder = ResultBuilder()
    names: dict[int, str] = {}
    files = sorted(path for path in Path(folder).glob("*.exr") if _FILE.fullmatch(path.name))
    if not files:
        raise FormatError(f"expected mattes as 00000.exr, found none: {folder}")
    for path in files:
        stack = ExrStack(path)
        builder.size = builder.size or stack.size
        owners = {place: int(m[1]) for place, name in enumerate(stack.channels) if (m := _CHANNEL.fullmatch(name))}
        planes = stack.read(0, list(owners)) if owners else np.zeros((1, 1, 0))
        for plane, object_id in zip(np.moveaxis(planes, 2, 0), owners.values(), strict=True):
            builder.add_mask(object_id, int(path.stem), Rle.from_mask(plane >= 0.5))
        names |= _names(path)
    return builder.build(Provenance(names=names), num_frames=int(files[-1].stem) + 1)


def _names(path: Path) -> dict[int, str]:
    import OpenEXR  # noqa: PLC0415  an extra, present where a file was opened

    with media_errors(path), OpenEXR.File(str(path), header_only=True) as file:
        lines = str(file.header().get(NAMES, "")).splitlines()
    return {int(i): name for i, _, name in (line.partition(" ") for line in lines) if i.isdecimal()}
