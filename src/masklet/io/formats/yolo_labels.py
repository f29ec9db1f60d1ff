"""The lines of YOLO segmentation label files: a class and the corners of one polygon."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from masklet.errors import FormatError
from masklet.io.formats.json_file import read_bounded

MAX_BYTES = 2**26


def read_labels(path: Path) -> list[tuple[int, Float64[np.ndarray, "n 2"]]]:
    """The class and the corners (x, y) of every polygon, as shares of width and height.

    Raises:
        FormatError: boxes, or anything else than a class and at least three corners on a line.
    """
    return [
        _polygon(line, path)
        for line in read_bounded(path, MAX_BYTES).decode("utf-8-sig", "replace").splitlines()
        if line.strip()
    ]


def _polygon(line: str, path: Path) -> tuple[int, Float64[np.ndarray, "n 2"]]:
    words = line.split()
    try:
        values = [float(word) for word in words[1:]]
    except ValueError:
        values = []
    if not words[0].isdecimal() or not values:
        raise FormatError(f"expected a class and numbers, got {line[:60]!r}: {path}")
    if len(values) == 4:
        raise FormatError(f"expected polygons, got a box: {line[:60]!r} (boxes can be prompts, --box): {path}")
    if len(values) < 6 or len(values) % 2 or not all(math.isfinite(v) and -1 <= v <= 2 for v in values):
        raise FormatError(f"expected at least 3 corners x, y as shares of the picture, got {line[:60]!r}: {path}")
    return int(words[0]), np.array(values).reshape(-1, 2)
