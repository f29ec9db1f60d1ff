"""Mask decoder: image features and prompt tokens to four candidate masks, their scores, and object pointers."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from masklet.model.attention import Attention
from masklet.model.cpu_cross_attention import PictureToTokens, TokensToPicture
from masklet.model.layers import LayerNorm2d, Mlp, Pointwise, eager_cpu, matrix

NUM_CANDIDATES = 4


class TwoWayBlock(nn.Module):
    """Tokens attend to themselves and to the image, then the image attends to the tokens."""

    def __init__(self, dim: int, num_heads: int, mlp_dim: int, *, first: bool) -> None:
        super().__init__()
        self.first = first
        self.self_attn = Attention(dim, num_heads)
        self.norm1 = nn.LayerNorm(dim)
        self.cross_attn_token_to_image = TokensToPicture(dim, num_heads, inner_dim=dim // 2)
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = Mlp((dim, mlp_dim, dim))
        self.norm3 = nn.LayerNorm(dim)
        self.norm4 = nn.LayerNorm(dim)
        self.cross_attn_image_to_token = PictureToTokens(dim, num_heads, inner_dim=dim // 2)

    def forward(
        self,
        tokens: Float[Tensor, "b n c"],
        image: Float[Tensor, "p hw c"],
        token_code: Float[Tensor, "b n c"],
        image_code: Float[Tensor, "1 hw c"],
    ) -> tuple[Float[Tensor, "b n c"], Float[Tensor, "b hw c"]]:
        if self.first:  # the tokens are still their own code, so there is nothing to add it to
            tokens = self.self_attn(tokens, tokens, tokens)
        else:
            coded = tokens + token_code
            tokens = tokens + self.self_attn(coded, coded, tokens)
        tokens = self.norm1(tokens)
        placed = image + image_code
        tokens = self.norm2(tokens + self.cross_attn_token_to_image(tokens + token_code, placed, image))
        tokens = self.norm3(tokens + self.mlp(tokens))
        image = self.norm4(self.cross_attn_image_to_token.added(image, placed, tokens + token_code, tokens))
        return tokens, image


class TwoWayTransformer(nn.Module):
    """Two blocks and a last look of the tokens at the image."""

    def __init__(self, dim: int, *, depth: int = 2, num_heads: int = 8, mlp_dim: int = 2048) -> None:
        super().__init__()
        self.layers = nn.ModuleList(TwoWayBlock(dim, num_heads, mlp_dim, first=index == 0) for index in range(depth))
        self.final_attn_token_to_image = TokensToPicture(dim, num_heads, inner_dim=dim // 2)
        self.norm_final_attn = nn.LayerNorm(dim)

    def forward(
        self, image: Float[Tensor, "p hw c"], image_code: Float[Tensor, "1 hw c"], token_code: Float[Tensor, "b n c"]
    ) -> tuple[Float[Tensor, "b n c"], Float[Tensor, "b hw c"]]:
        tokens = token_code
        for layer in self.layers:
            tokens, image = layer(tokens, image, token_code, image_code)
        tokens = tokens + self.final_attn_token_to_image(tokens + token_code, image + image_code, image)
        return self.norm_final_attn(tokens), image


class MaskDecoder(nn.Module):
    """Paper figure 9: one token for presence, one for the IoU scores, four for the candidate masks.

    The skip features depend on the picture alone, so the image encoder makes them, once, with ``conv_s0`` and
    ``conv_s1`` (`Neck`).
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.transformer = TwoWayTransformer(dim)
        self.obj_score_token = nn.Embedding(1, dim)
        self.iou_token = nn.Embedding(1, dim)
        self.mask_tokens = nn.Embedding(NUM_CANDIDATES, dim)
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

    def draw(
        self,
        image: Float[Tensor, "b hw c"],
        mask_tokens: Float[Tensor, "b 4 c"],
        skips: tuple[Float[Tensor, "p c8 h8 w8"], Float[Tensor, "p c4 h4 w4"]],
    ) -> Float[Tensor, "b 4 h4 w4"]:
        """The logits of all candidates, from what `answer` gives.

        A transposed convolution of stride 2 writes four pixels for each one, so that it is one product of matrices;
        channels stay last, and only the logits of the end are put in the order of a picture. On a processor that is
        several times as fast as convolutions over maps, and one prompt at a time stays in its caches.
        """
        stride8 = rearrange(skips[0], "p c (h dy) (w dx) -> p (h w) (dy dx) c", dy=2, dx=2)
        stride4 = rearrange(skips[1], "p c (h dy ey) (w dx ex) -> p (h w dy dx) (ey ex) c", dy=2, dx=2, ey=2, ex=2)
        kernels = torch.stack(
            [mlp(mask_tokens[:, index]) for index, mlp in enumerate(self.output_hypernetworks_mlps)], dim=1
        )
        if eager_cpu(image):
            logits = image.new_empty(len(image), stride4.shape[1] * stride4.shape[2], NUM_CANDIDATES)
            for row, out in enumerate(logits):
                own = slice(row, row + 1) if len(stride8) > 1 else slice(1)
                torch.mm(self._finest(image[row : row + 1], stride8[own], stride4[own])[0], kernels[row].mT, out=out)
        else:
            logits = self._finest(image, stride8, stride4) @ kernels.mT
        order = "b (h w dy dx ey ex) k -> b k (h dy ey) (w dx ex)"
        height = skips[0].shape[-2] // 2
        drawn: Tensor = rearrange(logits, order, h=height, dy=2, dx=2, ey=2, ex=2)
        return drawn

    def _finest(
        self,
        image: Float[Tensor, "b hw c"],
        stride8: Float[Tensor, "p hw 4 c8"],
        stride4: Float[Tensor, "p hw4 4 c4"],
    ) -> Float[Tensor, "b hw16 c4"]:
        """The picture at a quarter of the input size, as each prompt sees it, with the fine features."""
        up1, norm, act1, up2, act2 = self.output_upscaling
        assert isinstance(up1, nn.ConvTranspose2d)
        assert isinstance(norm, LayerNorm2d)
        assert isinstance(up2, nn.ConvTranspose2d)
        fine = _doubled(image, up1, stride8)
        fine = act1(F.layer_norm(fine, fine.shape[-1:], norm.weight, norm.bias, norm.eps)).flatten(1, 2)
        finest: Tensor = act2(_doubled(fine, up2, stride4)).flatten(1, 2)
        return finest

    def answer(
        self,
        image: Float[Tensor, "p c h w"],
        image_code: Float[Tensor, "1 c h w"],
        prompt_tokens: Float[Tensor, "b n c"],
    ) -> tuple[Float[Tensor, "b hw c"], Float[Tensor, "b 4 c"], Float[Tensor, "b 4"], Float[Tensor, " b"]]:
        """Everything but the masks: the picture as each prompt sees it, mask tokens, predicted IoU, presence logit."""
        own = torch.cat([self.obj_score_token.weight, self.iou_token.weight, self.mask_tokens.weight])
        token_code = torch.cat([own.expand(prompt_tokens.shape[0], -1, -1), prompt_tokens], dim=1)
        tokens, seen = self.transformer(image.flatten(2).mT, image_code.flatten(2).mT, token_code)
        iou = F.sigmoid(self.iou_prediction_head(tokens[:, 1]))
        return seen, tokens[:, 2 : 2 + NUM_CANDIDATES], iou, self.pred_obj_score_head(tokens[:, 0])[:, 0]

    def forward(
        self,
        image: Float[Tensor, "p c h w"],
        image_code: Float[Tensor, "1 c h w"],
        prompt_tokens: Float[Tensor, "b n c"],
        skips: tuple[Tensor, Tensor],
    ) -> tuple[Float[Tensor, "b 4 h4 w4"], Float[Tensor, "b 4"], Float[Tensor, "b 4 c"], Float[Tensor, " b"]]:
        """Mask logits, predicted IoU, mask tokens and presence logit of all candidates.

        Args:
            image: embedding plus the dense prompt code; one picture (p = 1) serves all prompts, and what depends on
                it alone is computed once.
            image_code: position code of the grid.
            prompt_tokens: from the prompt encoder.
            skips: from `skips`; one picture (p = 1) or as many as prompts.
        """
        seen, mask_tokens, iou, score = self.answer(image, image_code, prompt_tokens)
        return self.draw(seen, mask_tokens, skips), iou, mask_tokens, score


def _doubled(
    x: Float[Tensor, "b n c"], up: nn.ConvTranspose2d, plus: Float[Tensor, "p n 4 d"]
) -> Float[Tensor, "b n 4 d"]:
    """Each pixel as the four (2 x 2, row by row) that a transposed convolution of stride 2 makes of it, and a sum."""
    assert up.bias is not None
    weight = rearrange(up.weight, "c d dy dx -> (dy dx d) c")
    four: Tensor = matrix(x, weight, up.bias.repeat(4), plus=plus.flatten(2)).unflatten(-1, (4, -1))
    return four
