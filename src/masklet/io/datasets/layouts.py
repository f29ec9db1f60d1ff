"""How data sets lie on disk, as data: one small class for each shape, which finds what is there."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from masklet.io.datasets.annotated import ImageSample, Problem, VideoSequence


@dataclass(frozen=True)
class Split:
    """A part of a data set.

    Attributes:
        name: what people call it.
        folders: what its folder or list may be called on disk, the likeliest first.
        scored: whether its masks are public; else only the first mask of each object is.
    """

    name: str
    folders: tuple[str, ...] = ()
    scored: bool = True

    @property
    def spellings(self) -> tuple[str, ...]:
        """The names to look for on disk."""
        return self.folders or (self.name,)


@dataclass(frozen=True)
class Found:
    """What a layout found: videos or pictures in natural order, and what it had to leave out."""

    items: tuple[VideoSequence, ...] | tuple[ImageSample, ...]
    warnings: tuple[Problem, ...] = ()


@runtime_checkable
class Layout(Protocol):
    """The shape of a data set on disk."""

    def expected(self, split: Split) -> str:
        """The folders and files of a split, for people; capitals stand for names."""
        ...

    def find(self, root: Path, split: Split) -> Found:
        """The items of a split; opens lists and indexes, no picture.

        Raises:
            MediaError: the root or a folder cannot be read.
            FormatError: the root holds something else, or a list or index is not in its form.
        """
        ...
