"""The average of values by the softmax of products, on a processor: where a tracker spends most of its time."""

from __future__ import annotations

from typing import Final

import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Float
from torch import Tensor

from masklet.model.layers import ONEDNN

FEW_KEYS: Final = 8192
FEW_QUERIES: Final = 192
MANY_QUERIES: Final = 512
"""Queries that look at up to so many keys at a time, and beyond: scores stay in the processor's caches, and each key is
fetched for many queries."""
BLOCK_KEYS: Final = 4096
BLOCK_QUERIES: Final = 256
"""The same where keys too are taken some at a time."""
SAMPLE: Final = 16
"""Every so many queries and keys tell how large scores are."""
HEADROOM: Final = 30.0
"""So far below 0 is the largest score of the sample moved."""
FLOAT_QUERIES: Final = 512
"""Queries at a time in float32, so that each product is large."""
MODEST: Final = 50.0
"""In float32 scores as large as the sample's largest may be, so that nothing is moved."""
SAFE: Final = 1e-20, 1e30
"""Between these the sum of a query's weights proves in float32 that none was too large, and none too small to count."""
EXACT: Final = 2.0**-100, 2.0**-11
"""Between these the sum of a query's weights proves that none of them was too large, and too few too small to count."""
COLUMNS: Final = 16
"""Values get so many columns more, of which one counts: kernels work on as many at a time."""


def average(
    q: Float[Tensor, "n inner"], keys: Float[Tensor, "m inner"], v: Float[Tensor, "m d"], *, out: Float[Tensor, "n d"]
) -> None:
    """Write softmax(q keys^T) v, some queries at a time."""
    if q.dtype == torch.bfloat16:
        if keys.shape == v.shape:
            out.copy_(F.scaled_dot_product_attention(q[None, None], keys[None, None], v[None, None], scale=1.0)[0, 0])
            return
        if ONEDNN and len(keys) > FEW_KEYS and _by_sigmoid(q, keys, v, out):
            return
    elif q.dtype == torch.float32 and len(keys) > FEW_KEYS and _by_exponential(q, keys, v, out):
        return
    step = FEW_QUERIES if len(keys) <= FEW_KEYS else MANY_QUERIES
    scores = q.new_empty(min(step, len(q)), len(keys))
    for some, answers in zip(q.split(step), out.split(step), strict=True):
        weights = torch.mm(some, keys.mT, out=scores[: len(some)])
        torch.softmax(weights, dim=-1, out=weights)
        torch.mm(weights, v, out=answers)


def _largest(q: Float[Tensor, "n inner"], keys: Float[Tensor, "m inner"]) -> Float[Tensor, ""]:
    """The largest score of a sample."""
    return (q[::SAMPLE] @ keys[::SAMPLE].mT).amax()


def _by_exponential(
    q: Float[Tensor, "n inner"], keys: Float[Tensor, "m inner"], v: Float[Tensor, "m d"], out: Float[Tensor, "n d"]
) -> bool:
    """The same block by block; False, and nothing of use in ``out``, where scores are too far from 0 for that.

    A softmax moves all scores of a query by their largest so that no exponential is too large, for which all of them
    must be there; scores of attention are not that large. So a block is used up while it is in the processor's cache.
    """
    if float(_largest(q, keys)) > MODEST:
        return False
    scores = q.new_empty(min(FLOAT_QUERIES, len(q)) * BLOCK_KEYS)
    weight = q.new_zeros(len(q), 1)
    out.zero_()
    for some, total, answers in zip(*(part.split(FLOAT_QUERIES) for part in (q, weight, out)), strict=True):
        for some_keys, values in zip(keys.split(BLOCK_KEYS), v.split(BLOCK_KEYS), strict=True):
            block = scores[: len(some) * len(some_keys)].view(len(some), len(some_keys))
            torch.mm(some, some_keys.mT, out=block).exp_()
            total.add_(block.sum(dim=1, keepdim=True))
            answers.addmm_(block, values)
    out.div_(weight)
    return _between(weight, SAFE)


def _by_sigmoid(
    q: Float[Tensor, "n inner"], keys: Float[Tensor, "m inner"], v: Float[Tensor, "m d"], out: Float[Tensor, "n d"]
) -> bool:
    """The same with fewer passes over the scores; False, and nothing of use in ``out``, where it would not be exact.

    A product of matrices in oneDNN can end with a sigmoid, and far below 0 that is the exponential function up to the
    rounding of bfloat16. So one number is taken from all scores, which changes weighted values and weights by the same
    factor; their quotient is the average.
    """
    shift = -HEADROOM - _largest(q, keys)
    counted = torch.cat([v, v.new_ones(len(v), 1), v.new_zeros(len(v), COLUMNS - 1)], dim=1)
    sums = torch.zeros(len(q), counted.shape[1])
    for some_keys, values in zip(keys.split(BLOCK_KEYS), counted.split(BLOCK_KEYS), strict=True):
        packed = torch.ops.mkldnn._reorder_linear_weight(some_keys, BLOCK_QUERIES)
        bias = shift.repeat(len(some_keys))
        for some, total in zip(q.split(BLOCK_QUERIES), sums.split(BLOCK_QUERIES), strict=True):
            weights = torch.ops.mkldnn._linear_pointwise(some, packed, bias, "sigmoid", [], "none")
            total.add_(weights @ values)
    width = v.shape[1]
    weight = sums[:, width : width + 1]
    out.copy_(sums[:, :width] / weight)
    return _between(weight, EXACT)


def _between(weight: Float[Tensor, "n 1"], bounds: tuple[float, float]) -> bool:
    """Whether all sums of weights lie where they prove the average right."""
    least, most = weight.aminmax()
    return bounds[0] < float(least) and float(most) < bounds[1]
