"""Cache of converted graphs in the user's cache folder; damaged entries are written again."""

from __future__ import annotations

import hashlib
import os
import platform
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Final

from masklet.backends.bundle import SCHEMA, Bundle, read_bundle
from masklet.errors import WeightsError

CODE: Final = ("backends", "model", "geometry.py")
"""Source files of masklet that determine the content of graphs."""


def cache_folder() -> Path:
    """Return the folder of the cache: ``$XDG_CACHE_HOME/masklet/graphs`` or its equivalent on this system."""
    home = Path.home()
    defaults = {"Darwin": home / "Library" / "Caches", "Windows": home / "AppData" / "Local"}
    base = os.environ.get("XDG_CACHE_HOME") or defaults.get(platform.system(), home / ".cache")
    return Path(base) / "masklet" / "graphs"


def cached_path(wanted: Bundle, *more: str) -> Path:
    """Return the cache path for graphs; it depends on model, format, precision, versions and the code of masklet.

    Args:
        wanted: description of the graphs.
        more: further strings on which the content of the graphs depends.
    """
    parts = [SCHEMA, wanted.format, wanted.precision, wanted.weights, repr(wanted.config), _code_hash(), *more]
    parts += [f"{name} {version}" for name, version in sorted(wanted.versions.items())]
    key = hashlib.sha256("\n".join(parts).encode()).hexdigest()
    return cache_folder() / f"{wanted.config.full_name}-{wanted.config.image_size}-{wanted.format}-{key[:20]}"


def read_intact_bundle(folder: Path) -> Bundle | None:
    """Read and verify a folder of graphs; return None if it does not exist or a file is damaged."""
    try:
        bundle = read_bundle(folder)
        bundle.check()
    except WeightsError:
        return None
    return bundle


@lru_cache(maxsize=1)
def _code_hash() -> str:
    """Return a hash of the source code that writes graphs."""
    package = Path(str(files("masklet")))
    sources = [path for name in CODE for path in sorted((package / name).rglob("*.py")) or [package / name]]
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()


def file_hash(path: Path) -> str:
    """Compute the SHA-256 of a weight file.

    Raises:
        WeightsError: the file cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise WeightsError(f"cannot read {path}: {error.strerror or error}") from None
