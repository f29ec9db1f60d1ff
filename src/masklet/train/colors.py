"""Color jitter: one draw for a clip, a smaller one for each frame."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32, UInt8

from masklet.train.config import AugmentConfig, Shares

LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def jitter(
    frames: UInt8[np.ndarray, "t s s2 3"], config: AugmentConfig, generator: np.random.Generator
) -> UInt8[np.ndarray, "t s s2 3"]:
    """Frames in other light: brightness, contrast and saturation, and sometimes gray."""
    whole = _draw(config.color, generator)
    gray = generator.random() < config.gray
    changed = np.empty_like(frames)
    for index, frame in enumerate(frames):
        own = _draw(config.frame_color, generator) if len(frames) > 1 else np.ones(3, np.float32)
        changed[index] = _relit(frame, whole * own, gray=bool(gray))
    return changed


def _draw(spread: Shares, generator: np.random.Generator) -> Float32[np.ndarray, "3"]:
    factors: Float32[np.ndarray, "3"] = (1 + generator.uniform(-1, 1, 3) * np.array(spread)).astype(np.float32)
    return factors


def _relit(
    frame: UInt8[np.ndarray, "s s2 3"], factors: Float32[np.ndarray, "3"], *, gray: bool
) -> UInt8[np.ndarray, "s s2 3"]:
    brightness, contrast, saturation = factors
    light = frame.astype(np.float32)
    luma = light @ LUMA
    mean = luma.mean()
    if gray:
        light = np.repeat(luma[..., None], 3, axis=2)
    elif saturation != 1:
        light = luma[..., None] + (light - luma[..., None]) * saturation
    light = ((light - mean) * contrast + mean) * brightness
    relit: UInt8[np.ndarray, "s s2 3"] = np.clip(light + 0.5, 0, 255).astype(np.uint8)
    return relit
