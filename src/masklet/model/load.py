"""Fill a torch model from named tensors: strictly, without a wasted initialization, in one number type."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import torch
from torch.overrides import TorchFunctionMode

from masklet.errors import WeightsError
from masklet.model.checkpoint import Checkpoint, few, read_checkpoint
from masklet.model.config import ModelConfig
from masklet.model.malloc import retain_freed_memory
from masklet.model.sam2 import Sam2

DTYPES: Final = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
"""Number types of weights by name."""

FLOAT32_MODULE: Final = "sam_prompt_encoder.pe_layer"
"""Stays float32 in every number type: its frequencies multiply positions, and rounding them moves clicks."""


def load_model(
    path: Path,
    *,
    config: ModelConfig | None = None,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
) -> Sam2:
    """A model in eval mode from a weight file.

    Args:
        path: any form that `read_checkpoint` knows.
        config: what the model is; by default what the file says or its tensors show.
        device: where the weights go.
        dtype: number type they are cast to.

    Raises:
        WeightsError: the file is unreadable or does not fit.
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
    """A model in eval mode that holds copies of a checkpoint's tensors, cast to ``dtype``.

    On a processor the heap keeps freed memory from now on (`heap.retain_freed_memory`).

    Raises:
        WeightsError: see `check_fit`.
    """
    check_fit(config, checkpoint)
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


def check_fit(config: ModelConfig, checkpoint: Checkpoint) -> None:
    """Compare names, shapes and types before anything is allocated.

    Raises:
        WeightsError: tensors are missing, unexpected, of another shape or not of a floating type; one error tells all.
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
    found = [f"{len(names)} {fault} ({few(names)})" for fault, names in faults.items() if names]
    if found:
        raise WeightsError(f"{checkpoint.source} does not fit {config.full_name}: {'; '.join(found)}")


def count_parameters(config: ModelConfig) -> int:
    """Trained numbers of a model, without building it in memory."""
    return sum(parameter.numel() for parameter in _skeleton(config).parameters())


def _skeleton(config: ModelConfig) -> Sam2:
    with torch.device("meta"), _Unfilled():
        return Sam2(config)


class _Unfilled(TorchFunctionMode):
    """Leaves weights as they are: to fill those of the meta device, torch would load its compiler, a second's work."""

    def __torch_function__(
        self, func: Callable[..., Any], types: object, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if getattr(func, "__module__", "") == "torch.nn.init":
            return args[0] if args else (kwargs or {})["tensor"]
        return (torch.empty if func is torch.randn else func)(*args, **(kwargs or {}))
