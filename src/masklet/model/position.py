"""Positional encodings: sine encodings of grids and times, rotary embeddings, and random Fourier features of points.

Tables that depend only on sizes are cached per size and device.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache, wraps
from typing import ParamSpec, TypeVar, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

P = ParamSpec("P")
T = TypeVar("T")


def _table(compute: Callable[P, T]) -> Callable[P, T]:
    """Cache the results of the last 32 calls, as normal tensors even if first computed in inference mode."""

    @wraps(compute)
    def computed(*args: P.args, **kwargs: P.kwargs) -> T:
        with torch.inference_mode(False), torch.no_grad():
            return compute(*args, **kwargs)

    cached = cast("Callable[P, T]", lru_cache(maxsize=32)(computed))

    @wraps(compute)
    def lookup(*args: P.args, **kwargs: P.kwargs) -> T:
        # A compiler cannot trace the cache and need not: it folds the table into its program.
        return compute(*args, **kwargs) if torch.compiler.is_compiling() else cached(*args, **kwargs)

    return lookup


@_table
def sine_encoding_2d(dim: int, height: int, width: int, device: torch.device) -> Float[Tensor, "1 dim h w"]:
    """Sine encoding of a grid: first half of the channels for y, second for x, each axis scaled to (0, 2 pi]."""
    half = dim // 2
    steps = torch.arange(half, device=device)
    wavelength = 10000.0 ** (2 * steps.div(2, rounding_mode="floor") / half)

    def axis(length: int) -> Float[Tensor, "n half"]:
        place = torch.arange(1, length + 1, device=device, dtype=torch.float32)
        angle = (place / (length + 1e-6) * 2 * math.pi)[:, None] / wavelength
        return torch.stack([angle[:, 0::2].sin(), angle[:, 1::2].cos()], dim=-1).flatten(1)

    y = axis(height).t()[:, :, None].expand(half, height, width)
    x = axis(width).t()[:, None, :].expand(half, height, width)
    return torch.cat([y, x])[None].contiguous()


def sine_encoding_1d(times: Float[Tensor, "*n"], dim: int) -> Float[Tensor, "*n dim"]:
    """Sine encoding of scalar times: sines in the first half of the channels, cosines in the second."""
    half = dim // 2
    wavelength = 10000.0 ** (2 * torch.arange(half, device=times.device).div(2, rounding_mode="floor") / half)
    angle = times[..., None] / wavelength
    return torch.cat([angle.sin(), angle.cos()], dim=-1)


@_table
def rotary_table(
    dim: int, height: int, width: int, device: torch.device, dtype: torch.dtype = torch.float32
) -> tuple[Float[Tensor, "n half"], Float[Tensor, "n half"]]:
    """Cosines and sines of the 2-D rotary embedding (RoPE, theta 10,000) of a grid in row-major order.

    The first half of the channel pairs rotates with x, the second with y.
    """
    frequency = 10000.0 ** -(torch.arange(0, dim, 4, device=device)[: dim // 4].float() / dim)
    place = torch.arange(height * width, device=device)
    x = (place % width).float()
    y = place.div(width, rounding_mode="floor").float()
    angle = torch.cat([torch.outer(x, frequency), torch.outer(y, frequency)], dim=-1)
    return angle.cos().to(dtype), angle.sin().to(dtype)


def apply_rotary(
    x: Float[Tensor, "*b n dim"], table: tuple[Float[Tensor, "n half"], Float[Tensor, "n half"]]
) -> Float[Tensor, "*b n dim"]:
    """Rotate adjacent channel pairs by the angles of a rotary table, in real arithmetic."""
    cos, sin = (t.to(x.dtype) for t in table)
    a, b = x.unflatten(-1, (-1, 2)).unbind(-1)
    return torch.stack([a * cos - b * sin, a * sin + b * cos], dim=-1).flatten(-2)


class RandomFourierEncoding(nn.Module):
    """Random Fourier features of points in the image (Tancik et al. 2020).

    They are computed in float32 whatever the model's dtype: bfloat16 cannot distinguish two adjacent pixels.
    """

    positional_encoding_gaussian_matrix: Tensor

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.register_buffer("positional_encoding_gaussian_matrix", torch.randn(2, dim // 2))

    def forward(self, points: Float[Tensor, "*n 2"]) -> Float[Tensor, "*n dim"]:
        """Encode (x, y) points, each coordinate in [0, 1]."""
        angle = 2 * math.pi * ((2 * points.float() - 1) @ self.positional_encoding_gaussian_matrix.float())
        return torch.cat([angle.sin(), angle.cos()], dim=-1)

    def grid(self, height: int, width: int) -> Float[Tensor, "1 dim h w"]:
        """Encode the cell centers of a grid."""
        device = self.positional_encoding_gaussian_matrix.device
        y = (torch.arange(height, device=device) + 0.5) / height
        x = (torch.arange(width, device=device) + 0.5) / width
        points = torch.stack([x.expand(height, width), y[:, None].expand(height, width)], dim=-1)
        encoding: Tensor = self(points)
        return encoding.permute(2, 0, 1)[None]
