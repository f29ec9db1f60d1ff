"""Masks that another program wrote, read beside the data set they are for."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Bool, Shaped

from masklet.errors import FormatError
from masklet.evaluate.scoring import Notice, no_masks
from masklet.io import read_label_map, read_mask
from masklet.io.datasets import VideoSequence
from masklet.io.datasets.files import Number, list_images
from masklet.io.datasets.label_maps import LabelMapSequence
from masklet.io.source import RecordedSource
from masklet.types import FrameMasks, ObjectId

Form = Literal["label maps", "object folders"]


def frame_names(video: RecordedSource) -> list[str]:
    """What the files of a video's frames are called, without suffix; numbers of five digits where it is one file."""
    files = getattr(video, "files", None)
    return [file.stem for file in files] if files else [f"{index:05d}" for index in range(len(video))]


@dataclass(kw_only=True)
class PredictedSequence:
    """The predictions for one sequence: ``NAME/00000.png`` label maps, or ``NAME/OBJECT/00000.png`` masks.

    Frames are found by the last number in their names, as in data sets.

    Attributes:
        folder: of the predictions of all sequences; see `place_of`.
        sequence: what they are for.
        notices: what was odd, filled while frames are read.

    Raises:
        FormatError: there is nothing for this sequence.
    """

    folder: Path
    sequence: VideoSequence
    notices: list[Notice] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.place = place = place_of(self.folder, self.sequence.name)
        if not place.is_dir():
            raise FormatError(f"expected predictions for {self.sequence.name} in {place}, found nothing")
        if not self._label_maps and not self._object_folders:
            raise FormatError(
                f"expected label maps ({self._names[0]}.png) or a folder of masks for each object, found none: {place}"
            )

    @cached_property
    def _names(self) -> list[str]:
        with self.sequence.open() as video:
            return frame_names(video)

    @cached_property
    def _label_maps(self) -> Mapping[Number, Path]:
        return list_images(self.place)

    @cached_property
    def _object_folders(self) -> Mapping[ObjectId, Mapping[Number, Path]]:
        """Masks by object: folders are called as in the truth, else by the object's id."""
        called = {name: i for i, name in self.sequence.original_ids.items()}
        found: dict[ObjectId, Mapping[Number, Path]] = {}
        for folder in sorted(path for path in self.place.iterdir() if path.is_dir()):
            number = int(folder.name) if folder.name.isascii() and folder.name.isdigit() else 0
            object_id = called.get(folder.name, 0 if called else number)
            if object_id:
                found[object_id] = list_images(folder)
            else:
                self._tell("extra object", f"the folder {folder.name} is no object of the truth")
        return found

    def fingerprint(self) -> str:
        """A hash of the files' names, sizes and times: whether they are those that were scored before."""
        code = hashlib.sha256()
        for path in sorted(self.place.rglob("*.*")):
            state = path.stat()
            code.update(f"{path.relative_to(self.place)}\0{state.st_size}\0{state.st_mtime_ns}\n".encode())
        return code.hexdigest()

    def frames(self) -> Iterator[FrameMasks]:
        """The masks of every annotated frame.

        Raises:
            FormatError: masks of another size than the frames, or a picture with colors.
            MediaError: a file that cannot be read.
        """
        seen: set[ObjectId] = set()
        known = set(self.sequence.objects)
        for frame_index in self.sequence.annotated:
            masks = self._frame(frame_index)
            seen |= {i for i, mask in zip(masks.object_ids, masks.masks, strict=True) if mask.any()}
            yield masks
        for object_id in sorted(known - seen):
            self._tell("missing object", f"object {object_id} has no pixel in any prediction; scored as absent")
        for object_id in sorted(seen - known):
            self._tell("extra object", f"object {object_id} is predicted, and no object of the truth; left out")

    def _frame(self, frame_index: int) -> FrameMasks:
        name = _number(self._names[frame_index])
        if self._label_maps:
            if name not in self._label_maps:
                return self._missing(frame_index)
            ids, masks = self._from_label_map(self._label_maps[name])
        else:
            files = {i: files[name] for i, files in self._object_folders.items() if name in files}
            if not files:
                return self._missing(frame_index)
            ids, masks = tuple(files), [self._checked(read_mask(path), path) for path in files.values()]
        if not ids:
            return no_masks(frame_index, self.sequence.size)
        scores = np.ones(len(ids), np.float32)
        return FrameMasks(frame_index, ids, np.stack(masks), presence=scores, iou=scores)

    def _from_label_map(self, path: Path) -> tuple[tuple[ObjectId, ...], list[Bool[np.ndarray, "h w"]]]:
        sequence = self.sequence
        if isinstance(sequence, LabelMapSequence) and sequence.coding == "binary":
            return (1,), [self._checked(read_mask(path), path)]
        labels = self._checked(read_label_map(path), path)
        ids = tuple(int(i) for i in np.unique(labels) if i)
        return ids, [labels == i for i in ids]

    def _checked(self, values: Shaped[np.ndarray, "h w"], path: Path) -> Shaped[np.ndarray, "h w"]:
        height, width = self.sequence.size
        if values.shape != (height, width):
            came = f"{values.shape[1]}x{values.shape[0]}"
            raise FormatError(f"expected a prediction of {width}x{height} pixels as the frames, got {came}: {path}")
        return values

    def _missing(self, frame_index: int) -> FrameMasks:
        self._tell("missing prediction", f"no file for frame {self._names[frame_index]}; scored as empty")
        return no_masks(frame_index, self.sequence.size)

    def _tell(self, kind: str, detail: str) -> None:
        self.notices.append(Notice(kind, self.sequence.name, detail))


def _number(stem: str) -> Number:
    """The last number in a name, or the whole name where there is none (see `list_images`)."""
    digits = re.findall(r"\d+", stem, re.ASCII)
    return int(digits[-1][:18]) if digits else stem.casefold()


def place_of(folder: Path, sequence: str) -> Path:
    """Where predictions are: in ``Annotations/NAME`` (YouTube-VOS), ``NAME_RES`` (cell tracking) or ``NAME``."""
    places = (folder / "Annotations" / sequence, folder / f"{sequence}_RES")
    return next((place for place in places if place.is_dir()), folder / sequence)


def check_complete(folder: str | os.PathLike[str], names: list[str]) -> None:
    """Raise `FormatError` unless there is a folder of predictions for each sequence: a part is no number for the whole.

    Raises:
        FormatError: sequences without predictions, or no folder at all.
    """
    root = Path(folder)
    if not root.is_dir():
        raise FormatError(f"expected a folder of predictions, found {'a file' if root.exists() else 'nothing'}: {root}")
    missing = [name for name in names if not place_of(root, name).is_dir()]
    if missing:
        shown = ", ".join(missing[:3]) + (", ..." if len(missing) > 3 else "")
        raise FormatError(
            f"expected predictions for {len(names)} sequences in {root}, {len(missing)} are missing ({shown}); "
            "name those to be scored (--sequences)"
        )
