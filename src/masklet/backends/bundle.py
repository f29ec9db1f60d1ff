"""Folders of graphs with a manifest of hashes and versions, written atomically and read as untrusted input."""

from __future__ import annotations

import hashlib
import json
import os
import reprlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from masklet.bounded_json import read_json
from masklet.errors import OutputError, WeightsError
from masklet.model.config import ModelConfig
from masklet.model.metadata import config_from_json, config_to_json

SCHEMA: Final = "2"
"""Version of the manifest and of the inputs and outputs of the graphs."""
MANIFEST: Final = "masklet.json"
WHAT: Final = "manifest of graphs"
MAX_MANIFEST_BYTES: Final = 2**20
MAX_FILE_BYTES: Final = 8 * 2**30
FORMATS: Final = {"onnx": (".onnx",), "openvino": (".xml", ".bin")}
"""Suffixes of the files of a graph, by format."""


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """A model as a folder of graphs.

    Attributes:
        folder: path of the folder.
        format: "onnx" or "openvino".
        precision: precision of the weights, "float32" or "int8".
        config: configuration of the model.
        weights: SHA-256 of the weights from which the graphs were written.
        versions: versions of the packages that wrote the graphs.
        files: SHA-256 of each file by name.
    """

    folder: Path
    format: str
    precision: str
    config: ModelConfig
    weights: str
    versions: dict[str, str]
    files: dict[str, str]

    def content(self, graph: str) -> list[bytes]:
        """Read and verify the files of a graph.

        Raises:
            WeightsError: a file is missing, unreadable or has another hash.
        """
        return [self._read(graph + suffix) for suffix in FORMATS[self.format]]

    def check(self) -> None:
        """Raise `WeightsError` unless all files exist and have their hashes."""
        for name in self.files:
            self._read(name)

    def _read(self, name: str) -> bytes:
        path = self.folder / name
        try:
            if path.stat().st_size > MAX_FILE_BYTES:
                raise WeightsError(
                    f"{path} has more than {MAX_FILE_BYTES / 2**30:.0f} GiB: too large for a graph of masklet"
                )
            content = path.read_bytes()
        except OSError as error:
            raise WeightsError(f"cannot read {path}: {error.strerror or error}") from None
        if hashlib.sha256(content).hexdigest() != self.files.get(name):
            raise WeightsError(f"{path} does not match its SHA-256 in {MANIFEST}: convert the weights again")
        return content


def is_bundle(path: Path) -> bool:
    """Return whether a path is a folder of graphs."""
    return (path / MANIFEST).is_file()


class _Manifest(msgspec.Struct):
    """Content of `MANIFEST`; ``model`` is checked by `config_from_json`."""

    format: Literal["onnx", "openvino"]
    precision: Literal["float32", "int8"]
    model: dict[str, Any]
    weights: str
    versions: dict[str, str]
    files: dict[str, str]


def read_bundle(folder: Path) -> Bundle:
    """Read the manifest of a folder of graphs; the graphs are read and verified when they are used.

    Raises:
        WeightsError: no such folder, or a manifest that is unreadable, invalid or of another schema.
    """
    path = folder / MANIFEST
    document = read_json(path, dict[str, Any], what=WHAT, max_bytes=MAX_MANIFEST_BYTES, error=WeightsError)
    if document.get("schema") != SCHEMA:
        schema = reprlib.repr(document.get("schema"))
        raise WeightsError(f"{folder} has graphs of schema {schema}, expected {SCHEMA!r}: convert the weights again")
    manifest = read_json(path, _Manifest, what=WHAT, max_bytes=MAX_MANIFEST_BYTES, error=WeightsError)
    return Bundle(
        folder=folder,
        format=manifest.format,
        precision=manifest.precision,
        config=config_from_json(json.dumps(manifest.model)),
        weights=manifest.weights,
        versions=manifest.versions,
        files=manifest.files,
    )


def write_bundle(bundle: Bundle, write: Callable[[Path], None], *, overwrite: bool = False) -> Bundle:
    """Write a folder of graphs atomically.

    Args:
        bundle: content of the manifest, without ``files``.
        write: writes the graphs into the folder that it is given.
        overwrite: replace an existing folder of graphs.

    Returns:
        The bundle with the hashes of its files.

    Raises:
        OutputError: the folder exists or cannot be written.
    """
    folder = bundle.folder
    check_target(folder, overwrite=overwrite)
    partial, old = (folder.with_name(f".{folder.name}.{os.getpid()}.{state}") for state in ("partial", "old"))
    try:
        partial.mkdir(parents=True)
        write(partial)
        files = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(partial.iterdir())}
        manifest = {
            "schema": SCHEMA,
            "format": bundle.format,
            "precision": bundle.precision,
            "model": json.loads(config_to_json(bundle.config)),
            "weights": bundle.weights,
            "versions": bundle.versions,
            "files": files,
        }
        (partial / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
        if folder.exists():
            folder.rename(old)
        partial.rename(folder)
    except OSError as error:
        raise OutputError(f"cannot write {folder}: {error.strerror or error}") from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
    return read_bundle(folder)


def check_target(folder: Path, *, overwrite: bool) -> None:
    """Raise `OutputError` unless a folder of graphs may be written at a path."""
    if not folder.exists() and not folder.is_symlink():
        return
    if folder.is_dir() and not any(folder.iterdir()):
        return
    if not is_bundle(folder):
        raise OutputError(f"{folder} exists and is not a folder of graphs that masklet wrote")
    if not overwrite:
        raise OutputError(f"{folder} already exists (use --overwrite to replace it)")
