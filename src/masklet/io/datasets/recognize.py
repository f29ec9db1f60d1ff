"""Opening a data set that nobody named: its layout is told from its folders and files."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Final

from masklet.errors import FormatError, MaskletError, MediaError
from masklet.io.datasets.annotated import ImageDataset, VideoDataset
from masklet.io.datasets.files import contents
from masklet.io.datasets.opening import dataset_info, open_dataset

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
