"""Opening a data set of the table by its name."""

from __future__ import annotations

import difflib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from masklet.errors import FormatError
from masklet.io.datasets.annotated import ImageDataset, ImageSample, Problem, VideoDataset, VideoSequence
from masklet.io.datasets.catalog import DATASETS
from masklet.io.datasets.files import wrong_root
from masklet.io.datasets.info import DatasetInfo


def dataset_info(name: str) -> DatasetInfo:
    """The row of a data set; `FormatError` for an unknown name, with the nearest one."""
    for info in DATASETS:
        if info.name == name:
            return info
    names = [info.name for info in DATASETS]
    near = difflib.get_close_matches(name, names, 1)
    raise FormatError(f"no data set is called {name!r}; {f'did you mean {near[0]!r}?' if near else ', '.join(names)}")


def open_dataset(
    name: str,
    root: str | os.PathLike[str],
    *,
    split: str | None = None,
    sequences: Sequence[str] | None = None,
    limit: int | None = None,
) -> VideoDataset | ImageDataset:
    """The videos or pictures of a data set in the table; lists and indexes are read, pictures and masks are not.

    Args:
        name: its name in the table (`DATASETS`, docs/datasets.md).
        root: the folder in which the layout that the table shows begins.
        split: one of its splits; the first of the table by default.
        sequences: take only the items of these names.
        limit: take at most so many items, the first ones.

    Raises:
        MediaError: there is no such folder, or it cannot be read.
        FormatError: an unknown name or split, or the folder holds something else: it says what was expected and found.
    """
    info = dataset_info(name)
    chosen = next((s for s in info.splits if split is None or s.name == split), None)
    if chosen is None:
        raise FormatError(f"{name} has the splits {', '.join(s.name for s in info.splits)}, got {split!r}")
    if limit is not None and limit < 1:
        raise FormatError(f"expected a limit of at least 1, got {limit}")
    if not Path(root).is_dir():
        raise wrong_root(Path(root), f"{info.title}, {chosen.name}", info.layout.expected(chosen))
    try:
        found = info.layout.find(Path(root), chosen)
    except FormatError as error:
        raise FormatError(f"{info.title}: {error}") from None
    items, doubles = _unique(found.items)
    told: dict[str, Any] = {
        "name": name,
        "split": chosen.name,
        "scored": chosen.scored,
        "warnings": (*found.warnings, *doubles),
    }
    videos = tuple(item for item in items if isinstance(item, VideoSequence))
    if videos:
        return VideoDataset(items=videos, **told).only(sequences, limit)
    pictures = tuple(item for item in items if isinstance(item, ImageSample))
    return ImageDataset(items=pictures, **told).only(sequences, limit)


def open_videos(name: str, root: str | os.PathLike[str], **choice: Any) -> VideoDataset:
    """`open_dataset` of a set of videos, with its arguments; `FormatError` for a set of pictures."""
    dataset = open_dataset(name, root, **choice)
    if not isinstance(dataset, VideoDataset):
        raise FormatError(f"expected a data set of videos, got {name}, which holds pictures")
    return dataset


def open_images(name: str, root: str | os.PathLike[str], **choice: Any) -> ImageDataset:
    """`open_dataset` of a set of pictures, with its arguments; `FormatError` for a set of videos."""
    dataset = open_dataset(name, root, **choice)
    if not isinstance(dataset, ImageDataset):
        raise FormatError(f"expected a data set of pictures, got {name}, which holds videos")
    return dataset


def _unique(
    items: Sequence[VideoSequence | ImageSample],
) -> tuple[list[VideoSequence | ImageSample], list[Problem]]:
    first = {item.name: item for item in reversed(items)}
    doubles = [item.name for item in items if first[item.name] is not item]
    kept = [item for item in items if first[item.name] is item]
    return kept, [Problem("double name", name, "it comes twice; the first is kept") for name in doubles]
