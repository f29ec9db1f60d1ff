"""Single pictures and masks: read them from any common file, write them whole or not at all."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
from jaxtyping import Bool
from PIL import Image, ImageOps

from masklet.errors import OutputError
from masklet.io.atomic import Draft, writing
from masklet.io.axes import AxisChoice
from masklet.io.image_files import check_pixels, open_picture, opened_picture, read_picture, reading_picture, to_rgb
from masklet.io.intensity import Scale
from masklet.io.stack import Channels, StackVideo
from masklet.io.stacks import stack_opener
from masklet.types import RgbImage

WRITE_FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP", ".bmp": "BMP", ".tif": "TIFF"}


def read_image(
    path: str | os.PathLike[str],
    *,
    axis: str | None = None,
    channels: Channels | None = None,
    scale: Scale | None = None,
) -> RgbImage:
    """A picture as (h, w, 3) uint8 RGB, turned upright by its EXIF orientation.

    Gray and palette pictures become RGB, CMYK is converted, alpha is dropped (the color under it stays, with a
    `MediaWarning` where something is transparent). 16-bit gray PNG is scaled so that 65535 becomes 255, whatever range
    the values use. OpenEXR and TIFF of more than 8 bits are read as `masklet.open_video` reads them, ``axis``,
    ``channels`` and ``scale`` too. Of an animation or stack it is the first page.

    Raises:
        MediaError: missing, not a picture, damaged, too large, or options that do not fit.
        MissingExtraError: a form whose library is not installed.
    """
    path = Path(path)
    wanted = not (axis is None and channels is None and scale is None)
    if path.is_file():
        opener = stack_opener(path, None if axis is None else AxisChoice.parse(axis), wanted=wanted)
        if opener is not None:
            with StackVideo(opener, path=path, channels=channels, scale=scale) as stack:
                return stack[0]
    return read_picture(path)


def decode_image(data: bytes, name: str) -> RgbImage:
    """A picture from the bytes of its file, by the rules of `read_image`; ``name`` is for messages."""
    with reading_picture(name), open_picture(io.BytesIO(data)) as image:
        check_pixels(name, image.height, image.width)
        return to_rgb(ImageOps.exif_transpose(image), name)


def read_mask(path: str | os.PathLike[str]) -> Bool[np.ndarray, "h w"]:
    """A mask from a picture: True where a pixel is marked, turned upright by its EXIF orientation.

    Palette pictures mark every index but 0; gray and color pictures every pixel that is not black. In a cut-out
    (a picture some of whose pixels are transparent) the inside is what is at least half opaque, whatever its color.

    Raises:
        MediaError: missing, not a picture, damaged or too large.
    """
    with opened_picture(path) as image:
        image = ImageOps.exif_transpose(image)  # noqa: PLW2901
        if image.mode in ("LA", "La", "PA", "RGBA", "RGBa"):
            alpha = np.asarray(image.convert("RGBA").getchannel("A"))
            if alpha.min() < 255:
                opaque: Bool[np.ndarray, "h w"] = alpha >= 128
                return opaque
            image = image.convert("RGB")  # noqa: PLW2901
        values = np.asarray(image)
        marked: Bool[np.ndarray, "h w"] = (values if values.ndim == 2 else values.max(axis=2)) != 0
        return marked


def write_image(path: str | os.PathLike[str], picture: RgbImage | Bool[np.ndarray, "h w"]) -> None:
    """Write a picture, or a mask as black and white; the suffix chooses the form.

    Raises:
        OutputError: unknown suffix, missing folder, no permission or no space; nothing is left behind.
    """
    path = Path(path)
    kind = WRITE_FORMATS.get(path.suffix.lower())
    if kind is None:
        raise OutputError(f"cannot write {path}: expected one of {', '.join(WRITE_FORMATS)}, got {path.suffix!r}")
    pixels = picture.astype(np.uint8) * 255 if picture.dtype == bool else picture
    draft = Draft(path)
    try:
        with writing(path):
            Image.fromarray(np.ascontiguousarray(pixels)).save(draft.path, format=kind, quality=95)
        draft.publish()
    finally:
        draft.discard()
