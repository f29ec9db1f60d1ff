"""SAM 2 as five pure verbs: encode_image, condition, decode, adopt_mask, encode_memory. It keeps nothing."""

from __future__ import annotations

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from masklet.geometry import logits_to_picture, stretch
from masklet.model.config import ModelConfig
from masklet.model.layers import Mlp
from masklet.model.mask_decoder import MaskDecoder
from masklet.model.memory_attention import MemoryAttention
from masklet.model.memory_encoder import MemoryEncoder
from masklet.model.neck import ImageEncoder
from masklet.model.position import sine_grid, sine_times
from masklet.model.prompt_encoder import PromptEncoder, draw_prompts
from masklet.model.tensors import ChosenMask, ImageFeatures, MaskPrediction, MemoryTokens, PromptTensors

MEMORY_SCALE, MEMORY_BIAS = 20.0, -10.0
"""Mask probabilities are stretched to [-10, 10] on their way into a memory."""


class Sam2(nn.Module):
    """Segment Anything Model 2 (Ravi et al. 2024, arXiv 2408.00714).

    Parameter names are those of the released checkpoints. In every verb one picture (batch of 1) serves any number of
    objects. All sizes follow the input: a square whose side is a multiple of 32.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        dim, memory_dim = config.embed_dim, config.memory_dim
        self.image_encoder = ImageEncoder(config.trunk, dim)
        self.sam_prompt_encoder = PromptEncoder(dim)
        self.sam_mask_decoder = MaskDecoder(dim)
        self.memory_attention = MemoryAttention(dim, memory_dim, config.memory_layers, config.memory_ffn)
        self.memory_encoder = MemoryEncoder(dim, memory_dim)
        self.mask_downsample = nn.Conv2d(1, 1, 4, stride=4)
        self.obj_ptr_proj = Mlp((dim, dim, dim, dim))
        self.maskmem_tpos_enc = nn.Parameter(torch.zeros(config.memory_frames, 1, 1, memory_dim))
        self.no_mem_embed = nn.Parameter(torch.zeros(1, 1, dim))
        self.no_obj_ptr = nn.Parameter(torch.zeros(1, dim))
        if config.revision == "2.1":
            self.obj_ptr_tpos_proj = nn.Linear(dim, memory_dim)
            self.no_obj_embed_spatial = nn.Parameter(torch.zeros(1, memory_dim))

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.no_mem_embed.device

    @property
    def dtype(self) -> torch.dtype:
        """Number type of the weights."""
        return self.no_mem_embed.dtype

    def encode_image(self, pixels: Float[Tensor, "b 3 s s"]) -> ImageFeatures:
        """See a picture.

        Args:
            pixels: RGB in [0, 1] stretched to a square whose side is a multiple of 32.
        """
        mean = pixels.new_tensor(self.config.pixel_mean)[:, None, None]
        std = pixels.new_tensor(self.config.pixel_std)[:, None, None]
        stride4, stride8, embedding = self.image_encoder(((pixels - mean) / std).to(self.dtype))
        stride8, stride4 = self.sam_mask_decoder.skips(stride8, stride4)
        return ImageFeatures(embedding, stride8, stride4)

    def condition(self, features: ImageFeatures, memory: MemoryTokens | None) -> ImageFeatures:
        """Look at a picture with the memory of ``b`` objects; None means that there is nothing to remember."""
        if memory is None:
            return features.with_embedding(features.embedding + self.no_mem_embed.view(1, -1, 1, 1))
        grid = features.grid
        place = sine_grid(self.config.memory_dim, *grid, self.device).to(self.dtype)
        time = self.maskmem_tpos_enc[memory.map_slots, 0, 0, :, None, None]
        maps = rearrange(memory.maps, "b m d h w -> b (m h w) d")
        map_codes = rearrange(place + time, "b m d h w -> b (m h w) d")
        parts = self.config.embed_dim // self.config.memory_dim
        pointers = rearrange(memory.pointers, "b p (parts d) -> b (p parts) d", parts=parts)
        pointer_codes = self._pointer_codes(memory.pointer_times).repeat_interleave(parts, dim=1)
        values = torch.cat([maps, pointers], dim=1)
        keys = values + torch.cat([map_codes, pointer_codes], dim=1)
        return features.with_embedding(self.memory_attention(features.embedding, keys, values, pointers.shape[1]))

    def _pointer_codes(self, times: Float[Tensor, "b p"]) -> Float[Tensor, "b p d"]:
        if self.config.revision == "2.0":  # pointers carry no time there
            return torch.zeros(*times.shape, self.config.memory_dim, dtype=self.dtype, device=self.device)
        codes: Tensor = self.obj_ptr_tpos_proj(sine_times(times, self.config.embed_dim).to(self.dtype))
        return codes

    def decode(self, features: ImageFeatures, prompts: PromptTensors) -> MaskPrediction:
        """Answer the prompts of ``b`` objects on a conditioned picture with four candidates each."""
        previous = prompts.mask_logits
        if previous is not None:
            previous = previous.clamp(-self.config.refine_limit, self.config.refine_limit)
        if self.config.draw_prompts and prompts.points.shape[1]:
            previous = draw_prompts(prompts.points, prompts.labels, previous, features.image_size)
        return self._decode(features, prompts, previous)

    def _decode(self, features: ImageFeatures, prompts: PromptTensors, dense: Tensor | None) -> MaskPrediction:
        encoder = self.sam_prompt_encoder
        sparse = encoder.sparse(prompts.points, prompts.labels, features.image_size)
        image = features.embedding + encoder.dense(dense, features.grid)
        image_code = encoder.pe_layer.grid(*features.grid).to(self.dtype)
        image = image.expand(len(sparse), -1, -1, -1)
        logits, iou, tokens, score = self.sam_mask_decoder(
            image, image_code, sparse, (features.stride8, features.stride4)
        )
        pointers = torch.where((score > 0)[:, None, None], self.obj_ptr_proj(tokens), self.no_obj_ptr)
        return MaskPrediction(logits.float(), iou.float(), pointers, score.float())

    def adopt_mask(self, features: ImageFeatures, mask: Float[Tensor, "b 1 s s"]) -> ChosenMask:
        """Take the user's mask as the answer; only its object pointer is computed.

        Args:
            features: unconditioned.
            mask: 1 inside, 0 outside, at the size of the model's input.
        """
        full = mask * MEMORY_SCALE + MEMORY_BIAS
        logits = stretch(full, full.shape[-1] // 4)
        dense = self.mask_downsample(mask.to(self.dtype))
        prediction = self._decode(features, PromptTensors.none(len(mask), self.device), dense)
        visible = mask.flatten(1).any(dim=1)
        pointer = torch.where(visible[:, None], prediction.pointers[:, 0], self.no_obj_ptr)
        score = torch.where(visible, -MEMORY_BIAS, MEMORY_BIAS)
        return ChosenMask(logits, torch.ones_like(score), pointer, score)

    def encode_memory(self, features: ImageFeatures, chosen: ChosenMask, *, prompted: bool) -> Float[Tensor, "b d h w"]:
        """Remember ``b`` masks on an unconditioned picture.

        Masks that a person prompted go in as certain (0 or 1), tracked ones as probabilities.
        """
        size = features.image_size
        full = logits_to_picture(chosen.logits, (size, size))
        probability = (full > 0).float() if prompted else full.sigmoid()
        scaled = probability * MEMORY_SCALE + MEMORY_BIAS
        memory: Tensor = self.memory_encoder(features.embedding, scaled.to(self.dtype))
        if self.config.revision == "2.1":
            absent = (chosen.object_score <= 0).to(memory.dtype)[:, None]
            memory = memory + (absent * self.no_obj_embed_spatial)[:, :, None, None]
        return memory
