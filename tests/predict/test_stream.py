"""Streams: equal to sessions, objects batched, memory bounded, invalid frames not taken."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from random import Random

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from jaxtyping import UInt8

from masklet.errors import MediaError, PromptError, UnknownObjectError
from masklet.io import ArrayVideo
from masklet.model.sam2 import Sam2
from masklet.model.tensors import ChosenMask, ImageFeatures, MaskPrediction, MemoryTokens, PromptTensors
from masklet.predict.postprocess import PostProcess
from masklet.predict.session import VideoSession
from masklet.predict.stream import StreamTracker
from masklet.tracking.memory_policy import MemoryPolicy
from masklet.types import FrameMasks, Prompts, RgbImage

Clip = UInt8[np.ndarray, "t h w 3"]
Workers = Callable[[], int]
Script = dict[int, dict[int, Prompts]]

CLICK = Prompts.click(15, 15)
BOX = Prompts.from_box(30, 10, 60, 40)
MASK = Prompts.from_mask(np.pad(np.ones((14, 14), bool), ((8, 26), (8, 50))))
ABSENT = Prompts.absent((48, 72))
NEGATIVE = Prompts.click(40, 20, positive=False)

SCRIPTS: dict[str, Script] = {
    "one click": {0: {1: CLICK}},
    "three kinds of prompts": {0: {1: CLICK, 2: BOX, 3: MASK}},
    "objects added later": {0: {1: MASK}, 5: {2: CLICK}, 13: {3: BOX, 4: Prompts.click(50, 30)}},
    "first prompt late": {11: {7: CLICK}},
    "corrected while tracked": {0: {1: CLICK}, 9: {1: NEGATIVE}, 22: {1: BOX}, 23: {1: Prompts.click(30, 25)}},
    "replaced by a mask": {0: {1: CLICK}, 12: {1: MASK}},
    "all corrected at once": {0: {1: CLICK, 2: BOX}, 10: {1: NEGATIVE, 2: Prompts.click(30, 20)}},
    "absent and back": {0: {1: CLICK}, 8: {1: ABSENT}, 15: {1: Prompts.click(20, 20)}},
    "prompted on every second frame": {t: {1: Prompts.click(15 + t, 15 + t // 2)} for t in range(0, 28, 2)},
}


def stream(tracker: StreamTracker, clip: Clip, script: Mapping[int, Mapping[int, Prompts]]) -> list[FrameMasks]:
    return [tracker.step(frame, script.get(index)) for index, frame in enumerate(clip)]


def record(model: Sam2, clip: Clip, script: Script, memory: MemoryPolicy | None = None) -> dict[int, FrameMasks]:
    """What somebody sees who stops at each prompted frame, prompts it, and goes on from there."""
    session = VideoSession(model, ArrayVideo(clip), memory=memory or "plain", with_logits=True)
    seen: dict[int, FrameMasks] = {}
    at = None
    for index, prompts in script.items():
        if at is not None:
            seen |= {out.frame_index: out for out in session.propagate(start=at, end=index + 1)}
        session.prompt_objects(index, prompts)
        at = index
    return seen | {out.frame_index: out for out in session.propagate(start=at)}


def assert_same(found: FrameMasks, expected: FrameMasks) -> None:
    assert found.frame_index == expected.frame_index
    assert found.object_ids == expected.object_ids
    for field in ("logits", "masks", "presence", "iou"):
        np.testing.assert_array_equal(getattr(found, field), getattr(expected, field), err_msg=field)


@pytest.mark.parametrize("name", SCRIPTS)
def test_streaming_equals_recorded(tiny: Sam2, clip: Clip, name: str) -> None:
    clip, script = clip[:28], SCRIPTS[name]  # longer than every window: 6 maps, 15 pointers
    live = stream(StreamTracker(tiny, with_logits=True), clip, script)
    recorded = record(tiny, clip, script)
    first = min(script)
    assert all(out.object_ids == () for out in live[:first])
    assert sorted(recorded) == list(range(first, len(clip)))
    for out in live[first:]:
        assert_same(out, recorded[out.frame_index])


def test_streaming_equals_recorded_prompts_given_in_advance(tiny: Sam2, clip: Clip) -> None:
    clip, script = clip[:20], SCRIPTS["objects added later"]
    session = VideoSession(tiny, ArrayVideo(clip), with_logits=True)
    for index in (13, 0, 5):  # the order in which a person prompts must not matter
        session.prompt_objects(index, script[index])
    live = stream(StreamTracker(tiny, with_logits=True), clip, script)
    for out, expected in zip(session.propagate(), live, strict=True):
        assert out.logits is not None
        assert expected.logits is not None
        for object_id in expected.object_ids:
            row, expected_row = out.position(object_id), expected.position(object_id)
            np.testing.assert_array_equal(out.logits[row], expected.logits[expected_row])


kinds = st.sampled_from([CLICK, BOX, MASK, NEGATIVE, ABSENT, Prompts.click(30, 25)])
one_object = st.dictionaries(st.integers(0, 7), kinds, min_size=2, max_size=5)
two_objects = st.dictionaries(
    st.integers(0, 7), st.dictionaries(st.integers(1, 2), kinds, min_size=1), min_size=1, max_size=4
)


@settings(max_examples=10)
@given(one_object, st.randoms(use_true_random=False))
def test_corrections_on_frames_not_yet_reached(
    tiny: Sam2, clip: Clip, prompts: dict[int, Prompts], order: Random
) -> None:
    """The order in which frames are prompted does not matter, and a session equals a stream, bit by bit."""
    script = {index: {1: one} for index, one in prompts.items()}
    session = VideoSession(tiny, ArrayVideo(clip[:9]), with_logits=True)
    for index in order.sample(sorted(script), len(script)):
        session.prompt_objects(index, script[index])
    live = stream(StreamTracker(tiny, with_logits=True), clip[:9], script)
    for out in session.propagate():
        assert_same(out, live[out.frame_index])


@settings(max_examples=10)
@given(two_objects)
def test_a_session_with_prompts_in_advance_equals_a_stream(tiny: Sam2, clip: Clip, script: Script) -> None:
    session = VideoSession(tiny, ArrayVideo(clip[:9]), with_logits=True)
    live = stream(StreamTracker(tiny, with_logits=True), clip[:9], script)
    for out in session.track(script):
        assert_same(out, live[out.frame_index])


@pytest.mark.parametrize(
    "policy",
    [
        MemoryPolicy(max_prompted=2, memory_frames=3, clip_length=10),
        MemoryPolicy(memory_frames=1, max_pointers=5),
        MemoryPolicy(keep_memories=True),
    ],
)
def test_streaming_equals_recorded_with_other_policies(tiny: Sam2, clip: Clip, policy: MemoryPolicy) -> None:
    clip, script = clip[:20], {t: {1: Prompts.click(15 + t, 15 + t // 2)} for t in range(0, 18, 2)}
    recorded = record(tiny, clip, script, policy)
    for out in stream(StreamTracker(tiny, memory=policy, with_logits=True), clip, script):
        assert_same(out, recorded[out.frame_index])


def test_one_of_several_objects_corrected(tiny: Sam2, clip: Clip) -> None:
    """The recorded session answers the corrected object alone, so the sums differ in their last digits."""
    clip = clip[:20]
    script: Script = {0: {1: CLICK, 2: BOX, 3: MASK}, 9: {2: NEGATIVE}}
    recorded = record(tiny, clip, script)
    for out in stream(StreamTracker(tiny, with_logits=True), clip, script):
        expected = recorded[out.frame_index]
        assert out.logits is not None
        assert expected.logits is not None
        np.testing.assert_allclose(out.logits, expected.logits, atol=2e-3)
        shared, either = (out.masks & expected.masks).sum(), (out.masks | expected.masks).sum()
        assert shared >= 0.999 * either


def test_random_model_sees_objects_come_and_go(tiny: Sam2, clip: Clip) -> None:
    """Keeps the tests of this folder honest: present and absent frames both occur, and masks change."""
    presence = np.array([out.presence for out in stream(StreamTracker(tiny), clip, SCRIPTS["three kinds of prompts"])])
    assert ((presence > 0.5).mean(axis=0) > 0.25).all()
    assert ((presence < 0.5).mean(axis=0) > 0.25).all()


def test_absent_objects_have_empty_masks(tiny: Sam2, clip: Clip) -> None:
    for out in stream(StreamTracker(tiny), clip, {0: {1: CLICK, 2: BOX}}):
        for mask, presence in zip(out.masks, out.presence, strict=True):
            assert presence > 0.5 or not mask.any()


class CountingSam2(Sam2):
    """Counts the calls of the verbs and the rows they run."""

    calls: Counter[str]

    def encode_image(self, pixels: torch.Tensor) -> ImageFeatures:
        self.calls["encode_image"] += 1
        return super().encode_image(pixels)

    def condition(self, features: ImageFeatures, memory: MemoryTokens | None) -> ImageFeatures:
        self.calls["condition" if memory else "condition on nothing"] += 1
        return super().condition(features, memory)

    def decode(self, features: ImageFeatures, prompts: PromptTensors) -> MaskPrediction:
        self.calls["decode"] += 1
        return super().decode(features, prompts)

    def use_mask_as_output(self, features: ImageFeatures, mask: torch.Tensor) -> ChosenMask:
        self.calls["use_mask_as_output"] += 1
        return super().use_mask_as_output(features, mask)

    def encode_memory(self, features: ImageFeatures, chosen: ChosenMask, *, prompted: bool) -> torch.Tensor:
        self.calls["encode_memory"] += 1
        return super().encode_memory(features, chosen, prompted=prompted)


@pytest.fixture
def counting(tiny: Sam2) -> CountingSam2:
    model = CountingSam2(tiny.config).eval().requires_grad_(False)
    model.load_state_dict(tiny.state_dict())
    model.calls = Counter()
    return model


EIGHT = {i: Prompts.click(5 + 7 * i, 5 + 4 * i) for i in range(1, 9)}
TRACKED = {"encode_image": 1, "condition": 1, "decode": 1, "encode_memory": 1}


def test_verbs_of_a_stream(counting: CountingSam2, clip: Clip) -> None:
    tracker = StreamTracker(counting)
    tracker.step(clip[0], EIGHT)
    assert counting.calls == {"encode_image": 1, "condition on nothing": 1, "decode": 1, "encode_memory": 1}
    for frame in clip[1:20]:
        counting.calls.clear()
        tracker.step(frame)
        assert counting.calls == TRACKED
    counting.calls.clear()
    tracker.step(clip[20], dict.fromkeys(range(11, 14), MASK))
    assert counting.calls == TRACKED | {"use_mask_as_output": 1, "encode_memory": 2}
    counting.calls.clear()
    tracker.step(clip[21])
    assert counting.calls == TRACKED | {"condition": 2}  # two histories, each as one batch; one decode for all
    for object_id in range(1, 9):
        tracker.forget(object_id)
    counting.calls.clear()
    tracker.step(clip[22])
    assert counting.calls == TRACKED


def test_verbs_of_a_session(counting: CountingSam2, clip: Clip) -> None:
    session = VideoSession(counting, ArrayVideo(clip))
    session.prompt_objects(0, EIGHT)
    assert counting.calls == {"encode_image": 1, "condition on nothing": 1, "decode": 1, "encode_memory": 1}
    outputs = session.propagate()
    next(outputs)
    for _ in range(1, 20):
        counting.calls.clear()
        next(outputs)
        assert counting.calls == TRACKED


def test_nothing_runs_before_the_first_prompt(counting: CountingSam2, clip: Clip) -> None:
    tracker = StreamTracker(counting)
    out = tracker.step(clip[0])
    assert (out.frame_index, out.object_ids, out.masks.shape) == (0, (), (0, 48, 72))
    assert out.label_map().shape == (48, 72)
    assert counting.calls == {}


def live_tensors() -> int:
    gc.collect()
    return sum(issubclass(type(thing), torch.Tensor) for thing in gc.get_objects())


@pytest.mark.usefixtures("untyped_caller")  # hundreds of frames are quicker without type checks
def test_memory_is_bounded(tiny: Sam2, clip: Clip) -> None:
    tracker = StreamTracker(tiny)
    policy = tracker.policy
    counts: dict[int, dict[int, tuple[int, int]]] = {}
    tensors: dict[int, int] = {}
    for index in range(300):
        prompts = {}
        if index == 0:
            prompts = {1: CLICK, 2: BOX, 3: MASK}
        elif index == 120:
            tracker.forget(2)
            prompts = {4: CLICK}
        if index % 5 == 0:
            prompts[1] = Prompts.click(15, 15)
        tracker.step(clip[index % len(clip)], prompts)
        counts[index] = tracker.num_memories
        if index in (100, 295):
            tensors[index] = live_tensors()
    prompted = policy.max_prompted or 0
    for num_memories in counts.values():
        assert all(
            memories <= prompted + policy.pointer_reach and maps <= prompted + policy.memory_frames - 1
            for memories, maps in num_memories.values()
        )
    warm = counts[100]
    assert all(counts[index][1] == warm[1] and counts[index][3] == warm[3] for index in range(100, 300, 5))
    assert counts[299][4] == warm[2]
    assert sorted(counts[299]) == [1, 3, 4]
    assert tensors[295] == tensors[100]


def test_forgetting_leaves_the_others_alone(tiny: Sam2, clip: Clip) -> None:
    """Rows of a batch are independent up to rounding, so what remains goes on as if the other had never been."""
    both, alone = StreamTracker(tiny, with_logits=True), StreamTracker(tiny, with_logits=True)
    for index, frame in enumerate(clip[:20]):
        out = both.step(frame, {1: CLICK, 2: BOX} if index == 0 else None)
        expected = alone.step(frame, {1: CLICK} if index == 0 else None)
        if index == 10:
            both.forget(2)
        assert out.logits is not None
        assert expected.logits is not None
        np.testing.assert_allclose(out.logits[0], expected.logits[0], atol=2e-3)
    assert both.object_ids == (1,)
    assert out.object_ids == (1,)


def test_forgotten_id_starts_afresh(tiny: Sam2, clip: Clip) -> None:
    tracker, fresh = StreamTracker(tiny, with_logits=True), StreamTracker(tiny, with_logits=True)
    for index, frame in enumerate(clip[:5]):
        tracker.step(frame, {1: CLICK} if index == 0 else None)
        fresh.step(frame)
    tracker.forget(1)
    assert tracker.object_ids == ()
    assert tracker.num_memories == {}
    for index, frame in enumerate(clip[5:12]):
        prompts = {1: BOX} if index == 0 else None
        assert_same(tracker.step(frame, prompts), fresh.step(frame, prompts))


def test_drawn_mask_is_shown_exactly(tiny: Sam2, clip: Clip) -> None:
    checkers = (np.indices((48, 72)).sum(axis=0) % 2).astype(bool)  # what no model at this size can draw
    out = StreamTracker(tiny).step(clip[0], {1: Prompts.from_mask(checkers), 2: CLICK})
    np.testing.assert_array_equal(out[1], checkers)
    assert out.iou[0] == 1
    assert out.presence[0] > 0.999


def test_objects_are_in_the_order_of_their_first_prompts(tiny: Sam2, clip: Clip) -> None:
    tracker = StreamTracker(tiny)
    tracker.step(clip[0], {9: CLICK})
    out = tracker.step(clip[1], {4: BOX, 9: NEGATIVE, 2: MASK})
    assert out.object_ids == tracker.object_ids == (9, 4, 2)
    assert tracker.frame_index == 2
    assert tracker.step(clip[2]).object_ids == (9, 4, 2)


def test_numpy_integers_are_object_ids(tiny: Sam2, clip: Clip) -> None:
    tracker = StreamTracker(tiny)
    tracker.step(clip[0], {int(np.int64(3)): CLICK})
    assert tracker.object_ids == (3,)


def test_postprocess_never_reaches_the_memory(tiny: Sam2, clip: Clip) -> None:
    cleaned = StreamTracker(
        tiny, with_logits=True, postprocess=PostProcess(fill_holes=50, remove_specks=20, non_overlap=True)
    )
    plain = StreamTracker(tiny, with_logits=True)
    for index, frame in enumerate(clip[:12]):
        prompts = {1: CLICK, 2: BOX} if index == 0 else None
        out, expected = cleaned.step(frame, prompts), plain.step(frame, prompts)
        np.testing.assert_array_equal(out.logits, expected.logits)


def test_logits_only_where_asked_for(tiny: Sam2, clip: Clip) -> None:
    assert StreamTracker(tiny).step(clip[0], {1: CLICK}).logits is None
    out = StreamTracker(tiny, with_logits=True).step(clip[0], {1: CLICK})
    assert out.logits is not None
    np.testing.assert_array_equal(out.logits > 0, out.masks)


@pytest.mark.usefixtures("untyped_caller")
@pytest.mark.parametrize(
    ("frame", "prompts", "error", "message"),
    [
        (np.zeros((48, 70, 3), np.uint8), None, MediaError, "70x48"),
        (np.zeros((48, 72, 4), np.uint8), None, MediaError, "got (48, 72, 4) uint8"),
        (np.zeros((48, 72, 3), np.float32), None, MediaError, "got (48, 72, 3) float32"),
        (np.zeros((48, 72), np.uint8), None, MediaError, "got (48, 72) uint8"),
        (None, None, MediaError, "got NoneType"),
        ("good", {2: Prompts.click(72.6, 3)}, PromptError, "click (72.6, 3)"),
        ("good", {2: CLICK, 1: Prompts.click(9, -1)}, PromptError, "click (9, -1) is outside"),
        ("good", {1: Prompts.from_mask(np.ones((72, 48), bool))}, PromptError, "expected a mask of 72x48 pixels"),
        ("good", {0: CLICK}, PromptError, "object ids are positive integers, got 0"),
        ("good", {"dog": CLICK}, PromptError, "object ids are positive integers, got 'dog'"),
        ("good", {True: CLICK}, PromptError, "object ids are positive integers, got True"),
        ("good", {1: (3, 4)}, PromptError, "expected Prompts for object 1, got tuple"),
        ("good", CLICK, PromptError, "expected prompts by object id"),
    ],
)
def test_refused_frames_are_not_taken(
    tiny: Sam2, clip: Clip, frame: object, prompts: object, error: type[Exception], message: str
) -> None:
    disturbed, calm = StreamTracker(tiny, with_logits=True), StreamTracker(tiny, with_logits=True)
    for tracker in (disturbed, calm):
        tracker.step(clip[0], {1: CLICK})
        tracker.step(clip[1])
    with pytest.raises(error) as caught:
        disturbed.step(clip[2] if isinstance(frame, str) else frame, prompts)  # type: ignore[arg-type]
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert (disturbed.frame_index, disturbed.object_ids) == (2, (1,))
    for later in clip[2:5]:
        assert_same(disturbed.step(later), calm.step(later))


def test_first_frame_that_is_refused_sets_no_size(tiny: Sam2, clip: Clip) -> None:
    tracker = StreamTracker(tiny)
    with pytest.raises(PromptError):
        tracker.step(clip[0][:20, :20].copy(), {1: Prompts.click(40, 40)})
    assert tracker.step(clip[0], {1: CLICK}).frame_index == 0


def test_unknown_object(tiny: Sam2, clip: Clip) -> None:
    tracker = StreamTracker(tiny)
    with pytest.raises(UnknownObjectError, match=r"object 3.*none"):
        tracker.forget(3)
    tracker.step(clip[0], {1: CLICK, 2: BOX})
    with pytest.raises(UnknownObjectError, match=r"object 3.*1, 2"):
        tracker.forget(3)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 40), (3, 3), (200, 20), (63, 65)])
def test_odd_sizes(tiny: Sam2, height: int, width: int) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (3, height, width, 3), np.uint8)
    tracker = StreamTracker(tiny)
    prompts = {1: Prompts.click(0, 0), 2: Prompts.from_mask(np.eye(height, width, dtype=bool))}
    for index, frame in enumerate(frames):
        out = tracker.step(frame, prompts if index == 0 else None)
        assert out.masks.shape == (2, height, width)


def test_frames_as_people_have_them(tiny: Sam2, clip: Clip) -> None:
    """Read-only, mirrored and transposed views give what a plain copy gives."""
    frozen = clip[0].copy()
    frozen.flags.writeable = False
    for view in (frozen, clip[0][:, ::-1], clip[0].transpose(1, 0, 2)):
        found = StreamTracker(tiny, with_logits=True).step(view, {1: CLICK})
        expected = StreamTracker(tiny, with_logits=True).step(view.copy(order="C"), {1: CLICK})
        assert_same(found, expected)


def begun(model: Sam2, clip: Clip, prompts: Mapping[int, Prompts]) -> StreamTracker:
    """A tracker that has taken the first frame, on one thread."""
    tracker = StreamTracker(model, with_logits=True)
    torch.set_num_threads(1)
    tracker.step(clip[0], prompts)
    torch.set_num_threads(2)
    return tracker


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize("script", [{}, {5: {1: NEGATIVE}, 9: {1: MASK}}, {4: {2: BOX}}])
def test_frames_encoded_ahead_give_the_same_masks(tiny: Sam2, clip: Clip, script: Script) -> None:
    clip = clip[:11]
    tracker = begun(tiny, clip, {1: CLICK})
    done = list(tracker.steps(clip[1:], script))
    torch.set_num_threads(1)
    expected = stream(StreamTracker(tiny, with_logits=True), clip, {0: {1: CLICK}, **script})
    assert all((step.frame == frame).all() for step, frame in zip(done, clip[1:], strict=True))
    for step, out in zip(done, expected[1:], strict=True):
        assert_same(step.masks, out)
    assert tracker.frame_index == len(clip)


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize(("prompts", "threads"), [({}, 1), ({1: CLICK}, 2), ({1: CLICK, 2: BOX, 3: MASK}, 1)])
def test_frames_are_encoded_ahead_for_few_objects(
    tiny: Sam2, clip: Clip, prompts: dict[int, Prompts], threads: int, workers: Workers
) -> None:
    steps = begun(tiny, clip, prompts).steps(clip[1:6])
    next(steps)
    assert workers() == threads - 1
    assert torch.get_num_threads() == 2
    steps.close()
    assert workers() == 0


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize("last", [0, 1, 5])
def test_frames_before_an_error_are_tracked(tiny: Sam2, clip: Clip, last: int, workers: Workers) -> None:
    def frames() -> Iterator[RgbImage]:
        yield from clip[1 : last + 1]
        raise MediaError("the next frame cannot be decoded")

    tracker, done = begun(tiny, clip, {1: CLICK}), []

    def track() -> None:
        for step in tracker.steps(frames()):
            done.append(step.masks.frame_index)
            assert step.masks.object_ids == (1,)

    with pytest.raises(MediaError):
        track()
    assert done == list(range(1, last + 1))
    assert workers() == 0


@pytest.mark.usefixtures("two_threads")
def test_a_bad_frame_ends_steps(tiny: Sam2, clip: Clip, workers: Workers) -> None:
    tracker = begun(tiny, clip, {1: CLICK})
    steps = tracker.steps(frame for frame in (clip[1], clip[2], clip[3][:20]))
    assert [next(steps).masks.frame_index for _ in range(2)] == [1, 2]
    with pytest.raises(MediaError, match="72x20"):
        next(steps)
    assert tracker.frame_index == 3
    assert (workers(), torch.get_num_threads()) == (0, 2)


def test_steps_on_one_thread_take_frames_at_their_turn(tiny: Sam2, clip: Clip) -> None:
    taken = []

    def frames() -> Iterator[RgbImage]:
        for index in range(4):
            taken.append(index)
            yield clip[index]

    for step in StreamTracker(tiny).steps(frames(), {0: {1: CLICK}}):
        assert taken[-1] == step.masks.frame_index
    assert taken == [0, 1, 2, 3]
