"""RgbImage files through Pillow: opened as safe forms only, sizes checked, pixels brought to upright RGB."""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageOps, UnidentifiedImageError

from masklet.errors import MediaError
from masklet.io.source import MediaWarning
from masklet.types import MAX_MASK_PIXELS, RgbImage

_PICTURE_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "JPEG2000", "AVIF")
_WITH_ALPHA = frozenset({"LA", "La", "PA", "RGBA", "RGBa"})


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
    except (MediaError, MediaWarning):
        raise
    except UnidentifiedImageError:
        raise MediaError(f"not a picture that masklet can read: {path}") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise MediaError(f"the picture has too many pixels: {path}") from None
    except Exception as error:  # on a damaged file a decoder raises whatever it trips over
        raise MediaError(f"cannot read the picture {path}: {error}") from error


def check_pixels(name: str, height: int, width: int) -> None:
    """Refuse pictures too large to decode, and empty ones."""
    if not 0 < height * width <= MAX_MASK_PIXELS:
        raise MediaError(f"expected 1 to {MAX_MASK_PIXELS} pixels, got {width}x{height}: {name}")


def read_picture(path: str | os.PathLike[str], name: str = "") -> RgbImage:
    """A picture of a form that Pillow knows, by the rules of `masklet.io.read_image`; ``name`` is for warnings."""
    with opened_picture(path) as image:
        return to_rgb(ImageOps.exif_transpose(image), name or str(path))


def to_rgb(image: Image.Image, name: str) -> RgbImage:
    """The loaded picture as (h, w, 3) uint8 RGB, by the rules of `masklet.io.read_image`."""
    if image.mode.startswith(("I", "F")):
        gray = _scaled_gray(np.asarray(image), name)
        return np.repeat(gray[:, :, None], 3, axis=2)
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")  # straight to RGB, Pillow warns about some transparent palettes
    if image.mode in _WITH_ALPHA and np.asarray(image.convert("RGBA"))[..., 3].min() < 255:
        warnings.warn(
            f"{name} has transparency, which is dropped: the color under it is seen", MediaWarning, stacklevel=2
        )
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
