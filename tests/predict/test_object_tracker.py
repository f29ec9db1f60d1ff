"""Memory policies in trackers: streams equal sessions, reverse passes mirror forward ones, memory is bounded."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from jaxtyping import UInt8

from masklet.io import ArrayVideo
from masklet.model.sam2 import Sam2
from masklet.predict.preprocessing import frame_tensor
from masklet.predict.prompting import resolve_policy
from masklet.predict.session import VideoSession
from masklet.predict.stream import StreamTracker
from masklet.tracking import (
    FrameContext,
    MemoryBank,
    condition_on_memory,
    decode_unprompted,
    encode_memories,
    select_memories,
)
from masklet.tracking.memory_policy import NAMES, Anchors, AppearanceGate, Gate, MemoryPolicy, Motion, ShotCuts, Tree
from masklet.tracking.policies import HypothesisSet
from masklet.types import FrameMasks, Prompts

Clip = UInt8[np.ndarray, "t h w 3"]
CLICK, BOX = Prompts.click(15, 15), Prompts.from_box(30, 10, 60, 40)
MASK = Prompts.from_mask(np.pad(np.ones((14, 14), bool), ((8, 26), (8, 50))))

EVERYTHING = MemoryPolicy(
    gate=Gate(min_quality=0.0, newest=False, stride=2, shared=True, maps=8, emphasis=0.05),
    anchors=Anchors(reveal=None, min_iou=0.0, area_band=5.0, diverse=True),
    motion=Motion(min_stable_frames=2, margin=0.2, min_iou=0.0),
    shot_cuts=ShotCuts(min_change=0.02, factor=1.0),
    appearance=AppearanceGate(min_similarity=0.0, reliable_similarity=0.1, patience=2),
)
POLICIES: dict[str, Any] = {
    **{name: name for name in NAMES},
    "all rules": EVERYTHING,
    "wide tree": MemoryPolicy(
        gate=Gate(), tree=Tree(paths=4, certain_logit=50.0), shot_cuts=ShotCuts(min_change=0.02, factor=1)
    ),
}


def stream(model: Sam2, clip: Clip, script: dict[int, dict[int, Prompts]], memory: Any) -> list[FrameMasks]:
    tracker = StreamTracker(model, memory=memory, with_logits=True)
    return [tracker.step(frame, script.get(t)) for t, frame in enumerate(clip)]


def assert_same(found: FrameMasks, expected: FrameMasks) -> None:
    assert found.object_ids == expected.object_ids
    for field in ("logits", "masks", "presence", "iou", "confidence"):
        np.testing.assert_array_equal(getattr(found, field), getattr(expected, field), err_msg=field)


def sam_2_by_hand(model: Sam2, clip: Clip) -> list[torch.Tensor]:
    """Track two objects with nothing but the methods of the model and `select_memories`."""
    policy = MemoryPolicy(memory_frames=model.config.memory_frames, max_pointers=model.config.max_pointers)
    session = VideoSession(model, ArrayVideo(clip))
    session.prompt_objects(0, {1: CLICK, 2: BOX})
    banks: dict[int, MemoryBank] = {i: session._tracker.objects[i].bank for i in (1, 2)}
    seen = []
    for t, frame in enumerate(clip[1:], start=1):
        features = model.encode_image(frame_tensor(frame, model.config.image_size, model.device))
        recalls = [
            select_memories(FrameContext(t), prompted=b.prompted, recent=b.recent, policy=policy)
            for b in banks.values()
        ]
        chosen = decode_unprompted(
            model, condition_on_memory(model, features, list(zip(banks.values(), recalls, strict=True)), policy)
        )
        entries = encode_memories(model, features, chosen, prompted=False)
        for bank, entry in zip(banks.values(), entries, strict=True):
            bank.put(t, entry, prompted=False)
        seen.append(chosen.logits)
    return seen


@torch.inference_mode()
def test_plain_is_sam_2_bit_for_bit(tiny: Sam2, clip: Clip) -> None:
    session = VideoSession(tiny, ArrayVideo(clip[:24]), memory="plain")
    session.prompt_objects(0, {1: CLICK, 2: BOX})
    for _ in session.propagate():
        pass
    for t, logits in enumerate(sam_2_by_hand(tiny, clip[:24]), start=1):
        for row, i in enumerate((1, 2)):
            np.testing.assert_array_equal(session._results.get_logits(i, t), logits[row, 0].numpy())


def test_plain_gives_the_numbers_it_gave(tiny: Sam2, clip: Clip) -> None:
    """Taken before there were policies; rounded, for machines add up in different orders."""
    outputs = stream(
        tiny, clip[:24], {0: {1: CLICK}, 3: {2: BOX}, 12: {1: Prompts.click(40, 20, positive=False)}}, "plain"
    )
    presence = np.concatenate([out.presence for out in outputs])
    areas = [int(mask.sum()) for out in outputs for mask in out.masks]
    np.testing.assert_allclose([presence.mean(), presence.std(), np.mean(areas)], BEFORE, rtol=2e-3)


BEFORE = [0.593383, 0.307209, 638.4222]

SCRIPT: dict[int, dict[int, Prompts]] = {0: {1: CLICK}, 4: {2: BOX}, 9: {1: Prompts.click(40, 20, positive=False)}}


@pytest.mark.parametrize("name", POLICIES)
def test_streaming_equals_recorded(tiny: Sam2, clip: Clip, name: str) -> None:
    clip = clip[:14]
    session = VideoSession(tiny, ArrayVideo(clip), memory=POLICIES[name], with_logits=True)
    recorded: dict[int, FrameMasks] = {}
    for start, end in ((0, 5), (4, 10), (9, 14)):
        session.prompt_objects(start, SCRIPT[start])
        recorded |= {out.frame_index: out for out in session.propagate(start=start, end=end)}
    for out in stream(tiny, clip, SCRIPT, POLICIES[name]):
        if out.frame_index not in SCRIPT:  # there the session shows the answer with the masks known
            for i in out.object_ids:
                a, b = out.position(i), recorded[out.frame_index].position(i)
                np.testing.assert_allclose(out.logits[a], recorded[out.frame_index].logits[b], atol=2e-3)  # type: ignore[index]


@pytest.mark.parametrize("name", POLICIES)
def test_reverse_is_the_mirror_image(tiny: Sam2, clip: Clip, name: str) -> None:
    memory = POLICIES[name]
    last = 10  # strides count from frame 0: the mirror lies on one
    forward = VideoSession(tiny, ArrayVideo(clip[: last + 1]), memory=memory, with_logits=True)
    backward = VideoSession(tiny, ArrayVideo(clip[: last + 1][::-1].copy()), memory=memory, with_logits=True)
    forward.prompt_objects(0, {1: MASK, 2: BOX})
    backward.prompt_objects(last, {1: MASK, 2: BOX})
    for out, mirrored in zip(forward.propagate(), backward.propagate("reverse"), strict=True):
        assert mirrored.frame_index == last - out.frame_index
        assert_same(mirrored, out)


def test_policies_differ(tiny: Sam2, clip: Clip) -> None:
    """Keeps the tests of this file honest."""
    plain = stream(tiny, clip[:18], SCRIPT, "plain")
    for name in ("distractor", "tree", "all rules", "wide tree"):
        other = stream(tiny, clip[:18], SCRIPT, POLICIES[name])
        assert any((a.presence != b.presence).any() for a, b in zip(plain, other, strict=True)), name


@pytest.mark.parametrize("name", ["auto", "all rules", "wide tree"])
def test_sixteen_objects_come_and_go(tiny: Sam2, clip: Clip, name: str) -> None:
    tracker = StreamTracker(tiny, memory=POLICIES[name])
    held = []
    for t in range(48):
        prompts = {1 + t // 2: Prompts.click(5 + 3 * (t % 20), 5 + 2 * (t % 19))} if t % 2 == 0 and t < 32 else None
        if t > 12 and t % 3 == 0 and len(tracker.object_ids) > 3:
            tracker.forget(tracker.object_ids[0])
        out = tracker.step(clip[t % 40], prompts)
        assert out.confidence is not None
        assert ((out.confidence >= 0) & (out.confidence <= 1)).all()
        held.append(max(maps for _, maps in tracker.num_memories.values()))
    assert max(held) <= 4 * 16
    for i in tracker.object_ids:
        tracker.forget(i)
    assert tracker.num_memories == {}


@pytest.mark.parametrize("name", ["all rules", "wide tree"])
def test_memory_is_bounded(tiny: Sam2, clip: Clip, name: str) -> None:
    assert_bounded(tiny, clip, name, frames=130)


@pytest.mark.slow
@pytest.mark.usefixtures("untyped_caller")
@pytest.mark.parametrize(("name", "frames"), [("tree", 4_000), ("all rules", 10_000)])
def test_memory_stays_flat(tiny: Sam2, clip: Clip, name: str, frames: int) -> None:
    """As users run it: checking annotations at run time takes three times as long as all the rest."""
    assert_bounded(tiny, clip, name, frames=frames)


def assert_bounded(tiny: Sam2, clip: Clip, name: str, *, frames: int) -> None:
    tracker = StreamTracker(tiny, memory=POLICIES[name])
    most = {"first": 0, "later": 0}
    for t in range(frames):
        tracker.step(clip[min(t % 80, 79 - t % 80) % 40], {1: CLICK} if t == 0 else None)
        most["first" if t < 100 else "later"] = max(
            most["first" if t < 100 else "later"], size_of(tracker._tracker.objects[1].hypotheses)
        )
    assert most["later"] <= most["first"] + 8
    assert tracker.num_memories[1][0] <= 150


def size_of(hypotheses: HypothesisSet) -> int:
    """Number of entries in all banks and states."""
    return sum(
        len(s.bank)
        + len(s.bank.mapped)
        + len(s.state.areas)
        + len(s.state.overlaps)
        + len(s.state.anchors)
        + len(s.state.dissimilar)
        for s in hypotheses.distinct
    )


def test_a_pass_ends_with_the_results_of_the_most_likely_hypothesis(tiny: Sam2, clip: Clip) -> None:
    session = VideoSession(tiny, ArrayVideo(clip[:16]), memory=POLICIES["wide tree"])
    session.prompt(0, object_id=1, prompts=CLICK)
    shown = {out.frame_index: out[1] for out in session.propagate()}
    frames = session.masklets()[1].frames
    assert sorted(frames) == list(range(16))
    np.testing.assert_array_equal(frames[15].to_mask(), shown[15])
    hypotheses = session._tracker.objects[1].hypotheses
    assert {one.results for one in hypotheses.distinct} == {None}
    assert hypotheses.best.score == max(one.score for one in hypotheses.hypotheses)
    for t in range(1, 16):
        assert session.masklets()[1].iou[t] == pytest.approx(hypotheses.best.bank[t].iou)
        np.testing.assert_array_equal(session.masks(t)[1], frames[t].to_mask())
    session.prompt(8, object_id=1, prompts=Prompts.click(40, 20, positive=False))
    assert len(list(session.propagate(start=8))) == 8


@pytest.mark.parametrize("memory", ["tree", EVERYTHING])
def test_names_and_own_policies(tiny: Sam2, memory: Any) -> None:
    policy = resolve_policy(memory, tiny.config)
    assert policy.rules
    assert policy.memory_frames == tiny.config.memory_frames
