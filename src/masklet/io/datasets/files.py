"""Files of a data set on disk: by their numbers, from lists, and never outside its root."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterable, Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from masklet.bounded_json import read_bounded
from masklet.errors import FormatError, MaskletError, MediaError
from masklet.io.datasets.layouts import Split
from masklet.io.images import IMAGE_SUFFIXES, natural_key, open_image, read_image_size
from masklet.io.inputs import read_image
from masklet.io.source import RecordedSource
from masklet.types import RgbImage

MAX_LIST_BYTES = 2**26

Number = int | str
"""What a frame's picture and its annotation share: the last number in their names, or the whole name without one."""


def confined(root: Path, name: str) -> Path:
    """A path that a file of the data set names, under ``root``; `FormatError` if it leads out of it.

    Only the text counts: links that a person made inside the data set may lead anywhere.
    """
    path = PurePosixPath(name)
    if not name or path.is_absolute() or ".." in path.parts or any(c in name for c in "\\\0\n:"):
        raise FormatError(f"expected a path inside {root}, got {name[:80]!r}")
    return root / path


def folders_in(folder: Path) -> list[str]:
    """Names of the visible folders in a folder, in natural order."""
    return sorted((f.name for f in listed(folder) if f.is_dir()), key=natural_key)


def listed(folder: Path) -> list[Path]:
    """The visible entries of a folder; `MediaError` if it cannot be read."""
    try:
        return [entry for entry in folder.iterdir() if entry.name[0] != "."]
    except OSError as error:
        raise MediaError(f"cannot read the folder {folder}: {error.strerror}") from error


def list_images(folder: Path, prefix: str = "") -> dict[Number, Path]:
    """The pictures of a folder by number, in natural order; those whose names begin with ``prefix``, which is cut off.

    Raises:
        MediaError: the folder cannot be read.
        FormatError: two of them have one number.
    """
    files = [f for f in listed(folder) if f.suffix.lower() in IMAGE_SUFFIXES and f.name.startswith(prefix)]
    numbered: dict[Number, Path] = {}
    for file in sorted(files, key=lambda file: natural_key(file.name)):
        number = _number_of(file.stem[len(prefix) :], first=bool(prefix))
        if number in numbered:
            raise FormatError(
                f"expected one picture for each number, got {numbered[number].name} and {file.name}: {folder}"
            )
        numbered[number] = file
    return numbered


def _number_of(stem: str, *, first: bool) -> Number:
    digits = re.findall(r"\d+", stem, re.ASCII)
    return int(digits[0 if first else -1][:18]) if digits else stem.casefold()


def lines_of(path: Path) -> list[str]:
    """The names in a list file, one a line, blank lines left out."""
    try:
        text = read_bounded(path, MAX_LIST_BYTES).decode()
    except UnicodeDecodeError:
        raise FormatError(f"expected a list of names, one a line: {path}") from None
    return [line.strip() for line in text.splitlines() if line.strip()]


def wrong_root(root: Path, what: str, expected: str) -> MaskletError:
    """The error of a root that does not hold the data set: what it should hold, and what it does."""
    if not root.is_dir():
        return MediaError(f"expected the folder of {what}, found {'a file' if root.exists() else 'nothing'}: {root}")
    return FormatError(f"expected {what} as {expected} in {root}, found {contents(root)}")


def contents(folder: Path) -> str:
    """What a folder holds, for people: its first few names."""
    names = sorted((entry.name for entry in listed(folder)), key=natural_key)
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "") if names else "nothing"


def file_and_folder(
    root: Path, split: Split, files: Sequence[str], folders: Sequence[str], expected: str
) -> tuple[Path, Path]:
    """The first annotation file and the first folder of pictures that are there; ``{split}`` stands for a spelling."""
    file = next((p for s in split.spellings for f in files if (p := root / f.format(split=s)).is_file()), None)
    folder = next((p for s in split.spellings for f in folders if (p := root / f.format(split=s)).is_dir()), None)
    if file is None or folder is None:
        raise wrong_root(root, f"split {split.name!r}", expected)
    return file, folder


class ListedPictures(RecordedSource):
    """RgbImage files in a given order as a video; sizes are checked as they are read, so that opening costs nothing.

    Args:
        name: what messages call it.
        files: the pictures.
        stretch: spread the gray values of the first picture over black to white, the same way in all: microscopes
            use a small part of 16 bits.

    Raises:
        MediaError: no pictures, or the first cannot be read.
    """

    def __init__(self, name: str, files: Iterable[Path], *, stretch: bool = False) -> None:
        self.files: Sequence[Path] = tuple(files)
        if not self.files:
            raise MediaError(f"no pictures in {name}")
        super().__init__(name, read_image_size(self.files[0]), None)
        self._range = _gray_range(self.files[0]) if stretch else None

    @property
    def timestamps(self) -> Sequence[float]:
        """Empty: the pictures have no clock."""
        return ()

    def __len__(self) -> int:
        return len(self.files)

    def _read(self, index: int) -> RgbImage:
        file = self.files[index]
        picture = read_image(file) if self._range is None else _stretched(file, self._range)
        if picture.shape[:2] != self.size:
            raise MediaError(f"expected a picture of {shown(self.size)}, got {shown(picture.shape[:2])}: {file}")
        return picture

    def _stream(self) -> Generator[RgbImage]:
        for index in range(len(self)):
            yield self._read(index)


def shown(size: tuple[int, ...]) -> str:
    """A size as people write it, width first."""
    return f"{size[1]}x{size[0]}"


def _gray_range(file: Path) -> tuple[float, float]:
    low, high = np.percentile(_gray(file), (0.1, 99.9)).tolist()
    return low, max(high, low + 1)


def _stretched(file: Path, limits: tuple[float, float]) -> RgbImage:
    low, high = limits
    gray = np.clip((_gray(file) - low) * (255 / (high - low)), 0, 255).astype(np.uint8)
    return np.repeat(gray[:, :, None], 3, axis=2)


def _gray(file: Path) -> np.ndarray:
    with open_image(file) as image:
        values = image if image.mode.startswith(("I", "F", "L")) else image.convert("L")
        gray = np.nan_to_num(np.asarray(values, np.float32))
        return gray if gray.ndim == 2 else gray[:, :, 0]
