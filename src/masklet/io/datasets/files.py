"""Files of a data set: frames by number, lists of names, paths confined to the root, and image lists as videos."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from masklet.bounded_json import read_bounded
from masklet.errors import FormatError, MaskletError, MediaError
from masklet.io.images import IMAGE_SUFFIXES, natural_key, open_image, read_image_size, size_text
from masklet.io.inputs import read_image
from masklet.io.source import RecordedSource
from masklet.types import RgbImage, Size

MAX_LIST_BYTES = 2**26

Number = int | str
"""The key that the image and the annotation of a frame share: the last number in their names, else the whole name."""


def confined(root: Path, name: str) -> Path:
    """Resolve a path that a data-set file names; `FormatError` if it leaves ``root``.

    Symbolic links are not resolved: those inside the data set may lead anywhere.
    """
    path = PurePosixPath(name)
    if not name or path.is_absolute() or ".." in path.parts or any(c in name for c in "\\\0\n:"):
        raise FormatError(f"expected a path inside {root}, got {name[:80]!r}")
    return root / path


def list_folders(folder: Path) -> list[str]:
    """List the names of the visible subfolders, in natural order."""
    return sorted((f.name for f in list_entries(folder) if f.is_dir()), key=natural_key)


def list_entries(folder: Path) -> list[Path]:
    """List the visible entries of a folder; `MediaError` if it cannot be read."""
    try:
        return [entry for entry in folder.iterdir() if entry.name[0] != "."]
    except OSError as error:
        raise MediaError(f"cannot read the folder {folder}: {error.strerror}") from error


def list_images(folder: Path, prefix: str = "") -> dict[Number, Path]:
    """List the images of a folder by number, in natural order.

    Args:
        prefix: list only the images whose names start with it; the number is the first after it.

    Raises:
        MediaError: the folder cannot be read.
        FormatError: two images have the same number.
    """
    files = [f for f in list_entries(folder) if f.suffix.lower() in IMAGE_SUFFIXES and f.name.startswith(prefix)]
    numbered: dict[Number, Path] = {}
    for file in sorted(files, key=lambda file: natural_key(file.name)):
        number = _number_of(file.stem[len(prefix) :], first=bool(prefix))
        if number in numbered:
            raise FormatError(
                f"expected one image for each number, got {numbered[number].name} and {file.name}: {folder}"
            )
        numbered[number] = file
    return numbered


def _number_of(stem: str, *, first: bool) -> Number:
    digits = re.findall(r"\d+", stem, re.ASCII)
    return int(digits[0 if first else -1][:18]) if digits else stem.casefold()


def read_names(path: Path) -> list[str]:
    """Read a list of names, one per line; blank lines are ignored."""
    try:
        text = read_bounded(path, MAX_LIST_BYTES).decode()
    except UnicodeDecodeError:
        raise FormatError(f"expected a list of names, one per line: {path}") from None
    return [line.strip() for line in text.splitlines() if line.strip()]


def layout_error(root: Path, what: str, expected: str) -> MaskletError:
    """Create the error for a root without the layout, from what was expected and what is there."""
    if not root.is_dir():
        return MediaError(f"expected the folder of {what}, found {'a file' if root.exists() else 'nothing'}: {root}")
    return FormatError(f"expected {what} as {expected} in {root}, found {describe_folder(root)}")


def describe_folder(folder: Path) -> str:
    """Describe a folder by its first few names."""
    names = sorted((entry.name for entry in list_entries(folder)), key=natural_key)
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "") if names else "nothing"


def check_same_size(found: tuple[int, ...], size: Size, what: str, file: Path) -> None:
    """Raise `FormatError` unless ``what`` in a file has the size of the images."""
    if found != size:
        raise FormatError(f"expected {what} of {size_text(size)} as the images, got {size_text(found)}: {file}")


class ImageListVideo(RecordedSource):
    """A list of image files as a video. Only the first is opened at first; sizes are checked on reading.

    Args:
        stretch: map the gray values of the first image (0.1 to 99.9 percent) to 0 to 255, with the same mapping for all
            images; microscopes use a small part of the 16-bit range.

    Raises:
        MediaError: there are no images, or the first cannot be read.
    """

    def __init__(self, name: str, files: Iterable[Path], *, stretch: bool = False) -> None:
        self.files: Sequence[Path] = tuple(files)
        if not self.files:
            raise MediaError(f"no images in {name}")
        super().__init__(name, read_image_size(self.files[0]), None)
        self._range = _gray_range(self.files[0]) if stretch else None

    def __len__(self) -> int:
        return len(self.files)

    def _read(self, index: int) -> RgbImage:
        file = self.files[index]
        image = read_image(file) if self._range is None else _stretched(file, self._range)
        if image.shape[:2] != self.size:
            raise MediaError(f"expected an image of {size_text(self.size)}, got {size_text(image.shape[:2])}: {file}")
        return image


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
