"""One video with label maps: a map of object ids for each frame, or a folder of masks for each object."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import numpy as np
from jaxtyping import Shaped

from masklet.bounded_json import expecting, read_json
from masklet.errors import FormatError, FrameRangeError, MediaError
from masklet.io.datasets.annotated import Problem, Truth, VideoSequence, check_mask_bytes
from masklet.io.datasets.files import (
    ListedPictures,
    Number,
    confined,
    folders_in,
    lines_of,
    list_images,
    listed,
    shown,
    wrong_root,
)
from masklet.io.datasets.layouts import Found, Split
from masklet.io.formats.davis import read_label_map
from masklet.io.images import natural_key, read_image_size, read_mask
from masklet.io.inputs import read_image
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
        return read_image_size(next(iter(self._pictures.values())))

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
                if (size := read_image_size(file)) != self.size:
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
        return {i: list_images(folder) for i, folder in self._folders.items()}

    @cached_property
    def _labels(self) -> Mapping[Number, Path]:
        return {number: file for files in self._object_files.values() for number, file in files.items()}

    def _annotations(self) -> list[Path]:
        return [file for files in self._object_files.values() for file in files.values()]


def _numbered(path: Path) -> Mapping[Number, Path]:
    if path.name.endswith("_*"):
        return list_images(path.parent, path.name.removesuffix("*"))
    return list_images(path)


MAX_META_BYTES = 2**28


@dataclass(frozen=True, kw_only=True)
class FolderVideos:
    """A folder of pictures for each video, and one of label maps; a picture and its map share a number in their names.

    Paths are relative to the root; ``{name}`` stands for the sequence, ``{split}`` for a spelling of the split,
    ``{quality}`` for a folder of one of the sizes in which a set is published. A path that ends in ``{name}_*`` is one
    folder for all; sequences are told apart by how the names of their files begin.

    Attributes:
        pictures: where a sequence's pictures are.
        labels: where its label maps are; with ``{object}`` at the end there is a folder of masks for each object.
        bases: what may stand before all paths.
        qualities: the folders of the sizes, with a slash, the likeliest first.
        listings: list files to look for, the likeliest first; without one, all folders count.
        meta: a JSON file with the objects' categories in YouTube-VOS form, or "".
        training_meta: that of the training split, filled in by itself.
        levels: how many folders a sequence's name has.
        names: a pattern that sequences' names match, where other folders lie among them.
        coding: what the pixels of a label map say.
        void: the value of pixels that count neither way, or None.
        free_ids: ids need not count 1, 2, 3 ...
        stretch: spread the gray values of the pictures (see `ListedPictures`).
    """

    pictures: str = "JPEGImages/{name}"
    labels: str = "Annotations/{name}"
    bases: tuple[str, ...] = ("",)
    qualities: tuple[str, ...] = ("",)
    listings: tuple[str, ...] = ()
    meta: str = ""
    training_meta: str = ""
    levels: int = 1
    names: str = ".*"
    coding: Coding = "ids"
    void: int | None = None
    free_ids: bool = False
    stretch: bool = False

    def expected(self, split: Split) -> str:
        """The folders and files of a split, for people."""
        base, layout = next(self._resolved(split))
        return f"{_for_people(base, layout.pictures)}*.jpg and {_for_people(base, layout.labels)}*.png"

    def find(self, root: Path, split: Split) -> Found:
        """The sequences of a split; see `Layout.find`."""
        for base, layout in self._resolved(split):
            if (root / base / layout.pictures.partition("{name}")[0]).is_dir():
                found = layout._found(root / base)
                if found.items:
                    return found
                reason = f" ({found.warnings[0]})" if found.warnings else ""
                raise FormatError(f"{wrong_root(root, f'split {split.name!r}', self.expected(split))}{reason}")
        raise wrong_root(root, f"split {split.name!r}", self.expected(split))

    def _resolved(self, split: Split) -> Iterator[tuple[str, FolderVideos]]:
        """Every base with the layout that may begin there: no split and no quality left to fill in."""
        for spelling, base, quality in itertools.product(split.spellings, self.bases, self.qualities):

            def fill(text: str, words: tuple[str, str] = (spelling, quality)) -> str:
                return text.replace("{split}", words[0]).replace("{quality}", words[1])

            layout = replace(
                self,
                pictures=fill(self.pictures),
                labels=fill(self.labels),
                listings=tuple(fill(listing) for listing in self.listings),
                meta=fill(self.meta),
                training_meta=self.meta.replace("{split}", "train"),
            )
            yield fill(base), layout

    def _found(self, base: Path) -> Found:
        categories = read_meta(base / self.meta) if self.meta and (base / self.meta).is_file() else {}
        known = self._training_categories(base)
        items, warnings = [], []
        if self.listings and self._listing(base) is None:
            told = f"expected {self.listings[0]} in {base}, found nothing; every folder is taken"
            warnings.append(Problem("no list", self.listings[0], told))
        for name in self._names(base):
            pictures = confined(base, self.pictures.replace("{name}", name))
            labels = confined(base, self.labels.removesuffix("/{object}").replace("{name}", name))
            if not _exists(pictures):
                warnings.append(Problem("missing sequence", name, f"expected the folder {pictures}, found nothing"))
            elif not _exists(labels):
                warnings.append(Problem("no annotation", name, f"expected the folder {labels}, found nothing"))
            else:
                named = categories.get(name, {})
                seen = {i: category in known for i, category in named.items()} if known else {}
                items.append(self._sequence(name, pictures, labels, categories=named, seen=seen))
        return Found(tuple(items), tuple(warnings))

    def _sequence(self, name: str, pictures: Path, labels: Path, **told: Mapping[ObjectId, Any]) -> LabelMapSequence:
        kind = ObjectFolderSequence if self.labels.endswith("{object}") else LabelMapSequence
        return kind(
            name=name,
            pictures=pictures,
            labels=labels,
            coding=self.coding,
            void=self.void,
            stretch=self.stretch,
            free_ids=self.free_ids,
            **told,
        )

    def _names(self, base: Path) -> list[str]:
        listing = self._listing(base)
        if listing is not None:
            return sorted({_name_in(line) for line in lines_of(listing)}, key=natural_key)
        head, _, tail = self.pictures.partition("{name}")
        if tail == "_*":
            names = {file.name.partition("_")[0] for file in listed(base / head) if "_" in file.name}
            return sorted(names, key=natural_key)
        found = [""]
        for _ in range(self.levels):
            found = [f"{name}/{folder}".lstrip("/") for name in found for folder in folders_in(base / head / name)]
        return [name for name in found if re.fullmatch(self.names, name) and (base / f"{head}{name}{tail}").is_dir()]

    def _listing(self, base: Path) -> Path | None:
        return next((base / path for path in self.listings if (base / path).is_file()), None)

    def _training_categories(self, base: Path) -> frozenset[str]:
        """The categories of the training split, if it lies beside this one; else nobody can tell seen from unseen."""
        path = base / self.training_meta
        named = read_meta(path).values() if path.is_file() else ()
        return frozenset(category for objects in named for category in objects.values() if category)


def read_meta(path: Path) -> Mapping[str, Mapping[ObjectId, str]]:
    """The categories of every video's objects in a ``meta.json`` of the YouTube-VOS form; "" where it names none.

    Raises:
        FormatError: it is not of that form.
    """
    with expecting("videos: NAME: objects: ID: category", str(path)):
        return {
            str(name): {int(i): str(thing.get("category", "")) for i, thing in video["objects"].items()}
            for name, video in read_json(path, dict[str, Any], what="meta.json", max_bytes=MAX_META_BYTES)[
                "videos"
            ].items()
        }


def _name_in(line: str) -> str:
    """The sequence in a line of a list: the line itself, or the folder of the picture that it names (DAVIS 2016)."""
    first = PurePosixPath(line.split(maxsplit=1)[0])
    return first.parent.name if first.suffix.lower() in (".jpg", ".png") else line


def _for_people(base: str, path: str) -> str:
    shown = str(PurePosixPath(base, path.replace("{name}", "NAME").replace("{object}", "OBJECT")))
    return shown.removesuffix("*") if shown.endswith("*") else f"{shown}/"


def _exists(path: Path) -> bool:
    """Whether a folder is there; of ``name_*``, whether a file is."""
    if path.name.endswith("_*"):
        return any(path.parent.glob(path.name))
    return path.is_dir()
