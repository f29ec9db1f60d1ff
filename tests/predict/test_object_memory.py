"""Object memories: tracking continues unchanged after saving and loading; files that do not fit raise errors."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jaxtyping import UInt8
from safetensors.torch import load_file, save_file

from masklet.errors import FormatError, MaskletError, OutputError, PromptError, UnknownObjectError, WeightsError
from masklet.io import ArrayVideo
from masklet.model.sam2 import Sam2
from masklet.predict.object_memory import ObjectMemory
from masklet.predict.session import VideoSession
from masklet.predict.stream import StreamTracker
from masklet.types import FrameMasks, Prompts

Clip = UInt8[np.ndarray, "t h w 3"]
BOX = Prompts.from_box(30, 10, 60, 40)


def same(found: FrameMasks, expected: FrameMasks) -> bool:
    return all(
        np.array_equal(getattr(found, field), getattr(expected, field))
        for field in ("masks", "presence", "iou", "logits")
    )


@pytest.mark.parametrize("memory", ["plain", "distractor", "motion", "auto"])
def test_a_stream_goes_on_elsewhere(tiny: Sam2, clip: Clip, tmp_path: Path, memory: Any) -> None:
    whole = StreamTracker(tiny, memory=memory, with_logits=True)
    expected = [whole.step(frame, {1: BOX} if t == 0 else None) for t, frame in enumerate(clip[:20])]
    first = StreamTracker(tiny, memory=memory)
    for t, frame in enumerate(clip[:12]):
        first.step(frame, {1: BOX} if t == 0 else None)
    first.memory(1).save(tmp_path / "box.safetensors")
    again = StreamTracker(tiny, memory=memory, with_logits=True)
    again.resume(1, ObjectMemory.load(tmp_path / "box.safetensors"), continues=True)
    for t in range(12, 20):
        assert same(again.step(clip[t]), expected[t])


def test_a_session_goes_on_elsewhere(tiny: Sam2, clip: Clip, tmp_path: Path) -> None:
    whole = VideoSession(tiny, ArrayVideo(clip[:16]), with_logits=True)
    whole.prompt(0, object_id=1, prompts=BOX)
    expected = {out.frame_index: out for out in whole.propagate()}
    part = VideoSession(tiny, ArrayVideo(clip[:9]))
    part.prompt(0, object_id=1, prompts=BOX)
    assert len(list(part.propagate())) == 9
    part.memory(1).save(tmp_path / "box.safetensors")
    rest = VideoSession(tiny, ArrayVideo(clip[7:16]), with_logits=True)
    rest.resume(2, object_id=5, memory=ObjectMemory.load(tmp_path / "box.safetensors"), continues=True)
    found = list(rest.propagate())
    assert [out.frame_index for out in found] == list(range(2, 9))
    assert all(same(out, expected[out.frame_index + 7]) for out in found)
    assert all(same(out, expected[out.frame_index + 7]) for out in rest.propagate())  # and again
    assert rest.masklets()[5].prompted == ()
    with pytest.raises(PromptError, match="frame 2"):
        rest.prompt(1, object_id=5, prompts=BOX)
    rest.prompt(4, object_id=5, prompts=Prompts.click(40, 20, positive=False))
    assert len(list(rest.propagate("both", start=0))) >= 7
    assert min(rest.masklets()[5].frames) == 2


def test_a_pass_in_reverse_goes_on_forward(tiny: Sam2, clip: Clip) -> None:
    """The mirrored memory of a pass in reverse is that of a forward pass over the mirrored video."""
    backward = VideoSession(tiny, ArrayVideo(clip[8:18]))
    backward.prompt(9, object_id=1, prompts=BOX)
    assert len(list(backward.propagate("reverse"))) == 10
    forward = VideoSession(tiny, ArrayVideo(clip[8:18][::-1].copy()))
    forward.prompt(0, object_id=1, prompts=BOX)
    assert len(list(forward.propagate())) == 10
    trackers = [StreamTracker(tiny, with_logits=True) for _ in range(2)]
    for tracker, session in zip(trackers, (backward, forward), strict=True):
        tracker.resume(1, session.memory(1), continues=True)
    for t in (7, 6, 5):
        a, b = (tracker.step(clip[t]) for tracker in trackers)
        assert same(a, b)


def test_in_another_video_only_lasting_memory_counts(tiny: Sam2, clip: Clip) -> None:
    tracker = StreamTracker(tiny)
    for t, frame in enumerate(clip[:10]):
        tracker.step(frame, {1: BOX} if t == 0 else None)
    other = StreamTracker(tiny)
    other.resume(3, tracker.memory(1))
    assert other.num_memories == {3: (1, 1)}
    out = other.step(clip[30])
    assert out.object_ids == (3,)
    with pytest.raises(PromptError, match="3"):
        other.resume(3, tracker.memory(1))
    with pytest.raises(UnknownObjectError):
        other.memory(1)


@pytest.fixture
def saved(tiny: Sam2, clip: Clip, tmp_path: Path) -> Path:
    tracker = StreamTracker(tiny)
    tracker.step(clip[0], {1: BOX})
    path = tmp_path / "box.safetensors"
    tracker.memory(1).save(path)
    return path


def test_another_model_or_size_is_refused(tiny: Sam2, nano: Sam2, saved: Path) -> None:
    memory = ObjectMemory.load(saved)
    attempts: tuple[Callable[[], object], ...] = (
        lambda: StreamTracker(nano).resume(1, memory),
        lambda: VideoSession(nano, ArrayVideo(np.zeros((2, 9, 9, 3), np.uint8))).resume(0, object_id=1, memory=memory),
    )
    for attempt in attempts:
        with pytest.raises(WeightsError, match=r"64 px.*nano.*160 px"):
            attempt()


def changed(path: Path, tensors: dict[str, Any] | None = None, **facts: Any) -> None:
    from safetensors import safe_open  # noqa: PLC0415

    with safe_open(path, framework="pt") as file:
        metadata = dict(file.metadata())
    known = json.loads(metadata["memory"]) | facts
    save_file({**load_file(path), **(tensors or {})}, path, metadata=metadata | {"memory": json.dumps(known)})


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"frames": []}, "1024"),
        ({"frames": [[0, 1, 1, True]] * 2000}, "1024"),
        ({"frames": [[7, 1.0, 1.0, True]]}, "pointer.7"),
        ({"next": "soon"}, "not a memory"),
        ({"course": {"mean": [1], "covariance": [], "seen": 0, "stable": 0}}, "motion state is malformed"),
        ({"areas": 5}, "not a memory"),
    ],
)
def test_malformed_files_are_refused(saved: Path, facts: dict[str, Any], message: str) -> None:
    changed(saved, **facts)
    with pytest.raises(FormatError, match=message):
        ObjectMemory.load(saved)


def test_files_that_are_no_memory(saved: Path, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("hello")
    changed(saved, {"pointer.0": load_file(saved)["pointer.0"] * np.nan})
    weights = tmp_path / "weights.safetensors"
    save_file(load_file(saved), weights)
    for path in (tmp_path / "text", tmp_path / "nothing", tmp_path, saved, weights):
        with pytest.raises(FormatError) as error:
            ObjectMemory.load(path)
        assert "\n" not in str(error.value)


def test_a_folder_that_is_not_there(tiny: Sam2, clip: Clip, tmp_path: Path) -> None:
    tracker = StreamTracker(tiny)
    tracker.step(clip[0], {1: BOX})
    with pytest.raises(OutputError) as error:
        tracker.memory(1).save(tmp_path / "no" / "box.safetensors")
    assert isinstance(error.value, MaskletError)
    assert list(tmp_path.iterdir()) == []
