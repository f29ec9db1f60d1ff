"""Re-tracking after a correction: only corrected objects, only as far as results change."""

from __future__ import annotations

import numpy as np
import pytest
from jaxtyping import UInt8

from masklet.errors import PromptError, UnknownObjectError
from masklet.io import ArrayVideo
from masklet.model.sam2 import Sam2
from masklet.predict.retrack import retrack
from masklet.predict.session import VideoSession
from masklet.types import Prompts

Clip = UInt8[np.ndarray, "t h w 3"]


def tracked(model: Sam2, clip: Clip) -> VideoSession:
    """Two objects, prompted on frame 4 and tracked over frames 2 to 15."""
    session = VideoSession(model, ArrayVideo(clip[:20]))
    session.prompt_objects(4, {1: Prompts.click(15, 15), 2: Prompts.from_box(30, 10, 60, 40)})
    for _ in session.propagate("both", start=2, end=16):
        pass
    return session


def test_unchanged_results_end_the_pass_after_patience(tiny: Sam2, clip: Clip) -> None:
    session = tracked(tiny, clip)
    frames = [out.frame_index for out in retrack(session, 4, objects={1}, patience=3)]
    assert frames == [5, 6, 7, 3, 2]


def test_a_correction_is_followed_as_far_as_results_reach(tiny: Sam2, clip: Clip) -> None:
    session = tracked(tiny, clip)
    before = session.masklets()
    session.prompt_objects(8, {1: Prompts.from_mask(np.pad(np.ones((20, 30), bool), ((20, 8), (40, 2))))}, replace=True)
    outs = list(retrack(session, 8, objects={1}, patience=100))
    assert [out.frame_index for out in outs] == [*range(9, 16), *range(7, 1, -1)]
    assert all(1 not in out.object_ids or out.object_ids == (1,) for out in outs)
    after = session.masklets()
    assert after[2].frames == before[2].frames
    assert after[1].frames != before[1].frames
    assert sorted(after[1].frames) == sorted(before[1].frames)


def test_range_and_end(tiny: Sam2, clip: Clip) -> None:
    session = tracked(tiny, clip)
    assert [out.frame_index for out in retrack(session, 4, objects={1, 2}, within=range(3, 7))] == [5, 6, 3]
    steps = retrack(session, 4, objects={1})
    assert [next(steps).frame_index for _ in range(2)] == [5, 6]


@pytest.mark.parametrize(
    ("frame", "objects", "error"), [(4, set(), PromptError), (30, {1}, PromptError), (4, {9}, UnknownObjectError)]
)
def test_refused(tiny: Sam2, clip: Clip, frame: int, objects: set[int], error: type[Exception]) -> None:
    with pytest.raises(error):
        retrack(tracked(tiny, clip), frame, objects=objects)
