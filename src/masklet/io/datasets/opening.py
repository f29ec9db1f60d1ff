"""Opening a data set of the table by its name."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, Final

from masklet.errors import FormatError, MaskletError, MediaError
from masklet.io.datasets.annotated import ImageDataset, ImageSample, Problem, VideoDataset, VideoSequence
from masklet.io.datasets.catalog import DATASETS, DatasetInfo
from masklet.io.datasets.files import contents, wrong_root


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


RECOGNIZED: Final = (
    "sa-v-train",
    "sa-v",
    "davis2017",
    "davis2016",
    "mose",
    "coco",
    "voc",
    "videos",
    "pictures",
    "sa-1b",
)
"""Rows of the table whose layouts are looked for, in this order; others of the same layout are read as one of these."""

TITLES: Final = {"davis2017": "DAVIS", "davis2016": "DAVIS", "mose": "YouTube-VOS, MOSE or LVOS"}
"""What to call rows that stand for others too."""

OTHERS: Final = frozenset({"val", "valid", "test"})
"""Folders that nobody means who asks for no split."""


def recognize(
    root: str | os.PathLike[str], *, split: str | None = None, prefer: tuple[str, ...] = ("train", "train2017", "all")
) -> VideoDataset | ImageDataset:
    """Open whatever data set lies in a folder, or in its folder of the split's name.

    Args:
        root: the folder in which a layout of the table begins.
        split: one of the splits of that layout.
        prefer: without one, the first of these that the layout has and the folder holds; nothing is taken together
            with a folder called val, valid or test.

    Raises:
        MediaError: there is no such folder.
        FormatError: no layout fits; the error lists those that were looked for.
    """
    root = Path(root)
    if not root.is_dir():
        raise MediaError(f"expected the folder of a data set, found {'a file' if root.exists() else 'nothing'}: {root}")
    wanted = prefer if split is None else (split,)
    for place in (root, *(path for choice in wanted if (path := root / choice).is_dir())):
        for name, choice in _candidates(("all", *wanted) if place != root else wanted):
            found = _opened(name, place, choice)
            if found is not None and (split is not None or not _mixed(found)):
                return found
    what = "a data set" if split is None else f"split {split!r} of a data set"
    raise FormatError(
        f"expected {what} in {root}, found {contents(root)}; looked for {_expected(wanted)}; "
        "name a data set to hear what it lacks"
    )


def _candidates(wanted: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for name in RECOGNIZED:
        has = [split.name for split in dataset_info(name).splits]
        yield from ((name, choice) for choice in wanted if choice in has)


def _opened(name: str, root: Path, split: str) -> VideoDataset | ImageDataset | None:
    """The data set, or None if the folder holds something else."""
    try:
        found = open_dataset(name, root, split=split)
        if isinstance(found, VideoDataset):
            first = found[0]
            if not first.annotated:
                return None
            ids = first.truth(first.annotated[0]).object_ids
            if name == "davis2017" and ids == (
                255,
            ):  # DAVIS 2016 lies there the same way, its masks are black or white
                return open_dataset("davis2016", root, split=split)
    except MaskletError:
        return None
    return found


def _mixed(found: VideoDataset | ImageDataset) -> bool:
    return found.split == "all" and any(OTHERS & set(PurePosixPath(name).parts[:-1]) for name in found.names)


def _expected(wanted: tuple[str, ...]) -> str:
    lines: dict[str, str] = {}
    for name, choice in _candidates(wanted):
        info = dataset_info(name)
        shown = next(split for split in info.splits if split.name == choice)
        lines.setdefault(TITLES.get(name, info.title), info.layout.expected(shown))
    return ", ".join(f"{title} ({layout})" for title, layout in lines.items())
