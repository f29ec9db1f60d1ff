"""Memory policies by name, checks of prompts, and objects that are marked as absent."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from jaxtyping import UInt8

from masklet.errors import PromptError
from masklet.io import ArrayVideo
from masklet.model.config import TEST_TINY
from masklet.model.sam2 import Sam2
from masklet.predict.image import ImageSegmenter
from masklet.predict.prompting import check_prompts, merge_prompts, resolve_policy
from masklet.predict.session import VideoSession
from masklet.predict.stream import StreamTracker
from masklet.tracking.memory_policy import AppearanceGate, MemoryPolicy, named_policy
from masklet.types import Prompts

Clip = UInt8[np.ndarray, "t h w 3"]
BOX = Prompts.from_box(8, 8, 22, 22)
ABSENT = Prompts.absent((48, 72))


def test_plain_is_what_the_model_was_trained_for() -> None:
    assert resolve_policy("plain", TEST_TINY) == MemoryPolicy(memory_frames=7, max_pointers=16)
    own = MemoryPolicy(memory_frames=3)
    assert resolve_policy(own, TEST_TINY) is own


@pytest.mark.usefixtures("untyped_caller")
@pytest.mark.parametrize(
    ("memory", "message"),
    [
        ("elephant", "'elephant'"),
        (None, "None"),
        (MemoryPolicy(memory_frames=8), "7.* 8"),
    ],
)
def test_refused_policies(memory: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        resolve_policy(memory, TEST_TINY)  # type: ignore[arg-type]


@pytest.mark.usefixtures("untyped_caller")
def test_prompts_that_are_taken() -> None:
    check_prompts({}, (4, 6))
    check_prompts({1: Prompts.click(6, 4)}, (4, 6))
    check_prompts({np.int64(2): Prompts.from_box(0, 0, 6, 4)}, (4, 6))  # type: ignore[dict-item]


@pytest.mark.usefixtures("untyped_caller")
@pytest.mark.parametrize("object_id", [0, -1, 1.0, "1", None, True])
def test_object_ids_that_are_not(object_id: object) -> None:
    with pytest.raises(PromptError):
        check_prompts({object_id: Prompts.click(1, 1)}, (4, 6))  # type: ignore[dict-item]


def session_with(model: Sam2, clip: Clip, said: dict[int, Prompts], **options: Any) -> VideoSession:
    session = VideoSession(model, ArrayVideo(clip[:16]), **options)
    for frame, prompts in said.items():
        session.prompt(frame, object_id=1, prompts=prompts)
    return session


def areas(session: VideoSession) -> list[int]:
    """Of the object on each frame that has a result."""
    return [mask.area for _, mask in sorted(session.masklets()[1].frames.items())]


@pytest.mark.parametrize("memory", ["plain", "gated", "distractor", "motion", "tree"])
def test_absent_until_prompted_again(nano: Sam2, clip: Clip, memory: Any) -> None:
    session = session_with(nano, clip, {0: BOX, 5: ABSENT, 9: BOX}, memory=memory)
    seen = [bool(out[1].any()) for out in session.propagate()]
    assert seen[:5] == [True] * 5
    assert seen[5:9] == [False] * 4
    assert seen[9]
    found = session.masklets()[1]
    assert found.confidence is not None
    assert found.presence[5] == pytest.approx(0, abs=1e-4)
    assert found.confidence[5] == 1.0
    assert all(found.presence[t] < 0.01 for t in range(6, 9))


@pytest.mark.parametrize("with_logits", [False, True])
def test_what_was_tracked_beyond_is_taken_back(nano: Sam2, clip: Clip, *, with_logits: bool) -> None:
    session = session_with(nano, clip, {0: BOX}, with_logits=with_logits)
    list(session.propagate())
    before = areas(session)
    assert all(before)
    session.prompt(6, object_id=1, prompts=ABSENT)
    list(session.propagate(start=6))
    assert areas(session) == before[:6] + [0] * 10
    assert not session.masks(9)[1].any()
    session.clear(6, object_id=1)
    list(session.propagate())
    assert areas(session) == before


def test_a_pass_leaves_what_one_the_other_way_said(nano: Sam2, clip: Clip) -> None:
    """Frames before the absence came from the first prompt, those after it from the second."""
    session = session_with(nano, clip, {0: BOX, 12: BOX})
    list(session.propagate("both"))
    before = areas(session)
    session.prompt(6, object_id=1, prompts=ABSENT)
    list(session.propagate("both"))
    after = areas(session)
    assert after[:6] == before[:6]
    assert after[6] == 0
    assert after[12] == before[12]
    late = session_with(nano, clip, {12: BOX, 6: ABSENT})
    seen = {out.frame_index: bool(out[1].any()) for out in late.propagate("reverse")}
    assert [seen[t] for t in range(13)] == [False] * 7 + [True] * 6


def test_it_tells_nothing_of_how_the_object_looks(nano: Sam2, clip: Clip) -> None:
    """What follows a new prompt is the same whether the object was said to be absent or not asked for before."""
    plain = session_with(nano, clip, {0: BOX, 9: BOX})
    list(plain.propagate(end=6))
    list(plain.propagate(start=9))
    told = session_with(nano, clip, {0: BOX, 6: ABSENT, 9: BOX})
    list(told.propagate(end=6))
    list(told.propagate(start=9))
    assert areas(told)[-7:] == areas(plain)[-7:]


def test_the_click_after_it_starts_afresh(nano: Sam2, clip: Clip) -> None:
    """Nothing is corrected: there was no mask."""
    click = Prompts.click(16, 16)
    session = session_with(nano, clip, {0: BOX, 4: ABSENT})
    list(session.propagate())
    on_it, beyond = (session.preview(frame, {1: click})[1] for frame in (4, 7))
    assert on_it.any()
    assert beyond.any()


def test_it_comes_back_by_itself_where_likeness_is_asked_for(nano: Sam2, clip: Clip) -> None:
    """A still picture: the object looks like itself on the next frame."""
    still = np.repeat(clip[:1], 6, axis=0)
    session = VideoSession(nano, ArrayVideo(still), memory="auto")
    mask = np.zeros((48, 72), bool)
    mask[8:24, 8:24] = True
    session.prompt(0, object_id=1, prompts=Prompts.from_mask(mask))
    session.prompt(2, object_id=1, prompts=ABSENT)
    assert [bool(out[1].any()) for out in session.propagate()] == [True, True, False, True, True, True]


@pytest.mark.parametrize("memory", ["plain", "tree", "auto"])
def test_a_stream_says_the_same(nano: Sam2, clip: Clip, memory: Any) -> None:
    said = {0: BOX, 4: ABSENT, 9: Prompts.click(20, 18)}
    tracker = StreamTracker(nano, memory=memory)
    seen = [tracker.step(clip[t], {1: said[t]} if t in said else None)[1] for t in range(4)]
    session = VideoSession(nano, ArrayVideo(clip[:16]), memory=memory)
    at = 0
    recorded: dict[int, Any] = {}
    for frame, prompts in said.items():
        recorded |= {out.frame_index: out[1] for out in session.propagate(start=at, end=frame + 1)} if frame else {}
        session.prompt(frame, object_id=1, prompts=prompts)
        at = frame
    recorded |= {out.frame_index: out[1] for out in session.propagate(start=at)}
    seen += [tracker.step(clip[t], {1: said[t]} if t in said else None)[1] for t in range(4, 16)]
    for t, mask in enumerate(seen):
        np.testing.assert_array_equal(mask, recorded[t], err_msg=str(t))


def test_a_stream_forgets_with_the_object(nano: Sam2, clip: Clip) -> None:
    tracker = StreamTracker(nano)
    tracker.step(clip[0], {1: BOX})
    tracker.step(clip[1], {1: ABSENT})
    assert not tracker.step(clip[2])[1].any()
    tracker.forget(1)
    tracker.step(clip[3], {1: BOX})
    assert tracker.step(clip[4])[1].any()


@pytest.mark.parametrize("memory", ["plain", "auto"])
def test_what_was_never_there_is_nowhere(nano: Sam2, clip: Clip, memory: Any) -> None:
    tracker = StreamTracker(nano, memory=memory)
    assert not tracker.step(clip[0], {1: ABSENT})[1].any()
    assert not tracker.step(clip[1])[1].any()
    assert tracker.step(clip[2], {1: BOX})[1].any()
    session = session_with(nano, clip, {0: ABSENT, 2: BOX}, memory=memory)
    seen = {out.frame_index: 1 in out.object_ids and bool(out[1].any()) for out in session.propagate()}
    assert [seen.get(t, False) for t in range(3)] == [False, False, True]


def test_a_session_written_down_goes_on(nano: Sam2, clip: Clip) -> None:
    session = session_with(nano, clip, {0: BOX, 5: ABSENT})
    list(session.propagate(end=8))
    states = {t: session.frame_state(1, t) for t in range(8)}
    again = VideoSession(nano, ArrayVideo(clip[:16]))
    again.restore(1, states)
    list(again.propagate(start=5))
    list(session.propagate(start=5))
    assert areas(again) == areas(session)
    assert not any(areas(again)[5:])


def test_where_it_means_nothing(nano: Sam2, clip: Clip) -> None:
    segmenter = ImageSegmenter(nano)
    with pytest.raises(PromptError):
        segmenter.segment(segmenter.encode(clip[0]), ABSENT)
    with pytest.raises(PromptError, match="72x48"):
        session_with(nano, clip, {0: Prompts.absent((10, 10))})
    with pytest.raises(PromptError):
        Prompts.from_mask(np.zeros((48, 72), bool))
    assert ABSENT.is_absent
    assert not BOX.is_absent


def test_the_only_prompt_says_absent_after_all(nano: Sam2, clip: Clip) -> None:
    """What was tracked from it before does not stand."""
    session = session_with(nano, clip, {0: BOX}, memory="auto")
    list(session.propagate())
    session.prompt(0, object_id=1, prompts=ABSENT)
    list(session.propagate())
    assert not any(areas(session))


def test_with_auto_too_a_pass_leaves_what_one_the_other_way_said(nano: Sam2, clip: Clip) -> None:
    session = session_with(nano, clip, {0: BOX}, memory="auto")
    list(session.propagate())
    before = areas(session)
    session.prompt(6, object_id=1, prompts=ABSENT)
    session.prompt(12, object_id=1, prompts=Prompts.from_box(20, 14, 34, 28))
    list(session.propagate("reverse"))
    assert areas(session)[:6] == before[:6]


def test_rules_learn_from_a_correction_at_once(nano: Sam2, clip: Clip) -> None:
    """A pass that goes on behind a corrected frame hides the object no more than one that comes through it."""
    rules = named_policy("auto", nano.config)
    strict = replace(rules, appearance=AppearanceGate(min_similarity=0.0, reliable_similarity=1.0, patience=3))
    seen = []
    for start in (6, 7):
        session = session_with(nano, clip, {0: BOX}, memory=strict)
        list(session.propagate(end=7))
        session.prompt(6, object_id=1, prompts=Prompts.from_box(14, 11, 28, 25))
        list(session.propagate(start=start))
        seen.append(areas(session)[7:])
    assert seen[0] == seen[1]
    assert any(seen[0][:3])


DRAWN = Prompts.from_mask(np.eye(3, dtype=bool))


@pytest.mark.parametrize(
    ("before", "added", "points", "labels", "box", "mask"),
    [
        (None, Prompts.click(2, 3), [[2, 3]], [1], None, False),
        (Prompts.click(1, 1), Prompts.click(2, 3, positive=False), [[1, 1], [2, 3]], [1, 0], None, False),
        (Prompts.click(1, 1), Prompts.from_box(0, 0, 2, 2), [[1, 1]], [1], [0, 0, 2, 2], False),
        (Prompts.from_box(0, 0, 2, 2), Prompts.click(1, 1), [[1, 1]], [1], [0, 0, 2, 2], False),
        (Prompts.from_box(0, 0, 2, 2), Prompts.from_box(1, 1, 3, 3), [], [], [1, 1, 3, 3], False),
        (Prompts.click(1, 1), DRAWN, [], [], None, True),
        (DRAWN, Prompts.click(1, 1), [[1, 1]], [1], None, False),
    ],
)
def test_prompts_of_one_frame_add_up(
    before: Prompts | None,
    added: Prompts,
    points: list[list[int]],
    labels: list[int],
    box: list[int] | None,
    mask: bool,
) -> None:
    merged = merge_prompts(before, added)
    assert merged.points.tolist() == points
    assert merged.labels.tolist() == labels
    assert (None if merged.box is None else merged.box.tolist()) == box
    assert (merged.mask is not None) is mask
