"""Annotated pictures in folders: COCO instances, and pictures with label maps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np
from jaxtyping import UInt8, UInt16

from masklet.errors import FormatError, MediaError
from masklet.io.datasets.annotated import ImageSample, InstanceMask, Problem, check_mask_bytes
from masklet.io.datasets.files import confined, file_and_folder, lines_of, listed, shown, wrong_root
from masklet.io.datasets.layouts import Found, Split
from masklet.io.folder import PICTURE_SUFFIXES, natural_key, picture_size
from masklet.io.formats.bsds import read_bsds
from masklet.io.formats.coco import CocoImage, read_images, segmentation
from masklet.io.formats.davis import read_label_map
from masklet.io.formats.json_file import load_json
from masklet.io.images import read_image
from masklet.masks.rle import encode_masks
from masklet.types import RgbImage, Rle


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
        for image in read_images(load_json(file), str(file)):
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
        if values.shape != (size := picture_size(self.image)):
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
            if picture is None or picture.suffix.lower() not in PICTURE_SUFFIXES:
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
