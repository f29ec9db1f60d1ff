"""Single pictures and masks: read them from any common file, write them whole or not at all."""

from __future__ import annotations

import io
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from jaxtyping import Bool, UInt8
from PIL import Image, ImageOps, UnidentifiedImageError

from masklet.errors import MediaError, OutputError
from masklet.io.draft import Draft, writing
from masklet.masks.rle import MAX_PIXELS
from masklet.types import Picture

_PICTURE_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "JPEG2000", "AVIF")

WRITE_FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP", ".bmp": "BMP", ".tif": "TIFF"}


def read_image(path: str | os.PathLike[str]) -> Picture:
    """A picture as (h, w, 3) uint8 RGB, turned upright by its EXIF orientation.

    Gray and palette pictures become RGB, CMYK is converted, alpha is dropped (the color under it stays). 16-bit gray
    is scaled so that 65535 becomes 255, whatever range the values use. Of an animation or stack it is the first page.

    Raises:
        MediaError: missing, not a picture, damaged, too large, or pixels that are neither 8 nor 16 bits.
    """
    with opened_picture(path) as image:
        return to_rgb(ImageOps.exif_transpose(image), str(path))


def decode_image(data: bytes, name: str) -> Picture:
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


def write_image(path: str | os.PathLike[str], picture: Picture | Bool[np.ndarray, "h w"]) -> None:
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


def open_picture(path: str | os.PathLike[str] | io.BytesIO) -> Image.Image:
    """Open a picture with Pillow, as one of the forms that are safe to try on an untrusted file."""
    Image.init()
    return Image.open(path, formats=[form for form in _PICTURE_FORMATS if form in Image.OPEN])


@contextmanager
def opened_picture(path: str | os.PathLike[str]) -> Generator[Image.Image]:
    """The picture opened by Pillow, its size checked, nothing decoded yet; what goes wrong inside is a `MediaError`."""
    if not Path(path).is_file():
        raise MediaError(f"expected a picture file, found {'a folder' if Path(path).is_dir() else 'nothing'}: {path}")
    with reading_picture(path), open_picture(path) as image:
        check_pixels(str(path), image.height, image.width)
        yield image


@contextmanager
def reading_picture(path: str | os.PathLike[str]) -> Generator[None]:
    """What goes wrong in Pillow inside becomes a `MediaError` about ``path``."""
    try:
        yield
    except MediaError:
        raise
    except UnidentifiedImageError:
        raise MediaError(f"not a picture that masklet can read: {path}") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise MediaError(f"the picture has too many pixels: {path}") from None
    except Exception as error:  # on a damaged file a decoder raises whatever it trips over
        raise MediaError(f"cannot read the picture {path}: {error}") from error


def check_pixels(name: str, height: int, width: int) -> None:
    """Refuse pictures too large to decode, and empty ones."""
    if not 0 < height * width <= MAX_PIXELS:
        raise MediaError(f"expected 1 to {MAX_PIXELS} pixels, got {width}x{height}: {name}")


def to_rgb(image: Image.Image, name: str) -> Picture:
    """The loaded picture as (h, w, 3) uint8 RGB, by the rules of `read_image`."""
    if image.mode.startswith(("I", "F")):
        gray = _scaled_gray(np.asarray(image), name)
        return np.repeat(gray[:, :, None], 3, axis=2)
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")  # straight to RGB, Pillow warns about some transparent palettes
    return np.array(image.convert("RGB"))


def _scaled_gray(values: np.ndarray, name: str) -> UInt8[np.ndarray, "h w"]:
    whole = np.issubdtype(values.dtype, np.integer)
    if not whole or values.min() < 0 or values.max() > 65535:
        raise MediaError(f"expected 8- or 16-bit pixels, got {values.dtype} beyond that range: {name}")
    return ((values.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)


def is_picture(path: Path) -> bool:
    """Whether the content, not the name, is of a picture form."""
    try:
        with open_picture(path):
            return True
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        return True
    except Exception:  # whatever it is, it is no picture
        return False
