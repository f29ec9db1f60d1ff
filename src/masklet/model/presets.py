"""Configurations of the eight released checkpoints, the embedded model, and a tiny model for tests."""

from __future__ import annotations

from typing import Final

from masklet.model.config import EfficientNetConfig, HieraConfig, ModelConfig, Revision

HIERA: Final = {
    "tiny": HieraConfig(embed_dim=96, num_heads=1, stages=(1, 2, 7, 2), global_blocks=(5, 7, 9)),
    "small": HieraConfig(embed_dim=96, num_heads=1, stages=(1, 2, 11, 2), global_blocks=(7, 10, 13)),
    "base-plus": HieraConfig(
        embed_dim=112, num_heads=2, stages=(2, 3, 16, 3), global_blocks=(12, 16, 20), position_size=14
    ),
    "large": HieraConfig(
        embed_dim=144, num_heads=2, stages=(2, 6, 36, 4), global_blocks=(23, 33, 43), window_sizes=(8, 4, 16, 8)
    ),
}

NANO: Final = ModelConfig(
    name="nano",
    trunk=EfficientNetConfig(),
    image_size=384,
    embed_dim=128,
    memory_dim=32,
    memory_layers=2,
    memory_ffn=512,
    draw_prompts=True,
    min_stability=0.0,
    ranked_clicks=False,
    refine_limit=6.0,
    pixel_mean=(127 / 255,) * 3,
    pixel_std=(128 / 255,) * 3,
)

TEST_TINY: Final = ModelConfig(
    name="test-tiny",
    trunk=HieraConfig(embed_dim=8, num_heads=1, stages=(1, 1, 2, 1), global_blocks=(3,)),
    image_size=64,
    embed_dim=32,
    memory_dim=8,
    memory_layers=2,
    memory_ffn=32,
)


def released(size: str, revision: Revision) -> ModelConfig:
    """Return the configuration of a released checkpoint."""
    return ModelConfig(name=size, revision=revision, trunk=HIERA[size])


PRESETS: Final = {
    config.full_name: config
    for config in (NANO, *(released(size, revision) for revision in ("2.1", "2.0") for size in HIERA))
}
"""Configurations by full name, the default first."""
