"""Training data as people name it: `[NAME=]PATH[@SPLIT]`, several of them, as pictures and videos to learn from."""

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
from masklet.train.loop import TrainData

Item = TypeVar("Item", VideoSequence, ImageSample)

TRAINING: tuple[str, ...] = ("train", "train2017", "all")
VALIDATION: tuple[str, ...] = ("val", "valid", "val2017", "all")
"""Splits that are meant where none is named."""


@dataclass(frozen=True)
class Source:
    """One of the paths that a person gave, opened.

    Attributes:
        given: what the person wrote.
        dataset: the pictures or videos there.
    """

    given: str
    dataset: VideoDataset | ImageDataset

    @property
    def is_video(self) -> bool:
        """Whether it holds videos."""
        return isinstance(self.dataset, VideoDataset)


class Joined(Sequence[Item]):
    """Data sets one after the other. What an item caches goes when the item goes, as in the data sets themselves."""

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
    """Pictures and videos to learn from; lists and indexes are read, pictures and masks are not.

    Args:
        paths: ``[NAME=]PATH[@SPLIT]`` each: NAME is a row of `masklet.io.datasets.DATASETS`, else the layout is
            recognized; SPLIT is "train" where the data set has it.

    Raises:
        MediaError: there is no such folder.
        FormatError: an unknown name or split, a folder that holds something else, or no truth to learn from.
    """
    return as_training_data([open_source(path) for path in paths])


def as_training_data(sources: Iterable[Source]) -> TrainData:
    """The pictures and the videos of opened sources."""
    datasets: list[Any] = [source.dataset for source in sources]
    return TrainData(
        stills=Joined(dataset for dataset in datasets if isinstance(dataset, ImageDataset)),
        videos=Joined(dataset for dataset in datasets if isinstance(dataset, VideoDataset)),
    )


def open_source(given: str, *, prefer: tuple[str, ...] = TRAINING) -> Source:
    """Open one path; see `open_training_data`.

    Args:
        given: ``[NAME=]PATH[@SPLIT]``.
        prefer: splits that are meant where none is named, the likeliest first.
    """
    name, path, split = _parts(given)
    if name:
        has = [item.name for item in dataset_info(name).splits]
        choice = split or next((choice for choice in prefer if choice in has), None)
        if choice is None:
            raise FormatError(f"{name} has the splits {', '.join(has)}: name one ({given}@{has[0]})")
        dataset = open_dataset(name, path, split=choice)
    else:
        dataset = recognize(path, split=split, prefer=prefer)
    if not dataset.scored:
        other = "" if name else "; if it is another data set, name it (NAME=PATH)"
        raise FormatError(f"the masks of {dataset.name} {dataset.split} are not public: {given}{other}")
    return Source(given, dataset)


def _parts(given: str) -> tuple[str, str, str | None]:
    """Name, path and split. A folder that is called so is taken as it is, whatever signs are in its name."""
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
