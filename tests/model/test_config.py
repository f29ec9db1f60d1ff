"""The models known by name: what they are called, and channels that fit together."""

from __future__ import annotations

import pytest

from masklet.model.config import NANO, PRESETS, TEST_TINY
from masklet.model.load import count_parameters


def test_names() -> None:
    assert list(PRESETS) == [
        "nano",
        "edgetam",
        *(f"efficienttam-{size}{variant}" for size in ("ti", "s") for variant in ("", "-1", "-2", "-512")),
        *(f"{family}-{size}" for family in ("sam2.1", "sam2") for size in ("tiny", "small", "base-plus", "large")),
    ]
    assert all(config.full_name == name for name, config in PRESETS.items())


def test_own_sizes() -> None:
    assert count_parameters(NANO) / 1e6 == pytest.approx(5.70, abs=0.01)
    assert count_parameters(TEST_TINY) < 1_000_000


@pytest.mark.parametrize("name", PRESETS)
def test_released_conventions(name: str) -> None:
    config = PRESETS[name]
    assert config.image_size % 32 == 0
    assert config.embed_dim % config.memory_dim == 0  # a pointer is cut into tokens of a memory's width
    assert (config.memory_frames, config.max_pointers) == (7, 16)
    assert list(config.trunk.channels) == sorted(config.trunk.channels)
    assert len(config.trunk.channels) == (4 if config.has_skips else 1)
