"""Attention on CPUs without materializing all scores: where a tracker spends most of its time."""

from __future__ import annotations

from typing import Final

import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Float
from torch import Tensor

from masklet.model.layers import ONEDNN_BF16

FEW_KEYS: Final = 8192
QUERY_CHUNK_FEW_KEYS: Final = 192
QUERY_CHUNK_MANY_KEYS: Final = 512
"""Queries per chunk for up to `FEW_KEYS` keys and for more, so that scores stay in the CPU's caches."""
KEY_BLOCK: Final = 4096
QUERY_BLOCK_BF16: Final = 256
QUERY_BLOCK_FLOAT32: Final = 512
"""Sizes of blocks if keys are split, too."""
SAMPLE_STRIDE: Final = 16
"""Stride of the sample of queries and keys that estimates the largest score."""
MAX_SCORE_FLOAT32: Final = 50.0
"""Largest sampled score for which float32 exponentials need no shift."""
TARGET_SCORE_BF16: Final = -30.0
"""Value to which the largest sampled score is shifted in bfloat16."""
VALID_SUM_FLOAT32: Final = 1e-20, 1e30
"""Range of a query's sum of weights that proves that no exponential overflowed, and no relevant one underflowed."""
VALID_SUM_BF16: Final = 2.0**-100, 2.0**-11
"""Range of a query's sum of weights in which the sigmoid equals the exponential to within the rounding of bfloat16."""
EXTRA_COLUMNS: Final = 16
"""Columns appended to the values; the first one sums the weights, and kernels prefer multiples of this."""


def chunked_attention(
    q: Float[Tensor, "n inner"],
    keys: Float[Tensor, "m inner"],
    v: Float[Tensor, "m d"],
    bias: Float[Tensor, " m"] | None = None,
    *,
    out: Float[Tensor, "n d"],
) -> None:
    """Write softmax(q keys^T + bias) v into ``out``, in chunks of queries."""
    if q.dtype == torch.bfloat16:
        if keys.shape == v.shape:
            mask = None if bias is None else bias[None, None, None]
            batched = q[None, None], keys[None, None], v[None, None]
            out.copy_(F.scaled_dot_product_attention(*batched, attn_mask=mask, scale=1.0)[0, 0])
            return
        if ONEDNN_BF16 and len(keys) > FEW_KEYS and _attention_by_sigmoid(q, keys, v, bias, out):
            return
    elif q.dtype == torch.float32 and len(keys) > FEW_KEYS and _attention_by_exponential(q, keys, v, bias, out):
        return
    step = QUERY_CHUNK_FEW_KEYS if len(keys) <= FEW_KEYS else QUERY_CHUNK_MANY_KEYS
    scores = q.new_empty(min(step, len(q)), len(keys))
    for chunk, target in zip(q.split(step), out.split(step), strict=True):
        weights = _scores(chunk, keys, bias, scores[: len(chunk)])
        torch.softmax(weights, dim=-1, out=weights)
        torch.mm(weights, v, out=target)


def _scores(
    q: Float[Tensor, "n inner"], keys: Float[Tensor, "m inner"], bias: Float[Tensor, " m"] | None, out: Tensor
) -> Float[Tensor, "n m"]:
    """Write q keys^T + bias into ``out`` and return it."""
    return torch.mm(q, keys.mT, out=out) if bias is None else torch.addmm(bias, q, keys.mT, out=out)


def _largest_sampled_score(q: Float[Tensor, "n inner"], keys: Float[Tensor, "m inner"]) -> Float[Tensor, ""]:
    """Return the largest score of a sample of queries and keys."""
    return (q[::SAMPLE_STRIDE] @ keys[::SAMPLE_STRIDE].mT).amax()


def _attention_by_exponential(
    q: Float[Tensor, "n inner"],
    keys: Float[Tensor, "m inner"],
    v: Float[Tensor, "m d"],
    bias: Float[Tensor, " m"] | None,
    out: Float[Tensor, "n d"],
) -> bool:
    """Compute attention block by block without shifting the scores; return False if that would not be accurate.

    A softmax subtracts the largest score of a query to prevent overflow, which needs all scores at once. Scores of
    attention are small enough without it, so a block can be consumed while it is in cache. If the result is False, the
    content of ``out`` is undefined.
    """
    if float(_largest_sampled_score(q, keys)) > MAX_SCORE_FLOAT32:
        return False
    scores = q.new_empty(min(QUERY_BLOCK_FLOAT32, len(q)) * KEY_BLOCK)
    biases = [None] * len(keys.split(KEY_BLOCK)) if bias is None else bias.split(KEY_BLOCK)
    weight = q.new_zeros(len(q), 1)
    out.zero_()
    for chunk, total, target in zip(*(part.split(QUERY_BLOCK_FLOAT32) for part in (q, weight, out)), strict=True):
        for block_keys, values, block_bias in zip(keys.split(KEY_BLOCK), v.split(KEY_BLOCK), biases, strict=True):
            block = scores[: len(chunk) * len(block_keys)].view(len(chunk), len(block_keys))
            _scores(chunk, block_keys, block_bias, block).exp_()
            total.add_(block.sum(dim=1, keepdim=True))
            target.addmm_(block, values)
    out.div_(weight)
    return _all_within(weight, VALID_SUM_FLOAT32)


def _attention_by_sigmoid(
    q: Float[Tensor, "n inner"],
    keys: Float[Tensor, "m inner"],
    v: Float[Tensor, "m d"],
    bias: Float[Tensor, " m"] | None,
    out: Float[Tensor, "n d"],
) -> bool:
    """Compute attention with the sigmoid fused into the product of queries and keys; return False if not accurate.

    oneDNN can fuse a sigmoid into a matrix product, and far below 0 a sigmoid equals the exponential up to the rounding
    of bfloat16. So all scores are shifted by one constant, which scales weighted values and weights equally; their
    quotient is the attention output. If the result is False, the content of ``out`` is undefined.
    """
    shift = TARGET_SCORE_BF16 - _largest_sampled_score(q, keys)
    values_and_ones = torch.cat([v, v.new_ones(len(v), 1), v.new_zeros(len(v), EXTRA_COLUMNS - 1)], dim=1)
    sums = torch.zeros(len(q), values_and_ones.shape[1])
    offsets = shift.repeat(len(keys)) if bias is None else shift + bias
    for block_keys, values, block_offsets in zip(
        *(t.split(KEY_BLOCK) for t in (keys, values_and_ones, offsets)), strict=True
    ):
        packed = torch.ops.mkldnn._reorder_linear_weight(block_keys, QUERY_BLOCK_BF16)
        for chunk, total in zip(q.split(QUERY_BLOCK_BF16), sums.split(QUERY_BLOCK_BF16), strict=True):
            weights = torch.ops.mkldnn._linear_pointwise(chunk, packed, block_offsets, "sigmoid", [], "none")
            total.add_(weights @ values)
    width = v.shape[1]
    weight = sums[:, width : width + 1]
    out.copy_(sums[:, :width] / weight)
    return _all_within(weight, VALID_SUM_BF16)


def _all_within(weight: Float[Tensor, "n 1"], bounds: tuple[float, float]) -> bool:
    """Check that all sums of weights lie in a range that proves the result accurate."""
    least, most = weight.aminmax()
    return bounds[0] < float(least) and float(most) < bounds[1]
