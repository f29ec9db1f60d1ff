"""One video with label maps: a map of object ids for each frame, or a folder of masks for each object."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Shaped

from masklet.errors import FormatError, FrameRangeError, MediaError
from masklet.io.datasets.annotated import Problem, Truth, VideoSequence, check_mask_bytes
from masklet.io.datasets.files import ListedPictures, Number, folders_in, pictures_in, shown
from masklet.io.folder import picture_size
from masklet.io.formats.davis import read_label_map
from masklet.io.images import read_image, read_mask
from masklet.types import ObjectId, Size

Coding = Literal["ids", "binary", "colors"]
"""A pixel is an object's id; anything but black is object 1; or each color is an object."""


@dataclass(frozen=True, kw_only=True)
class LabelMapSequence(VideoSequence):
    """A folder of pictures and one of label maps; numbers in the names tell which belong together.

    Colors become ids 1, 2, 3 ... in the order in which they appear, those of one frame by value.

    Attributes:
        pictures: the folder, or ``folder/PREFIX_*``.
        labels: likewise.
        coding, void, stretch: see `FolderVideos`.
    """

    pictures: Path
    labels: Path
    coding: Coding = "ids"
    void: int | None = None
    stretch: bool = False

    def open(self) -> ListedPictures:
        """The frames, in natural order of the files' names."""
        return ListedPictures(self.name, self._pictures.values(), stretch=self.stretch)

    @property
    def num_frames(self) -> int:
        """How many pictures the folder holds."""
        return len(self._pictures)

    @cached_property
    def size(self) -> Size:
        """(height, width) of the first picture, from its header."""
        if not self._pictures:
            raise MediaError(f"no pictures in {self.pictures}")
        return picture_size(next(iter(self._pictures.values())))

    @cached_property
    def annotated(self) -> tuple[int, ...]:
        """The frames that have a label map."""
        return tuple(index for index, number in enumerate(self._pictures) if number in self._labels)

    def truth(self, frame_index: int) -> Truth:
        """The objects of a label map, by id; see `VideoSequence.truth`."""
        file = self._labels[self._number(frame_index)]
        values = self._values(file)
        if self.coding == "colors":
            values = self._compact(values)
        void = None if self.void is None else values == self.void
        ids = [int(i) for i in np.unique(values) if i not in (0, self.void)]
        check_mask_bytes(len(ids), self.size, str(file))
        masks = values == np.array(ids, values.dtype).reshape(-1, 1, 1)
        return Truth(frame_index, tuple(ids), masks, void)

    def problems(self) -> tuple[Problem, ...]:
        """Label maps without a picture, frames and maps of another size, no map at all."""
        lone = [number for number in self._labels if number not in self._pictures]
        found = [Problem("missing picture", self.name, f"frame {number} has a mask and no picture") for number in lone]
        if not self.annotated:
            found.append(Problem("no annotation", self.name, f"expected masks for its pictures in {self.labels}"))
        return (*found, *self._sizes())

    def _sizes(self) -> Iterator[Problem]:
        for file in [*self._pictures.values(), *self._annotations()]:
            try:
                if (size := picture_size(file)) != self.size:
                    told = f"expected {shown(self.size)} as the first picture, got {shown(size)}: {file}"
                    yield Problem("size mismatch", self.name, told)
            except MediaError as error:
                yield Problem("unreadable", self.name, str(error))

    def _annotations(self) -> list[Path]:
        return list(self._labels.values())

    @cached_property
    def _pictures(self) -> Mapping[Number, Path]:
        return _numbered(self.pictures)

    @cached_property
    def _labels(self) -> Mapping[Number, Path]:
        return _numbered(self.labels)

    def _number(self, frame_index: int) -> Number:
        if frame_index not in self.annotated:
            raise FrameRangeError(f"frame {frame_index} of {self.name} has no annotation")
        return list(self._pictures)[frame_index]

    def _values(self, file: Path) -> Shaped[np.ndarray, "h w"]:
        """The values of a label map, 0 for the background."""
        if self.coding == "colors":
            red, green, blue = np.moveaxis(read_image(file).astype(np.uint32), 2, 0)
            values: Shaped[np.ndarray, "h w"] = red + (green << 8) + (blue << 16)
        else:
            values = read_mask(file).astype(np.uint8) if self.coding == "binary" else read_label_map(file)
        if values.shape != self.size:
            raise FormatError(
                f"expected masks of {shown(self.size)} as the pictures, got {shown(values.shape)}: {file}"
            )
        return values

    def _compact(self, values: Shaped[np.ndarray, "h w"]) -> Shaped[np.ndarray, "h w"]:
        colors, places = np.unique(values, return_inverse=True)
        ids = np.array([self._ids_of_colors.get(int(color), 0) for color in colors], np.uint32)
        compact: Shaped[np.ndarray, "h w"] = ids[places].reshape(values.shape)
        return compact

    @cached_property
    def _ids_of_colors(self) -> Mapping[int, ObjectId]:
        known: dict[int, ObjectId] = {}
        for index in self.annotated:
            for color in np.unique(self._values(self._labels[self._number(index)])):
                if color:
                    known.setdefault(int(color), len(known) + 1)
        return known


@dataclass(frozen=True, kw_only=True)
class ObjectFolderSequence(LabelMapSequence):
    """A folder of pictures, and one of masks for each object, as in SA-V: masks of different objects may overlap.

    The folder ``000`` is object 1, ``001`` object 2; folders that are no numbers count from 1 in natural order.
    """

    def truth(self, frame_index: int) -> Truth:
        """The masks of all objects; objects without a file on this frame are unknown."""
        number = self._number(frame_index)
        files = {i: files[number] for i, files in self._object_files.items() if number in files}
        check_mask_bytes(len(files), self.size, self.name)
        masks = np.zeros((len(files), *self.size), bool)
        for mask, file in zip(masks, files.values(), strict=True):
            found = read_mask(file)
            if found.shape != self.size:
                told = f"expected masks of {shown(self.size)} as the pictures, got {shown(found.shape)}"
                raise FormatError(f"{told}: {file}")
            mask[:] = found
        return Truth(frame_index, tuple(files), masks, unknown=frozenset(self._object_files) - set(files))

    @property
    def original_ids(self) -> Mapping[ObjectId, str]:
        """Object id -> the name of its folder."""
        return {i: folder.name for i, folder in self._folders.items()}

    @cached_property
    def _folders(self) -> Mapping[ObjectId, Path]:
        names = folders_in(self.labels)
        if all(name.isascii() and name.isdigit() and len(name) < 10 for name in names):
            return {int(name) + 1: self.labels / name for name in names}
        return {place: self.labels / name for place, name in enumerate(names, start=1)}

    @cached_property
    def _object_files(self) -> Mapping[ObjectId, Mapping[Number, Path]]:
        return {i: pictures_in(folder) for i, folder in self._folders.items()}

    @cached_property
    def _labels(self) -> Mapping[Number, Path]:
        return {number: file for files in self._object_files.values() for number, file in files.items()}

    def _annotations(self) -> list[Path]:
        return [file for files in self._object_files.values() for file in files.values()]


def _numbered(path: Path) -> Mapping[Number, Path]:
    if path.name.endswith("_*"):
        return pictures_in(path.parent, path.name.removesuffix("*"))
    return pictures_in(path)
