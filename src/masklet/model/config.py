"""Configuration of a model: trunk, sizes and revision; those of the released checkpoints and the embedded model."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final, Literal

Revision = Literal["2.0", "2.1"]

STRIDE: Final = 16
"""Pixels of the input per cell of the image embedding, in each direction."""

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class TokenLayout:
    """Where the tokens of a spatial memory lie: some without a position, then those of a grid, row by row.

    Attributes:
        grid: (height, width) of the grid.
        num_global: number of tokens without a position.
    """

    grid: tuple[int, int]
    num_global: int = 0

    def __len__(self) -> int:
        return self.num_global + self.grid[0] * self.grid[1]


@dataclass(frozen=True, kw_only=True)
class HieraConfig:
    """Hierarchical vision transformer (Ryali et al. 2023), the trunk of the released checkpoints.

    Attributes:
        embed_dim: channels of the first stage; doubled at each of the next three.
        num_heads: attention heads of the first stage; doubled with the channels.
        stages: blocks in each of the four stages.
        global_blocks: blocks with global attention instead of windowed attention.
        window_sizes: side of the attention windows in each stage, in tokens.
        position_size: side of the learned positional embedding, which is resized to the feature map (bicubic).
    """

    embed_dim: int
    num_heads: int
    stages: tuple[int, int, int, int]
    global_blocks: tuple[int, ...]
    window_sizes: tuple[int, int, int, int] = (8, 4, 14, 7)
    position_size: int = 7

    @property
    def channels(self) -> tuple[int, int, int, int]:
        """Channels of the features at strides 4, 8, 16 and 32."""
        c = self.embed_dim
        return (c, 2 * c, 4 * c, 8 * c)


@dataclass(frozen=True, kw_only=True)
class EfficientNetConfig:
    """EfficientNet-Lite0 (Tan and Le 2019), the convolutional trunk of the embedded model."""

    channels: tuple[int, int, int, int] = (24, 40, 112, 320)


@dataclass(frozen=True, kw_only=True)
class RepVitConfig:
    """RepViT (Wang et al. 2024), the convolutional trunk of EdgeTAM.

    Attributes:
        channels: channels of the features at strides 4, 8, 16 and 32, one stage each.
        depths: blocks in each stage, without those that downsample.
    """

    channels: tuple[int, int, int, int] = (48, 96, 192, 384)
    depths: tuple[int, int, int, int] = (2, 2, 14, 2)


@dataclass(frozen=True, kw_only=True)
class VitConfig:
    """Plain vision transformer (Dosovitskiy et al. 2021) with windows (Li et al. 2022), the trunk of EfficientTAM.

    Attributes:
        embed_dim: channels.
        num_heads: attention heads.
        depth: number of blocks.
        global_blocks: blocks with global attention instead of windowed attention.
        window_size: side of the attention windows, in tokens.
        position_size: side of the learned positional embedding, which is resized to the feature map (bicubic).
    """

    embed_dim: int
    num_heads: int
    depth: int = 12
    global_blocks: tuple[int, ...] = (2, 5, 8, 11)
    window_size: int = 14
    position_size: int = 14

    @property
    def channels(self) -> tuple[int]:
        """Channels of the features at stride 16, the only ones."""
        return (self.embed_dim,)


TrunkConfig = HieraConfig | EfficientNetConfig | RepVitConfig | VitConfig
CrossAttention = Literal["full", "pooled-score-bias", "pooled-key-bias"]
"""Kinds of attention to memories: to every token, or to tokens pooled 2 x 2 whose scores or keys get a bias of ln 4
(equations 5 and 6 of the EfficientTAM paper, Xiong et al. 2024, arXiv 2411.18933)."""


@dataclass(frozen=True, kw_only=True)
class PerceiverConfig:
    """2D spatial perceiver (EdgeTAM, Zhou et al. 2025), which condenses a spatial memory to a few tokens.

    Attributes:
        num_global: latents that attend to the whole memory; their tokens have no position.
        grid_size: side of the grid of latents that each attend to their own window of the memory.
        num_layers: number of layers.
    """

    num_global: int = 256
    grid_size: int = 16
    num_layers: int = 2


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """Architecture of a model (paper section 4 and appendix C).

    Attributes:
        name: "tiny", "small", "base-plus", "large", "nano", "edgetam" or a custom name.
        revision: "2.0" or "2.1"; 2.1 adds temporal encodings of pointers and a spatial embedding for absent objects.
        trunk: backbone of the image encoder.
        image_size: default side of the square input in pixels, a multiple of ``size_multiple``.
        embed_dim: channels of image features and tokens.
        memory_dim: channels of spatial memories.
        memory_layers: number of memory attention layers.
        memory_ffn: hidden channels of their feed-forward network.
        memory_frames: learned temporal encodings of spatial memories: 1 for prompted ones + the recent ones.
        max_pointers: maximum number of object pointers that a frame attends to.
        max_maps: maximum number of spatial memories that a frame attends to, if below ``memory_frames``.
        perceiver: perceiver that condenses spatial memories (EdgeTAM); None keeps a token for each cell of the map.
        cross_attention: attention to memories, where there are several (EfficientTAM pools their tokens).
        draw_prompts: whether clicks and boxes are also rasterized into the dense mask prompt (nano only).
        min_stability: minimum stability score of candidate 0 for an unambiguous prompt; below it, the best of the
            others is selected. 0 for a model whose soft masks never reach it (nano).
        ranked_clicks: whether a single click selects the candidate among 1 to 3 with the highest predicted IoU, as in
            SAM 2; False selects candidate 0, for a model that ranks ambiguous candidates poorly (nano).
        refine_limit: previous logits are clamped to +- this before they are used as a mask prompt.
        pixel_mean, pixel_std: normalization of RGB in [0, 1].
    """

    name: str
    revision: Revision = "2.1"
    trunk: TrunkConfig
    image_size: int = 1024
    embed_dim: int = 256
    memory_dim: int = 64
    memory_layers: int = 4
    memory_ffn: int = 2048
    memory_frames: int = 7
    max_pointers: int = 16
    max_maps: int = 7
    perceiver: PerceiverConfig | None = None
    cross_attention: CrossAttention = "full"
    draw_prompts: bool = False
    min_stability: float = 0.98
    ranked_clicks: bool = True
    refine_limit: float = 32.0
    pixel_mean: tuple[float, float, float] = IMAGENET_MEAN
    pixel_std: tuple[float, float, float] = IMAGENET_STD

    @property
    def guided_corrections(self) -> bool:
        """Whether corrective clicks use the heuristics of `masklet.predict.click_refinement` (nano)."""
        return not self.ranked_clicks

    @property
    def full_name(self) -> str:
        """Name with family and revision that `masklet.load` accepts: "sam2.1-tiny", "edgetam", "nano"."""
        if not isinstance(self.trunk, HieraConfig):
            return self.name
        return f"sam{'2' if self.revision == '2.0' else '2.1'}-{self.name}"

    @property
    def has_skips(self) -> bool:
        """Whether the mask decoder gets skip features, from a trunk with features at strides 4 and 8."""
        return len(self.trunk.channels) > 1

    @property
    def size_multiple(self) -> int:
        """The side of the input is a multiple of this; the windows of a perceiver must divide the memory evenly."""
        return 32 if self.perceiver is None else math.lcm(32, STRIDE * self.perceiver.grid_size)

    def memory_layout(self, grid: tuple[int, int]) -> TokenLayout:
        """Return where the tokens of a spatial memory lie.

        Args:
            grid: (height, width) of the image embedding.
        """
        if self.perceiver is None:
            return TokenLayout(grid)
        return TokenLayout((self.perceiver.grid_size, self.perceiver.grid_size), self.perceiver.num_global)


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

EDGETAM: Final = ModelConfig(
    name="edgetam", revision="2.0", trunk=RepVitConfig(), memory_layers=2, perceiver=PerceiverConfig()
)

VIT: Final = {"ti": VitConfig(embed_dim=192, num_heads=3), "s": VitConfig(embed_dim=384, num_heads=6)}


def efficienttam(
    name: str, size: str, *, image_size: int = 1024, cross_attention: CrossAttention = "full"
) -> ModelConfig:
    """Return the configuration of a released EfficientTAM; all checkpoints of a size have the same tensors."""
    trunk = VIT[size]
    return ModelConfig(name=name, revision="2.0", trunk=trunk, image_size=image_size, cross_attention=cross_attention)


EFFICIENTTAM: Final = tuple(
    config
    for size in VIT
    for config in (
        efficienttam(f"efficienttam-{size}", size),
        efficienttam(f"efficienttam-{size}-1", size, cross_attention="pooled-score-bias"),
        efficienttam(f"efficienttam-{size}-2", size, cross_attention="pooled-key-bias"),
        efficienttam(f"efficienttam-{size}-512", size, image_size=512),
    )
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

TEST_EDGETAM: Final = replace(
    TEST_TINY,
    name="test-edgetam",
    revision="2.0",
    trunk=RepVitConfig(channels=(8, 16, 24, 32), depths=(1, 1, 2, 1)),
    perceiver=PerceiverConfig(num_global=6, grid_size=2),
)

TEST_EFFICIENTTAM: Final = replace(
    TEST_TINY,
    name="test-efficienttam",
    revision="2.0",
    trunk=VitConfig(embed_dim=24, num_heads=3, depth=3, global_blocks=(1,), window_size=3, position_size=4),
    cross_attention="pooled-score-bias",
)


def released(size: str, revision: Revision) -> ModelConfig:
    """Return the configuration of a released checkpoint."""
    return ModelConfig(name=size, revision=revision, trunk=HIERA[size])


PRESETS: Final = {
    config.full_name: config
    for config in (
        NANO,
        EDGETAM,
        *EFFICIENTTAM,
        *(released(size, revision) for revision in ("2.1", "2.0") for size in HIERA),
    )
}
"""Configurations by full name, the default first."""
