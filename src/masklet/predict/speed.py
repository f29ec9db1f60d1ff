"""Settings of `load(..., speed="fast")`, which trade accuracy for speed (docs/adr/0016-fast.md)."""

from __future__ import annotations

from dataclasses import replace
from typing import Final, Literal, get_args

import torch

from masklet.errors import DeviceError
from masklet.model.config import ModelConfig

Speed = Literal["exact", "fast"]
SPEEDS: Final[tuple[Speed, ...]] = get_args(Speed)

FAST_MAX_MAPS: Final = 4
"""Number of spatial memories that a frame reads: a prompted one and the last three, in place of the last six."""

FAST_IMAGE_SIZES: Final = {1024: 896}
"""Input size of "fast" by training size. 896 pixels divide into windows of 8, 14 and 7 tokens without padding."""


def for_speed(
    speed: str, config: ModelConfig, dtype: str, device: torch.device, image_size: int | None = None
) -> tuple[ModelConfig, str]:
    """Return the configuration and dtype to load a model with.

    "exact" changes only the input size, if one is given. "fast" also limits the memories, reduces the input size if
    none is given, and replaces float32 by bfloat16 where `has_bfloat16`.

    Raises:
        DeviceError: ``speed`` is neither "exact" nor "fast".
    """
    if speed not in SPEEDS:
        raise DeviceError(f"speed must be {' or '.join(SPEEDS)}, got {speed[:32]!r}")
    size = config.image_size if image_size is None else image_size
    if speed == "exact":
        return replace(config, image_size=size), dtype
    if image_size is None:
        fast = FAST_IMAGE_SIZES.get(size, size)
        size = fast if fast % config.size_multiple == 0 else size
    config = replace(config, image_size=size, max_maps=min(config.max_maps, FAST_MAX_MAPS))
    return config, "bfloat16" if dtype == "float32" and has_bfloat16(device) else dtype


def has_bfloat16(device: torch.device) -> bool:
    """Whether the device has bfloat16 instructions, which make bfloat16 faster than float32."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    capabilities: dict[str, object] = getattr(torch.cpu, "get_capabilities", dict)()  # missing in older torch versions
    return device.type == "cpu" and any(bool(present) for name, present in capabilities.items() if "bf16" in name)
