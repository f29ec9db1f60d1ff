"""Training data from paths: `[NAME=]PATH[@SPLIT]`, several of them concatenated into images and videos."""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, overload

from masklet.errors import FormatError
from masklet.io.datasets import (
    DATASETS,
    ImageDataset,
    ImageSample,
    VideoDataset,
    VideoSequence,
    dataset_info,
    open_dataset,
    recognize,
)
from masklet.io.datasets.annotated import AnnotatedSet
from masklet.train.mixture import TrainData

Item = TypeVar("Item", VideoSequence, ImageSample)

TRAINING: tuple[str, ...] = ("train", "train2017", "all")
VALIDATION: tuple[str, ...] = ("val", "valid", "val2017", "all")
"""Splits to open if none is given, in order of preference."""


@dataclass(frozen=True)
class Source:
    """An opened data set, and the text by which it was given."""

    given: str
    dataset: VideoDataset | ImageDataset

    @property
    def is_video(self) -> bool:
        """Whether it holds videos."""
        return isinstance(self.dataset, VideoDataset)


class Concatenation(Sequence[Item]):
    """Data sets one after the other. Items are not cached, so that what an item caches is freed with it."""

    def __init__(self, parts: Iterable[AnnotatedSet[Item]]) -> None:
        self.parts: tuple[AnnotatedSet[Item], ...] = tuple(parts)
        self.ends = tuple(itertools.accumulate(len(part) for part in self.parts))

    def __len__(self) -> int:
        return self.ends[-1] if self.ends else 0

    @overload
    def __getitem__(self, place: int) -> Item: ...
    @overload
    def __getitem__(self, place: slice) -> list[Item]: ...
    def __getitem__(self, place: int | slice) -> Item | list[Item]:
        if isinstance(place, slice):
            return [self[i] for i in range(len(self))[place]]
        place = range(len(self))[place]
        part = bisect.bisect_right(self.ends, place)
        return self.parts[part][place - (self.ends[part - 1] if part else 0)]


def open_training_data(paths: Sequence[str]) -> TrainData:
    """Open images and videos to train on; indexes are read, images and masks are not.

    Args:
        paths: ``[NAME=]PATH[@SPLIT]`` each. NAME is one of `masklet.io.datasets.DATASETS`; without it the layout is
            recognized. SPLIT is "train" by default, if the data set has it.

    Raises:
        MediaError: there is no such folder.
        FormatError: an unknown name or split, a folder in another layout, or a split without public masks.
    """
    return as_training_data([open_source(path) for path in paths])


def as_training_data(sources: Iterable[Source]) -> TrainData:
    """Concatenate the images and the videos of opened sources."""
    datasets: list[Any] = [source.dataset for source in sources]
    return TrainData(
        images=Concatenation(dataset for dataset in datasets if isinstance(dataset, ImageDataset)),
        videos=Concatenation(dataset for dataset in datasets if isinstance(dataset, VideoDataset)),
    )


def open_source(given: str, *, prefer: tuple[str, ...] = TRAINING) -> Source:
    """Open one data set given as ``[NAME=]PATH[@SPLIT]``; without SPLIT the first of ``prefer`` that it has.

    Raises:
        MediaError, FormatError: as in `open_training_data`.
    """
    name, path, split = _parse(given)
    if name:
        splits = [item.name for item in dataset_info(name).splits]
        choice = split or next((choice for choice in prefer if choice in splits), None)
        if choice is None:
            raise FormatError(f"{name} has the splits {', '.join(splits)}: choose one ({given}@{splits[0]})")
        dataset = open_dataset(name, path, split=choice)
    else:
        dataset = recognize(path, split=split, prefer=prefer)
    if not dataset.scored:
        other = "" if name else "; if it is another data set, give its name (NAME=PATH)"
        raise FormatError(f"the masks of {dataset.name} {dataset.split} are not public: {given}{other}")
    return Source(given, dataset)


def _parse(given: str) -> tuple[str, str, str | None]:
    """Split into name, path and split; a folder of exactly that name is a path, whatever characters are in it."""
    name, equals, rest = given.partition("=")
    if not equals or "/" in name or Path(given).exists():
        name, rest = "", given
    path, at, split = rest.rpartition("@")
    if not at or "/" in split or Path(rest).exists():
        path, split = rest, ""
    if not path:
        names = ", ".join(info.name for info in DATASETS[:4])
        raise FormatError(f"expected [NAME=]PATH[@SPLIT] with a NAME such as {names}, got {given!r}")
    return name, path, split or None
