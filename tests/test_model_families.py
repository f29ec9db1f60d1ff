"""What holds for every model, on very small models of EdgeTAM and EfficientTAM: tracking, memory, export."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from jaxtyping import UInt8, config

from masklet.backends.convert import plan_bundle, write_graphs
from masklet.backends.flip_augmented import FlipAugmented
from masklet.backends.onnx_runtime import open_onnx
from masklet.backends.openvino_runtime import open_openvino
from masklet.io import ArrayVideo
from masklet.model.convert import save_model
from masklet.model.load import load_model
from masklet.model.sam2 import Sam2
from masklet.predict.automatic_masks import AutomaticMasker, AutomaticSettings, Layer
from masklet.predict.object_memory import ObjectMemory
from masklet.predict.refine import Refinement, refine
from masklet.predict.session import VideoSession
from masklet.predict.stream import StreamTracker
from masklet.tracking.memory_policy import PolicyName
from masklet.train.lora import add_lora, merge_lora
from masklet.types import FrameMasks, Prompts

Clip = UInt8[np.ndarray, "t h w 3"]
BOX, CLICK = Prompts.from_box(6, 6, 24, 24), Prompts.click(40, 20)
pytestmark = pytest.mark.usefixtures("one_thread")


def track(tracker: StreamTracker, clip: Clip, prompts: dict[int, Prompts] | None = None) -> list[FrameMasks]:
    """Results of a stream whose objects are prompted on the first frame."""
    return [tracker.step(frame, (prompts or {1: BOX}) if t == 0 else None) for t, frame in enumerate(clip)]


def a_mask(clip: Clip) -> Prompts:
    mask = np.zeros(clip.shape[1:3], bool)
    mask[10:30, 20:40] = True
    return Prompts.from_mask(mask)


def test_streaming_equals_recorded_with_a_correction(relative: Sam2, clip: Clip) -> None:
    script = {0: {1: BOX}, 3: {2: CLICK}, 8: {1: Prompts.click(15, 15)}}
    tracker = StreamTracker(relative)
    live = [tracker.step(frame, script.get(t)) for t, frame in enumerate(clip[:14])]
    session = VideoSession(relative, ArrayVideo(clip[:14]))
    for t, prompts in script.items():
        session.prompt_objects(t, prompts)
    recorded = list(session.propagate())
    assert any(out.masks.any() for out in recorded)
    for out in recorded:
        for object_id in live[out.frame_index].object_ids:
            np.testing.assert_array_equal(out[object_id], live[out.frame_index][object_id])


def test_a_correction_stays(relative: Sam2, clip: Clip) -> None:
    session = VideoSession(relative, ArrayVideo(clip[:8]))
    session.prompt(0, object_id=1, prompts=BOX)
    before = {out.frame_index: out for out in session.propagate()}
    drawn = a_mask(clip)
    session.prompt(4, object_id=1, prompts=drawn)
    again = {out.frame_index: out for out in session.propagate(start=4)}
    assert drawn.mask is not None
    np.testing.assert_array_equal(again[4][1], drawn.mask)
    assert any(not np.array_equal(again[t].iou, before[t].iou) for t in (5, 6, 7))


def test_memory_is_bounded(relative: Sam2, clip: Clip) -> None:
    tracker, counts = StreamTracker(relative), []
    for t in range(50):
        tracker.step(clip[t % len(clip)], {1: BOX} if t == 0 else None)
        counts.append(tracker.num_memories[1])
    policy = tracker.policy
    assert counts[49] == counts[30] == (1 + policy.pointer_reach, policy.memory_frames)


@pytest.mark.parametrize("policy", ["gated", "distractor", "motion", "tree", "auto"])
def test_policies(relative: Sam2, clip: Clip, policy: PolicyName) -> None:
    results = track(StreamTracker(relative, memory=policy), clip[:10])
    assert all(out.object_ids == (1,) for out in results)
    assert all(np.isfinite(out.iou).all() for out in results)


def test_saved_memory_goes_on(relative: Sam2, clip: Clip, tmp_path: Path) -> None:
    expected, first = track(StreamTracker(relative), clip[:12]), StreamTracker(relative)
    track(first, clip[:8])
    first.memory(1).save(tmp_path / "object.safetensors")
    again = StreamTracker(relative)
    again.resume(1, ObjectMemory.load(tmp_path / "object.safetensors"), continues=True)
    for t in range(8, 12):
        out = again.step(clip[t])
        assert all(np.array_equal(getattr(out, name), getattr(expected[t], name)) for name in ("masks", "iou"))


def test_refinement(relative: Sam2, clip: Clip) -> None:
    mask = a_mask(clip).mask
    assert mask is not None
    ones = np.ones(1, np.float32)
    refined = refine(relative, clip[0], FrameMasks(0, (1,), mask[None], ones, ones), Refinement(start="both"))
    assert refined.masks.shape == (1, *clip.shape[1:3])


def test_automatic_masks(relative: Sam2, clip: Clip) -> None:
    settings = AutomaticSettings(layers=(Layer(points=4),), min_iou=0.0, min_stability=0.0)
    proposals = AutomaticMasker(relative, settings).propose(clip[0])
    assert len(proposals) > 0


def test_flip_augmentation(relative: Sam2, clip: Clip) -> None:
    assert all(np.isfinite(out.iou).all() for out in track(StreamTracker(FlipAugmented(relative)), clip[:3]))


def test_objects_are_batched(relative: Sam2, clip: Clip) -> None:
    prompts = {1: BOX, 2: CLICK}
    together = track(StreamTracker(relative, with_logits=True), clip[:6], prompts)
    alone = track(StreamTracker(relative, with_logits=True), clip[:6], {2: CLICK})
    for both, single in zip(together, alone, strict=True):
        assert both.logits is not None
        assert single.logits is not None
        np.testing.assert_allclose(both.logits[1], single.logits[0], atol=1e-3, rtol=1e-3)


def test_saved_weights(relative: Sam2, tmp_path: Path) -> None:
    save_model(relative, tmp_path / "model.safetensors")
    again = load_model(tmp_path / "model.safetensors")
    assert again.config == relative.config
    state = again.state_dict()
    assert all(torch.equal(state[name], t) for name, t in relative.state_dict().items() if t.is_floating_point())


@pytest.mark.slow  # an export takes a minute or more
@pytest.mark.parametrize("form", ["onnx", "openvino"])
def test_other_runtimes_track_the_same(relative: Sam2, clip: Clip, form: str, tmp_path: Path) -> None:
    for package in ("onnx", "onnxscript", "onnxruntime", *([form] if form == "openvino" else [])):
        pytest.importorskip(package, reason=f"the extra {form} is not installed")
    config.update("jaxtyping_disable", True)  # while a graph is captured, an open length is no int
    try:
        bundle = write_graphs(relative, plan_bundle(tmp_path / form, form, "float32", relative.config, "0" * 64))
    finally:
        config.update("jaxtyping_disable", False)
    graphs = open_onnx(bundle) if form == "onnx" else open_openvino(bundle)
    prompts = {1: CLICK, 2: a_mask(clip)}
    expected = track(StreamTracker(relative, with_logits=True), clip[:9], prompts)
    found = track(StreamTracker(graphs, with_logits=True), clip[:9], prompts)
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.logits is not None
        assert theirs.logits is not None
        np.testing.assert_allclose(ours.logits, theirs.logits, atol=1e-2, rtol=1e-3)


def test_lora_changes_the_trunk_and_merges(relative: Sam2) -> None:
    model = Sam2(relative.config).eval()
    model.load_state_dict(relative.state_dict())
    pixels = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    before = model.encode_image(pixels).embedding
    add_lora(model, 2)
    torch.testing.assert_close(model.encode_image(pixels).embedding, before)
    trained = [(name, p) for name, p in model.image_encoder.trunk.named_parameters() if p.requires_grad]
    assert trained
    assert all(".parametrizations.weight.0." in name for name, _ in trained)
    with torch.no_grad():
        for name, parameter in trained:
            if name.endswith("up"):
                parameter.add_(0.05)
    changed = model.encode_image(pixels).embedding
    assert not torch.allclose(changed, before)
    merge_lora(model)
    assert model.state_dict().keys() == relative.state_dict().keys()
    torch.testing.assert_close(model.encode_image(pixels).embedding, changed, atol=1e-4, rtol=1e-4)
