"""RepViT: strides, channels, and branches that fuse to the same convolution."""

from __future__ import annotations

from copy import deepcopy

import pytest
import torch
from torch import nn

from masklet.model.config import RepVitConfig
from masklet.model.trunks.repvit import RepVit, SqueezeExcitation, TokenMixer

SMALL = RepVitConfig(channels=(8, 16, 24, 32), depths=(1, 2, 3, 1))


def random_norms(model: nn.Module) -> None:
    """Give every batch norm statistics and weights that matter."""
    torch.manual_seed(0)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.weight, module.running_var):
                assert tensor is not None
                nn.init.uniform_(tensor, 0.5, 1.5)
            for tensor in (module.bias, module.running_mean):
                assert tensor is not None
                nn.init.normal_(tensor)


@pytest.mark.parametrize("size", [32, 96])
@torch.inference_mode()
def test_strides_and_channels(size: int) -> None:
    features = RepVit(SMALL).eval()(torch.rand(2, 3, size, size))
    assert [tuple(f.shape) for f in features] == [
        (2, channels, size // stride, size // stride)
        for channels, stride in zip(SMALL.channels, (4, 8, 16, 32), strict=True)
    ]


def test_released_layout() -> None:
    """982 tensors of the released file are in other modules; these are the parts of its trunk."""
    with torch.device("meta"):
        trunk = RepVit(RepVitConfig())
    assert sum(p.numel() for p in trunk.parameters()) == 4_713_712
    assert len(trunk.state_dict()) == 676
    squeezed = [m.fc1.out_channels for m in trunk.modules() if isinstance(m, SqueezeExcitation)]
    assert squeezed == [16, 24, *[48] * 7, 96]  # every other block, a quarter of the channels in multiples of 8


def test_fused_branches_are_exact() -> None:
    mixer = TokenMixer(8).eval()
    random_norms(mixer)
    x = torch.randn(2, 8, 9, 9)
    with torch.inference_mode():
        found = mixer(x)
        branches = [branch.bn(branch.c(x)) for branch in (mixer.conv, mixer.conv1)]
        torch.testing.assert_close(found, branches[0] + branches[1] + x)


def test_fused_weights_follow_the_weights() -> None:
    mixer, x = TokenMixer(8).eval(), torch.randn(1, 8, 5, 5)
    random_norms(mixer)
    with torch.no_grad():
        before = mixer(x)
        assert torch.equal(mixer(x), before)
        mixer.conv.bn.bias.add_(1)
        torch.testing.assert_close(mixer(x), before + 1)


def test_gradients_of_the_fused_trunk_reach_every_branch() -> None:
    trunk = RepVit(SMALL).eval()
    random_norms(trunk)
    sum(feature.square().mean() for feature in trunk(torch.rand(1, 3, 32, 32))).backward()
    assert all(p.grad is not None and bool(p.grad.any()) for p in trunk.parameters())


def test_batches_are_normalized_in_training() -> None:
    trunk = RepVit(SMALL)
    name = "body.stem.conv1.bn.running_mean"
    before = deepcopy(trunk.state_dict()[name])
    trunk.train()(torch.rand(2, 3, 32, 32))
    assert not torch.equal(trunk.state_dict()[name], before)
