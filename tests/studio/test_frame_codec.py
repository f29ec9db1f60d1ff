"""Frames of objects between database, tracker and JSON: what goes in comes out."""

from __future__ import annotations

import numpy as np
import pytest

from masklet.predict.results import FrameResult, FrameState
from masklet.studio.frame_codec import row_of, selecting_clicks, state_of, states_of
from masklet.studio.tables import FrameRow
from masklet.types import Prompts, Rle

SIZE = (6, 8)
MASK = np.pad(np.ones((2, 3), bool), ((1, 3), (2, 3)))
RESULT = FrameResult(Rle.from_mask(MASK), 0.75, 0.5, 0.625)

SELECTING = {"x": 1.0, "y": 2.0, "positive": True}


@pytest.mark.parametrize(
    "prompts",
    [
        None,
        Prompts.click(1.5, 2).and_click(3, 4, positive=False),
        Prompts.from_box(1, 2, 5, 6).and_click(3, 4),
        Prompts.from_mask(MASK),
    ],
)
def test_a_row_holds_a_state(prompts: Prompts | None) -> None:
    state = FrameState(
        result=RESULT,
        prompts=prompts,
        reverse=None if prompts else True,
        object_score=1.25,
        pointer=np.arange(4, dtype=np.float32) / 3,
        logits=np.random.default_rng(0).normal(size=(4, 4)).astype(np.float32),
    )
    row = row_of(3, 7, state, [SELECTING])
    assert (row.object_id, row.frame, row.area) == (3, 7, 6)
    read = state_of(row, SIZE)
    assert (read.result, read.reverse, read.object_score) == (RESULT, state.reverse, 1.25)
    for one, other in ((read.pointer, state.pointer), (read.logits, state.logits)):
        assert one is not None
        assert other is not None
        assert np.array_equal(one, other)
    assert selecting_clicks(row) == ([SELECTING] if prompts else [])
    if prompts is None:
        assert read.prompts is None
    else:
        assert read.prompts is not None
        assert np.array_equal(read.prompts.points, prompts.points)
        assert np.array_equal(read.prompts.labels, prompts.labels)
        assert (read.prompts.box is None) == (prompts.box is None)
        assert (read.prompts.mask is None) == (prompts.mask is None)


def test_memories_behind_a_later_prompt_are_doubtful() -> None:
    def row(frame: int, born: int, *, reverse: bool | None = None) -> FrameRow:
        prompts = Prompts.click(1, 1) if reverse is None else None
        made = row_of(
            1, frame, FrameState(result=RESULT, prompts=prompts, reverse=reverse, pointer=np.ones(2, np.float32))
        )
        made.born = born
        return made

    rows = [row(5, 1), *(row(f, 2, reverse=False) for f in (6, 7, 9)), *(row(f, 2, reverse=True) for f in (4, 3))]
    rows += [row(8, 3), row(10, 4, reverse=False)]
    said = {row.frame: row.born for row in rows if row.prompt is not None}
    states = states_of(rows, SIZE, said)
    assert {frame for frame, state in states.items() if state.pointer is None} == {3, 4, 9}
    assert list(states) == sorted(states)
    part = states_of([row for row in rows if row.frame in (4, 9)], SIZE, said)
    assert [frame for frame, state in part.items() if state.pointer is None] == [4, 9]
