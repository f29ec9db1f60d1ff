"""Berkeley segmentation files: a ``.mat`` a picture, with one label map by each annotator."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
from jaxtyping import UInt16
from scipy.io import loadmat

from masklet.errors import FormatError
from masklet.io.formats.json_file import read_bounded
from masklet.types import MAX_MASK_PIXELS

MAX_BYTES = 2**20
"""The real files have 10 to 100 KB; their content is compressed, so that a small file can hold a lot."""


def read_bsds(path: Path) -> tuple[UInt16[np.ndarray, "h w"], ...]:
    """The label maps of all annotators; regions count from 1, there is no background.

    Raises:
        FormatError: missing, too large, or not of this form.
    """
    data = read_bounded(path, MAX_BYTES)
    try:
        cells = loadmat(BytesIO(data), variable_names=["groundTruth"])["groundTruth"]  # type: ignore[arg-type]  # files work
        maps = [np.asarray(cell["Segmentation"][0, 0]) for cell in cells.ravel()]
    except Exception as error:  # the parser raises whatever it trips over
        raise FormatError(f"expected a BSDS ground truth, got something else ({error}): {path}") from error
    for values in maps:
        if values.ndim != 2 or values.dtype.kind not in "ui" or not 0 < values.size <= MAX_MASK_PIXELS:
            raise FormatError(f"expected label maps of whole numbers, got {values.dtype} {values.shape}: {path}")
        if values.shape != maps[0].shape or values.max() > 65535 or values.min() < 0:
            raise FormatError(f"expected label maps of one size with values up to 65535: {path}")
    return tuple(values.astype(np.uint16) for values in maps)
