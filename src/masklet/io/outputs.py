"""Choosing the form of a result by the name of its file or folder."""

from __future__ import annotations

import os
from pathlib import Path

from masklet.errors import OutputError
from masklet.io.encoder import FORMS
from masklet.io.formats.davis import LabelMapWriter
from masklet.io.formats.rle_json import Provenance, RleWriter
from masklet.io.video_writer import OverlayWriter
from masklet.io.writer import Writer
from masklet.types import FrameSource


def open_writer(
    path: str | os.PathLike[str],
    *,
    like: FrameSource | None = None,
    provenance: Provenance | None = None,
    overwrite: bool = False,
) -> Writer:
    """A writer for the form that the name asks for.

    ``.mp4``, ``.mov``, ``.mkv`` and ``.webm`` are videos with the masks drawn over the frames, ``.json`` holds
    run-length codes with scores, a name without a suffix or with a slash at the end is a folder of PNG label maps.

    Args:
        path: the file or folder to write.
        like: the source of the frames; gives times, frame rate and frame count.
        provenance: names, prompted frames and model, where the form can hold them.
        overwrite: write a folder of label maps into one that holds other files.

    Raises:
        OutputError: a name of no known form, or it cannot be written there.
    """
    suffix = Path(path).suffix.lower()
    if not suffix or os.fspath(path).endswith(("/", os.sep)):
        return LabelMapWriter(path, overwrite=overwrite)
    if suffix == ".json":
        return RleWriter(path, like=like, provenance=provenance)
    if suffix in FORMS:
        return OverlayWriter(path, like=like)
    raise OutputError(
        f"cannot write {path}: expected a name with {', '.join([*FORMS, '.json'])}, "
        f"or a folder (no suffix, or a slash at the end), got {suffix!r}"
    )
