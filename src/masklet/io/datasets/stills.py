"""Annotated images: COCO instances, images with label maps or BSDS files, and SA-1B in folders or tar shards."""

from __future__ import annotations

import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from jaxtyping import UInt8, UInt16
from scipy.io import loadmat

from masklet.bounded_json import read_bounded, read_json
from masklet.errors import FormatError, MediaError
from masklet.io.datasets.annotated import ImageSample, InstanceMask, Problem, check_mask_bytes
from masklet.io.datasets.files import check_same_size, confined, list_entries, read_names
from masklet.io.datasets.layouts import Layout, Split
from masklet.io.formats.coco import CocoImage, read_images, segmentation
from masklet.io.formats.davis import read_label_map
from masklet.io.formats.sa1b import MAX_BYTES, parse_sa1b
from masklet.io.images import IMAGE_SUFFIXES, decode_image, read_image_size, size_text
from masklet.io.inputs import read_image
from masklet.masks.rle import encode_masks
from masklet.types import MAX_MASK_PIXELS, RgbImage, Rle


@dataclass(frozen=True, kw_only=True)
class CocoSample(ImageSample):
    """An image of a COCO instances file."""

    path: Path
    image: CocoImage = field(repr=False)

    def pixels(self) -> RgbImage:
        """Read the image; `MediaError` unless it has the size that the file states."""
        image = read_image(self.path)
        if image.shape[:2] != self.image.size:
            expected, got = size_text(self.image.size), size_text(image.shape[:2])
            raise MediaError(f"expected an image of {expected} as the annotations, got {got}: {self.path}")
        return image

    def instances(self) -> tuple[InstanceMask, ...]:
        size = self.image.size
        return tuple(
            InstanceMask(segmentation(code, size), category, crowd) for code, category, crowd in self.image.annotations
        )


class CocoImages(Layout, tag="coco-images", frozen=True, kw_only=True):
    """COCO: ``annotations/instances_SPLIT.json`` or a file of another usual name, and a folder of images."""

    annotations: tuple[str, ...] = (
        "annotations/instances_{split}.json",
        "instances_{split}.json",
        "annotations/{split}.json",
        "{split}.json",
        "{split}/_annotations.coco.json",
    )
    images: tuple[str, ...] = ("{split}", "images/{split}", "images")

    def expected(self, split: Split) -> str:
        paths = [paths[0].format(split=split.spellings[0]) for paths in (self.annotations, self.images)]
        return f"{paths[0]} and {paths[1]}/*.jpg"

    def _list(self, root: Path, split: Split) -> Iterator[ImageSample | Problem]:
        file, folder = self.find_file_and_folder(root, split, self.annotations, self.images)
        for image in read_images(read_json(file, dict[str, Any], what="COCO annotation file"), str(file)):
            path = confined(folder, image.file_name)
            name = PurePosixPath(image.file_name).with_suffix("").as_posix()
            if not image.annotations:
                yield Problem("no annotation", name, f"no mask of it in {file.name}")
            elif not path.is_file():
                yield Problem("missing image", name, f"expected {path}, found nothing")
            else:
                yield CocoSample(name=name, path=path, image=image)


@dataclass(frozen=True, kw_only=True)
class LabelMapSample(ImageSample):
    """An image with a label map, or the maps of a BSDS file; each value but the background is an object."""

    image: Path
    labels: Path
    void: int | None = None

    def pixels(self) -> RgbImage:
        return read_image(self.image)

    def instances(self) -> tuple[InstanceMask, ...]:
        """Return a mask per value, lowest first; see `ImageSample.instances`."""
        maps = read_bsds(self.labels) if self.labels.suffix == ".mat" else (read_label_map(self.labels),)
        return tuple(InstanceMask(rle) for values in maps for rle in self._regions(values))

    def _regions(self, values: UInt8[np.ndarray, "h w"] | UInt16[np.ndarray, "h w"]) -> Iterator[Rle]:
        size = read_image_size(self.image)
        check_same_size(values.shape, size, "labels", self.labels)
        ids = np.array([i for i in np.unique(values) if i not in (0, self.void)], values.dtype)
        check_mask_bytes(len(ids), size, str(self.labels))
        return iter(encode_masks(values == ids.reshape(-1, 1, 1)))


class LabelMapImages(Layout, tag="label-map-images", frozen=True, kw_only=True):
    """A folder of images and one of label maps with the same names.

    Attributes:
        folders: possible pairs of folders (images, labels), the likeliest first.
        listings: possible lists of images; without one, all are used.
        void: the pixel value that is not an object, besides 0.
    """

    folders: tuple[tuple[str, str], ...]
    listings: tuple[str, ...] = ()
    void: int | None = None

    def expected(self, split: Split) -> str:
        images, labels = (path.format(split=split.spellings[0]) for path in self.folders[0])
        return f"{images}/NAME.jpg and {labels}/NAME.{'mat' if 'groundTruth' in labels else 'png'}"

    def _list(self, root: Path, split: Split) -> Iterator[ImageSample | Problem]:
        pairs = [[root / path.format(split=s) for path in pair] for s in split.spellings for pair in self.folders]
        pair = next((pair for pair in pairs if all(path.is_dir() for path in pair)), None)
        if pair is None:
            raise self.missing(root, split)
        images, labels = ({path.stem: path for path in list_entries(folder) if path.is_file()} for folder in pair)
        listing = split.first(root, self.listings)
        listed = {line.split()[0] for line in read_names(listing)} if listing else ()
        for name in sorted(listed) or images:
            if name not in images or images[name].suffix.lower() not in IMAGE_SUFFIXES:
                yield Problem("missing image", name, f"expected it in {pair[0]}, found nothing")
            elif name not in labels:
                yield Problem("no annotation", name, f"expected its labels in {pair[1]}, found nothing")
            else:
                yield LabelMapSample(name=name, image=images[name], labels=labels[name], void=self.void)


MAX_IMAGE_BYTES = 2**28

EVERYTHING = "all"
"""The split of everything under the root."""


@dataclass(frozen=True, kw_only=True)
class FileSample(ImageSample):
    """An image with an SA-1B annotation file beside it."""

    image: Path
    annotation: Path

    def pixels(self) -> RgbImage:
        return read_image(self.image)

    def instances(self) -> tuple[InstanceMask, ...]:
        masks = parse_sa1b(read_bounded(self.annotation, MAX_BYTES), str(self.annotation))
        return tuple(InstanceMask(mask) for mask in masks)


@dataclass(frozen=True, kw_only=True)
class ShardSample(ImageSample):
    """An image and its annotation in a tar file, each by its (offset, size) in bytes."""

    shard: Path
    image: tuple[int, int]
    annotation: tuple[int, int]

    def pixels(self) -> RgbImage:
        return decode_image(self._bytes(self.image, MAX_IMAGE_BYTES), f"{self.name} in {self.shard}")

    def instances(self) -> tuple[InstanceMask, ...]:
        where = f"{self.name} in {self.shard}"
        return tuple(InstanceMask(mask) for mask in parse_sa1b(self._bytes(self.annotation, MAX_BYTES), where))

    def _bytes(self, place: tuple[int, int], limit: int) -> bytes:
        start, count = place
        if count > limit:
            raise FormatError(f"expected at most {limit} bytes, got {count}: {self.name} in {self.shard}")
        try:
            with self.shard.open("rb") as file:
                file.seek(start)
                return file.read(count)
        except OSError as error:
            raise MediaError(f"cannot read {self.shard}: {error.strerror}") from error


class Sa1b(Layout, tag="sa-1b", frozen=True):
    """SA-1B: ``NAME.jpg`` beside ``NAME.json``, in folders and tar shards under the root."""

    def expected(self, split: Split) -> str:
        return "NAME.jpg beside NAME.json in folders, or tar files that hold them"

    def _list(self, root: Path, split: Split) -> Iterator[ImageSample | Problem]:
        """List the annotated images in the folder of the split, or in the shards with its name in theirs.

        The split "all" is everything under the root. See `Layout.find`.
        """
        folder = next((root / s for s in split.spellings if (root / s).is_dir()), None)
        place = folder or root
        if not place.is_dir():
            raise self.missing(root, split)
        whole = folder is not None or split.name == EVERYTHING
        files = [path for path in place.rglob("*") if path.name[0] != "." and path.is_file()]
        shards = [path for path in files if path.suffix == ".tar"]
        named = [path for path in shards if set(split.spellings) & set(re.split(r"\W|_", path.stem))]
        for shard in sorted(shards if whole else named):
            yield from _in_shard(shard)
        if whole:
            yield from _in_folders(place, files)


def _in_folders(place: Path, files: list[Path]) -> Iterator[FileSample | Problem]:
    annotations = {path.with_suffix("") for path in files if path.suffix == ".json"}
    for path in files:
        if path.suffix.lower() in IMAGE_SUFFIXES:
            name = path.relative_to(place).with_suffix("").as_posix()
            if path.with_suffix("") in annotations:
                yield FileSample(name=name, image=path, annotation=path.with_suffix(".json"))
            else:
                yield Problem("no annotation", name, f"expected {path.stem}.json beside {path}")


def _in_shard(shard: Path) -> Iterator[ShardSample | Problem]:
    """Yield the pairs in a tar file; reads only headers, and never uses a member name as a path."""
    members: dict[str, dict[str, tuple[int, int]]] = {}
    try:
        with tarfile.open(shard, "r:") as tar:
            for member in tar:
                if member.isreg():
                    path = PurePosixPath(member.name)
                    kind = "json" if path.suffix == ".json" else "image" if path.suffix in IMAGE_SUFFIXES else ""
                    members.setdefault(path.with_suffix("").as_posix(), {})[kind] = (member.offset_data, member.size)
    except (tarfile.TarError, OSError, ValueError) as error:
        raise FormatError(f"expected an uncompressed tar file of images and JSON, got {error}: {shard}") from None
    if not any("json" in member for member in members.values()):
        yield Problem("no annotation", shard.name, "expected JSON files in it, found none")
        return
    for name, pair in members.items():
        if "image" in pair and "json" in pair:
            yield ShardSample(name=name, shard=shard, image=pair["image"], annotation=pair["json"])
        elif "image" in pair:
            yield Problem("no annotation", name, f"expected {name}.json in {shard}")


MAX_BSDS_BYTES = 2**20
"""Real files have 10 to 100 KB; the content is compressed, so even a small file can expand to a lot."""


def read_bsds(path: Path) -> tuple[UInt16[np.ndarray, "h w"], ...]:
    """Read a Berkeley segmentation file: one label map per annotator, regions numbered from 1, without background.

    Raises:
        FormatError: the file is missing, too large or malformed.
    """
    data = read_bounded(path, MAX_BSDS_BYTES)
    try:
        cells = loadmat(BytesIO(data), variable_names=["groundTruth"])["groundTruth"]  # type: ignore[arg-type]  # files work
        maps = [np.asarray(cell["Segmentation"][0, 0]) for cell in cells.ravel()]
    except Exception as error:  # the parser raises whatever it trips over
        raise FormatError(f"expected a BSDS ground truth, got something else ({error}): {path}") from error
    for values in maps:
        if values.ndim != 2 or values.dtype.kind not in "ui" or not 0 < values.size <= MAX_MASK_PIXELS:
            raise FormatError(f"expected label maps of whole numbers, got {values.dtype} {values.shape}: {path}")
        if values.shape != maps[0].shape or values.max() > 65535 or values.min() < 0:
            raise FormatError(f"expected label maps of one size with values up to 65535: {path}")
    return tuple(values.astype(np.uint16) for values in maps)
