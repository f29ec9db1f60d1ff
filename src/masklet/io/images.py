"""Read and write image files through Pillow."""

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
from masklet.io.atomic import AtomicOutput, output_errors
from masklet.io.source import MediaWarning
from masklet.types import MAX_MASK_PIXELS, RgbImage, Size

IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".ppm", ".pgm", ".jp2", ".avif", ".exr"}
)
_ORIENTATION = 0x0112
_SIDEWAYS = frozenset({5, 6, 7, 8})

_PICTURE_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "JPEG2000", "AVIF")
_WITH_ALPHA = frozenset({"LA", "La", "PA", "RGBA", "RGBa"})


def open_picture(path: str | os.PathLike[str] | io.BytesIO) -> Image.Image:
    """Open a picture with Pillow, as one of the forms that are safe to try on an untrusted file."""
    Image.init()
    return Image.open(path, formats=[form for form in _PICTURE_FORMATS if form in Image.OPEN])


@contextmanager
def open_image(path: str | os.PathLike[str]) -> Generator[Image.Image]:
    """The picture opened by Pillow, its size checked, nothing decoded yet; what goes wrong inside is a `MediaError`."""
    if not Path(path).is_file():
        raise MediaError(f"expected a picture file, found {'a folder' if Path(path).is_dir() else 'nothing'}: {path}")
    with media_errors(path), open_picture(path) as image:
        check_pixels(str(path), image.height, image.width)
        yield image


@contextmanager
def media_errors(path: str | os.PathLike[str]) -> Generator[None]:
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
    with open_image(path) as image:
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


def is_image(path: Path) -> bool:
    """Whether the content, not the name, is of a picture form."""
    try:
        with open_picture(path):
            return True
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        return True
    except Exception:  # whatever it is, it is no picture
        return False


WRITE_FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP", ".bmp": "BMP", ".tif": "TIFF"}


def decode_image(data: bytes, name: str) -> RgbImage:
    """A picture from the bytes of its file, by the rules of `read_image`; ``name`` is for messages."""
    with media_errors(name), open_picture(io.BytesIO(data)) as image:
        check_pixels(name, image.height, image.width)
        return to_rgb(ImageOps.exif_transpose(image), name)


def read_mask(path: str | os.PathLike[str]) -> Bool[np.ndarray, "h w"]:
    """A mask from a picture: True where a pixel is marked, turned upright by its EXIF orientation.

    Palette pictures mark every index but 0; gray and color pictures every pixel that is not black. In a cut-out
    (a picture some of whose pixels are transparent) the inside is what is at least half opaque, whatever its color.

    Raises:
        MediaError: missing, not a picture, damaged or too large.
    """
    with open_image(path) as image:
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
    draft = AtomicOutput(path)
    try:
        with output_errors(path):
            Image.fromarray(np.ascontiguousarray(pixels)).save(draft.path, format=kind, quality=95)
        draft.commit()
    finally:
        draft.discard()


def list_images(folder: Path) -> tuple[Path, ...]:
    """The pictures of a folder in natural order, hidden files left out; `MediaError` if there are none."""
    if not folder.is_dir():
        raise MediaError(f"expected a folder of pictures, found {'a file' if folder.exists() else 'nothing'}: {folder}")
    try:
        names = [f for f in folder.iterdir() if f.suffix.lower() in IMAGE_SUFFIXES and f.name[0] != "."]
    except OSError as error:
        raise MediaError(f"cannot read the folder {folder}: {error.strerror}") from error
    if not names:
        raise MediaError(f"no pictures in the folder {folder}")
    return tuple(sorted(names, key=lambda file: natural_key(file.name)))


def natural_key(name: str) -> tuple[list[str | int], str]:
    """Sorts names as people count: digits by value, letters whatever their case."""
    parts = re.split(r"(\d+)", name.casefold())
    return [int(part) if place % 2 else part for place, part in enumerate(parts)], name


def read_image_size(file: Path) -> Size:
    """(height, width) of a picture as displayed, from its header alone; `MediaError` if it has none."""
    with open_image(file) as image:
        exif = Image.Image.getexif(image)  # the PNG class's own method would decode the whole picture
        sideways = exif.get(_ORIENTATION) in _SIDEWAYS
        return (image.width, image.height) if sideways else (image.height, image.width)
