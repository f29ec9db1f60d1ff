"""Videos as folders of images with label maps: DAVIS, YouTube-VOS, MOSE, SA-V val, cell tracking and others."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import msgspec
import numpy as np
from jaxtyping import Shaped

from masklet.bounded_json import expecting, read_json
from masklet.errors import MediaError
from masklet.io.datasets.annotated import Problem, Truth, VideoSequence, check_mask_bytes
from masklet.io.datasets.files import (
    ImageListVideo,
    Number,
    check_same_size,
    confined,
    list_entries,
    list_folders,
    list_images,
    read_names,
)
from masklet.io.datasets.layouts import Layout, Split
from masklet.io.formats.davis import read_label_map
from masklet.io.images import natural_key, read_image_size, read_mask, size_text
from masklet.io.inputs import read_image
from masklet.types import ObjectId, Size

Coding = Literal["ids", "binary", "colors"]
"""Pixel values are object ids; everything but black is object 1; or each color is an object."""


@dataclass(frozen=True, kw_only=True)
class LabelMapSequence(VideoSequence):
    """A video with a folder of images and one of label maps, matched by the numbers in the file names.

    Colors are assigned the ids 1, 2, 3 ... in order of appearance, those of one frame by value.

    Attributes:
        images, labels: a folder, or ``folder/PREFIX_*``.
        coding, void, stretch: see `LabelMapVideos`.
    """

    images: Path
    labels: Path
    coding: Coding = "ids"
    void: int | None = None
    stretch: bool = False

    def open(self) -> ImageListVideo:
        return ImageListVideo(self.name, self._images.values(), stretch=self.stretch)

    @property
    def num_frames(self) -> int:
        return len(self._images)

    @cached_property
    def size(self) -> Size:
        if not self._images:
            raise MediaError(f"no images in {self.images}")
        return read_image_size(next(iter(self._images.values())))

    @cached_property
    def annotated(self) -> tuple[int, ...]:
        return tuple(index for index, number in enumerate(self._images) if number in self._labels)

    def _truth(self, frame_index: int) -> Truth:
        file = self._labels[self._number(frame_index)]
        values = self._values(file)
        if self.coding == "colors":
            colors, places = np.unique(values, return_inverse=True)
            ids_of_colors = [self._ids_of_colors.get(int(color), 0) for color in colors]
            values = np.array(ids_of_colors, np.uint32)[places].reshape(values.shape)
        void = None if self.void is None else values == self.void
        ids = [int(i) for i in np.unique(values) if i not in (0, self.void)]
        check_mask_bytes(len(ids), self.size, str(file))
        masks = values == np.array(ids, values.dtype).reshape(-1, 1, 1)
        return Truth(frame_index, tuple(ids), masks, void)

    def problems(self) -> Iterator[Problem]:
        for number in self._labels:
            if number not in self._images:
                yield Problem("missing image", self.name, f"frame {number} has a mask and no image")
        if not self.annotated:
            yield Problem("no annotation", self.name, f"expected masks for its images in {self.labels}")
        for file in [*self._images.values(), *self._annotations()]:
            try:
                if (size := read_image_size(file)) != self.size:
                    detail = f"expected {size_text(self.size)} as the first image, got {size_text(size)}: {file}"
                    yield Problem("size mismatch", self.name, detail)
            except MediaError as error:
                yield Problem("unreadable", self.name, str(error))

    def _annotations(self) -> list[Path]:
        return list(self._labels.values())

    @cached_property
    def _images(self) -> Mapping[Number, Path]:
        return _numbered(self.images)

    @cached_property
    def _labels(self) -> Mapping[Number, Path]:
        return _numbered(self.labels)

    def _number(self, frame_index: int) -> Number:
        return list(self._images)[frame_index]

    def _values(self, file: Path) -> Shaped[np.ndarray, "h w"]:
        """Read a label map (0 is the background); `FormatError` unless it has the size of the images."""
        if self.coding == "colors":
            red, green, blue = np.moveaxis(read_image(file).astype(np.uint32), 2, 0)
            values: Shaped[np.ndarray, "h w"] = red + (green << 8) + (blue << 16)
        else:
            values = read_mask(file).astype(np.uint8) if self.coding == "binary" else read_label_map(file)
        check_same_size(values.shape, self.size, "masks", file)
        return values

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
    """A video with a folder of images, and a folder of masks per object, which may overlap, as in SA-V.

    The folder ``000`` is object 1, ``001`` object 2; other names are numbered from 1 in natural order.
    """

    def _truth(self, frame_index: int) -> Truth:
        """Read the masks of all objects; objects without a file on this frame are unknown."""
        number = self._number(frame_index)
        files = {i: files[number] for i, files in self._object_files.items() if number in files}
        check_mask_bytes(len(files), self.size, self.name)
        masks = np.zeros((len(files), *self.size), bool)
        for mask, file in zip(masks, files.values(), strict=True):
            values = read_mask(file)
            check_same_size(values.shape, self.size, "masks", file)
            mask[:] = values
        return Truth(frame_index, tuple(files), masks, unknown=frozenset(self._object_files) - set(files))

    @property
    def original_ids(self) -> Mapping[ObjectId, str]:
        return {i: folder.name for i, folder in self._folders.items()}

    @cached_property
    def _folders(self) -> Mapping[ObjectId, Path]:
        names = list_folders(self.labels)
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


class LabelMapVideos(Layout, tag="label-map-videos", frozen=True, kw_only=True):
    """A folder of images and one of label maps per video; the names of an image and its label map share a number.

    Paths are relative to the root. ``{name}`` stands for the sequence, ``{split}`` for a name of the split,
    ``{quality}`` for the folder of one of the published resolutions. If a path ends in ``{name}_*``, the files of all
    sequences are in one folder, and the names of the files start with the sequence.

    Attributes:
        images, labels: the folders of a sequence; with ``{object}`` at the end, a folder of masks per object.
        bases: possible prefixes of all paths.
        qualities: folders of the resolutions, with a slash, the likeliest first.
        listings: possible lists of sequences, the likeliest first; without one, all folders are used.
        meta: a JSON file with object categories in YouTube-VOS format, or "".
        training_meta: the same of the training split; filled in automatically.
        levels: number of folders in the name of a sequence.
        names: a pattern for the names of sequences, to exclude other folders.
        coding: the meaning of pixel values in label maps.
        void: the pixel value that is excluded from scoring, or None.
        free_ids: ids need not be 1, 2, 3 ...
        stretch: map gray values to the full range (see `ImageListVideo`).
    """

    images: str = "JPEGImages/{name}"
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
        base, layout = next(self._resolved(split))
        return f"{_for_people(base, layout.images)}*.jpg and {_for_people(base, layout.labels)}*.png"

    def _list(self, root: Path, split: Split) -> Iterator[VideoSequence | Problem]:
        for base, layout in self._resolved(split):
            if (root / base / layout.images.partition("{name}")[0]).is_dir():
                return layout._sequences(root / base)
        raise self.missing(root, split)

    def _resolved(self, split: Split) -> Iterator[tuple[str, LabelMapVideos]]:
        """Yield every possible base with the layout there; ``{name}`` and ``{object}`` remain as placeholders."""
        for spelling, base, quality in itertools.product(split.spellings, self.bases, self.qualities):

            def fill(text: str, words: tuple[str, str] = (spelling, quality)) -> str:
                return text.replace("{split}", words[0]).replace("{quality}", words[1])

            layout = msgspec.structs.replace(
                self,
                images=fill(self.images),
                labels=fill(self.labels),
                listings=tuple(fill(listing) for listing in self.listings),
                meta=fill(self.meta),
                training_meta=self.meta.replace("{split}", "train"),
            )
            yield fill(base), layout

    def _sequences(self, base: Path) -> Iterator[VideoSequence | Problem]:
        categories = read_meta(base / self.meta) if self.meta and (base / self.meta).is_file() else {}
        known = self._training_categories(base)
        kind = ObjectFolderSequence if self.labels.endswith("{object}") else LabelMapSequence
        options = {key: getattr(self, key) for key in ("coding", "void", "stretch", "free_ids")}
        if self.listings and self._listing(base) is None:
            detail = f"expected {self.listings[0]} in {base}, found nothing; every folder is used"
            yield Problem("no list", self.listings[0], detail)
        for name in self._names(base):
            images = confined(base, self.images.replace("{name}", name))
            labels = confined(base, self.labels.removesuffix("/{object}").replace("{name}", name))
            if not _exists(images):
                yield Problem("missing sequence", name, f"expected the folder {images}, found nothing")
            elif not _exists(labels):
                yield Problem("no annotation", name, f"expected the folder {labels}, found nothing")
            else:
                named = categories.get(name, {})
                seen = {i: category in known for i, category in named.items()} if known else {}
                yield kind(name=name, images=images, labels=labels, categories=named, seen=seen, **options)

    def _names(self, base: Path) -> list[str]:
        listing = self._listing(base)
        if listing is not None:
            return sorted({_name_in(line) for line in read_names(listing)}, key=natural_key)
        head, _, tail = self.images.partition("{name}")
        if tail == "_*":
            names = {file.name.partition("_")[0] for file in list_entries(base / head) if "_" in file.name}
            return sorted(names, key=natural_key)
        found = [""]
        for _ in range(self.levels):
            found = [f"{name}/{folder}".lstrip("/") for name in found for folder in list_folders(base / head / name)]
        return [name for name in found if re.fullmatch(self.names, name) and (base / f"{head}{name}{tail}").is_dir()]

    def _listing(self, base: Path) -> Path | None:
        return next((base / path for path in self.listings if (base / path).is_file()), None)

    def _training_categories(self, base: Path) -> frozenset[str]:
        """Read the categories of the training split, which distinguish seen from unseen; empty if it is not there."""
        path = base / self.training_meta
        named = read_meta(path).values() if path.is_file() else ()
        return frozenset(category for objects in named for category in objects.values() if category)


class _MetaVideo(msgspec.Struct):
    objects: dict[str, dict[str, Any]]


class _Meta(msgspec.Struct):
    videos: dict[str, _MetaVideo]


def read_meta(path: Path) -> Mapping[str, Mapping[ObjectId, str]]:
    """Read the categories of the objects of each video from a YouTube-VOS ``meta.json``; "" if not named."""
    document = read_json(path, _Meta, what="meta.json of YouTube-VOS", max_bytes=MAX_META_BYTES)
    with expecting("object ids", str(path)):
        return {
            name: {int(i): str(thing.get("category", "")) for i, thing in video.objects.items()}
            for name, video in document.videos.items()
        }


def _name_in(line: str) -> str:
    """Extract the sequence from a line of a list: the line itself, or the folder of the image in it (DAVIS 2016)."""
    first = PurePosixPath(line.split(maxsplit=1)[0])
    return first.parent.name if first.suffix.lower() in (".jpg", ".png") else line


def _for_people(base: str, path: str) -> str:
    shown = str(PurePosixPath(base, path.replace("{name}", "NAME").replace("{object}", "OBJECT")))
    return shown.removesuffix("*") if shown.endswith("*") else f"{shown}/"


def _exists(path: Path) -> bool:
    """Whether a folder exists; for ``name_*``, whether a file does."""
    if path.name.endswith("_*"):
        return any(path.parent.glob(path.name))
    return path.is_dir()
