"""Writing of weights: safetensors with the configuration of the model in the metadata."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from masklet.errors import OutputError, WeightsError
from masklet.model.checkpoint import CONFIG_KEY, SCHEMA_KEY, abbreviate, first_line, read_checkpoint
from masklet.model.config import ModelConfig
from masklet.model.load import FLOAT32_MODULE, check_compatible
from masklet.model.metadata import SCHEMA, config_to_json
from masklet.model.sam2 import Sam2


def convert_weights(
    source: Path, target: Path, *, config: ModelConfig | None = None, dtype: torch.dtype | None = None
) -> ModelConfig:
    """Convert a weight file of any supported format to masklet's safetensors format.

    Args:
        source: a released ``.pt`` file, a transformers ``model.safetensors``, or a file of masklet.
        target: a ``.safetensors`` file, written atomically.
        config: configuration of the model; by default that of the source.
        dtype: dtype to store; by default that of each tensor. Loading casts again.

    Returns:
        The configuration that was written.

    Raises:
        WeightsError: the source is unreadable, does not match ``config``, or overflows ``dtype``.
        OutputError: the target cannot be written.
    """
    checkpoint = read_checkpoint(source)
    config = config or checkpoint.config
    check_compatible(config, checkpoint)
    write_weights(config, {name: _cast(name, t, dtype) for name, t in checkpoint.tensors.items()}, target)
    return config


def save_model(model: Sam2, target: Path) -> None:
    """Write the weights of a model so that `load_model` restores it exactly."""
    state = model.state_dict()
    write_weights(model.config, {name: t for name, t in state.items() if t.is_floating_point()}, target)


def write_weights(config: ModelConfig, tensors: Mapping[str, Tensor], target: Path) -> None:
    """Write named tensors and their configuration to a file atomically.

    Raises:
        OutputError: the name does not end with ``.safetensors``, or the file cannot be written.
    """
    if target.suffix != ".safetensors":
        raise OutputError(f"weights are written as .safetensors, got {target.name}")
    if not target.parent.is_dir():
        raise OutputError(f"cannot write {target}: there is no folder {target.parent}")
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    metadata = {SCHEMA_KEY: SCHEMA, CONFIG_KEY: config_to_json(config)}
    try:
        partial.touch()
        mode = partial.stat().st_mode  # safetensors creates files that only the owner can read
        save_file({name: t.contiguous() for name, t in tensors.items()}, partial, metadata)
        partial.chmod(mode)
        partial.replace(target)
    except (OSError, SafetensorError) as error:
        raise OutputError(f"cannot write {target}: {first_line(error)}") from None
    finally:
        partial.unlink(missing_ok=True)


def _cast(name: str, tensor: Tensor, dtype: torch.dtype | None) -> Tensor:
    if dtype is None or name.startswith(FLOAT32_MODULE):
        return tensor
    cast = tensor.to(dtype)
    if not torch.isfinite(cast).all():
        raise WeightsError(f"{abbreviate([name])} does not fit into {str(dtype).removeprefix('torch.')}")
    return cast
