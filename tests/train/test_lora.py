"""Low-rank updates start at zero, are all that is trained in the trunk, and are merged into the weights."""

from __future__ import annotations

import torch

from masklet.model.config import NANO
from masklet.model.sam2 import Sam2
from masklet.train.lora import add_lora, merge_lora


def test_updates_start_at_zero_and_merge_into_the_weights(tiny: Sam2) -> None:
    model = Sam2(tiny.config)
    model.load_state_dict(tiny.state_dict())
    pixels = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    before = model.encode_image(pixels).embedding
    add_lora(model, 2)
    assert torch.equal(model.encode_image(pixels).embedding, before)
    trained = {name for name, p in model.image_encoder.trunk.named_parameters() if p.requires_grad}
    assert trained
    assert all(".parametrizations.weight.0." in name for name in trained)
    with torch.no_grad():
        for name, p in model.image_encoder.trunk.named_parameters():
            if name.endswith("up"):
                p.add_(0.05)
    changed = model.encode_image(pixels).embedding
    assert not torch.allclose(changed, before)
    merge_lora(model)
    assert model.state_dict().keys() == tiny.state_dict().keys()
    assert torch.allclose(model.encode_image(pixels).embedding, changed, atol=1e-6)


def test_a_convolutional_trunk_is_trained_in_its_1x1_convolutions() -> None:
    model = Sam2(NANO)
    add_lora(model, 4)
    trunk = model.image_encoder.trunk
    trained = {name.partition(".parametrizations")[0] for name, p in trunk.named_parameters() if p.requires_grad}
    assert trained == {name for name, module in trunk.named_modules() if getattr(module, "kernel_size", 0) == (1, 1)}
