"""Mask decoder: four candidate masks, their predicted IoU, object presence, and which candidate is the output.

Paper section 4, figure 9.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from einops import rearrange
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from masklet.model.attention import Attention, ImageToTokenAttention, TokenToImageAttention
from masklet.model.layers import LayerNorm2d, Mlp, Pointwise, eager_cpu, fused_linear
from masklet.model.tensors import ChosenMask, MaskPrediction

NUM_CANDIDATES = 4
STABILITY_DELTA = 0.05
NO_OBJECT_LOGIT = -1024.0
"""Value of all mask logits on a frame where the object is absent."""


class TwoWayBlock(nn.Module):
    """Two-way block: self-attention of tokens, cross-attention to the image, MLP, and image-to-token attention."""

    def __init__(self, dim: int, num_heads: int, mlp_dim: int, *, first: bool) -> None:
        super().__init__()
        self.first = first
        self.self_attn = Attention(dim, num_heads)
        self.norm1 = nn.LayerNorm(dim)
        self.cross_attn_token_to_image = TokenToImageAttention(dim, num_heads, inner_dim=dim // 2)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = Mlp((dim, mlp_dim, dim))
        self.norm3 = nn.LayerNorm(dim)
        self.norm4 = nn.LayerNorm(dim)
        self.cross_attn_image_to_token = ImageToTokenAttention(dim, num_heads, inner_dim=dim // 2)

    def forward(
        self,
        tokens: Float[Tensor, "b n c"],
        image: Float[Tensor, "p hw c"],
        token_pe: Float[Tensor, "b n c"],
        image_pe: Float[Tensor, "1 hw c"],
    ) -> tuple[Float[Tensor, "b n c"], Float[Tensor, "b hw c"]]:
        if self.first:  # the tokens are equal to their positional encoding, which is not added twice
            tokens = self.self_attn(tokens, tokens, tokens)
        else:
            queries = tokens + token_pe
            tokens = tokens + self.self_attn(queries, queries, tokens)
        tokens = self.norm1(tokens)
        image_keys = image + image_pe
        tokens = self.norm2(tokens + self.cross_attn_token_to_image(tokens + token_pe, image_keys, image))
        tokens = self.norm3(tokens + self.mlp(tokens))
        image = self.norm4(
            self.cross_attn_image_to_token.forward_residual(image, image_keys, tokens + token_pe, tokens)
        )
        return tokens, image


class TwoWayTransformer(nn.Module):
    """Two-way blocks and a final token-to-image attention."""

    def __init__(self, dim: int, *, depth: int = 2, num_heads: int = 8, mlp_dim: int = 2048) -> None:
        super().__init__()
        self.layers = nn.ModuleList(TwoWayBlock(dim, num_heads, mlp_dim, first=index == 0) for index in range(depth))
        self.final_attn_token_to_image = TokenToImageAttention(dim, num_heads, inner_dim=dim // 2)
        self.norm_final_attn = nn.LayerNorm(dim)

    def forward(
        self, image: Float[Tensor, "p hw c"], image_pe: Float[Tensor, "1 hw c"], token_pe: Float[Tensor, "b n c"]
    ) -> tuple[Float[Tensor, "b n c"], Float[Tensor, "b hw c"]]:
        tokens = token_pe
        for layer in self.layers:
            tokens, image = layer(tokens, image, token_pe, image_pe)
        tokens = tokens + self.final_attn_token_to_image(tokens + token_pe, image + image_pe, image)
        return self.norm_final_attn(tokens), image


class MaskDecoder(nn.Module):
    """Mask decoder of paper figure 9: one token for presence, one for the IoU scores, four for the candidate masks.

    Its skip features depend only on the image, so the image encoder computes them once, with ``conv_s0`` and
    ``conv_s1`` (see `Neck`). Some models have none (EfficientTAM).
    """

    def __init__(self, dim: int, *, has_skips: bool = True) -> None:
        super().__init__()
        self.transformer = TwoWayTransformer(dim)
        self.obj_score_token = nn.Embedding(1, dim)
        self.iou_token = nn.Embedding(1, dim)
        self.mask_tokens = nn.Embedding(NUM_CANDIDATES, dim)
        if has_skips:
            self.conv_s0 = Pointwise(dim, dim // 8)
            self.conv_s1 = Pointwise(dim, dim // 4)
        self.output_upscaling = nn.Sequential(
            nn.ConvTranspose2d(dim, dim // 4, 2, stride=2),
            LayerNorm2d(dim // 4),
            nn.GELU(),
            nn.ConvTranspose2d(dim // 4, dim // 8, 2, stride=2),
            nn.GELU(),
        )
        self.output_hypernetworks_mlps = nn.ModuleList(Mlp((dim, dim, dim, dim // 8)) for _ in range(NUM_CANDIDATES))
        self.iou_prediction_head = Mlp((dim, 256, 256, NUM_CANDIDATES))
        self.pred_obj_score_head = Mlp((dim, dim, dim, 1))

    def predict_masks(
        self,
        image: Float[Tensor, "b hw c"],
        mask_tokens: Float[Tensor, "b 4 c"],
        skips: tuple[Float[Tensor, "p c8 h8 w8"], Float[Tensor, "p c4 h4 w4"]] | None,
        height: int,
    ) -> Float[Tensor, "b 4 h4 w4"]:
        """Compute the mask logits of all candidates from the outputs of `predict_tokens` on an image of some height.

        A transposed convolution of stride 2 writes four pixels for each input pixel, so it is one matrix product.
        Channels stay last, and only the final logits are rearranged to image order. On a CPU that is several times as
        fast as convolutions, and one prompt at a time stays in its caches.
        """
        stride8, stride4 = None, None
        if skips is not None:
            stride8 = rearrange(skips[0], "p c (h dy) (w dx) -> p (h w) (dy dx) c", dy=2, dx=2)
            stride4 = rearrange(skips[1], "p c (h dy ey) (w dx ex) -> p (h w dy dx) (ey ex) c", dy=2, dx=2, ey=2, ex=2)
        kernels = torch.stack(
            [mlp(mask_tokens[:, index]) for index, mlp in enumerate(self.output_hypernetworks_mlps)], dim=1
        )
        if eager_cpu(image):
            logits = image.new_empty(len(image), 16 * image.shape[1], NUM_CANDIDATES)
            for row, out in enumerate(logits):
                own = [t if t is None or len(t) == 1 else t[row : row + 1] for t in (stride8, stride4)]
                torch.mm(self._upsample(image[row : row + 1], *own)[0], kernels[row].mT, out=out)
        else:
            logits = self._upsample(image, stride8, stride4) @ kernels.mT
        order = "b (h w dy dx ey ex) k -> b k (h dy ey) (w dx ex)"
        masks: Tensor = rearrange(logits, order, h=height, dy=2, dx=2, ey=2, ex=2)
        return masks

    def _upsample(
        self,
        image: Float[Tensor, "b hw c"],
        stride8: Float[Tensor, "p hw 4 c8"] | None,
        stride4: Float[Tensor, "p hw4 4 c4"] | None,
    ) -> Float[Tensor, "b hw16 c4"]:
        """Upsample the image embedding of each prompt to stride 4, adding the skip features if there are any."""
        up1, norm, act1, up2, act2 = self.output_upscaling
        assert isinstance(up1, nn.ConvTranspose2d)
        assert isinstance(norm, LayerNorm2d)
        assert isinstance(up2, nn.ConvTranspose2d)
        fine = _upsample_2x(image, up1, stride8)
        fine = act1(F.layer_norm(fine, fine.shape[-1:], norm.weight, norm.bias, norm.eps)).flatten(1, 2)
        finest: Tensor = act2(_upsample_2x(fine, up2, stride4)).flatten(1, 2)
        return finest

    def predict_tokens(
        self,
        image: Float[Tensor, "p c h w"],
        image_pe: Float[Tensor, "1 c h w"],
        prompt_tokens: Float[Tensor, "b n c"],
    ) -> tuple[Float[Tensor, "b hw c"], Float[Tensor, "b 4 c"], Float[Tensor, "b 4"], Float[Tensor, " b"]]:
        """Compute the image embedding after attention, mask tokens, predicted IoU and presence logit of each prompt."""
        own = torch.cat([self.obj_score_token.weight, self.iou_token.weight, self.mask_tokens.weight])
        token_pe = torch.cat([own.expand(prompt_tokens.shape[0], -1, -1), prompt_tokens], dim=1)
        tokens, attended = self.transformer(image.flatten(2).mT, image_pe.flatten(2).mT, token_pe)
        iou = F.sigmoid(self.iou_prediction_head(tokens[:, 1]))
        return attended, tokens[:, 2 : 2 + NUM_CANDIDATES], iou, self.pred_obj_score_head(tokens[:, 0])[:, 0]

    def forward(
        self,
        image: Float[Tensor, "p c h w"],
        image_pe: Float[Tensor, "1 c h w"],
        prompt_tokens: Float[Tensor, "b n c"],
        skips: tuple[Tensor, Tensor] | None,
    ) -> tuple[Float[Tensor, "b 4 h4 w4"], Float[Tensor, "b 4"], Float[Tensor, "b 4 c"], Float[Tensor, " b"]]:
        """Compute mask logits, predicted IoU, mask tokens and presence logit of all candidates.

        Args:
            image: image embedding plus dense prompt embedding; one image (p = 1) is shared by all prompts, and what
                depends only on it is computed once.
            image_pe: positional encoding of the embedding.
            prompt_tokens: sparse embeddings from the prompt encoder.
            skips: features at strides 8 and 4 of one image (p = 1) or of one image per prompt, or None.
        """
        attended, mask_tokens, iou, score = self.predict_tokens(image, image_pe, prompt_tokens)
        return self.predict_masks(attended, mask_tokens, skips, image.shape[-2]), iou, mask_tokens, score


def _upsample_2x(
    x: Float[Tensor, "b n c"], up: nn.ConvTranspose2d, residual: Float[Tensor, "p n 4 d"] | None
) -> Float[Tensor, "b n 4 d"]:
    """Apply a transposed convolution of stride 2, giving 2 x 2 pixels (row by row) for each; add a residual, if any."""
    assert up.bias is not None
    weight = rearrange(up.weight, "c d dy dx -> (dy dx d) c")
    added = None if residual is None else residual.flatten(2)
    four: Tensor = fused_linear(x, weight, up.bias.repeat(4), residual=added).unflatten(-1, (4, -1))
    return four


def stability_score(logits: Float[Tensor, "*b s s2"], delta: float = STABILITY_DELTA) -> Float[Tensor, "*b"]:
    """Compute the stability score of each mask: its IoU between the thresholds +delta and -delta.

    The score is near 1 where the outline is sharp, and 1 for an empty mask.
    """
    inner = (logits > delta).sum((-2, -1)).float()
    outer = (logits > -delta).sum((-2, -1)).float()
    return torch.where(outer > 0, inner / outer.clamp(min=1), 1.0)


def select_masks(prediction: MaskPrediction, ranked: Bool[Tensor, " b"], min_stability: float) -> ChosenMask:
    """Select one candidate per object; see `select_indices`."""
    return gather_masks(prediction, *select_indices(prediction, ranked, min_stability))


def select_indices(
    prediction: MaskPrediction, ranked: Bool[Tensor, " b"], min_stability: float
) -> tuple[Int[Tensor, " b"], Int[Tensor, " b"]]:
    """Select the candidate that gives the mask and the one that gives the object pointer, for each object.

    Args:
        prediction: all candidates.
        ranked: objects whose prompt is ambiguous. They get the mask and the pointer of the candidate among 1 to 3 with
            the highest predicted IoU. The others get candidate 0, or, where its stability score is below
            ``min_stability``, the mask of the best of candidates 1 to 3 with the pointer of candidate 0.
        min_stability: 0 to 1; see `ModelConfig`.
    """
    best = prediction.iou[:, 1:].argmax(dim=1) + 1
    first = torch.zeros_like(best)
    unstable = stability_score(prediction.logits[:, 0]) < min_stability
    return torch.where(ranked | unstable, best, first), torch.where(ranked, best, first)


def gather_masks(
    prediction: MaskPrediction, mask_index: Int[Tensor, " b"], pointer_index: Int[Tensor, " b"]
) -> ChosenMask:
    """Gather the candidates at the given indices."""
    rows = torch.arange(len(mask_index), device=mask_index.device)
    return ChosenMask(
        logits=prediction.logits[rows, mask_index][:, None],
        iou=prediction.iou[rows, mask_index],
        pointer=prediction.pointers[rows, pointer_index],
        object_score=prediction.object_score,
    )


def suppress_absent(chosen: ChosenMask) -> ChosenMask:
    """Replace the masks of objects that the presence head scores as absent with empty ones."""
    visible = (chosen.object_score > 0)[:, None, None, None]
    logits = torch.where(visible, chosen.logits, NO_OBJECT_LOGIT)
    return ChosenMask(logits, chosen.iou, chosen.pointer, chosen.object_score)
