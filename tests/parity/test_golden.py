"""The numbers of public programs on a small model of each family, reproduced within 1e-4 in float32 on one thread."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Float32
from safetensors.torch import load_file

import masklet
from masklet.model.config import HieraConfig, ModelConfig, PerceiverConfig, RepVitConfig, VitConfig
from masklet.model.load import load_model
from masklet.model.sam2 import Sam2
from masklet.predict.postprocess import full_size
from masklet.predict.preprocessing import image_tensor
from masklet.types import FrameMasks, Prompts

TOLERANCE = 1e-4
SIZE = (136, 240)
EFFICIENTTAM = ModelConfig(
    name="mini-efficienttam",
    revision="2.0",
    trunk=VitConfig(embed_dim=24, num_heads=3, depth=4, global_blocks=(1, 3)),
    image_size=256,
    embed_dim=32,
    memory_dim=8,
    memory_layers=2,
    memory_ffn=64,
)
MINI = {
    "sam2.1": ModelConfig(
        name="mini",
        trunk=HieraConfig(embed_dim=16, num_heads=1, stages=(1, 2, 3, 1), global_blocks=(4, 5)),
        image_size=256,
        embed_dim=64,
        memory_dim=16,
        memory_layers=2,
        memory_ffn=128,
    ),
    "edgetam": ModelConfig(
        name="mini-edgetam",
        revision="2.0",
        trunk=RepVitConfig(channels=(16, 24, 32, 48), depths=(2, 1, 3, 2)),
        image_size=256,
        embed_dim=32,
        memory_dim=8,
        memory_layers=2,
        memory_ffn=64,
        perceiver=PerceiverConfig(num_global=24, grid_size=4),
    ),
    "efficienttam": EFFICIENTTAM,
    "efficienttam-1": replace(EFFICIENTTAM, cross_attention="pooled-score-bias"),
    "efficienttam-2": replace(EFFICIENTTAM, cross_attention="pooled-key-bias"),
}
FILES = {
    "sam2.1": ("golden", "golden", "mini_sam2.1.pt"),
    "edgetam": ("golden/edgetam", "golden", "mini_edgetam.pt"),
    "efficienttam": ("golden/efficienttam", "golden", "mini_efficienttam.pt"),
    "efficienttam-1": ("golden/efficienttam", "golden_1", "mini_efficienttam.pt"),
    "efficienttam-2": ("golden/efficienttam", "golden_2", "mini_efficienttam.pt"),
}
"""Folder of the shared assets, stem of the golden numbers, and file of the weights."""
IMAGES = pytest.mark.parametrize("family", ["sam2.1", "edgetam", "efficienttam"], indirect=True)
"""Families with golden numbers of images; other kinds of memory attention change nothing there."""
pytestmark = pytest.mark.usefixtures("one_thread")
PUBLIC = masklet.MemoryPolicy(look_ahead=True, clip_length=10, max_prompted=None)


@pytest.fixture(scope="module", params=MINI)
def family(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def script(assets: Path, family: str) -> dict[str, Any]:
    folder, stem, _ = FILES[family]
    loaded: dict[str, Any] = json.loads((assets / folder / f"{stem}.json").read_text())
    return loaded


@pytest.fixture(scope="module")
def golden(assets: Path, family: str) -> dict[str, torch.Tensor]:
    """The tensors of a family; logits that are stored only at the size of the model are enlarged to the video."""
    clip = load_file(assets / "golden" / "golden.safetensors")
    folder, stem, _ = FILES[family]
    tensors = load_file(assets / folder / f"{stem}.safetensors")
    for name, tensor in dict(tensors).items():
        if name.startswith("video_low."):
            tensors[name.replace("video_low.", "video.")] = F.interpolate(tensor, SIZE, mode="bilinear")
        elif name.endswith(".low_res") and name.replace(".low_res", ".logits") not in tensors:
            tensors[name.replace(".low_res", ".logits")] = F.interpolate(tensor[:, None], SIZE, mode="bilinear")[:, 0]
    return {"frames": clip["frames"], "video.frames": clip["video.frames"]} | tensors


@pytest.fixture(scope="module")
def model(assets: Path, family: str) -> Sam2:
    folder, _, weights = FILES[family]
    return load_model(assets / folder / weights, config=MINI[family])


def largest_difference(ours: Float32[np.ndarray, "..."], golden: torch.Tensor) -> float:
    return float(np.abs(ours - golden.numpy().reshape(ours.shape)).max())


def case_prompts(case: dict[str, Any]) -> Prompts:
    return Prompts(
        points=np.array(case.get("point_coords", []), np.float32).reshape(-1, 2),
        labels=np.array(case.get("point_labels", []), np.int64),
        box=np.array(case["box"], np.float32) if "box" in case else None,
    )


@IMAGES
def test_image_features(model: Sam2, golden: dict[str, torch.Tensor]) -> None:
    with torch.inference_mode():
        pixels = image_tensor(golden["frames"][0].numpy(), 256, model.device)
        seen = model.condition(model.encode_image(pixels), None)
    found = [tensor for tensor in (seen.embedding, seen.stride4, seen.stride8) if tensor is not None]
    assert len(found) == sum(name.startswith("image.features.") for name in golden)
    for place, tensor in enumerate(found):
        worst = largest_difference(tensor.numpy(), golden[f"image.features.{place}"])
        assert worst <= TOLERANCE
        print(f"features {place}: largest difference {worst:.1e}")  # noqa: T201


@IMAGES
@pytest.mark.parametrize("name", ["one_point", "one_point_single", "three_points", "box", "box_and_point"])
def test_image_prompts(model: Sam2, golden: dict[str, torch.Tensor], script: dict[str, Any], name: str) -> None:
    case = script["image_cases"][name]
    segmenter = masklet.ImageSegmenter(model)
    image = segmenter.encode(golden["frames"][0].numpy())
    several = case["multimask_output"]
    masks = segmenter.segment(image, case_prompts(case), candidates=3 if several else 1, ambiguous=several)
    iou = golden[f"image.{name}.iou"]
    order = iou.argsort(descending=True)
    assert masks.low_res is not None
    worst = largest_difference(masks.low_res, golden[f"image.{name}.low_res"][order])
    assert max(worst, largest_difference(masks.iou, iou[order])) <= TOLERANCE
    logits = golden[f"image.{name}.logits"][order]
    assert largest_difference(full_size(torch.from_numpy(masks.low_res)[:, None], (136, 240)), logits) <= TOLERANCE
    assert ((logits.numpy() > 0) == masks.masks).all()
    print(f"{name}: largest difference of logits {worst:.1e}")  # noqa: T201


@IMAGES
def test_image_refine(model: Sam2, golden: dict[str, torch.Tensor], script: dict[str, Any]) -> None:
    segmenter = masklet.ImageSegmenter(model)
    image = segmenter.encode(golden["frames"][0].numpy())
    first = segmenter.segment(image, case_prompts(script["image_cases"]["one_point_single"]), ambiguous=False)
    masks = segmenter.segment(image, Prompts.click(52, 87).and_click(100, 30, positive=False), refine=first)
    assert masks.low_res is not None
    assert largest_difference(masks.iou, golden["image.refine.iou"]) <= TOLERANCE
    worst = largest_difference(masks.low_res, golden["image.refine.low_res"])
    assert worst <= TOLERANCE
    full = full_size(torch.from_numpy(masks.low_res)[:, None], (136, 240))
    assert largest_difference(full, golden["image.refine.logits"]) <= TOLERANCE
    print(f"refine: largest difference of logits {worst:.1e}")  # noqa: T201


def event_prompts(event: dict[str, Any], size: tuple[int, int]) -> Prompts:
    if "mask_rows" in event:
        mask = np.zeros(size, bool)
        mask[slice(*event["mask_rows"]), slice(*event["mask_columns"])] = True
        return Prompts.from_mask(mask)
    return case_prompts(
        {"point_coords": event.get("points", []), "point_labels": event.get("labels", [])}
        | ({"box": event["box"]} if "box" in event else {})
    )


def play(session: masklet.VideoSession, events: list[dict[str, Any]]) -> Iterator[tuple[str, FrameMasks]]:
    """The script of the golden video, one result for each of its events."""
    passes: dict[str, Iterator[FrameMasks]] = {}
    for event in events:
        if event["call"] == "prompt":
            prompts = event_prompts(event, session.size)
            yield event["tag"], session.prompt(event["frame"], object_id=event["object_id"], prompts=prompts)
            continue
        name = event["tag"].split(".")[0]
        if name not in passes:
            passes[name] = (
                session.propagate("reverse", end=event["start"] + 1)
                if event["reverse"]
                else session.propagate("forward", start=event["start"])
            )
        yield event["tag"], next(passes[name])


@pytest.mark.parametrize("keep_memories", [False, True])
def test_video(model: Sam2, golden: dict[str, torch.Tensor], script: dict[str, Any], keep_memories: bool) -> None:
    policy = masklet.MemoryPolicy(look_ahead=True, clip_length=10, max_prompted=None, keep_memories=keep_memories)
    video = masklet.ArrayVideo(golden["video.frames"].numpy())
    session = masklet.VideoSession(model, video, memory=policy, with_logits=True)
    seen, worst_of_all = set(), 0.0
    for tag, out in play(session, script["video_events"]):
        expected = golden[f"video.{tag}"]
        assert out.logits is not None
        for row, object_id in enumerate(out.object_ids):
            worst = largest_difference(out.logits[row], expected[object_id - 1])
            assert worst <= TOLERANCE, f"{tag}, object {object_id}: {worst}"
            worst_of_all = max(worst_of_all, worst)
        # The public predictor fills the place of an object that has no result yet with the no-object logit.
        for object_id in range(1, len(expected) + 1):
            assert object_id in out.object_ids or (expected[object_id - 1] == -1024).all()
        seen.add(f"video.{tag}")
    assert seen == {name for name in golden if name.startswith("video.") and name != "video.frames"}
    print(f"{len(seen)} video tensors, largest difference {worst_of_all:.1e}")  # noqa: T201


def test_object_scores(model: Sam2, golden: dict[str, torch.Tensor], script: dict[str, Any]) -> None:
    session = masklet.VideoSession(model, masklet.ArrayVideo(golden["video.frames"].numpy()), memory=PUBLIC)
    for _tag, _out in play(session, script["video_events"]):
        pass
    for object_id, masklet_ in session.masklets().items():
        for frame, score in script["object_scores"][str(object_id)].items():
            presence = masklet_.presence[int(frame)]
            assert abs(np.log(presence / (1 - presence)) - score) <= TOLERANCE
