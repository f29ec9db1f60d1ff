"""Other people's names of tensors: the released sizes told apart, and the transformers layout."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from masklet.errors import WeightsError
from masklet.model.config import PRESETS, RepVitConfig
from masklet.model.key_mapping import infer_config, to_released_keys
from masklet.model.sam2 import Sam2
from masklet.model.trunks.repvit import ConvNorm, RepVit, TokenMixer


@pytest.mark.parametrize("name", PRESETS)
def test_recognizes_every_known_model(name: str) -> None:
    with torch.device("meta"):
        state = Sam2(PRESETS[name]).state_dict()
    file_name = f"{name.replace('-', '_').replace('_512', '_512x512')}.pt"
    assert infer_config(state, file_name) == PRESETS[name]


def test_a_file_of_another_name_is_the_plain_efficienttam() -> None:
    with torch.device("meta"):
        state = Sam2(PRESETS["efficienttam-s-2"]).state_dict()
    assert infer_config(state, "downloaded.pt") == infer_config(state) == PRESETS["efficienttam-s"]


PATCHES = "image_encoder.trunk.patch_embed.proj.weight"
OTHERS: dict[str, tuple[dict[str, Tensor], str]] = {
    "something else": ({"layer.weight": torch.zeros(1)}, ""),
    "no blocks": ({PATCHES: torch.zeros(96, 3, 7, 7)}, "96 with 0"),
    "another plain ViT": (
        {PATCHES: torch.zeros(96, 3, 16, 16), "image_encoder.neck.convs.0.conv_1x1.weight": torch.zeros(1)},
        "96 with 0",
    ),
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


def edgetam(assets: Path) -> dict[str, Tensor]:
    """The tensors of the small EdgeTAM by their released names."""
    raw: dict[str, Tensor] = torch.load(assets / "golden" / "edgetam" / "mini_edgetam.pt", weights_only=True)["model"]
    return {name: t.float() for name, t in to_released_keys(raw).items()}


def test_a_fused_edgetam_computes_the_same(assets: Path) -> None:
    """A file whose RepViT branches were fused is read as one with norms that change nothing."""
    tensors = edgetam(assets)
    trunk = RepVit(RepVitConfig(channels=(16, 24, 32, 48), depths=(2, 1, 3, 2))).eval()
    prefix = "image_encoder.trunk."
    own = {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}
    trunk.load_state_dict(own, strict=False)
    fused = {name: t for name, t in own.items() if ".se." in name}
    with torch.inference_mode():
        for name, module in trunk.named_modules():
            if isinstance(module, TokenMixer) or (isinstance(module, ConvNorm) and "token_mixer" not in name):
                fused[f"{name}.weight"], fused[f"{name}.bias"] = module.fused()
        pixels = torch.rand(1, 3, 64, 64)
        expected = trunk(pixels)
        assert len(fused) == 4 + 8 * 6 + 4 * 4 + 3 * 14 + 4  # stem, blocks, squeeze-excitations, downsampling
        read = to_released_keys({prefix + name: t for name, t in fused.items()})
        assert read.keys() == {prefix + name for name in own}
        trunk.load_state_dict({name.removeprefix(prefix): t for name, t in read.items()}, strict=False)
        for found, feature in zip(trunk(pixels), expected, strict=True):
            torch.testing.assert_close(found, feature, atol=1e-4, rtol=1e-4)


EDGETAM_OF_TRANSFORMERS = (
    ("image_encoder.trunk.body.", "vision_encoder.backbone.timm_model."),
    ("spatial_perceiver.latents", "spatial_perceiver.latents_1d"),
    (".attn.norm_x.", ".layer_norm_input."),
    (".attn.norm_latents.", ".layer_norm_latents."),
    (".self_attn.norm.", ".layer_norm_self."),
    (".self_ff.0.", ".self_mlp.layer_norm."),
    (".self_ff.1.", ".self_mlp.up_proj."),
    (".self_ff.3.", ".self_mlp.down_proj."),
    (".ff.0.", ".mlp.layer_norm."),
    (".ff.1.", ".mlp.up_proj."),
    (".ff.3.", ".mlp.down_proj."),
    (".self_attn.to_out.", ".self_attention.o_proj."),
    (".self_attn.to_q.", ".self_attention.q_proj."),
    (".attn.to_out.", ".cross_attention.o_proj."),
    (".attn.to_q.", ".cross_attention.q_proj."),
)


def test_names_of_edgetam_in_the_transformers_layout(assets: Path) -> None:
    tensors = edgetam(assets)
    own = {name: t for name, t in tensors.items() if name.startswith(("image_encoder.trunk", "spatial_perceiver"))}
    theirs: dict[str, Tensor] = {}
    for name, tensor in own.items():
        their_name = name
        for pattern, replacement in EDGETAM_OF_TRANSFORMERS:
            exact = pattern == "spatial_perceiver.latents"
            if (their_name == pattern) if exact else (pattern in their_name):
                their_name = their_name.replace(pattern, replacement)
        if ".to_kv." in their_name:
            kind = "self_attention" if ".self_attn." in name else "cross_attention"
            layer = their_name.rsplit(".", 3)[0]
            for part, half in zip("kv", tensor.chunk(2), strict=True):
                theirs[f"{layer}.{kind}.{part}_proj.weight"] = half
        else:
            theirs[their_name] = tensor
    read = to_released_keys(theirs)
    assert read.keys() == own.keys()
    assert all(torch.equal(read[name], tensor) for name, tensor in own.items())
    attention = to_released_keys(
        {"vision_encoder.x": torch.zeros(1), "memory_attention.layers.1.mlp.up_proj.bias": torch.zeros(1)}
    )
    assert "memory_attention.layers.1.linear1.bias" in attention
