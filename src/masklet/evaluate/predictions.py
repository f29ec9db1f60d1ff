"""Mask files of benchmarks: reading the predictions of another program, and writing ours for an evaluation server."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from jaxtyping import Bool, Shaped
from PIL import Image

from masklet.errors import FormatError, OutputError
from masklet.evaluate.scoring import Notice, frame_masks, no_masks
from masklet.io import read_label_map, read_mask, write_label_map
from masklet.io.atomic import AtomicOutput, output_errors
from masklet.io.datasets import VideoSequence
from masklet.io.datasets.files import Number, list_images
from masklet.io.datasets.label_maps import LabelMapSequence
from masklet.io.source import RecordedSource
from masklet.types import FrameMasks, ObjectId

ExportFormat = Literal["davis", "youtube-vos", "mose", "lvos", "sav"]
"""Formats that `Export` can write."""


@dataclass(frozen=True)
class Predictions:
    """Masks of another program; ``folder`` holds a folder for each sequence (see `PredictedSequence`)."""

    folder: Path


def frame_names(video: RecordedSource) -> list[str]:
    """Return the names of a video's frame files without suffix; five-digit numbers for a video in one file."""
    files = getattr(video, "files", None)
    return [file.stem for file in files] if files else [f"{index:05d}" for index in range(len(video))]


@dataclass(kw_only=True)
class PredictedSequence:
    """Predictions for one sequence: label maps ``NAME/00000.png``, or masks ``NAME/OBJECT/00000.png``.

    Frames are matched by the last number in their names, as in data sets.

    Attributes:
        folder: folder of the predictions of all sequences; see `sequence_folder`.
        sequence: the sequence.
        notices: remarks on the files; complete after all frames are read.

    Raises:
        FormatError: there are no predictions for this sequence.
    """

    folder: Path
    sequence: VideoSequence
    notices: list[Notice] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.place = place = sequence_folder(self.folder, self.sequence.name)
        if not place.is_dir():
            raise FormatError(f"expected predictions for {self.sequence.name}, found no folder {place}")
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
        """Masks by object: folders are named as in the data set, else by object id."""
        original = {name: i for i, name in self.sequence.original_ids.items()}
        found: dict[ObjectId, Mapping[Number, Path]] = {}
        for folder in sorted(path for path in self.place.iterdir() if path.is_dir()):
            number = int(folder.name) if folder.name.isascii() and folder.name.isdigit() else 0
            object_id = original.get(folder.name, 0 if original else number)
            if object_id:
                found[object_id] = list_images(folder)
            else:
                self._notice("extra object", f"the folder {folder.name} is no object of the data set")
        return found

    def fingerprint(self) -> str:
        """Hash the names, sizes and times of the files, to find out whether they have been scored before."""
        code = hashlib.sha256()
        for path in sorted(self.place.rglob("*.*")):
            state = path.stat()
            code.update(f"{path.relative_to(self.place)}\0{state.st_size}\0{state.st_mtime_ns}\n".encode())
        return code.hexdigest()

    def frames(self) -> Iterator[FrameMasks]:
        """Yield the masks of every annotated frame.

        Raises:
            FormatError: masks of another size than the frames, or an image with colors.
            MediaError: a file cannot be read.
        """
        seen: set[ObjectId] = set()
        known = set(self.sequence.objects)
        for frame_index in self.sequence.annotated:
            masks = self._frame(frame_index)
            seen |= {i for i, mask in zip(masks.object_ids, masks.masks, strict=True) if mask.any()}
            yield masks
        for object_id in sorted(known - seen):
            self._notice("missing object", f"object {object_id} has no pixel in any prediction; scored as absent")
        for object_id in sorted(seen - known):
            self._notice("extra object", f"object {object_id} is predicted but not in the data set; ignored")

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
        return frame_masks(frame_index, np.stack(masks), ids)

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
            size = f"{values.shape[1]}x{values.shape[0]}"
            raise FormatError(f"expected a mask of the frame size {width}x{height}, got {size}: {path}")
        return values

    def _missing(self, frame_index: int) -> FrameMasks:
        self._notice("missing prediction", f"no file for frame {self._names[frame_index]}; scored as empty")
        return no_masks(frame_index, self.sequence.size)

    def _notice(self, kind: str, detail: str) -> None:
        self.notices.append(Notice(kind, self.sequence.name, detail))


def _number(stem: str) -> Number:
    """Return the last number in a name, or the whole name if there is none (see `list_images`)."""
    digits = re.findall(r"\d+", stem, re.ASCII)
    return int(digits[-1][:18]) if digits else stem.casefold()


def sequence_folder(folder: Path, sequence: str) -> Path:
    """Return the folder of a sequence: ``Annotations/NAME`` (YouTube-VOS), ``NAME_RES`` (cell tracking) or ``NAME``."""
    places = (folder / "Annotations" / sequence, folder / f"{sequence}_RES")
    return next((place for place in places if place.is_dir()), folder / sequence)


def check_complete(folder: str | os.PathLike[str], names: list[str]) -> None:
    """Check that there is a folder of predictions for each sequence, so that the scores are those of the whole set.

    Raises:
        FormatError: sequences without predictions, or no folder at all.
    """
    root = Path(folder)
    if not root.is_dir():
        raise FormatError(f"expected a folder of predictions, found {'a file' if root.exists() else 'nothing'}: {root}")
    missing = [name for name in names if not sequence_folder(root, name).is_dir()]
    if missing:
        shown = ", ".join(missing[:3]) + (", ..." if len(missing) > 3 else "")
        raise FormatError(
            f"expected predictions for {len(names)} sequences in {root}, {len(missing)} are missing ({shown}); "
            "select the sequences to score (--sequences)"
        )


@dataclass(frozen=True, kw_only=True)
class Export:
    """Writes predictions as files, as evaluation servers expect them.

    ============  ================================================================================
    davis         label maps with palette ``NAME/FRAME.png``; the same for "mose" and "lvos"
    youtube-vos   label maps with palette ``Annotations/NAME/FRAME.png``
    sav           masks of each object, which may overlap: ``NAME/OBJECT/FRAME.png``
    ============  ================================================================================

    Frames and objects are named as in the data set.

    Attributes:
        folder: output folder, made if it is missing.
        format: see above.
    """

    folder: Path
    format: ExportFormat = "davis"

    def __post_init__(self) -> None:
        if self.format not in get_args(ExportFormat):
            raise OutputError(f"expected a format of {', '.join(get_args(ExportFormat))}, got {self.format!r}")

    def folder_of(self, sequence: str) -> Path:
        """Return the folder of one sequence."""
        return self.folder / "Annotations" / sequence if self.format == "youtube-vos" else self.folder / sequence

    def write(self, sequence: VideoSequence, frames: Iterator[FrameMasks]) -> Iterator[FrameMasks]:
        """Write the masks of a sequence while yielding them; they are in place after the last frame.

        Raises:
            OutputError: the masks cannot be written; existing files are unchanged.
        """
        with sequence.open() as video:
            names = frame_names(video)
        place = self.folder_of(sequence.name)
        folders = {0: place}  # all objects together
        if self.format == "sav":
            folders = {i: place / sequence.original_ids.get(i, str(i)) for i in sequence.objects}
        with output_errors(place):
            for folder in folders.values():
                folder.parent.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            drafts = {i: AtomicOutput(folder, folder=True) for i, folder in folders.items()}
            for draft in drafts.values():
                stack.callback(draft.discard)
            for masks in frames:
                for i, draft in drafts.items():
                    _write_masks(draft.path / f"{names[masks.frame_index]}.png", masks, i)
                yield masks
            for draft in drafts.values():
                draft.commit()


def _write_masks(path: Path, masks: FrameMasks, object_id: ObjectId) -> None:
    """Write the mask of an object, or a label map of all objects for id 0."""
    if not object_id:
        write_label_map(path, masks.label_map())
        return
    height, width = masks.masks.shape[1:]
    mask = Image.new("1", (width, height))
    if object_id in masks.object_ids:
        mask = Image.fromarray(masks[object_id])
    with output_errors(path):
        mask.save(path, format="PNG")
