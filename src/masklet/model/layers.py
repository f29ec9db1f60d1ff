"""Small layers several parts of the model share."""

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
    # In place where the values lie together: nobody needs those before it, also not for gradients.
    "relu6": lambda x: F.relu6(x, inplace=x.is_contiguous(memory_format=torch.channels_last)),
    "gelu": F.gelu,
}
KERNELS: Final[dict[Activation, tuple[str, list[float], str]]] = {
    "none": ("none", [], "none"),
    "relu": ("relu", [], "none"),
    "relu6": ("hardtanh", [0.0, 6.0], "none"),
    "gelu": ("gelu", [], "none"),
}
"""What oneDNN calls them: name, limits, algorithm."""

ONEDNN: Final = torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")
"""Whether torch was built with oneDNN, whose products of matrices add the bias and apply the activation on the way."""


def eager_cpu(x: Tensor) -> bool:
    """Whether what is computed of ``x`` runs now, on a processor, and nobody asks for its gradient.

    Then values may be written over, and kernels may be used that compilers, exporters and training do not know.
    """
    return not (
        x.device.type != "cpu" or torch.is_grad_enabled() or torch.compiler.is_compiling() or torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]
    )


def dense(
    x: Float[Tensor, "*b i"],
    layer: nn.Linear,
    activation: Activation = "none",
    *,
    plus: Float[Tensor, "*b o"] | None = None,
) -> Float[Tensor, "*b o"]:
    """A linear layer, and its activation or a sum; on a processor in one pass over the result in place of three.

    Args:
        x: what goes in.
        layer: the layer.
        activation: applied to what comes out.
        plus: added to what comes out, in place of an activation.
    """
    if type(layer) is nn.Linear:
        return matrix(x, layer.weight, layer.bias, activation, plus=plus)
    out = ACTIVATIONS[activation](layer(x))
    return out if plus is None else plus + out


def matrix(
    x: Float[Tensor, "*b i"],
    weight: Float[Tensor, "o i"],
    bias: Float[Tensor, " o"] | None,
    activation: Activation = "none",
    *,
    plus: Float[Tensor, "*c o"] | None = None,
) -> Float[Tensor, "*b o"]:
    """`dense` with a matrix in the place of a layer."""
    if _fusible(x, weight) and (plus is None or plus.dtype == x.dtype):
        return _product(x, weight, bias, activation, plus)
    out = ACTIVATIONS[activation](F.linear(x, weight, bias))
    return out if plus is None else plus + out


def pointwise(
    x: Float[Tensor, "b c h w"],
    weight: Float[Tensor, "d c 1 1"],
    bias: Float[Tensor, " d"] | None,
    activation: Activation = "none",
) -> Float[Tensor, "b d h w"]:
    """A 1 x 1 convolution; where nothing is trained, one product of matrices, channels side by side.

    On processors that is twice as fast as the convolution that torch chooses for a single picture.
    """
    if torch.is_grad_enabled():
        return ACTIVATIONS[activation](F.conv2d(x, weight, bias))
    last, matrix = x.permute(0, 2, 3, 1), weight[:, :, 0, 0]
    if _fusible(x, weight):
        out = _product(last, matrix, bias, activation)
    else:
        out = ACTIVATIONS[activation](F.linear(last, matrix, bias))
    return out.permute(0, 3, 1, 2)


def convolve(
    x: Float[Tensor, "b c h w"],
    conv: nn.Conv2d,
    weight: Float[Tensor, "d g k k"],
    bias: Float[Tensor, " d"] | None,
    padding: tuple[int, int],
    activation: Activation = "none",
) -> Float[Tensor, "b d h2 w2"]:
    """A convolution with the stride and groups of a layer, and its activation in the same pass on a processor."""
    if _fusible(x, weight):
        kernel, stride = torch.ops.mkldnn._convolution_pointwise, list(conv.stride)
        fused: Tensor = kernel(x, weight, bias, list(padding), stride, [1, 1], conv.groups, *KERNELS[activation])
        return fused
    return ACTIVATIONS[activation](F.conv2d(x, weight, bias, conv.stride, padding, 1, conv.groups))


def _fusible(x: Tensor, weight: Tensor) -> bool:
    known = x.dtype == weight.dtype in (torch.float32, torch.bfloat16)
    return ONEDNN and known and x.numel() > 0 and eager_cpu(x)


def _product(
    x: Tensor, weight: Tensor, bias: Tensor | None, activation: Activation = "none", plus: Tensor | None = None
) -> Tensor:
    kernel = torch.ops.mkldnn._linear_pointwise
    if plus is None:
        fused: Tensor = kernel(x, weight, bias, *KERNELS[activation])
    else:
        fused = kernel.binary(x, plus, weight, bias, "add")
    return fused


class Pointwise(nn.Conv2d):
    """A 1 x 1 convolution by `pointwise`."""

    def __init__(self, channels: int, channels_out: int) -> None:
        super().__init__(channels, channels_out, 1)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h w"]:
        return pointwise(x, self.weight, self.bias)

    def after(self, first: Pointwise, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h w"]:
        """Convolve what ``first`` makes of ``x``, with both as one whose weights are the product of both.

        What lies between, which can be many times larger, is never made.
        """
        weight, bias = first.weight.flatten(1).float(), first.bias
        mine = self.weight.flatten(1).float()
        assert bias is not None
        assert self.bias is not None
        moved = self.bias.float() + mine @ bias.float()
        return pointwise(x, (mine @ weight).to(x.dtype)[..., None, None], moved.to(x.dtype))


class Mlp(nn.Module):
    """Linear layers with an activation between them.

    Args:
        widths: features of the input, of each hidden layer, and of the output.
        activation: applied between the layers.
    """

    def __init__(self, widths: Sequence[int], activation: Activation = "relu") -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))
        self.activation = activation

    def forward(self, x: Float[Tensor, "*b i"]) -> Float[Tensor, "*b o"]:
        *hidden, last = cast("list[nn.Linear]", list(self.layers))
        for layer in hidden:
            x = dense(x, layer, self.activation)
        return dense(x, last)
