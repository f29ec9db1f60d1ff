"""The interface of data-set layouts: a small class for each arrangement of files, which lists the items of a split."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from masklet.errors import FormatError, MaskletError
from masklet.io.datasets.annotated import ImageSample, Problem, VideoSequence
from masklet.io.images import natural_key


@dataclass(frozen=True)
class Split:
    """A part of a data set.

    Attributes:
        folders: possible names of its folder or list on disk, the likeliest first; by default its name.
        scored: whether all its masks are public; else only the first mask of each object is.
    """

    name: str
    folders: tuple[str, ...] = ()
    scored: bool = True

    @property
    def spellings(self) -> tuple[str, ...]:
        """The names to try on disk."""
        return self.folders or (self.name,)


@dataclass(frozen=True)
class Found:
    """The items that a layout found, and the irregularities on the way."""

    items: tuple[VideoSequence | ImageSample, ...]
    warnings: tuple[Problem, ...] = ()


def found(
    items: Sequence[VideoSequence | ImageSample], warnings: Sequence[Problem], missing: Callable[[], MaskletError] | str
) -> Found:
    """Sort items by name; without items, raise a `FormatError` of ``missing`` and the first warning."""
    if not items:
        reason = missing if isinstance(missing, str) else str(missing())
        raise FormatError(f"{reason} ({warnings[0]})" if warnings else reason)
    return Found(tuple(sorted(items, key=lambda item: natural_key(item.name))), tuple(warnings))


@runtime_checkable
class Layout(Protocol):
    """The arrangement of a data set's files on disk."""

    def expected(self, split: Split) -> str:
        """Describe the folders and files of a split for people; capitals stand for names."""
        ...

    def find(self, root: Path, split: Split) -> Found:
        """List the items of a split; reads lists and indexes, no image.

        Raises:
            MediaError: the root or a folder cannot be read.
            FormatError: the root does not contain the layout, or a list or index is malformed.
        """
        ...
