"""Image files through Pillow: only safe formats, bounded sizes, upright RGB pixels; atomic writing."""

from __future__ import annotations

import io
import os
import re
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from jaxtyping import Bool, UInt8
from PIL import Image, ImageOps, UnidentifiedImageError

from masklet.errors import MediaError, OutputError
from masklet.io.atomic import atomic_write
from masklet.io.source import MediaWarning
from masklet.types import MAX_MASK_PIXELS, RgbImage, Size

IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".ppm", ".pgm", ".jp2", ".avif", ".exr"}
)
WRITE_FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP", ".bmp": "BMP", ".tif": "TIFF"}

_SAFE_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "JPEG2000", "AVIF")
_ALPHA_MODES = frozenset({"LA", "La", "PA", "RGBA", "RGBa"})
_EXIF_ORIENTATION = 0x0112
_TRANSPOSED_ORIENTATIONS = frozenset({5, 6, 7, 8})


def pillow_open(path: str | os.PathLike[str] | io.BytesIO) -> Image.Image:
    """Open an image with Pillow, trying only formats that are safe for untrusted files."""
    Image.init()
    return Image.open(path, formats=[name for name in _SAFE_FORMATS if name in Image.OPEN])


@contextmanager
def open_image(path: str | os.PathLike[str]) -> Generator[Image.Image]:
    """Open an image file and check its size, without decoding it; errors inside become a `MediaError`."""
    if not Path(path).is_file():
        raise MediaError(f"expected an image file, found {'a folder' if Path(path).is_dir() else 'nothing'}: {path}")
    with media_errors(path), pillow_open(path) as image:
        check_pixels(str(path), image.height, image.width)
        yield image


@contextmanager
def media_errors(path: str | os.PathLike[str]) -> Generator[None]:
    """Convert whatever a decoder raises inside to a `MediaError` about ``path``."""
    try:
        yield
    except (MediaError, MediaWarning):
        raise
    except UnidentifiedImageError:
        raise MediaError(f"not an image in a supported format: {path}") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise MediaError(f"the image has too many pixels: {path}") from None
    except Exception as error:  # on a damaged file a decoder may raise anything
        raise MediaError(f"cannot read {path}: {error}") from error


def check_pixels(name: str, height: int, width: int) -> None:
    """Raise `MediaError` for empty images and for images too large to decode."""
    if not 0 < height * width <= MAX_MASK_PIXELS:
        raise MediaError(f"expected 1 to {MAX_MASK_PIXELS} pixels, got {width}x{height}: {name}")


def size_text(size: tuple[int, ...]) -> str:
    """Format a size (height, width) as WIDTHxHEIGHT."""
    return f"{size[1]}x{size[0]}"


def read_image_file(path: str | os.PathLike[str], name: str = "") -> RgbImage:
    """Read an image that Pillow can decode, as `masklet.io.read_image` does; ``name`` replaces the path in warnings."""
    with open_image(path) as image:
        return to_rgb(ImageOps.exif_transpose(image), name or str(path))


def decode_image(data: bytes, name: str) -> RgbImage:
    """Decode the bytes of an image file, as `masklet.io.read_image` does; ``name`` is for messages."""
    with media_errors(name), pillow_open(io.BytesIO(data)) as image:
        check_pixels(name, image.height, image.width)
        return to_rgb(ImageOps.exif_transpose(image), name)


def to_rgb(image: Image.Image, name: str) -> RgbImage:
    """Convert a Pillow image to RGB pixels, as described in `masklet.io.read_image`."""
    if image.mode.startswith(("I", "F")):
        return np.repeat(_gray_8_bit(np.asarray(image), name)[:, :, None], 3, axis=2)
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")  # straight to RGB, Pillow warns about some transparent palettes
    if image.mode in _ALPHA_MODES and np.asarray(image.convert("RGBA"))[..., 3].min() < 255:
        warnings.warn(
            f"{name} has transparency, which is dropped: the color under it is seen", MediaWarning, stacklevel=2
        )
    return np.array(image.convert("RGB"))


def _gray_8_bit(values: np.ndarray, name: str) -> UInt8[np.ndarray, "h w"]:
    if not np.issubdtype(values.dtype, np.integer) or values.min() < 0 or values.max() > 65535:
        raise MediaError(f"expected 8- or 16-bit pixels, got {values.dtype} beyond that range: {name}")
    return ((values.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)


def is_image(path: Path) -> bool:
    """Return whether the content (not the name) is that of an image in a supported format."""
    try:
        with pillow_open(path):
            return True
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        return True
    except Exception:  # on other files the format detection may raise anything
        return False


def read_image_size(file: Path) -> Size:
    """Read (height, width) of an image as displayed from its header alone; `MediaError` if that fails."""
    with open_image(file) as image:
        exif = Image.Image.getexif(image)  # the PNG class's own method would decode the whole image
        transposed = exif.get(_EXIF_ORIENTATION) in _TRANSPOSED_ORIENTATIONS
        return (image.width, image.height) if transposed else (image.height, image.width)


def list_images(folder: Path) -> tuple[Path, ...]:
    """List the image files of a folder in natural order, without hidden files; `MediaError` if there are none."""
    if not folder.is_dir():
        raise MediaError(f"expected a folder of images, found {'a file' if folder.exists() else 'nothing'}: {folder}")
    try:
        files = [f for f in folder.iterdir() if f.suffix.lower() in IMAGE_SUFFIXES and f.name[0] != "."]
    except OSError as error:
        raise MediaError(f"cannot read the folder {folder}: {error.strerror}") from error
    if not files:
        raise MediaError(f"no images in the folder {folder}")
    return tuple(sorted(files, key=lambda file: natural_key(file.name)))


def natural_key(name: str) -> tuple[list[str | int], str]:
    """Return a sort key for natural order: digits by their value, letters without regard to case."""
    parts = re.split(r"(\d+)", name.casefold())
    return [int(part) if place % 2 else part for place, part in enumerate(parts)], name


def read_mask(path: str | os.PathLike[str]) -> Bool[np.ndarray, "h w"]:
    """Read a mask from an image file, turned upright by its EXIF orientation.

    In palette images every index but 0 is inside; in gray and color images every pixel that is not black. In a cutout
    (an image with transparent pixels) every pixel that is at least half opaque is inside, whatever its color.

    Raises:
        MediaError: missing, not an image, damaged or too large.
    """
    with open_image(path) as image:
        image = ImageOps.exif_transpose(image)  # noqa: PLW2901
        if image.mode in _ALPHA_MODES:
            alpha = np.asarray(image.convert("RGBA").getchannel("A"))
            if alpha.min() < 255:
                opaque: Bool[np.ndarray, "h w"] = alpha >= 128
                return opaque
            image = image.convert("RGB")  # noqa: PLW2901
        values = np.asarray(image)
        inside: Bool[np.ndarray, "h w"] = (values if values.ndim == 2 else values.max(axis=2)) != 0
        return inside


def write_image(path: str | os.PathLike[str], image: RgbImage | Bool[np.ndarray, "h w"]) -> None:
    """Write an image, or a mask as black and white, in the format of the suffix.

    Raises:
        OutputError: unknown suffix, missing folder, no permission or no space; nothing is left behind.
    """
    path = Path(path)
    kind = WRITE_FORMATS.get(path.suffix.lower())
    if kind is None:
        raise OutputError(f"cannot write {path}: expected one of {', '.join(WRITE_FORMATS)}, got {path.suffix!r}")
    pixels = image.astype(np.uint8) * 255 if image.dtype == bool else image
    with atomic_write(path) as temporary:
        Image.fromarray(np.ascontiguousarray(pixels)).save(temporary, format=kind, quality=95)
