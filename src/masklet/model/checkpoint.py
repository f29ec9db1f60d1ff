"""Reading of weight files: torch checkpoints and safetensors, treated as untrusted input."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Final

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from masklet.errors import WeightsError
from masklet.model.config import ModelConfig
from masklet.model.key_mapping import infer_config, to_released_keys
from masklet.model.metadata import SCHEMA, config_from_json

MAX_FILE_BYTES: Final = 16 * 2**30
MAX_PICKLE_BYTES: Final = 64 * 2**20
CONFIG_KEY, SCHEMA_KEY = "masklet.config", "masklet.schema"
"""Metadata keys of safetensors files that masklet wrote."""


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """Content of a weight file.

    Attributes:
        source: name of the file, for error messages.
        tensors: tensors by the keys of the released checkpoints; they may be views of the file.
        stored_config: configuration in the metadata of the file, or None.
    """

    source: str
    tensors: dict[str, Tensor]
    stored_config: ModelConfig | None = None

    @property
    def config(self) -> ModelConfig:
        """The stored configuration, or else the one inferred from the tensors (`infer_config`)."""
        if self.stored_config is not None:
            return self.stored_config
        try:
            return infer_config(self.tensors, self.source)
        except WeightsError as error:
            raise WeightsError(f"{self.source}: {error}") from None


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a released ``.pt`` file, a transformers ``model.safetensors`` or a safetensors file of masklet.

    The format is detected from the content, not the name. No code in the file is executed.

    Raises:
        WeightsError: the file is missing, unreadable, damaged, too large, or does not hold named tensors.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(9)
    except OSError as error:
        raise WeightsError(f"cannot read weights {path}: {error.strerror or error}") from None
    if size > MAX_FILE_BYTES:
        raise WeightsError(f"{path.name} has {size / 2**30:.1f} GiB: too large for a SAM 2 checkpoint")
    try:
        if head.startswith(b"PK\x03\x04"):
            return Checkpoint(path.name, to_released_keys(_read_torch(path, size)))
        if head[8:9] == b"{":
            return _read_safetensors(path)
    except WeightsError as error:
        raise WeightsError(f"{path.name}: {error}") from None
    raise WeightsError(f"{path.name} is neither a torch checkpoint (zip format) nor a safetensors file")


def _read_safetensors(path: Path) -> Checkpoint:
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except (SafetensorError, OSError, RuntimeError, ValueError) as error:
        raise WeightsError(f"damaged safetensors file ({first_line(error)})") from None
    if CONFIG_KEY not in metadata:
        return Checkpoint(path.name, to_released_keys(_checked(tensors)))
    if metadata.get(SCHEMA_KEY) != SCHEMA:
        raise WeightsError(
            f"expected schema {SCHEMA} of masklet weights, got {metadata.get(SCHEMA_KEY, 'none')[:16]!r}"
        )
    return Checkpoint(path.name, to_released_keys(_checked(tensors)), config_from_json(metadata[CONFIG_KEY]))


def _read_torch(path: Path, size: int) -> dict[str, Tensor]:
    try:
        with zipfile.ZipFile(path) as archive:
            records = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise WeightsError(f"damaged or truncated torch checkpoint ({first_line(error)})") from None
    compressed = any(record.compress_type != zipfile.ZIP_STORED for record in records)
    pickled = max((record.file_size for record in records if record.filename.endswith(".pkl")), default=0)
    if compressed or pickled > MAX_PICKLE_BYTES or sum(record.file_size for record in records) > size:
        raise WeightsError("not written by torch.save: compressed or overlapping records")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except UnpicklingError:
        raise WeightsError("holds pickled objects besides tensors, which are never loaded") from None
    except Exception as error:
        raise WeightsError(f"not a torch checkpoint ({first_line(error)})") from None
    return _checked(content.get("model", content) if isinstance(content, dict) else content)


def _checked(content: object) -> dict[str, Tensor]:
    if not isinstance(content, dict) or not content:
        raise WeightsError(f"expected named tensors, got {type(content).__name__}")
    for name, tensor in content.items():
        if not isinstance(name, str) or type(tensor) not in (Tensor, torch.nn.Parameter):
            raise WeightsError(f"expected named tensors, got {abbreviate([str(name)])} of type {type(tensor).__name__}")
        if tensor.layout != torch.strided or tensor.device.type != "cpu":
            raise WeightsError(f"{abbreviate([name])} is not an ordinary tensor")
    return {name: tensor.detach() for name, tensor in content.items()}


def abbreviate(names: Iterable[str], limit: int = 3) -> str:
    """Join the first names on one line, truncated, with the number of remaining ones."""
    listed = list(names)
    short = ["".join(c if c.isprintable() else "?" for c in name[:120]) for name in listed[:limit]]
    more = f" and {len(listed) - limit} more" if len(listed) > limit else ""
    return ", ".join(short) + more


def first_line(error: Exception) -> str:
    """Return the first line of the message of a third-party error."""
    return abbreviate([(str(error).strip() or type(error).__name__).splitlines()[0]])
