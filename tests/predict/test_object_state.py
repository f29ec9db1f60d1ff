"""State of one object in a session: frames that start it, corrections and removed prompts."""

from __future__ import annotations

from masklet.predict.object_state import ObjectState
from masklet.types import Prompts

CLICK = Prompts.click(1, 1)


def test_an_object_starts_from_its_prompts_and_from_where_it_resumes() -> None:
    assert ObjectState(prompts={3: CLICK, 7: CLICK}).starts == {3, 7}
    resumed = ObjectState(prompts={7: CLICK}, resumed=4)
    assert (resumed.starts, resumed.first_frame) == ({4, 7}, 4)
    assert ObjectState().first_frame == 0


def test_answers_are_corrections_where_a_mask_was_tracked() -> None:
    state = ObjectState(prompts={2: CLICK}, pending={2})
    state.set_answered(2, CLICK, corrects=True)
    assert (state.pending, state.corrected) == (set(), {2})
    assert state.was_tracked(2, results=())
    assert state.was_tracked(5, results=(5,))
    assert not state.was_tracked(6, results=(5,))
    state.set_answered(2, CLICK, corrects=False)
    assert not state.was_tracked(2, results=(2,))


def test_removed_prompts_leave_nothing() -> None:
    state = ObjectState(prompts={2: CLICK, 5: CLICK}, pending={2}, corrected={2}, visited={2: False, 5: False})
    state.remove_prompts(2)
    assert (set(state.prompts), state.pending, state.corrected, state.visited) == ({5}, set(), set(), {5: False})
