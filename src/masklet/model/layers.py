"""Layers shared by several parts of the model, with operations fused by oneDNN on CPUs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Final, Literal, cast

import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Float
from torch import Tensor, nn


class LayerNorm2d(nn.Module):
    """Layer normalization over the channels of a feature map (b c h w)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.eps = 1e-6

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        out = F.layer_norm(x.permute(0, 2, 3, 1), self.weight.shape, self.weight, self.bias, self.eps)
        return out.permute(0, 3, 1, 2)


Activation = Literal["none", "relu", "relu6", "gelu"]
ACTIVATIONS: Final[dict[Activation, Callable[[Tensor], Tensor]]] = {
    "none": lambda x: x,
    "relu": F.relu,
    # In place for channels-last inputs: the input is not needed, not even for gradients.
    "relu6": lambda x: F.relu6(x, inplace=x.is_contiguous(memory_format=torch.channels_last)),
    "gelu": F.gelu,
}
KERNELS: Final[dict[Activation, tuple[str, list[float], str]]] = {
    "none": ("none", [], "none"),
    "relu": ("relu", [], "none"),
    "relu6": ("hardtanh", [0.0, 6.0], "none"),
    "gelu": ("gelu", [], "none"),
}
"""Arguments of oneDNN kernels: name, limits, algorithm."""

ONEDNN: Final = torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")
"""Whether torch was built with oneDNN, which fuses bias and activation into matrix products."""

ONEDNN_BF16: Final = ONEDNN and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
"""Whether oneDNN has these kernels in bfloat16 for this processor (AVX-512 or later)."""


def eager_cpu(x: Tensor) -> bool:
    """Whether computation on ``x`` is eager, on a CPU, and without gradients.

    Then in-place operations and kernels without support in compilers, exporters and autograd may be used.
    """
    return not (
        x.device.type != "cpu" or torch.is_grad_enabled() or torch.compiler.is_compiling() or torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]
    )


def linear(
    x: Float[Tensor, "*b i"],
    layer: nn.Linear,
    activation: Activation = "none",
    *,
    residual: Float[Tensor, "*b o"] | None = None,
) -> Float[Tensor, "*b o"]:
    """Apply a linear layer and an activation, or add a residual instead; fused into one kernel on a CPU."""
    if type(layer) is nn.Linear:
        return fused_linear(x, layer.weight, layer.bias, activation, residual=residual)
    out = ACTIVATIONS[activation](layer(x))
    return out if residual is None else residual + out


def fused_linear(
    x: Float[Tensor, "*b i"],
    weight: Float[Tensor, "o i"],
    bias: Float[Tensor, " o"] | None,
    activation: Activation = "none",
    *,
    residual: Float[Tensor, "*c o"] | None = None,
) -> Float[Tensor, "*b o"]:
    """Apply `linear` with the given weights."""
    if _fusible(x, weight) and (residual is None or residual.dtype == x.dtype):
        return _product(x, weight, bias, activation, residual)
    out = ACTIVATIONS[activation](F.linear(x, weight, bias))
    return out if residual is None else residual + out


def pointwise(
    x: Float[Tensor, "b c h w"],
    weight: Float[Tensor, "d c 1 1"],
    bias: Float[Tensor, " d"] | None,
    activation: Activation = "none",
) -> Float[Tensor, "b d h w"]:
    """Apply a 1 x 1 convolution, without gradients as a channels-last matrix product.

    On CPUs that is twice as fast as the convolution that torch chooses for a single image.
    """
    if torch.is_grad_enabled():
        return ACTIVATIONS[activation](F.conv2d(x, weight, bias))
    channels_last, matrix = x.permute(0, 2, 3, 1), weight[:, :, 0, 0]
    if _fusible(x, weight):
        out = _product(channels_last, matrix, bias, activation)
    else:
        out = ACTIVATIONS[activation](F.linear(channels_last, matrix, bias))
    return out.permute(0, 3, 1, 2)


def fused_conv2d(
    x: Float[Tensor, "b c h w"],
    conv: nn.Conv2d,
    weight: Float[Tensor, "d g k k"],
    bias: Float[Tensor, " d"] | None,
    padding: tuple[int, int],
    activation: Activation = "none",
) -> Float[Tensor, "b d h2 w2"]:
    """Apply a convolution with the stride and groups of ``conv``, and an activation, fused into one kernel on a CPU."""
    if _fusible(x, weight):
        kernel, stride = torch.ops.mkldnn._convolution_pointwise, list(conv.stride)
        fused: Tensor = kernel(x, weight, bias, list(padding), stride, [1, 1], conv.groups, *KERNELS[activation])
        return fused
    return ACTIVATIONS[activation](F.conv2d(x, weight, bias, conv.stride, padding, 1, conv.groups))


def _fusible(x: Tensor, weight: Tensor) -> bool:
    supported = {torch.float32: ONEDNN, torch.bfloat16: ONEDNN_BF16}.get(x.dtype, False)
    return supported and x.dtype == weight.dtype and x.numel() > 0 and eager_cpu(x)


def _product(
    x: Tensor, weight: Tensor, bias: Tensor | None, activation: Activation = "none", residual: Tensor | None = None
) -> Tensor:
    kernel = torch.ops.mkldnn._linear_pointwise
    if residual is None:
        fused: Tensor = kernel(x, weight, bias, *KERNELS[activation])
    else:
        fused = kernel.binary(x, residual, weight, bias, "add")
    return fused


class Pointwise(nn.Conv2d):
    """1 x 1 convolution computed by `pointwise`."""

    def __init__(self, channels: int, channels_out: int) -> None:
        super().__init__(channels, channels_out, 1)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h w"]:
        return pointwise(x, self.weight, self.bias)

    def fused_after(self, first: Pointwise, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h w"]:
        """Apply ``first`` and then this convolution, fused into one whose weights are the product of both.

        The intermediate map, which can be many times larger, is not computed.
        """
        weight, bias = first.weight.flatten(1).float(), first.bias
        own = self.weight.flatten(1).float()
        assert bias is not None
        assert self.bias is not None
        shift = self.bias.float() + own @ bias.float()
        return pointwise(x, (own @ weight).to(x.dtype)[..., None, None], shift.to(x.dtype))


class Mlp(nn.Module):
    """Multi-layer perceptron.

    Args:
        widths: channels of the input, of each hidden layer, and of the output.
        activation: activation between the layers.
    """

    def __init__(self, widths: Sequence[int], activation: Activation = "relu") -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))
        self.activation = activation

    def forward(self, x: Float[Tensor, "*b i"]) -> Float[Tensor, "*b o"]:
        *hidden, last = cast("list[nn.Linear]", list(self.layers))
        for layer in hidden:
            x = linear(x, layer, self.activation)
        return linear(x, last)
