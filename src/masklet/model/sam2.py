"""SAM 2 and its relatives EdgeTAM and EfficientTAM as five stateless methods.

These are encode_image, condition, decode, use_mask_as_output and encode_memory.
"""

from __future__ import annotations

import torch
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor, nn

from masklet.geometry import logits_to_image, resize_to_square
from masklet.model.config import ModelConfig, TokenLayout
from masklet.model.image_encoder import ImageEncoder
from masklet.model.layers import Mlp
from masklet.model.mask_decoder import MaskDecoder
from masklet.model.memory_attention import MemoryAttention
from masklet.model.memory_encoder import MemoryEncoder
from masklet.model.position import sine_encoding_1d, sine_encoding_2d
from masklet.model.prompt_encoder import PromptEncoder, draw_prompts
from masklet.model.spatial_perceiver import SpatialPerceiver
from masklet.model.tensors import ChosenMask, ImageFeatures, MaskPrediction, MemoryTokens, PromptTensors

MEMORY_SCALE, MEMORY_BIAS = 20.0, -10.0
"""Scale and bias that map mask probabilities to [-10, 10], the input range of the memory encoder."""


class Sam2(nn.Module):
    """Segment Anything Model 2 (Ravi et al. 2024, arXiv 2408.00714), or a model of its family.

    Parameter names are those of the released checkpoints. In every method, the features of one image (batch of 1) are
    shared by any number of objects. All sizes follow from the input, a square.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        dim, memory_dim = config.embed_dim, config.memory_dim
        self.image_encoder = ImageEncoder(config.trunk, dim)
        self.sam_prompt_encoder = PromptEncoder(dim)
        self.sam_mask_decoder = MaskDecoder(dim, has_skips=config.has_skips)
        self.memory_attention = MemoryAttention(
            dim, memory_dim, config.memory_layers, config.memory_ffn, config.cross_attention
        )
        self.memory_encoder = MemoryEncoder(dim, memory_dim)
        if config.perceiver is not None:
            self.spatial_perceiver = SpatialPerceiver(memory_dim, config.perceiver)
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
        """Device of the weights."""
        return self.no_mem_embed.device

    @property
    def dtype(self) -> torch.dtype:
        """Dtype of the weights."""
        return self.no_mem_embed.dtype

    def encode_image(self, pixels: Float[Tensor, "b 3 s s"]) -> ImageFeatures:
        """Encode images with the image encoder (paper section 4).

        Args:
            pixels: RGB in [0, 1], resized to a square whose side is a multiple of ``config.size_multiple``.
        """
        mean = pixels.new_tensor(self.config.pixel_mean)[:, None, None]
        std = pixels.new_tensor(self.config.pixel_std)[:, None, None]
        decoder = self.sam_mask_decoder
        skips = (decoder.conv_s0, decoder.conv_s1) if self.config.has_skips else None
        normalized = torch.addcmul(-mean / std, pixels, 1 / std).to(self.dtype)
        stride4, stride8, embedding = self.image_encoder(normalized, skips)
        return ImageFeatures(embedding, stride8, stride4)

    def condition(self, features: ImageFeatures, memory: MemoryTokens | None) -> ImageFeatures:
        """Condition the features of a frame on the memories of ``b`` objects (memory attention, paper section 4).

        Without memory, the learned "no memory" embedding is added instead.
        """
        if memory is None:
            return features.with_embedding(features.embedding + self.no_mem_embed.view(1, -1, 1, 1))
        layout = self.config.memory_layout(features.grid)
        time = self._temporal_encodings(memory.map_slots)[:, :, None]
        maps = memory.maps.flatten(1, 2)
        map_encodings = (self._spatial_encodings(layout) + time).flatten(1, 2)
        parts = self.config.embed_dim // self.config.memory_dim
        pointers = rearrange(memory.pointers, "b p (parts d) -> b (p parts) d", parts=parts)
        pointer_encodings = self._pointer_encodings(memory.pointer_times).repeat_interleave(parts, dim=1)
        values = torch.cat([maps, pointers], dim=1)
        keys = values + torch.cat([map_encodings, pointer_encodings], dim=1)
        scale = memory.key_scale
        if scale is not None:
            count = memory.maps.shape[1]
            whole = scale[:, :count].repeat_interleave(len(layout), dim=1)
            scale = torch.cat([whole, scale[:, count:].repeat_interleave(parts, dim=1)], dim=1).to(self.dtype)
        conditioned = self.memory_attention(features.embedding, keys, values, layout, pointers.shape[1], scale)
        return features.with_embedding(conditioned)

    def _spatial_encodings(self, layout: TokenLayout) -> Float[Tensor, "n d"]:
        """Encode the positions of the tokens of a spatial memory; zeros for those without a position."""
        grid = sine_encoding_2d(self.config.memory_dim, *layout.grid, self.device)[0].flatten(1).mT.to(self.dtype)
        return torch.cat([grid.new_zeros(layout.num_global, grid.shape[1]), grid]) if layout.num_global else grid

    def _temporal_encodings(self, slots: Int[Tensor, "b m"] | Float[Tensor, "b m"]) -> Float[Tensor, "b m d"]:
        """Look up the learned temporal encoding of each slot, interpolating for fractional slots."""
        encodings = self.maskmem_tpos_enc[:, 0, 0]
        if not slots.is_floating_point():
            return encodings[slots]
        below = slots.floor()
        part = (slots - below).to(encodings.dtype)[..., None]
        return torch.lerp(encodings[below.long()], encodings[slots.ceil().long()], part)

    def _pointer_encodings(self, times: Float[Tensor, "b p"]) -> Float[Tensor, "b p d"]:
        if self.config.revision == "2.0":  # pointers have no temporal encoding in 2.0
            return torch.zeros(*times.shape, self.config.memory_dim, dtype=self.dtype, device=self.device)
        encodings: Tensor = self.obj_ptr_tpos_proj(sine_encoding_1d(times, self.config.embed_dim).to(self.dtype))
        return encodings

    def decode(self, features: ImageFeatures, prompts: PromptTensors) -> MaskPrediction:
        """Predict four candidate masks for the prompts of ``b`` objects on conditioned features (paper section 4)."""
        return self._decode(features, prompts, self._dense(features, prompts))

    def decode_above_iou(
        self, features: ImageFeatures, prompts: PromptTensors, min_iou: float
    ) -> tuple[Int[Tensor, " k"], Float[Tensor, "k 4 s s"], Float[Tensor, "b 4"]]:
        """Predict masks only for prompts with a predicted IoU of at least ``min_iou`` for one of candidates 1 to 3.

        Scores are known before masks are upsampled, which is much of the work of `decode`.

        Returns:
            The rows of these prompts, their mask logits, and the predicted IoU of all candidates of all prompts.
        """
        image, image_pe, sparse = self._inputs(features, prompts, self._dense(features, prompts))
        seen, tokens, iou, _ = self.sam_mask_decoder.predict_tokens(image, image_pe, sparse)
        rows = (iou[:, 1:].float() >= min_iou).any(dim=1).nonzero()[:, 0]
        logits = self.sam_mask_decoder.predict_masks(seen[rows], tokens[rows], features.skips, features.grid[0])
        return rows, logits.float(), iou.float()

    def _dense(self, features: ImageFeatures, prompts: PromptTensors) -> Float[Tensor, "b 1 s s"] | None:
        """Return the dense mask prompt: the previous logits, clamped, with rasterized clicks and boxes (nano)."""
        previous = prompts.mask_logits
        if previous is not None:
            previous = previous.clamp(-self.config.refine_limit, self.config.refine_limit)
        if self.config.draw_prompts and prompts.points.shape[1]:
            previous = draw_prompts(prompts.points, prompts.labels, previous, features.image_size)
        return previous

    def _inputs(
        self, features: ImageFeatures, prompts: PromptTensors, dense: Tensor | None
    ) -> tuple[Float[Tensor, "p c h w"], Float[Tensor, "1 c h w"], Float[Tensor, "b n c"]]:
        """Return the inputs of the mask decoder: image embedding, its positional encoding, and prompt tokens."""
        encoder = self.sam_prompt_encoder
        image = features.embedding + encoder.dense(dense, features.grid)
        image_pe = encoder.pe_layer.grid(*features.grid).to(self.dtype)
        return image, image_pe, encoder.sparse(prompts.points, prompts.labels, features.image_size)

    def _decode(self, features: ImageFeatures, prompts: PromptTensors, dense: Tensor | None) -> MaskPrediction:
        return self.decode_encoded(*self._inputs(features, prompts, dense), features.skips)

    def decode_encoded(
        self,
        image: Float[Tensor, "p c h w"],
        image_pe: Float[Tensor, "1 c h w"],
        sparse: Float[Tensor, "b n c"],
        skips: tuple[Tensor, Tensor] | None,
    ) -> MaskPrediction:
        """Decode encoded prompts.

        Args:
            image: embedding plus dense prompt embedding.
            image_pe: positional encoding of the embedding.
            sparse: prompt tokens.
            skips: features at strides 8 and 4, or None.
        """
        logits, iou, tokens, score = self.sam_mask_decoder(image, image_pe, sparse, skips)
        pointers = torch.where((score > 0)[:, None, None], self.obj_ptr_proj(tokens), self.no_obj_ptr)
        return MaskPrediction(logits.float(), iou.float(), pointers, score.float())

    def use_mask_as_output(self, features: ImageFeatures, mask: Float[Tensor, "b 1 s s"]) -> ChosenMask:
        """Return the user's mask as the output mask; only its object pointer is predicted.

        Args:
            features: unconditioned features.
            mask: 1 inside, 0 outside, at the size of the model's input.
        """
        full = mask * MEMORY_SCALE + MEMORY_BIAS
        logits = resize_to_square(full, full.shape[-1] // 4)
        dense = self.mask_downsample(mask.to(self.dtype))
        prediction = self._decode(features, PromptTensors.none(mask.shape[0], self.device), dense)
        visible = mask.flatten(1).any(dim=1)
        pointer = torch.where(visible[:, None], prediction.pointers[:, 0], self.no_obj_ptr)
        score = torch.where(visible, -MEMORY_BIAS, MEMORY_BIAS)
        return ChosenMask(logits, torch.ones_like(score), pointer, score)

    def encode_memory(self, features: ImageFeatures, chosen: ChosenMask, *, prompted: bool) -> Float[Tensor, "b n d"]:
        """Encode the masks of ``b`` objects on unconditioned features to spatial memories (paper section 4).

        The tokens of a memory lie as `ModelConfig.memory_layout` describes.

        Masks of prompted frames are binarized; those of tracked frames enter as probabilities.
        """
        size = features.image_size
        full = logits_to_image(chosen.logits, (size, size))
        return self.encode_memory_of_probability(
            features, (full > 0).float() if prompted else full.sigmoid(), chosen.object_score
        )

    def encode_memory_of_probability(
        self, features: ImageFeatures, probability: Float[Tensor, "b 1 s2 s2"], object_score: Float[Tensor, " b"]
    ) -> Float[Tensor, "b n d"]:
        """Encode mask probabilities at the size of the model's input to spatial memories."""
        scaled = probability * MEMORY_SCALE + MEMORY_BIAS
        memory: Tensor = self.memory_encoder(features.embedding, scaled.to(self.dtype))
        if self.config.revision == "2.1":
            absent = (object_score <= 0).to(memory.dtype)[:, None]
            memory = memory + (absent * self.no_obj_embed_spatial)[:, :, None, None]
        if self.config.perceiver is not None:
            condensed: Tensor = self.spatial_perceiver(memory)
            return condensed
        return memory.flatten(2).mT
