"""Checkpoint key mapping: unused keys, keys of the transformers library, and the configuration that keys imply."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Final

import torch
from torch import Tensor

from masklet.errors import WeightsError
from masklet.model.config import EDGETAM, EFFICIENTTAM, NANO, PRESETS, HieraConfig, ModelConfig, VitConfig

UNUSED_KEYS: Final = frozenset({"no_mem_pos_enc"})
"""Present in every released file and never used: the positional encoding of a "no memory" token; the released models
add ``no_mem_embed`` to the image embedding instead."""

FUSED_SUFFIX: Final = ".token_mixer.weight"
"""Suffix of a weight that only a RepViT with fused branches has."""

SINGLE_SCALE_NECK: Final = "image_encoder.neck.convs.0.conv_1x1.weight"
"""A weight that only EfficientTAM has."""

COUNTER_SUFFIX: Final = "num_batches_tracked"
"""Suffix of the counters of batch norm, which are only used by training without momentum."""


def to_released_keys(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Map the keys of any supported layout to those of the released checkpoints, which are the parameter names.

    Raises:
        WeightsError: a file of the transformers library whose two shared positional embeddings differ.
    """
    if any(name.startswith("vision_encoder.") for name in tensors):
        tensors = _from_transformers(tensors)
    if any(name.endswith(FUSED_SUFFIX) for name in tensors):
        tensors = _with_norms(tensors)
    return {name: t for name, t in tensors.items() if name not in UNUSED_KEYS and not name.endswith(COUNTER_SUFFIX)}


def infer_config(tensors: Mapping[str, Tensor], file_name: str = "") -> ModelConfig:
    """Infer family, size and revision from tensors by the keys of the released checkpoints.

    Args:
        tensors: by the keys of the released checkpoints.
        file_name: tells apart the checkpoints of EfficientTAM, several of which have the same tensors: those of
            ``efficienttam_ti_512x512.pt`` are the 512-pixel model; any other name stands for the plain 1024-pixel one.

    Raises:
        WeightsError: the tensors are not of a known family, or not of a released size.
    """
    if "image_encoder.trunk.conv_stem.weight" in tensors:
        return NANO
    if "spatial_perceiver.latents" in tensors:
        return EDGETAM
    patches = tensors.get("image_encoder.trunk.patch_embed.proj.weight")
    if patches is None:
        raise WeightsError("these tensors are not a SAM 2 checkpoint: there is no image_encoder.trunk.patch_embed")
    width = len(patches) if patches.ndim else 0
    blocks = {int(m[1]) for name in tensors if (m := re.match(r"image_encoder\.trunk\.blocks\.(\d{1,4})\.", name))}
    if SINGLE_SCALE_NECK in tensors:
        return _infer_efficienttam(width, len(blocks), file_name)
    revision = "2.1" if {"obj_ptr_tpos_proj.weight", "no_obj_embed_spatial"} & tensors.keys() else "2.0"
    for config in PRESETS.values():
        if config.revision == revision and isinstance(config.trunk, HieraConfig):
            size = (config.trunk.embed_dim, sum(config.trunk.stages))
            if size == (width, len(blocks)):
                return config
    raise WeightsError(f"a trunk of width {width} with {len(blocks)} blocks is not one of the released SAM 2 sizes")


def _infer_efficienttam(width: int, depth: int, file_name: str) -> ModelConfig:
    presets = {
        config.name: config
        for config in EFFICIENTTAM
        if isinstance(config.trunk, VitConfig) and (config.trunk.embed_dim, config.trunk.depth) == (width, depth)
    }
    if not presets:
        raise WeightsError(
            f"a trunk of width {width} with {depth} blocks is not one of the released EfficientTAM sizes"
        )
    name = file_name.rpartition(".")[0].lower().replace("512x512", "512").replace("_", "-")
    return presets.get(name, next(iter(presets.values())))


Rename = str | Callable[[re.Match[str]], str]


def _index(template: str, factor: int, offset: int) -> Callable[[re.Match[str]], str]:
    """Format the matched number n as the index factor * n + offset of an `nn.Sequential`."""
    return lambda match: template.format(factor * int(match[1]) + offset)


BATCH_NORM_EPSILON: Final = 1e-5

_HEADS: Final = r"(output_hypernetworks_mlps\.\d|iou_prediction_head|pred_obj_score_head|obj_ptr_proj)"
_PERCEIVER: Final = r"^(spatial_perceiver\.layers\.\d+)\."
TRANSFORMERS: Final[tuple[tuple[re.Pattern[str], Rename], ...]] = tuple(
    (re.compile(pattern), rename)
    for pattern, rename in (
        (r"^no_memory_embedding$", "no_mem_embed"),
        (r"^no_memory_positional_encoding$", "no_mem_pos_enc"),
        (r"^memory_temporal_positional_encoding$", "maskmem_tpos_enc"),
        (r"^no_object_pointer$", "no_obj_ptr"),
        (r"^occlusion_spatial_embedding_parameter$", "no_obj_embed_spatial"),
        (r"^temporal_positional_encoding_projection_layer\.", "obj_ptr_tpos_proj."),
        (r"^object_pointer_proj\.", "obj_ptr_proj."),
        # Trunk and neck
        (r"^vision_encoder\.backbone\.timm_model\.", "image_encoder.trunk.body."),
        (r"^vision_encoder\.backbone\.", "image_encoder.trunk."),
        (r"^vision_encoder\.neck\.convs\.(\d)", r"image_encoder.neck.convs.\1.conv"),
        (r"patch_embed\.projection", "patch_embed.proj"),
        # Prompts
        (r"^prompt_encoder\.mask_embed\.conv(\d)", _index("sam_prompt_encoder.mask_downscaling.{}", 3, -3)),
        (r"^prompt_encoder\.mask_embed\.layer_norm(\d)", _index("sam_prompt_encoder.mask_downscaling.{}", 3, -2)),
        (r"^prompt_encoder\.", "sam_prompt_encoder."),
        # Mask decoder
        (r"^mask_decoder\.upscale_conv(\d)", _index("sam_mask_decoder.output_upscaling.{}", 3, -3)),
        (r"^mask_decoder\.upscale_layer_norm", "sam_mask_decoder.output_upscaling.1"),
        (r"^mask_decoder\.", "sam_mask_decoder."),
        # Memory
        (r"^spatial_perceiver\.latents_1d", "spatial_perceiver.latents"),
        (_PERCEIVER + r"layer_norm_input\.", r"\1.attn.norm_x."),
        (_PERCEIVER + r"layer_norm_latents\.", r"\1.attn.norm_latents."),
        (_PERCEIVER + r"layer_norm_self\.", r"\1.self_attn.norm."),
        (_PERCEIVER + r"cross_attention\.(q|kv)_proj\.", r"\1.attn.to_\2."),
        (_PERCEIVER + r"self_attention\.(q|kv)_proj\.", r"\1.self_attn.to_\2."),
        (_PERCEIVER + r"cross_attention\.o_proj\.", r"\1.attn.to_out."),
        (_PERCEIVER + r"self_attention\.o_proj\.", r"\1.self_attn.to_out."),
        (_PERCEIVER + r"(self_)?mlp\.layer_norm\.", lambda m: f"{m[1]}.{m[2] or ''}ff.0."),
        (_PERCEIVER + r"(self_)?mlp\.up_proj\.", lambda m: f"{m[1]}.{m[2] or ''}ff.1."),
        (_PERCEIVER + r"(self_)?mlp\.down_proj\.", lambda m: f"{m[1]}.{m[2] or ''}ff.3."),
        (r"^(memory_attention\.layers\.\d+)\.mlp\.up_proj\.", r"\1.linear1."),
        (r"^(memory_attention\.layers\.\d+)\.mlp\.down_proj\.", r"\1.linear2."),
        (r"mask_downsampler\.layers\.(\d)\.conv", _index("mask_downsampler.encoder.{}", 3, 0)),
        (r"mask_downsampler\.layers\.(\d)\.layer_norm", _index("mask_downsampler.encoder.{}", 3, 1)),
        (r"mask_downsampler\.final_conv", "mask_downsampler.encoder.12"),
        (r"^memory_encoder\.feature_projection", "memory_encoder.pix_feat_proj"),
        (r"^memory_encoder\.projection", "memory_encoder.out_proj"),
        (r"^memory_encoder\.memory_fuser\.", "memory_encoder.fuser."),
        (r"\.depthwise_conv\.", ".dwconv."),
        (r"\.pointwise_conv(\d)\.", r".pwconv\1."),
        (r"\.scale$", ".gamma"),
        # Everywhere: first, middle and last layers of MLPs, projections, norms
        (_HEADS + r"\.layers\.0\.", r"\1.layers.1."),
        (_HEADS + r"\.proj_out\.", r"\1.layers.2."),
        (r"\.proj_in\.", ".layers.0."),
        (r"\.mlp\.proj_out\.", ".mlp.layers.1."),
        (r"\.o_proj\.", ".out_proj."),
        (r"layer_norm(\d|_final_attn)?\.", lambda m: f"norm{m[1] or ''}."),
    )
)
"""Substitutions applied in this order to each key of the transformers library's Sam2VideoModel or EdgeTamVideoModel."""

_FOURIER: Final = "sam_prompt_encoder.pe_layer.positional_encoding_gaussian_matrix"
_SHARED: Final = ("shared_image_embedding.positional_embedding", "prompt_encoder.shared_embedding.positional_embedding")


def _from_transformers(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    renamed: dict[str, Tensor] = {}
    embeddings = [tensors[name] for name in _SHARED if name in tensors]
    if embeddings:  # the library ties the two, so a file may hold either or both
        if not all(one.shape == embeddings[0].shape and torch.equal(one, embeddings[0]) for one in embeddings):
            raise WeightsError(f"{_SHARED[0]} and {_SHARED[1]} must be equal, but differ")
        renamed[_FOURIER] = embeddings[0]
    for name, tensor in tensors.items():
        if name == "prompt_encoder.point_embed.weight" and tensor.ndim == 2:
            rows = {f"sam_prompt_encoder.point_embeddings.{i}.weight": tensor[i : i + 1] for i in range(len(tensor))}
            renamed.update(rows)
        elif name.startswith("spatial_perceiver.") and name.endswith(".k_proj.weight"):
            both = [tensor, tensors[name.replace(".k_proj.", ".v_proj.")]]
            renamed[_rename(name.replace(".k_proj.", ".kv_proj."))] = torch.cat(both)
        elif name.startswith("spatial_perceiver.") and name.endswith(".v_proj.weight"):
            continue  # concatenated to the keys above
        elif name not in _SHARED:
            renamed[_rename(name)] = tensor
    return renamed


_FUSED: Final[tuple[tuple[re.Pattern[str], str], ...]] = tuple(
    (re.compile(rf"^(image_encoder\.trunk\.body\..*{pattern})\.(weight|bias)$"), name)
    for pattern, name in (
        (r"\.token_mixer", "conv"),
        (r"(?:stem|_mixer|ffn)\.conv[12]", ""),
        (r"downsample\.(?:spatial|channel)_downsample", ""),
    )
)
"""Convolutions of a RepViT with fused branches, and the branch that gets their weights."""


def _with_norms(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Express a RepViT with fused branches as one with batch norms that change nothing and branches of zeros."""
    expanded: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        matched = next(((m, branch) for pattern, branch in _FUSED if (m := pattern.match(name))), None)
        if matched is None:
            expanded[name] = tensor
            continue
        (parent, kind), branch = matched[0].groups(), matched[1]
        conv = f"{parent}.{branch}" if branch else parent
        if kind == "bias":
            expanded.update(_identity_norm(conv, tensor))
            if branch:
                expanded.update(_identity_norm(f"{parent}.conv1", torch.zeros_like(tensor)))
        elif branch and tensor.ndim == 4 and tensor.shape[1:] == (1, 3, 3):
            kernel = tensor.clone()
            kernel[:, :, 1, 1] -= 1  # the identity, which is a branch without weights
            expanded |= {f"{conv}.c.weight": kernel, f"{parent}.conv1.c.weight": tensor.new_zeros(len(tensor), 1, 1, 1)}
        else:
            expanded[f"{conv}.c.weight"] = tensor
    return expanded


def _identity_norm(conv: str, bias: Tensor) -> dict[str, Tensor]:
    """Batch norm that only adds a bias; its variance and epsilon add up to 1."""
    statistics = {"weight": torch.ones_like(bias), "running_mean": torch.zeros_like(bias)}
    norm = {**statistics, "bias": bias, "running_var": torch.full_like(bias, 1 - BATCH_NORM_EPSILON)}
    return {f"{conv}.bn.{name}": tensor for name, tensor in norm.items()}


def _rename(name: str) -> str:
    for pattern, replacement in TRANSFORMERS:
        name = pattern.sub(replacement, name)
    return name
