"""The interface of data-set layouts: a small class for each arrangement of files, which lists the items of a split."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from masklet.errors import FormatError, MaskletError
from masklet.io.datasets.annotated import ImageSample, Problem, VideoSequence
from masklet.io.datasets.files import layout_error
from masklet.io.images import natural_key


class Split(msgspec.Struct, frozen=True):
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

    def first(self, root: Path, paths: Sequence[str], exists: Callable[[Path], bool] = Path.is_file) -> Path | None:
        """Return the first of the paths under ``root`` that exists; ``{split}`` stands for the names of the split."""
        found = (root / path.format(split=spelling) for spelling in self.spellings for path in paths)
        return next(filter(exists, found), None)


@dataclass(frozen=True)
class Found:
    """The items that a layout found, and the irregularities on the way."""

    items: tuple[VideoSequence | ImageSample, ...]
    warnings: tuple[Problem, ...] = ()


class Layout(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind"):
    """Base of layouts: the arrangement of a data set's files on disk."""

    def expected(self, split: Split) -> str:
        """Describe the folders and files of a split for people; capitals stand for names."""
        raise NotImplementedError

    def find(self, root: Path, split: Split) -> Found:
        """List the items of a split by name; reads lists and indexes, no image.

        Raises:
            MediaError: the root or a folder cannot be read.
            FormatError: the root does not contain the layout or any item, or a list or index is malformed.
        """
        found = list(self._list(root, split))
        warnings = tuple(one for one in found if isinstance(one, Problem))
        items = [one for one in found if not isinstance(one, Problem)]
        if not items:
            raise FormatError(f"{self.missing(root, split)}{f' ({warnings[0]})' if warnings else ''}")
        return Found(tuple(sorted(items, key=lambda item: natural_key(item.name))), warnings)

    def _list(self, root: Path, split: Split) -> Iterator[VideoSequence | ImageSample | Problem]:
        """Yield the items, and the irregularities on the way."""
        raise NotImplementedError

    def missing(self, root: Path, split: Split) -> MaskletError:
        """Create the error for a root without this layout."""
        return layout_error(root, f"split {split.name!r}", self.expected(split))

    def find_file_and_folder(
        self, root: Path, split: Split, files: Sequence[str], folders: Sequence[str]
    ) -> tuple[Path, Path]:
        """Find the first existing annotation file and image folder."""
        file, folder = split.first(root, files), split.first(root, folders, Path.is_dir)
        if file is None or folder is None:
            raise self.missing(root, split)
        return file, folder
