"""A model small enough to be written as graphs in a test, and its graphs."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from jaxtyping import config

from masklet.backends.bundle import Bundle
from masklet.backends.convert import plan_bundle, write_graphs
from masklet.model.config import TEST_TINY, HieraConfig
from masklet.model.sam2 import Sam2

TRUNK = HieraConfig(embed_dim=8, num_heads=1, stages=(1, 1, 1, 1), global_blocks=(3,))


@pytest.fixture(scope="session")
def small() -> Sam2:
    """The embedded model's way with prompts on a trunk like the released ones; weights random, none of them idle."""
    model = Sam2(replace(TEST_TINY, trunk=TRUNK, memory_layers=1, draw_prompts=True)).eval().requires_grad_(False)
    generator = torch.Generator().manual_seed(5)
    for name, tensor in sorted(model.state_dict().items()):
        spread = 1.5 / tensor[0].numel() ** 0.5 if tensor.ndim > 1 else 0.3
        center = float(name.endswith("gamma") or (tensor.ndim == 1 and name.endswith("weight")))
        tensor.copy_(center + spread * torch.randn(tensor.shape, generator=generator))
    return model


@pytest.fixture(scope="session")
def onnx_bundle(small: Sam2, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The small model as ONNX graphs."""
    for package in ("onnx", "onnxscript", "onnxruntime"):
        pytest.importorskip(package, reason="the extra onnx is not installed")
    folder = tmp_path_factory.mktemp("graphs") / "onnx"
    config.update("jaxtyping_disable", True)  # while a graph is captured, an open length is no int
    try:
        return write_graphs(small, plan_bundle(folder, "onnx", "float32", small.config, "0" * 64))
    finally:
        config.update("jaxtyping_disable", False)
