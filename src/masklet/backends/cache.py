"""Graphs written once and kept on this machine, under the user's cache folder; whatever is damaged is written again."""

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
"""What of masklet decides what is in a graph."""


def cache_folder() -> Path:
    """Where graphs are kept: ``$XDG_CACHE_HOME/masklet/graphs`` or its like on this system."""
    home = Path.home()
    usual = {"Darwin": home / "Library" / "Caches", "Windows": home / "AppData" / "Local"}
    base = os.environ.get("XDG_CACHE_HOME") or usual.get(platform.system(), home / ".cache")
    return Path(base) / "masklet" / "graphs"


def cached_path(wanted: Bundle, *more: str) -> Path:
    """Where graphs like these are kept: a name for their model, form, number type, versions and our own code.

    Args:
        wanted: what they are.
        more: whatever else decides what is in them.
    """
    parts = [SCHEMA, wanted.format, wanted.precision, wanted.weights, repr(wanted.config), _code(), *more]
    parts += [f"{name} {version}" for name, version in sorted(wanted.versions.items())]
    key = hashlib.sha256("\n".join(parts).encode()).hexdigest()
    return cache_folder() / f"{wanted.config.full_name}-{wanted.config.image_size}-{wanted.format}-{key[:20]}"


def read_intact_bundle(folder: Path) -> Bundle | None:
    """The graphs kept in a folder, or None where there are none or any file of them is damaged."""
    try:
        bundle = read_bundle(folder)
        bundle.check()
    except WeightsError:
        return None
    return bundle


@lru_cache(maxsize=1)
def _code() -> str:
    """A hash of our own source."""
    package = Path(str(files("masklet")))
    sources = [path for name in CODE for path in sorted((package / name).rglob("*.py")) or [package / name]]
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()


def file_hash(path: Path) -> str:
    """SHA-256 of a file.

    Raises:
        WeightsError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise WeightsError(f"cannot read {path}: {error.strerror or error}") from None
