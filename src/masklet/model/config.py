"""What a model is made of: size, revision and the numbers that follow from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Revision = Literal["2.0", "2.1"]

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True, kw_only=True)
class HieraConfig:
    """Hierarchical vision transformer (Ryali et al. 2023), the trunk of the released checkpoints.

    Attributes:
        embed_dim: channels of the first stage; doubled at each of the next three.
        num_heads: attention heads of the first stage; doubled with the channels.
        stages: blocks in each of the four stages.
        global_blocks: blocks that attend to the whole picture rather than within windows.
        window_sizes: side of the attention windows in each stage, in tokens.
        position_size: side of the learned position code, which is stretched to the picture (bicubic).
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
    """EfficientNet-Lite0, the trunk of the embedded model: a convolution network made for small processors."""

    channels: tuple[int, int, int, int] = (24, 40, 112, 320)


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """One model: its size, its revision, and the numbers that follow (reference: paper appendix C).

    Attributes:
        name: "tiny", "small", "base-plus", "large", "nano" or a name of your own.
        revision: "2.0" or "2.1"; 2.1 adds time codes to object pointers and a spatial code for absent objects.
        trunk: the image encoder's backbone.
        image_size: side of the square input in pixels by default, a multiple of 32.
        embed_dim: channels of image features and tokens.
        memory_dim: channels of a spatial memory.
        memory_layers: layers of memory attention.
        memory_ffn: hidden channels of their feed-forward part.
        memory_frames: spatial memories that have a learned time code: 1 prompted + the recent ones.
        max_pointers: object pointers read at most.
        max_maps: spatial memories read at most, where that is fewer than ``memory_frames``.
        draw_prompts: clicks and boxes are also drawn into the dense mask prompt (nano only).
        min_stability: candidate 0 answers an unambiguous prompt while its stability is at least this, else the best of
            the others does; 0 for a model whose soft masks are never that stable (nano).
        ranked_clicks: a single click is answered by the best of candidates 1 to 3 by predicted IoU, as in SAM 2; False:
            by candidate 0, for a model that cannot tell well which reading is meant (nano).
        refine_limit: previous logits are clamped to +- this before they go in as a mask prompt.
        pixel_mean, pixel_std: normalization of RGB in [0, 1].
    """

    name: str
    revision: Revision = "2.1"
    trunk: HieraConfig | EfficientNetConfig
    image_size: int = 1024
    embed_dim: int = 256
    memory_dim: int = 64
    memory_layers: int = 4
    memory_ffn: int = 2048
    memory_frames: int = 7
    max_pointers: int = 16
    max_maps: int = 7
    draw_prompts: bool = False
    min_stability: float = 0.98
    ranked_clicks: bool = True
    refine_limit: float = 32.0
    pixel_mean: tuple[float, float, float] = IMAGENET_MEAN
    pixel_std: tuple[float, float, float] = IMAGENET_STD

    @property
    def guided_corrections(self) -> bool:
        """Whether clicks that correct a mask are helped (`predict.corrections`): of a model unsure what clicks mean."""
        return not self.ranked_clicks

    @property
    def full_name(self) -> str:
        """Name with family and revision, as `masklet.load` takes it: "sam2.1-tiny", "nano"."""
        if isinstance(self.trunk, EfficientNetConfig):
            return self.name
        return f"sam{'2' if self.revision == '2.0' else '2.1'}-{self.name}"
