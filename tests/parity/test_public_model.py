"""The model against the public packages at full size: the same random weights give the same numbers (scripts/peers)."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from benchmarks.peer_programs import edgetam_config
from torch import Tensor

from masklet.model import mask_decoder
from masklet.model.config import Revision
from masklet.model.sam2 import Sam2
from masklet.model.tensors import ChosenMask, ImageFeatures, MemoryTokens, PromptTensors
from masklet.predict.load import load

pytestmark = pytest.mark.slow

TOLERANCE = 1e-4
SIZE = 1024
PROMPTS = {
    "point": ([[300.0, 410.0]], [1]),
    "two_points": ([[300.0, 410.0], [700.0, 120.0]], [1, 0]),
    "box": ([[120.0, 200.0], [640.0, 720.0]], [2, 3]),
}
NUM_FRAMES = 20
Numbers = dict[str, Tensor]


@pytest.fixture(scope="module", autouse=True)
def peers(assets: Path) -> None:
    """Make the public packages importable where the CPU build of torchvision has no operators."""
    if not all(map(find_spec, ("torchvision", "sam2", "transformers"))):
        pytest.skip("the public packages are not installed (scripts/peers runs these tests beside them)")
    sys.path.append(str(assets / "peers"))
    import_module("tvshim")


@torch.no_grad()
def randomize(model: torch.nn.Module) -> None:
    """Every parameter random at a scale that keeps activations near 1, and the object visible."""
    generator = torch.Generator().manual_seed(0)
    for name, parameter in model.named_parameters():
        noise = torch.randn(parameter.shape, generator=generator)
        if parameter.ndim > 1 and name.endswith("weight"):
            parameter.copy_(noise / (parameter.numel() / len(parameter)) ** 0.5)
        else:
            parameter.copy_(0.2 * noise + (1.0 if name.endswith(("weight", "gamma", "scale")) else 0.0))
        if "pred_obj_score_head" in name and parameter.shape == (1,):
            parameter.fill_(10.0)
    model.eval()


def picture() -> Tensor:
    generator = torch.Generator().manual_seed(1)
    coarse = torch.rand(1, 3, 32, 32, generator=generator)
    return F.interpolate(coarse, (SIZE, SIZE), mode="bicubic").clamp(0, 1)


def memory_logits() -> Tensor:
    """Masks of a prompted and of a tracked frame, at stride 4."""
    coarse = torch.randn(2, 1, 16, 16, generator=torch.Generator().manual_seed(2))
    return 4 * F.interpolate(coarse, (SIZE // 4, SIZE // 4), mode="bilinear")


def normalized(model: Sam2) -> Tensor:
    mean, std = (torch.tensor(v)[:, None, None] for v in (model.config.pixel_mean, model.config.pixel_std))
    return (picture() - mean) / std


def named_policy(name: str, *values: Tensor) -> Numbers:
    return dict(zip((f"{name}.logits", f"{name}.iou", f"{name}.pointer"), values, strict=True))


def our_answer(model: Sam2, features: ImageFeatures, prompts: PromptTensors, *, ambiguous: bool) -> tuple[Tensor, ...]:
    """The best of candidates 1 to 3 and their IoUs, or candidate 0 without regard to its stability."""
    prediction = model.decode(features, prompts)
    best = prediction.iou[:, 1:].argmax(dim=1) + 1 if ambiguous else torch.zeros(1, dtype=torch.long)
    chosen = mask_decoder.gather_masks(prediction, best, best)
    return chosen.logits, prediction.iou[:, 1:] if ambiguous else prediction.iou[:, :1], chosen.pointer


@torch.inference_mode()
def our_numbers(model: Sam2) -> Numbers:
    features = model.encode_image(picture())
    numbers = dict(zip(("embedding", "stride8", "stride4"), features.maps, strict=True))
    start = model.condition(features, None)
    for name, (points, labels) in PROMPTS.items():
        prompts = PromptTensors(torch.tensor([points]), torch.tensor([labels]))
        numbers |= named_policy(name, *our_answer(model, start, prompts, ambiguous=name == "point"))
    pointers = [numbers["point.pointer"], numbers["two_points.pointer"]]
    maps = []
    for logits, prompted in zip(memory_logits(), (True, False), strict=True):
        score = torch.tensor([1.0 if prompted else -1.0])
        chosen = ChosenMask(logits[None], torch.ones(1), pointers[0], score)
        maps.append(model.encode_memory(features, chosen, prompted=prompted))
    memory = MemoryTokens(
        torch.stack(maps, dim=1),
        torch.tensor([[model.config.memory_frames - 1, 0]]),
        torch.stack(pointers, dim=1),
        torch.tensor([[2.0, 1.0]]) / (model.config.max_pointers - 1),
    )
    conditioned = model.condition(features, memory)
    tracked = our_answer(model, conditioned, PromptTensors.none(1, model.device), ambiguous=True)
    numbers |= {"memory.prompted": maps[0], "memory.tracked": maps[1], "conditioned": conditioned.embedding}
    return numbers | named_policy("tracked", *tracked)


def public_model(revision: Revision, folder: Path) -> tuple[Any, Path]:
    build = import_module("sam2.build_sam")
    family = "sam2.1" if revision == "2.1" else "sam2"
    model = build.build_sam2(f"configs/{family}/{family}_hiera_t.yaml", None, device="cpu", apply_postprocessing=False)
    randomize(model)
    model.binarize_mask_from_pts_for_mem_enc = True
    torch.save({"model": model.state_dict()}, folder / "sam2.pt")
    return model, folder / "sam2.pt"


@torch.inference_mode()
def public_numbers(model: Any, pixels: Tensor) -> Numbers:
    features = model.forward_image(pixels)
    _, flat, codes, sizes = model._prepare_backbone_features(features)
    stride4, stride8, embedding = features["backbone_fpn"]
    numbers = {"embedding": embedding, "stride8": stride8, "stride4": stride4}
    start = embedding + model.no_mem_embed.view(1, -1, 1, 1)
    for name, (points, labels) in PROMPTS.items():
        prompt = {
            "point_coords": torch.tensor([points]),
            "point_labels": torch.tensor([labels], dtype=torch.int32),
        }
        out = model._forward_sam_heads(start, prompt, None, [stride4, stride8], name == "point")
        numbers |= named_policy(name, out[3], out[2], out[5])
    memories = []
    for logits, prompted in zip(memory_logits(), (True, False), strict=True):
        full = F.interpolate(logits[None], (SIZE, SIZE), mode="bilinear")
        score = torch.tensor([[1.0 if prompted else -1.0]])
        memories.append(model._encode_new_memory(flat, sizes, full, score, prompted))
    pointers = (numbers["point.pointer"], numbers["two_points.pointer"])
    first, second = (
        {"maskmem_features": m, "maskmem_pos_enc": code, "obj_ptr": pointer}
        for (m, code), pointer in zip(memories, pointers, strict=True)
    )
    past = {"cond_frame_outputs": {0: first}, "non_cond_frame_outputs": {1: second}}
    conditioned = model._prepare_memory_conditioned_features(
        2, False, flat[-1:], codes[-1:], sizes[-1:], past, NUM_FRAMES
    )
    out = model._forward_sam_heads(conditioned, None, None, [stride4, stride8], True)
    tokens = [memory.flatten(2).mT for memory, _ in memories]
    numbers |= {"memory.prompted": tokens[0], "memory.tracked": tokens[1], "conditioned": conditioned}
    return numbers | named_policy("tracked", out[3], out[2], out[5])


def library_model(revision: Revision, folder: Path) -> tuple[Any, Path]:
    transformers = import_module("transformers")
    config = transformers.Sam2VideoConfig(
        enable_occlusion_spatial_embedding=revision == "2.1",
        enable_temporal_pos_encoding_for_object_pointers=revision == "2.1",
    )
    return save_library_model(transformers.Sam2VideoModel, config, folder)


def library_edgetam(_revision: Revision, folder: Path) -> tuple[Any, Path]:
    transformers = import_module("transformers")
    return save_library_model(transformers.EdgeTamVideoModel, edgetam_config(transformers), folder)


def save_library_model(kind: Any, config: Any, folder: Path) -> tuple[Any, Path]:
    config.mask_decoder_config.dynamic_multimask_via_stability = False
    model = kind(config)
    randomize(model)
    code = model.shared_image_embedding.positional_embedding  # tied in the released files
    model.prompt_encoder.shared_embedding.positional_embedding.copy_(code)
    model.save_pretrained(folder)
    return model, folder / "model.safetensors"


@torch.inference_mode()
def library_numbers(model: Any, pixels: Tensor) -> Numbers:
    out = model.get_image_features(pixels, return_dict=True)
    flat, codes = out.fpn_hidden_states, out.fpn_position_encoding
    maps = [f.permute(1, 2, 0).unflatten(2, size) for f, size in zip(flat, model.backbone_feature_sizes, strict=True)]
    stride4, stride8, embedding = maps
    numbers = {"embedding": embedding, "stride8": stride8, "stride4": stride4}
    start = embedding + model.no_memory_embedding.view(1, -1, 1, 1)

    def decode(name: str, image: Tensor, *, ambiguous: bool = False, **prompts: Tensor) -> Numbers:
        out = model._single_frame_forward(
            image_embeddings=[stride4, stride8, image], multimask_output=ambiguous, **prompts
        )
        return named_policy(name, out.pred_masks, out.iou_scores[:, 0], out.object_pointer[:, 0])

    for name, (points, labels) in PROMPTS.items():
        given = {"input_points": torch.tensor([[points]]), "input_labels": torch.tensor([[labels]])}
        prompts = {"input_boxes": torch.tensor([points]).flatten(1)[None]} if name == "box" else given
        numbers |= decode(name, start, ambiguous=name == "point", **prompts)
    memories = []
    for logits, prompted in zip(memory_logits(), (True, False), strict=True):
        full = F.interpolate(logits[None], (SIZE, SIZE), mode="bilinear")
        score = torch.tensor([[1.0 if prompted else -1.0]])
        memories.append(model._encode_new_memory(flat[-1], full, score, prompted))
    pointers = (numbers["point.pointer"], numbers["two_points.pointer"])
    first, second = (
        {"maskmem_features": m, "maskmem_pos_enc": code, "object_pointer": pointer}
        for (m, code), pointer in zip(memories, pointers, strict=True)
    )
    past = {"cond_frame_outputs": {0: first}, "non_cond_frame_outputs": {1: second}}
    session = SimpleNamespace(output_dict_per_obj={0: past}, dtype=torch.float32)
    conditioned = model._prepare_memory_conditioned_features(session, 2, 0, False, flat[-1], codes[-1], NUM_FRAMES)
    names = ("memory.prompted", "memory.tracked")
    for name, (tokens, _) in zip(names, memories, strict=True):
        numbers[name] = tokens if len(tokens) == 1 else tokens.transpose(0, 1)  # Sam2VideoModel has tokens first
    return numbers | {"conditioned": conditioned} | decode("tracked", conditioned, ambiguous=True)


class Float32Torch:
    """torch, but what is rounded to bfloat16 stays float32: transformers stores memories rounded."""

    bfloat16 = torch.float32

    def __getattr__(self, name: str) -> Any:
        return getattr(torch, name)


CASES: dict[str, tuple[Callable[..., tuple[Any, Path]], Callable[..., Numbers]]] = {
    "sam2": (public_model, public_numbers),
    "transformers": (library_model, library_numbers),
    "transformers edgetam": (library_edgetam, library_numbers),
}


@pytest.mark.parametrize(
    ("package", "revision", "name"),
    [
        ("sam2", "2.1", "sam2.1-tiny"),
        ("sam2", "2.0", "sam2-tiny"),
        ("transformers", "2.1", "sam2.1-tiny"),
        ("transformers", "2.0", "sam2-tiny"),
        ("transformers edgetam", "2.0", "edgetam"),
    ],
)
def test_same_numbers_as_the_public_package(
    package: str, revision: Revision, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build, compute = CASES[package]
    peer, file = build(revision, tmp_path)
    if package.startswith("transformers"):
        monkeypatch.setattr(import_module(type(peer).__module__), "torch", Float32Torch())
    model = load(file, device="cpu")
    assert model.config.full_name == name
    ours, theirs = our_numbers(model), compute(peer, normalized(model))
    worst = {name: float((ours[name] - theirs[name]).abs().max()) for name in theirs}
    scale = {name: float(theirs[name].abs().max()) for name in theirs}
    print({name: f"{worst[name]:.1e} of {scale[name]:.3g}" for name in worst})  # noqa: T201
    assert ours.keys() == theirs.keys()
    # Random residual branches of RepViT add up to features of 10^6, so a larger number may differ by more.
    assert all(worst[name] < TOLERANCE * max(scale[name], 1.0) for name in worst), worst
