"""Other people's names of tensors: the released sizes told apart, and the transformers layout."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from masklet.errors import WeightsError
from masklet.model.config import PRESETS
from masklet.model.key_mapping import infer_config, to_released_keys
from masklet.model.sam2 import Sam2


@pytest.mark.parametrize("name", PRESETS)
def test_recognizes_every_known_model(name: str) -> None:
    with torch.device("meta"):
        state = Sam2(PRESETS[name]).state_dict()
    assert infer_config(state) == PRESETS[name]


PATCHES = "image_encoder.trunk.patch_embed.proj.weight"
OTHERS: dict[str, tuple[dict[str, Tensor], str]] = {
    "something else": ({"layer.weight": torch.zeros(1)}, ""),
    "no blocks": ({PATCHES: torch.zeros(96, 3, 7, 7)}, "96 with 0"),
    "a number": ({PATCHES: torch.tensor(1.0)}, "0 with 0"),
}


@pytest.mark.parametrize(("tensors", "shown"), OTHERS.values(), ids=OTHERS)
def test_does_not_recognize_others(tensors: dict[str, Tensor], shown: str) -> None:
    with pytest.raises(WeightsError, match=shown or None):
        infer_config(tensors)


def test_a_released_checkpoint_has_one_tensor_that_nobody_reads(assets: Path) -> None:
    file = assets / "golden" / "mini_sam2.1.pt"
    raw = torch.load(file, weights_only=True)["model"]
    assert raw.keys() - to_released_keys(raw).keys() == {"no_mem_pos_enc"}


def test_two_position_codes_are_one_too_many() -> None:
    shared = {
        "vision_encoder.x": torch.zeros(1),
        "shared_image_embedding.positional_embedding": torch.zeros(2, 4),
        "prompt_encoder.shared_embedding.positional_embedding": torch.ones(2, 4),
    }
    with pytest.raises(WeightsError):
        to_released_keys(shared)


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("vision_encoder.backbone.blocks.0.mlp.proj_out.bias", "image_encoder.trunk.blocks.0.mlp.layers.1.bias"),
        ("vision_encoder.neck.convs.3.weight", "image_encoder.neck.convs.3.conv.weight"),
        ("prompt_encoder.mask_embed.layer_norm2.weight", "sam_prompt_encoder.mask_downscaling.4.weight"),
        ("prompt_encoder.mask_embed.conv3.weight", "sam_prompt_encoder.mask_downscaling.6.weight"),
        ("mask_decoder.upscale_conv2.bias", "sam_mask_decoder.output_upscaling.3.bias"),
        ("mask_decoder.iou_prediction_head.layers.0.bias", "sam_mask_decoder.iou_prediction_head.layers.1.bias"),
        (
            "mask_decoder.transformer.layer_norm_final_attn.bias",
            "sam_mask_decoder.transformer.norm_final_attn.bias",
        ),
        (
            "mask_decoder.output_hypernetworks_mlps.3.proj_out.weight",
            "sam_mask_decoder.output_hypernetworks_mlps.3.layers.2.weight",
        ),
        (
            "memory_attention.layers.1.self_attn.o_proj.weight",
            "memory_attention.layers.1.self_attn.out_proj.weight",
        ),
        ("memory_attention.layer_norm.weight", "memory_attention.norm.weight"),
        (
            "memory_encoder.mask_downsampler.layers.2.layer_norm.bias",
            "memory_encoder.mask_downsampler.encoder.7.bias",
        ),
        ("memory_encoder.memory_fuser.layers.1.scale", "memory_encoder.fuser.layers.1.gamma"),
        ("object_pointer_proj.proj_in.weight", "obj_ptr_proj.layers.0.weight"),
    ],
)
def test_names_of_the_transformers_layout(theirs: str, ours: str) -> None:
    named = {"vision_encoder.marks_the_layout": torch.zeros(1), theirs: torch.zeros(1)}
    assert list(to_released_keys(named))[1] == ours


def test_point_codes_of_the_transformers_layout_are_split() -> None:
    table = torch.arange(8.0).reshape(4, 2)
    tensors = to_released_keys({"vision_encoder.x": torch.zeros(1), "prompt_encoder.point_embed.weight": table})
    rows = [tensors[f"sam_prompt_encoder.point_embeddings.{i}.weight"] for i in range(4)]
    assert torch.equal(torch.cat(rows), table)
