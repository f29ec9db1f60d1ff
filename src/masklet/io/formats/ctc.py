"""Cell Tracking Challenge results: 16-bit label maps and ``res_track.txt``."""

from __future__ import annotations

import os
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Unpack

import numpy as np

from masklet.bounded_json import read_bounded
from masklet.errors import FormatError, OutputError
from masklet.io.formats.davis import read_label_map
from masklet.io.formats.mattes import save_image
from masklet.io.result_builder import Result, ResultBuilder, numbered_files
from masklet.io.writer import FolderOptions, FolderWriter, StrPath
from masklet.types import MAX_LABEL, FrameMasks, ObjectId, RgbImage

TRACKS = "res_track.txt"
_MASK = re.compile(r"mask(\d{3,})\.tif")


@dataclass
class _Track:
    """Consecutive frames under one label; ``parent`` is the label that it continues, or 0."""

    label: int
    begin: int
    end: int
    parent: int


class CtcWriter(FolderWriter):
    """Writes a folder with ``mask000.tif`` per frame, and ``res_track.txt`` with label, first, last frame and parent.

    Tracks must not have gaps: an object that reappears gets a new label (from 65535 downward), whose parent is the
    previous label. Under an overlap, which the format forbids, the object listed last is kept.

    Raises:
        OutputError: frames are not consecutive, or an id is above 65535.
    """

    FILE_PATTERN = re.compile(rf"mask\d{{3,}}\.tif|{re.escape(TRACKS)}")

    def __init__(self, path: StrPath, **options: Unpack[FolderOptions]) -> None:
        super().__init__(path, **options)
        self._next: int | None = None
        self._tracks: dict[int, _Track] = {}
        self._current: dict[ObjectId, int] = {}
        self._spare = MAX_LABEL

    def _write(self, frame: RgbImage | None, masks: FrameMasks) -> None:
        if self._next not in (None, masks.frame_index):
            raise OutputError(
                f"cannot write {self.path}: expected frame {self._next} next (the format does not allow gaps), "
                f"got {masks.frame_index}"
            )
        self._next = masks.frame_index + 1
        seen = self._label_map(masks)
        labels = np.zeros(seen.shape, np.uint16)
        for object_id in np.unique(seen[seen > 0]).tolist():
            labels[seen == object_id] = self._label(object_id, masks.frame_index)
        save_image(self._output.path / f"mask{masks.frame_index:03d}.tif", labels)

    def _label(self, object_id: ObjectId, frame_index: int) -> int:
        """Return the label of an object on a frame; a new one after a gap."""
        label = self._current.get(object_id)
        if label is not None and self._tracks[label].end == frame_index - 1:
            self._tracks[label].end = frame_index
            return label
        if label is None and object_id not in self._tracks:
            new = object_id
        else:
            new, self._spare = self._spare, self._spare - 1
            if new in self._tracks or new in self._current:
                raise OutputError(f"cannot write {self.path}: too many labels")
        self._tracks[new] = _Track(new, frame_index, frame_index, label or 0)
        self._current[object_id] = new
        return new

    def _complete(self) -> None:
        super()._complete()
        lines = [
            f"{t.label} {t.begin} {t.end} {t.parent}\n" for t in sorted(self._tracks.values(), key=lambda t: t.label)
        ]
        (self._output.path / TRACKS).write_text("".join(lines), encoding="ascii")


def read_ctc(folder: str | os.PathLike[str]) -> Result:
    """Read a folder in the format of the Cell Tracking Challenge.

    A track whose parent has no other child continues the same object; the children of a division are new objects.
    """
    tracks = _tracks(Path(folder) / TRACKS)
    children = Counter(track.parent for track in tracks.values())
    owner: dict[int, int] = {}
    for track in sorted(tracks.values(), key=lambda track: track.begin):
        continued = track.parent in owner and children[track.parent] == 1
        owner[track.label] = owner[track.parent] if continued else track.label
    builder = ResultBuilder()
    for index, path in numbered_files(folder, _MASK, "label maps mask000.tif and on"):
        labels = read_label_map(path)
        for label in np.unique(labels[labels > 0]).tolist():
            if label not in tracks or not tracks[label].begin <= index <= tracks[label].end:
                raise FormatError(f"{TRACKS} has no track {label} on frame {index}: {folder}")
        builder.add_label_map(index, labels, owner)
    builder.fill_missing()
    return builder.build()


def _tracks(path: Path) -> dict[int, _Track]:
    tracks: dict[int, _Track] = {}
    for line in read_bounded(path, 2**26).decode("ascii", "replace").splitlines():
        if not line.strip():
            continue
        try:
            label, begin, end, parent = map(int, line.split())
        except ValueError:
            raise FormatError(f"expected lines of 'label first last parent', got {line[:60]!r}: {path}") from None
        if label in tracks or not 0 < label <= MAX_LABEL:
            raise FormatError(f"expected labels from 1 to {MAX_LABEL}, each once, got {label}: {path}")
        tracks[label] = _Track(label, begin, end, parent)
    return tracks
