"""Loading of checkpoints into a torch model: strict, without redundant initialization, in one dtype."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import torch
from torch.overrides import TorchFunctionMode

from masklet.errors import WeightsError
from masklet.model.checkpoint import Checkpoint, abbreviate, read_checkpoint
from masklet.model.config import ModelConfig
from masklet.model.malloc import retain_freed_memory
from masklet.model.sam2 import Sam2

DTYPES: Final = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
"""Supported dtypes of weights by name."""

FLOAT32_MODULE: Final = "sam_prompt_encoder.pe_layer"
"""Submodule that is float32 for every dtype: rounding its frequencies would move clicks."""


def load_model(
    path: Path,
    *,
    config: ModelConfig | None = None,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
) -> Sam2:
    """Load a model in eval mode from a weight file.

    Args:
        path: a file in any format that `read_checkpoint` supports.
        config: configuration of the model; by default that of the file.
        device: device of the weights.
        dtype: dtype to which the weights are cast.

    Raises:
        WeightsError: the file is unreadable or does not match the configuration.
    """
    checkpoint = read_checkpoint(path)
    return build_model(config or checkpoint.config, checkpoint, device=device, dtype=dtype)


def build_model(
    config: ModelConfig,
    checkpoint: Checkpoint,
    *,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
) -> Sam2:
    """Build a model in eval mode with copies of the tensors of a checkpoint, cast to ``dtype``.

    On a CPU, also let the heap retain freed memory (`masklet.model.malloc.retain_freed_memory`).

    Raises:
        WeightsError: the checkpoint does not match the configuration (`check_compatible`).
    """
    check_compatible(config, checkpoint)
    model, tensors = _skeleton(config), checkpoint.tensors
    model.to(dtype)
    model.get_submodule(FLOAT32_MODULE).float()
    model.to_empty(device=device)
    with torch.no_grad():
        for name, target in model.state_dict().items():
            if target.is_floating_point():
                target.copy_(tensors[name])
            else:
                target.zero_()  # batch norm's counters
    if torch.device(device).type == "cpu":
        retain_freed_memory()
    return model.eval()


def check_compatible(config: ModelConfig, checkpoint: Checkpoint) -> None:
    """Compare names, shapes and dtypes before memory is allocated.

    Raises:
        WeightsError: tensors are missing, unexpected, of another shape or not floating-point; the error lists all.
    """
    tensors = checkpoint.tensors
    wanted = {name: t for name, t in _skeleton(config).state_dict().items() if t.is_floating_point()}
    shared = [name for name in wanted if name in tensors]
    faults = {
        "missing": [name for name in wanted if name not in tensors],
        "unexpected": [name for name in tensors if name not in wanted],
        "of wrong shape": [
            f"{name}: expected {tuple(wanted[name].shape)}, got {tuple(tensors[name].shape)}"
            for name in shared
            if tensors[name].shape != wanted[name].shape
        ],
        "not of a floating type": [name for name in shared if not tensors[name].is_floating_point()],
    }
    found = [f"{len(names)} {fault} ({abbreviate(names)})" for fault, names in faults.items() if names]
    if found:
        raise WeightsError(f"{checkpoint.source} does not fit {config.full_name}: {'; '.join(found)}")


def count_parameters(config: ModelConfig) -> int:
    """Count the parameters of a model without allocating them."""
    return sum(parameter.numel() for parameter in _skeleton(config).parameters())


def _skeleton(config: ModelConfig) -> Sam2:
    with torch.device("meta"), _SkipInit():
        return Sam2(config)


class _SkipInit(TorchFunctionMode):
    """Skips weight initialization, for which torch would load its compiler on the meta device (about 1 s)."""

    def __torch_function__(
        self, func: Callable[..., Any], types: object, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if getattr(func, "__module__", "") == "torch.nn.init":
            return args[0] if args else (kwargs or {})["tensor"]
        return (torch.empty if func is torch.randn else func)(*args, **(kwargs or {}))
