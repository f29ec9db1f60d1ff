"""Speed presets: what they change, what they leave, and how close the masks stay."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from masklet.errors import DeviceError
from masklet.io import open_video
from masklet.model.config import NANO, PRESETS
from masklet.model.sam2 import Sam2
from masklet.predict.load import load
from masklet.predict.speed import for_speed, has_bfloat16
from masklet.predict.stream import StreamTracker
from masklet.tracking.memory_policy import MemoryPolicy
from masklet.types import Prompts

CPU = torch.device("cpu")
TINY = PRESETS["sam2.1-tiny"]
SHORT = "bfloat16" if has_bfloat16(CPU) else "float32"


@pytest.mark.parametrize(
    ("speed", "dtype", "image_size", "size", "maps", "given"),
    [
        ("exact", "float32", None, 1024, 7, "float32"),
        ("exact", "bfloat16", 512, 512, 7, "bfloat16"),
        ("fast", "float32", None, 896, 4, SHORT),
        ("fast", "float16", 512, 512, 4, "float16"),
        ("fast", "bfloat16", 1024, 1024, 4, "bfloat16"),
    ],
)
def test_settings_of_a_speed(speed: str, dtype: str, image_size: int | None, size: int, maps: int, given: str) -> None:
    config, number_type = for_speed(speed, TINY, dtype, CPU, image_size)
    assert config == replace(TINY, image_size=size, max_maps=maps)
    assert number_type == given


def test_the_embedded_model_keeps_its_size() -> None:
    config, _ = for_speed("fast", NANO, "float32", CPU)
    assert config == replace(NANO, max_maps=4)


def test_exact_is_what_is_loaded_by_default() -> None:
    default, exact = load(image_size=96, device="cpu"), load(image_size=96, device="cpu", speed="exact")
    assert (default.config, default.dtype) == (exact.config, exact.dtype)
    weights = zip(default.state_dict().values(), exact.state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in weights)


def test_a_fast_model_reads_fewer_memories_by_default() -> None:
    model = load(image_size=96, device="cpu", speed="fast")
    assert StreamTracker(model).policy.memory_frames == 4
    assert StreamTracker(model, memory="auto").policy.memory_frames == 4
    assert StreamTracker(model, memory=MemoryPolicy()).policy.memory_frames == 7


@pytest.mark.parametrize(
    ("build", "message"),
    [
        ({"speed": "warp"}, "warp"),
        ({"speed": "fast", "backend": "onnx"}, "torch"),
    ],
)
@pytest.mark.usefixtures("untyped_caller")
def test_invalid_speed(build: dict[str, Any], message: str) -> None:
    untyped: Any = load
    with pytest.raises(DeviceError, match=message):
        untyped(device="cpu", **build)


def test_masks_stay_near_the_exact_ones(assets: Path) -> None:
    """The benchmark, `benchmarks/fast.py`, found a mean of at least 0.96 over 60 frames."""
    with open_video(assets / "data" / "clips" / "dog.mp4") as video:
        frames = [np.asarray(frame) for frame in islice(video, 12)]

    def track(model: Sam2) -> list[np.ndarray]:
        tracker = StreamTracker(model)
        box = {1: Prompts.from_box(450, 375, 705, 550)}
        return [tracker.step(frame, None if index else box).masks[0].copy() for index, frame in enumerate(frames)]

    pairs = zip(track(load(device="cpu")), track(load(device="cpu", speed="fast")), strict=True)
    ious = [(a & b).sum() / (a | b).sum() for a, b in pairs]
    assert np.mean(ious) > 0.93
