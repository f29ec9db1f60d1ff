"""Cache of tensors that are computed from weights and reused until a weight changes."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Generic, TypeVar

import torch
from torch import Tensor

T = TypeVar("T")


class WeightCache(Generic[T]):
    """The last result of a computation on weights.

    It is used only where gradients are off and no compiler or exporter traces the computation.
    """

    def __init__(self) -> None:
        self._cached: tuple[Hashable, T] | None = None

    def get(self, weights: Sequence[Tensor], compute: Callable[[], T], *arguments: Hashable) -> T:
        """Return the cached result, computed again if a weight or an argument has changed.

        Args:
            weights: every tensor that the result depends on.
            compute: computes the result.
            arguments: whatever else the result depends on.
        """
        tracing = torch.is_grad_enabled() or torch.compiler.is_compiling() or torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]
        if tracing or any(weight.is_inference() for weight in weights):  # inference tensors have no version counter
            return compute()
        state = (arguments, *((id(w), w.device, w.dtype, w._version) for w in weights))
        if self._cached is None or self._cached[0] != state:
            self._cached = state, compute()
        return self._cached[1]
