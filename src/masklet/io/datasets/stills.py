"""Annotated pictures in folders: COCO instances, and pictures with label maps."""

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
from masklet.io.datasets.files import confined, file_and_folder, lines_of, listed, shown, wrong_root
from masklet.io.datasets.layouts import Found, Split
from masklet.io.formats.coco import CocoImage, read_images, segmentation
from masklet.io.formats.davis import read_label_map
from masklet.io.formats.sa1b import MAX_BYTES, parse_sa1b
from masklet.io.images import IMAGE_SUFFIXES, decode_image, natural_key, read_image_size
from masklet.io.inputs import read_image
from masklet.masks.rle import encode_masks
from masklet.types import MAX_MASK_PIXELS, RgbImage, Rle


@dataclass(frozen=True, kw_only=True)
class CocoSample(ImageSample):
    """A picture of a COCO instances file."""

    path: Path
    image: CocoImage = field(repr=False)

    def picture(self) -> RgbImage:
        """The picture; `MediaError` if it is not of the size that the file says."""
        picture = read_image(self.path)
        if picture.shape[:2] != self.image.size:
            told = f"expected a picture of {shown(self.image.size)} as the annotations"
            raise MediaError(f"{told}, got {shown(picture.shape[:2])}: {self.path}")
        return picture

    def instances(self) -> tuple[InstanceMask, ...]:
        """Its masks; see `ImageSample.instances`."""
        size = self.image.size
        return tuple(
            InstanceMask(segmentation(code, size), category, crowd) for code, category, crowd in self.image.annotations
        )


@dataclass(frozen=True)
class CocoInstances:
    """COCO: ``annotations/instances_SPLIT.json`` and a folder of pictures; other programs name the file otherwise."""

    annotations: tuple[str, ...] = (
        "annotations/instances_{split}.json",
        "instances_{split}.json",
        "annotations/{split}.json",
        "{split}.json",
        "{split}/_annotations.coco.json",
    )
    pictures: tuple[str, ...] = ("{split}", "images/{split}", "images")

    def expected(self, split: Split) -> str:
        """The files of a split, for people."""
        paths = [paths[0].format(split=split.spellings[0]) for paths in (self.annotations, self.pictures)]
        return f"{paths[0]} and {paths[1]}/*.jpg"

    def find(self, root: Path, split: Split) -> Found:
        """The pictures of the file that have annotations; see `Layout.find`."""
        file, folder = file_and_folder(root, split, self.annotations, self.pictures, self.expected(split))
        items, warnings = [], []
        for image in read_images(read_json(file, dict[str, Any], what="COCO annotation file"), str(file)):
            path = confined(folder, image.file_name)
            name = PurePosixPath(image.file_name).with_suffix("").as_posix()
            if not image.annotations:
                warnings.append(Problem("no annotation", name, f"no mask of it in {file.name}"))
            elif not path.is_file():
                warnings.append(Problem("missing picture", name, f"expected {path}, found nothing"))
            else:
                items.append(CocoSample(name=name, path=path, image=image))
        if not items:
            reason = str(warnings[0]) if warnings else "no pictures"
            raise FormatError(f"expected pictures with masks, got none ({reason}): {file}")
        return Found(tuple(sorted(items, key=lambda item: natural_key(item.name))), tuple(warnings))


@dataclass(frozen=True, kw_only=True)
class LabelMapSample(ImageSample):
    """A picture with a label map: each value but the background is an object. Of a ``.mat`` file all maps count."""

    image: Path
    labels: Path
    void: int | None = None

    def picture(self) -> RgbImage:
        """The picture; see `ImageSample.picture`."""
        return read_image(self.image)

    def instances(self) -> tuple[InstanceMask, ...]:
        """A mask for each value, lowest first; see `ImageSample.instances`."""
        maps = read_bsds(self.labels) if self.labels.suffix == ".mat" else (read_label_map(self.labels),)
        return tuple(InstanceMask(rle) for values in maps for rle in self._regions(values))

    def _regions(self, values: UInt8[np.ndarray, "h w"] | UInt16[np.ndarray, "h w"]) -> Iterator[Rle]:
        if values.shape != (size := read_image_size(self.image)):
            raise FormatError(
                f"expected labels of {shown(size)} as the picture, got {shown(values.shape)}: {self.labels}"
            )
        ids = np.array([i for i in np.unique(values) if i not in (0, self.void)], values.dtype)
        check_mask_bytes(len(ids), size, str(self.labels))
        return iter(encode_masks(values == ids.reshape(-1, 1, 1)))


@dataclass(frozen=True, kw_only=True)
class LabelMapImages:
    """A folder of pictures and one of label maps of the same names.

    Attributes:
        folders: pairs of folders to look for, pictures and labels, the likeliest first.
        listings: list files to look for; without one, all pictures count.
        void: the value of pixels that are no object, besides 0.
    """

    folders: tuple[tuple[str, str], ...]
    listings: tuple[str, ...] = ()
    void: int | None = None

    def expected(self, split: Split) -> str:
        """The folders of a split, for people."""
        pictures, labels = (path.format(split=split.spellings[0]) for path in self.folders[0])
        return f"{pictures}/NAME.jpg and {labels}/NAME.{'mat' if 'groundTruth' in labels else 'png'}"

    def find(self, root: Path, split: Split) -> Found:
        """The pictures that have labels; see `Layout.find`."""
        pairs = [[root / path.format(split=s) for path in pair] for s in split.spellings for pair in self.folders]
        pair = next((pair for pair in pairs if all(path.is_dir() for path in pair)), None)
        if pair is None:
            raise wrong_root(root, f"split {split.name!r}", self.expected(split))
        pictures, labels = ({path.stem: path for path in listed(folder) if path.is_file()} for folder in pair)
        names = sorted(self._listed(root, split) or pictures, key=natural_key)
        items, warnings = [], []
        for name in names:
            picture = pictures.get(name)
            if picture is None or picture.suffix.lower() not in IMAGE_SUFFIXES:
                warnings.append(Problem("missing picture", name, f"expected it in {pair[0]}, found nothing"))
            elif name not in labels:
                warnings.append(Problem("no annotation", name, f"expected its labels in {pair[1]}, found nothing"))
            else:
                items.append(LabelMapSample(name=name, image=picture, labels=labels[name], void=self.void))
        if not items:
            reason = str(warnings[0]) if warnings else "no pictures"
            raise FormatError(f"{wrong_root(root, f'split {split.name!r}', self.expected(split))} ({reason})")
        return Found(tuple(items), tuple(warnings))

    def _listed(self, root: Path, split: Split) -> list[str]:
        paths = [root / listing.format(split=s) for s in split.spellings for listing in self.listings]
        found = next((path for path in paths if path.is_file()), None)
        return [] if found is None else sorted({line.split()[0] for line in lines_of(found)})


MAX_PICTURE_BYTES = 2**28

EVERYTHING = "all"
"""The split that takes whatever lies under the root."""


@dataclass(frozen=True, kw_only=True)
class FileSample(ImageSample):
    """A picture with an annotation file in the SA-1B form beside it."""

    image: Path
    annotation: Path

    def picture(self) -> RgbImage:
        """The picture; see `ImageSample.picture`."""
        return read_image(self.image)

    def instances(self) -> tuple[InstanceMask, ...]:
        """Its masks; see `ImageSample.instances`."""
        masks = parse_sa1b(read_bounded(self.annotation, MAX_BYTES), str(self.annotation))
        return tuple(InstanceMask(mask) for mask in masks)


@dataclass(frozen=True, kw_only=True)
class ShardSample(ImageSample):
    """A picture and its annotation inside a tar file, by where their bytes begin and how many there are."""

    shard: Path
    image: tuple[int, int]
    annotation: tuple[int, int]

    def picture(self) -> RgbImage:
        """The picture; see `ImageSample.picture`."""
        return decode_image(self._bytes(self.image, MAX_PICTURE_BYTES), f"{self.name} in {self.shard}")

    def instances(self) -> tuple[InstanceMask, ...]:
        """Its masks; see `ImageSample.instances`."""
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


@dataclass(frozen=True)
class Sa1b:
    """SA-1B: ``NAME.jpg`` and ``NAME.json`` side by side, in folders or in tar shards (or both) under the root."""

    def expected(self, split: Split) -> str:
        """The files, for people."""
        return "NAME.jpg beside NAME.json in folders, or tar files that hold them"

    def find(self, root: Path, split: Split) -> Found:
        """The pictures with annotations in the split's folder, or in the shards whose names hold its name.

        The split "all" takes everything under the root. See `Layout.find`.
        """
        folder = next((root / s for s in split.spellings if (root / s).is_dir()), None)
        place = folder or root
        if not place.is_dir():
            raise wrong_root(root, f"split {split.name!r}", self.expected(split))
        whole = folder is not None or split.name == EVERYTHING
        files = [path for path in place.rglob("*") if path.name[0] != "." and path.is_file()]
        shards = [path for path in files if path.suffix == ".tar"]
        named = [path for path in shards if set(split.spellings) & set(re.split(r"\W|_", path.stem))]
        warnings: list[Problem] = []
        items: list[ImageSample] = []
        for shard in sorted(shards if whole else named):
            items += _in_shard(shard, warnings)
        items += _in_folders(place, files, warnings) if whole else []
        if not items:
            raise wrong_root(root, f"split {split.name!r}", self.expected(split))
        return Found(tuple(sorted(items, key=lambda item: natural_key(item.name))), tuple(warnings))


def _in_folders(place: Path, files: list[Path], warnings: list[Problem]) -> Iterator[FileSample]:
    annotations = {path.with_suffix("") for path in files if path.suffix == ".json"}
    for path in files:
        if path.suffix.lower() in IMAGE_SUFFIXES:
            name = path.relative_to(place).with_suffix("").as_posix()
            if path.with_suffix("") in annotations:
                yield FileSample(name=name, image=path, annotation=path.with_suffix(".json"))
            else:
                warnings.append(Problem("no annotation", name, f"expected {path.stem}.json beside {path}"))


def _in_shard(shard: Path, warnings: list[Problem]) -> Iterator[ShardSample]:
    """The pairs in a tar file; only its headers are read, and no name in it is ever a path here."""
    members: dict[str, dict[str, tuple[int, int]]] = {}
    try:
        with tarfile.open(shard, "r:") as tar:
            for member in tar:
                if member.isreg():
                    path = PurePosixPath(member.name)
                    kind = "json" if path.suffix == ".json" else "image" if path.suffix in IMAGE_SUFFIXES else ""
                    members.setdefault(path.with_suffix("").as_posix(), {})[kind] = (member.offset_data, member.size)
    except (tarfile.TarError, OSError, ValueError) as error:
        raise FormatError(f"expected an uncompressed tar file of pictures and JSON, got {error}: {shard}") from None
    if not any("json" in found for found in members.values()):
        warnings.append(Problem("no annotation", shard.name, "expected JSON files in it, found none"))
        return
    for name, found in members.items():
        if "image" in found and "json" in found:
            yield ShardSample(name=name, shard=shard, image=found["image"], annotation=found["json"])
        elif "image" in found:
            warnings.append(Problem("no annotation", name, f"expected {name}.json in {shard}"))


MAX_BSDS_BYTES = 2**20
"""The real files have 10 to 100 KB; their content is compressed, so that a small file can hold a lot."""


def read_bsds(path: Path) -> tuple[UInt16[np.ndarray, "h w"], ...]:
    """The label maps of all annotators; regions count from 1, there is no background.

    Raises:
        FormatError: missing, too large, or not of this form.
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
