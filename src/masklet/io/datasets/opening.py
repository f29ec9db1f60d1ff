"""Open a data set by its name in the catalog, or recognize one by its files."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any, Final

from masklet.errors import FormatError, MaskletError, MediaError
from masklet.io.datasets.annotated import ImageDataset, ImageSample, Problem, VideoDataset, VideoSequence
from masklet.io.datasets.catalog import DATASETS, DatasetInfo
from masklet.io.datasets.files import describe_folder, layout_error


def dataset_info(name: str) -> DatasetInfo:
    """Look up a data set in the catalog; `FormatError` suggests the nearest name."""
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
    """Open a split of a data set in the catalog. Reads lists and indexes, no images or masks.

    Args:
        name: its name in the catalog (`DATASETS`, docs/datasets.md).
        root: the folder that the layout in the catalog is relative to.
        split: one of its splits; by default the first in the catalog.
        sequences: names of the items to use; all by default.
        limit: maximum number of items.

    Raises:
        MediaError: the folder is missing or cannot be read.
        FormatError: unknown name or split, or the folder does not contain the layout.
    """
    info = dataset_info(name)
    chosen = next((s for s in info.splits if split is None or s.name == split), None)
    if chosen is None:
        raise FormatError(f"{name} has the splits {', '.join(s.name for s in info.splits)}, got {split!r}")
    if limit is not None and limit < 1:
        raise FormatError(f"expected a limit of at least 1, got {limit}")
    if not Path(root).is_dir():
        raise layout_error(Path(root), f"{info.title}, {chosen.name}", info.layout.expected(chosen))
    try:
        found = info.layout.find(Path(root), chosen)
    except FormatError as error:
        raise FormatError(f"{info.title}: {error}") from None
    first = {item.name: item for item in reversed(found.items)}
    doubles = [item.name for item in found.items if first[item.name] is not item]
    common: dict[str, Any] = {"name": name, "split": chosen.name, "scored": chosen.scored}
    common["warnings"] = (*found.warnings, *(Problem("double name", one, "only the first is used") for one in doubles))
    items = [item for item in found.items if first[item.name] is item]
    videos = tuple(item for item in items if isinstance(item, VideoSequence))
    if videos:
        return VideoDataset(items=videos, **common).only(sequences, limit)
    images = tuple(item for item in items if isinstance(item, ImageSample))
    return ImageDataset(items=images, **common).only(sequences, limit)


def open_videos(name: str, root: str | os.PathLike[str], **choice: Any) -> VideoDataset:
    """Open a data set of videos with the arguments of `open_dataset`; `FormatError` for one of images."""
    dataset = open_dataset(name, root, **choice)
    if not isinstance(dataset, VideoDataset):
        raise FormatError(f"expected a data set of videos, got {name}, which contains images")
    return dataset


def open_images(name: str, root: str | os.PathLike[str], **choice: Any) -> ImageDataset:
    """Open a data set of images with the arguments of `open_dataset`; `FormatError` for one of videos."""
    dataset = open_dataset(name, root, **choice)
    if not isinstance(dataset, ImageDataset):
        raise FormatError(f"expected a data set of images, got {name}, which contains videos")
    return dataset


RECOGNIZED: Final = ("sa-v-train", "sa-v", "davis2017", "davis2016", "mose", "coco", "voc", "videos", "images", "sa-1b")
"""Catalog entries whose layouts are tried, in this order; other data sets of the same layouts are read as these."""

TITLES: Final = {"davis2017": "DAVIS", "davis2016": "DAVIS", "mose": "YouTube-VOS, MOSE or LVOS"}
"""Titles of entries that stand for several data sets."""

HELD_OUT: Final = frozenset({"val", "valid", "test"})
"""Folders that are not used unless a split is requested."""


def recognize(
    root: str | os.PathLike[str], *, split: str | None = None, prefer: tuple[str, ...] = ("train", "train2017", "all")
) -> VideoDataset | ImageDataset:
    """Open the data set in a folder, or in its subfolder named like the split, by trying the layouts of the catalog.

    Args:
        root: the folder that a layout is relative to.
        split: one of the splits of that layout.
        prefer: splits to try in this order without ``split``. Data sets with a folder val, valid or test are not
            opened as "all".

    Raises:
        MediaError: the folder is missing.
        FormatError: no layout fits; the error lists those that were tried.
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
        f"expected {what} in {root}, found {describe_folder(root)}; tried {_expected(wanted)}; "
        "name the data set to see what is missing"
    )


def _candidates(wanted: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for name in RECOGNIZED:
        has = [split.name for split in dataset_info(name).splits]
        yield from ((name, choice) for choice in wanted if choice in has)


def _opened(name: str, root: Path, split: str) -> VideoDataset | ImageDataset | None:
    """Open a data set; None if the folder does not contain it."""
    try:
        found = open_dataset(name, root, split=split)
        if isinstance(found, VideoDataset):
            first = found[0]
            if not first.annotated:
                return None
            ids = first.truth(first.annotated[0]).object_ids
            if name == "davis2017" and ids == (255,):  # DAVIS 2016 has the same layout, but binary masks
                return open_dataset("davis2016", root, split=split)
    except MaskletError:
        return None
    return found


def _mixed(found: VideoDataset | ImageDataset) -> bool:
    return found.split == "all" and any(HELD_OUT & set(PurePosixPath(name).parts[:-1]) for name in found.names)


def _expected(wanted: tuple[str, ...]) -> str:
    lines: dict[str, str] = {}
    for name, choice in _candidates(wanted):
        info = dataset_info(name)
        shown = next(split for split in info.splits if split.name == choice)
        lines.setdefault(TITLES.get(name, info.title), info.layout.expected(shown))
    return ", ".join(f"{title} ({layout})" for title, layout in lines.items())
