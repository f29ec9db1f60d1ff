"""Averages by softmax on a processor: every way of computing them gives the textbook's numbers."""

from __future__ import annotations

import math

import pytest
import torch

from masklet.model import cpu_attention
from masklet.model.cpu_attention import chunked_attention
from masklet.model.layers import ONEDNN_BF16

FEATURES = 32


def inputs(keys: int, width: int, spread: float) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Queries, keys and values whose scores have about this spread."""
    draw = torch.Generator().manual_seed(0)
    q = torch.randn(80, FEATURES, generator=draw) * spread / FEATURES**0.5
    return q, torch.randn(keys, FEATURES, generator=draw), torch.randn(keys, width, generator=draw)


def textbook(q: torch.Tensor, keys: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    return torch.softmax(q.double() @ keys.double().T, dim=-1) @ v.double()


MANY = cpu_attention.FEW_KEYS + 300


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("keys", "width"), [(300, 16), (300, FEATURES), (MANY, 16)])
@torch.inference_mode()
def test_average(dtype: torch.dtype, keys: int, width: int) -> None:
    q, k, v = (t.to(dtype) for t in inputs(keys, width, 3))
    out = q.new_empty(len(q), width)
    chunked_attention(q, k, v, out=out)
    error = (out.double() - textbook(q, k, v)).norm() / textbook(q, k, v).norm()
    assert error < (2e-6 if dtype == torch.float32 else 0.02)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("keys", "width"), [(300, 16), (300, FEATURES), (MANY, 16)])
@torch.inference_mode()
def test_bias_of_keys(dtype: torch.dtype, keys: int, width: int) -> None:
    """A bias of ln 4 counts a key four times."""
    q, k, v = (t.to(dtype) for t in inputs(keys, width, 3))
    bias = torch.zeros(keys)
    bias[: keys // 2] = math.log(4)
    out = q.new_empty(len(q), width)
    chunked_attention(q, k, v, bias.to(dtype), out=out)
    repeated = [torch.cat([t, *[t[: keys // 2]] * 3]) for t in (k, v)]
    expected = textbook(q, *repeated)
    assert (out.double() - expected).norm() / expected.norm() < (2e-6 if dtype == torch.float32 else 0.03)


@pytest.mark.skipif(not ONEDNN_BF16, reason="no bfloat16 kernels for this processor")
@pytest.mark.parametrize("spread", [0.1, 1, 3, 6])
@torch.inference_mode()
def test_by_sigmoid(spread: float) -> None:
    """Nearer to the truth than the softmax of scores that were rounded to bfloat16, wherever most scores lie."""
    q, k, v = (t.bfloat16() for t in inputs(MANY, 16, spread))
    out, expected = q.new_empty(len(q), 16), textbook(q, k, v)
    assert cpu_attention._attention_by_sigmoid(q, k, v, None, out)
    assert (out.double() - expected).norm() / expected.norm() < 0.005


@pytest.mark.parametrize("spread", [0.1, 3, 6])
@torch.inference_mode()
def test_by_exponential(spread: float) -> None:
    q, k, v = inputs(MANY, 16, spread)
    out, expected = q.new_empty(len(q), 16), textbook(q, k, v)
    assert cpu_attention._attention_by_exponential(q, k, v, None, out)
    assert (out.double() - expected).norm() / expected.norm() < 2e-6


@pytest.mark.parametrize("outlier", [1.0, -1.0])
@torch.inference_mode()
def test_large_scores_are_averaged_by_softmax(outlier: float) -> None:
    """Scores that are too large or too small everywhere, or for a single query that is not in the sample."""
    for rows, size in ((slice(None), 60.0), (slice(1, 2), 100.0)):
        q, k, v = inputs(MANY, 16, 1)
        k[:, 0], q[rows, 0] = 1.0, outlier * size
        out = q.new_empty(len(q), 16)
        assert not cpu_attention._attention_by_exponential(q, k, v, None, out)
        chunked_attention(q, k, v, out=out)
        expected = textbook(q, k, v)
        assert (out.double() - expected).norm() / expected.norm() < 2e-5


@pytest.mark.skipif(not ONEDNN_BF16, reason="no bfloat16 kernels for this processor")
@torch.inference_mode()
def test_scores_out_of_reach() -> None:
    """Queries whose scores lie too far apart, above or below what the sample promised, are averaged by softmax."""
    for factor in (100.0, 0.0):
        q, k, v = (t.bfloat16() for t in inputs(MANY, 16, 100))
        q[:: cpu_attention.SAMPLE_STRIDE] *= 0.0 if factor else 1.0
        q[1] *= factor  # never in the sample
        out = q.new_empty(len(q), 16)
        assert not cpu_attention._attention_by_sigmoid(q, k, v, None, out)
        chunked_attention(q, k, v, out=out)
        assert torch.equal(out, torch.softmax(q @ k.mT, dim=-1) @ v)
