"""Chosen savings: what `load(..., speed="fast")` gives up for time, in one table (docs/adr/0016-fast.md)."""

from __future__ import annotations

from dataclasses import replace
from typing import Final, Literal, get_args

import torch

from masklet.errors import DeviceError
from masklet.model.config import ModelConfig

Speed = Literal["exact", "fast"]
SPEEDS: Final[tuple[Speed, ...]] = get_args(Speed)

FAST_MAX_MAPS: Final = 4
"""Spatial memories that are read: a prompted one and the last three, in place of the last six."""

FAST_IMAGE_SIZES: Final = {1024: 896}
"""Input sizes by those the models were trained for. Windows of 8, 14 and 7 tokens cover 896 pixels without a rest."""


def for_speed(
    speed: str, config: ModelConfig, dtype: str, device: torch.device, image_size: int | None = None
) -> tuple[ModelConfig, str]:
    """Configuration and number type for a speed.

    Args:
        speed: "exact" changes nothing but the size that was asked for.
        config: of the weights.
        dtype: as asked for; "fast" makes bfloat16 of float32 where `has_bfloat16`.
        device: what computes.
        image_size: as asked for, or None.

    Raises:
        DeviceError: no such speed.
    """
    if speed not in SPEEDS:
        raise DeviceError(f"speed must be {' or '.join(SPEEDS)}, got {speed[:32]!r}")
    size = config.image_size if image_size is None else image_size
    if speed == "exact":
        return replace(config, image_size=size), dtype
    if image_size is None:
        size = FAST_IMAGE_SIZES.get(size, size)
    config = replace(config, image_size=size, max_maps=min(config.max_maps, FAST_MAX_MAPS))
    return config, "bfloat16" if dtype == "float32" and has_bfloat16(device) else dtype


def has_bfloat16(device: torch.device) -> bool:
    """Whether a device multiplies bfloat16 itself, which is when that is faster than float32."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    told: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()  # older versions of torch do not tell
    return device.type == "cpu" and any(bool(here) for name, here in told.items() if "bf16" in name)
