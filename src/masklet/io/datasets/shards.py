"""Pictures with an SA-1B annotation beside each: in folders, or packed in tar shards."""

from __future__ import annotations

import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from masklet.errors import FormatError, MediaError
from masklet.io.datasets.annotated import ImageSample, InstanceMask, Problem
from masklet.io.datasets.files import wrong_root
from masklet.io.datasets.layouts import Found, Split
from masklet.io.folder import PICTURE_SUFFIXES, natural_key
from masklet.io.formats.json_file import read_bounded
from masklet.io.formats.sa1b import MAX_BYTES, parse_sa1b
from masklet.io.images import decode_image, read_image
from masklet.types import RgbImage

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
        if path.suffix.lower() in PICTURE_SUFFIXES:
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
                    kind = "json" if path.suffix == ".json" else "image" if path.suffix in PICTURE_SUFFIXES else ""
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
