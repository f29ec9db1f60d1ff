"""Prompt encoder: clicks and box corners to tokens, a previous mask to a dense embedding (paper section 4)."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from masklet.model.layers import LayerNorm2d
from masklet.model.position import RandomFourierEncoding


class PromptEncoder(nn.Module):
    """Encode prompts in pixels of the model's input to sparse tokens (b, n, c) and a dense embedding (b, c, h, w)."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.pe_layer = RandomFourierEncoding(dim)
        self.point_embeddings = nn.ModuleList(nn.Embedding(1, dim) for _ in range(4))
        self.not_a_point_embed = nn.Embedding(1, dim)
        self.no_mask_embed = nn.Embedding(1, dim)
        self.mask_downscaling = nn.Sequential(
            nn.Conv2d(1, 4, 2, stride=2),
            LayerNorm2d(4),
            nn.GELU(),
            nn.Conv2d(4, 16, 2, stride=2),
            LayerNorm2d(16),
            nn.GELU(),
            nn.Conv2d(16, dim, 1),
        )

    def sparse(
        self, points: Float[Tensor, "b n 2"], labels: Int[Tensor, "b n"], image_size: int
    ) -> Float[Tensor, "b n2 c"]:
        """Encode each point to a token, followed by one padding token; without points, return two padding tokens."""
        kinds = torch.cat(list(self.point_embeddings.parameters()))
        tokens = self.pe_layer((points + 0.5) / image_size).to(kinds.dtype) + kinds[labels]
        padding = self.not_a_point_embed.weight.expand(points.shape[0], 1 if points.shape[1] else 2, -1)
        return torch.cat([tokens, padding], dim=1)

    def dense(self, mask_logits: Float[Tensor, "b 1 s s"] | None, grid: tuple[int, int]) -> Float[Tensor, "b2 c h w"]:
        """Embed a mask prompt, or return the learned "no mask" embedding (batch of 1)."""
        if mask_logits is None:
            return self.no_mask_embed.weight[:, :, None, None].expand(-1, -1, *grid)
        embedding: Tensor = self.mask_downscaling(mask_logits.to(self.no_mask_embed.weight.dtype))
        return embedding


def draw_prompts(
    points: Float[Tensor, "b n 2"],
    labels: Int[Tensor, "b n"],
    previous: Float[Tensor, "b 1 s s"] | None,
    image_size: int,
) -> Float[Tensor, "b 1 s s"]:
    """Rasterize clicks and boxes into a dense mask prompt at stride 4 (nano only).

    A box, whose corners are the first two points, is +2 inside and -2 outside unless there are previous logits. Then
    each click, in order, writes a disc of +12 or -12 with a radius of 1/160 of the image, at least 1.5 cells.
    """
    side = image_size // 4
    center = torch.arange(side, device=points.device, dtype=torch.float32) + 0.5
    x, y = (points / 4).unbind(-1)
    labels = labels[:, :, None, None]
    if previous is None:  # find the second corner by its label, which also works in graphs with any number of points
        second = torch.where(labels[..., 0] == 3, points, 0.0).sum(dim=1) / 4
        inside_x = (center >= x[:, :1]) & (center <= second[:, :1])
        inside_y = (center >= y[:, :1]) & (center <= second[:, 1:])
        box = torch.where(inside_y[:, None, :, None] & inside_x[:, None, None, :], 2.0, -2.0)
        previous = torch.where(labels[:, :1] == 2, box, 0.0)
    radius = max(1.5, image_size / 160)
    near = (center - y[..., None]).square()[..., None] + (center - x[..., None]).square()[..., None, :] <= radius**2
    order = torch.arange(1, points.shape[1] + 1, device=points.device)[:, None, None]
    last, last_positive = (
        torch.where(near & kind, order, 0).amax(dim=1, keepdim=True)
        for kind in ((labels == 0) | (labels == 1), labels == 1)
    )
    return torch.where(last > 0, torch.where(last_positive == last, 12.0, -12.0), previous)
