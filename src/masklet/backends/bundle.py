"""A folder of graphs: its manifest with hashes and versions, written so that it appears whole, read as hostile."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from masklet.errors import OutputError, WeightsError
from masklet.model.config import ModelConfig
from masklet.model.metadata import config_from_json, config_to_json

SCHEMA: Final = "1"
"""Of the manifest and of what the graphs take and give; another schema means another masklet."""
MANIFEST: Final = "masklet.json"
MAX_MANIFEST_BYTES: Final = 2**20
MAX_FILE_BYTES: Final = 8 * 2**30
FORMATS: Final = {"onnx": (".onnx",), "openvino": (".xml", ".bin")}
"""Suffixes of the files of each graph."""


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """One model as graphs in a folder.

    Attributes:
        folder: where it is.
        format: "onnx" or "openvino".
        precision: number type of the weights, "float32" or "int8".
        config: what the model is.
        weights: SHA-256 of the weights the graphs were written from.
        versions: of the packages that wrote it.
        files: SHA-256 of each file.
    """

    folder: Path
    format: str
    precision: str
    config: ModelConfig
    weights: str
    versions: dict[str, str]
    files: dict[str, str]

    def content(self, graph: str) -> list[bytes]:
        """The files of a graph, as they were written.

        Raises:
            WeightsError: a file is missing, unreadable or not the one that was written.
        """
        return [self._read(graph + suffix) for suffix in FORMATS[self.format]]

    def check(self) -> None:
        """Raise `WeightsError` unless all files are there and as they were written."""
        for name in self.files:
            self._read(name)

    def _read(self, name: str) -> bytes:
        path = self.folder / name
        try:
            if path.stat().st_size > MAX_FILE_BYTES:
                raise WeightsError(f"{path} has more than {MAX_FILE_BYTES / 2**30:.0f} GiB: not a graph of masklet")
            content = path.read_bytes()
        except OSError as error:
            raise WeightsError(f"cannot read {path}: {error.strerror or error}") from None
        if hashlib.sha256(content).hexdigest() != self.files.get(name):
            raise WeightsError(f"{path} is not the file that {MANIFEST} describes (its SHA-256 differs): convert again")
        return content


def is_bundle(path: Path) -> bool:
    """Whether a path is a folder of graphs."""
    return (path / MANIFEST).is_file()


def read_bundle(folder: Path) -> Bundle:
    """The manifest of a folder; its graphs are read, and checked, when they are needed.

    Raises:
        WeightsError: no such folder, a manifest that is unreadable, of another schema, or not one of ours.
    """
    path = folder / MANIFEST
    try:
        if path.stat().st_size > MAX_MANIFEST_BYTES:
            raise WeightsError(f"{path} is too large for a manifest of masklet")
        values = json.loads(path.read_bytes())
    except OSError as error:
        raise WeightsError(f"cannot read {path}: {error.strerror or error}") from None
    except (ValueError, RecursionError):
        raise WeightsError(f"{path} is not JSON") from None
    schema = values.get("schema") if isinstance(values, dict) else None
    if schema != SCHEMA:
        raise WeightsError(
            f"{folder} has graphs of schema {str(schema)[:16]!r}, this masklet expects {SCHEMA!r}: convert again"
        )
    texts = {name: _text(path, values, name) for name in ("format", "precision", "weights")}
    if texts["format"] not in FORMATS or texts["precision"] not in ("float32", "int8"):
        raise WeightsError(f"{path}: unknown format {texts['format'][:32]!r} or precision {texts['precision'][:32]!r}")
    return Bundle(
        folder=folder,
        config=config_from_json(json.dumps(values.get("model"))),
        versions=_texts(path, values, "versions"),
        files=_texts(path, values, "files"),
        **texts,
    )


def write_bundle(bundle: Bundle, write: Callable[[Path], None], *, overwrite: bool = False) -> Bundle:
    """Fill a folder that appears only when all is in it.

    Args:
        bundle: what its manifest will say; ``files`` are found.
        write: puts the graphs into the folder it is given.
        overwrite: take the place of a folder of graphs that is there already.

    Returns:
        The same with the files' hashes.

    Raises:
        OutputError: it cannot be written, or something is there already.
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
    """Raise `OutputError` unless a folder of graphs may be written there."""
    if not folder.exists() and not folder.is_symlink():
        return
    if folder.is_dir() and not any(folder.iterdir()):
        return
    if not is_bundle(folder):
        raise OutputError(f"{folder} exists and is not a folder of graphs that masklet wrote")
    if not overwrite:
        raise OutputError(f"{folder} exists already (--overwrite replaces it)")


def _text(path: Path, values: dict[str, Any], name: str) -> str:
    value = values.get(name)
    if not isinstance(value, str):
        raise WeightsError(f"{path}: {name} must be a text, got {type(value).__name__}")
    return value


def _texts(path: Path, values: dict[str, Any], name: str) -> dict[str, str]:
    value = values.get(name)
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise WeightsError(f"{path}: {name} must be an object of texts")
    return dict(value)
