"""Write weights in our own form: safetensors with the model's configuration in the file's metadata."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from masklet.errors import OutputError, WeightsError
from masklet.model.checkpoint import CONFIG_KEY, SCHEMA_KEY, few, one_line, read_checkpoint
from masklet.model.config import ModelConfig
from masklet.model.load import FLOAT32_MODULE, check_fit
from masklet.model.metadata import SCHEMA, config_to_json
from masklet.model.sam2 import Sam2


def convert_weights(
    source: Path, target: Path, *, config: ModelConfig | None = None, dtype: torch.dtype | None = None
) -> ModelConfig:
    """Read weights in any form we know and write them as ours.

    Args:
        source: a released ``.pt`` file, a transformers ``model.safetensors``, or a file of ours.
        target: a ``.safetensors`` file; replaced only once all is written.
        config: what the model is; by default what the file says or its tensors show.
        dtype: floating type to store; by default each tensor's own. Loading casts again.

    Returns:
        The configuration that was written.

    Raises:
        WeightsError: the source is unreadable, does not fit, or does not fit into ``dtype``.
        OutputError: the target cannot be written.
    """
    checkpoint = read_checkpoint(source)
    config = config or checkpoint.config
    check_fit(config, checkpoint)
    write_weights(config, {name: _cast(name, t, dtype) for name, t in checkpoint.tensors.items()}, target)
    return config


def save_model(model: Sam2, target: Path) -> None:
    """Write a model's weights as they are; `load_model` gives the same model back."""
    state = model.state_dict()
    write_weights(model.config, {name: t for name, t in state.items() if t.is_floating_point()}, target)


def write_weights(config: ModelConfig, tensors: Mapping[str, Tensor], target: Path) -> None:
    """Write named tensors and their configuration to a file that appears only when it is complete.

    Raises:
        OutputError: not a ``.safetensors`` name, no such folder, no permission, no space.
    """
    if target.suffix != ".safetensors":
        raise OutputError(f"weights are written as .safetensors, got {target.name}")
    if not target.parent.is_dir():
        raise OutputError(f"cannot write {target}: there is no folder {target.parent}")
    partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
    metadata = {SCHEMA_KEY: SCHEMA, CONFIG_KEY: config_to_json(config)}
    try:
        partial.touch()
        mode = partial.stat().st_mode  # safetensors would leave a file that only its owner can read
        save_file({name: t.contiguous() for name, t in tensors.items()}, partial, metadata)
        partial.chmod(mode)
        partial.replace(target)
    except (OSError, SafetensorError) as error:
        raise OutputError(f"cannot write {target}: {one_line(error)}") from None
    finally:
        partial.unlink(missing_ok=True)


def _cast(name: str, tensor: Tensor, dtype: torch.dtype | None) -> Tensor:
    if dtype is None or name.startswith(FLOAT32_MODULE):
        return tensor
    cast = tensor.to(dtype)
    if not torch.isfinite(cast).all():
        raise WeightsError(f"{few([name])} does not fit into {str(dtype).removeprefix('torch.')}")
    return cast
