"""Clicks and boxes that correct a mask: the prompts of the model, the parts that stay, and the shown result."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from jaxtyping import Float, UInt8
from torch import Tensor

from masklet.io import ArrayVideo
from masklet.model.config import NANO, TEST_TINY
from masklet.model.mask_decoder import NO_OBJECT_LOGIT
from masklet.model.sam2 import Sam2
from masklet.predict.click_refinement import (
    MAX_LOGIT,
    PREVIOUS_WEIGHT,
    PromptStart,
    combine_with_previous,
    enforce_clicks,
    guide_starts,
    with_tracked_box,
)
from masklet.predict.image import ImageSegmenter
from masklet.predict.session import VideoSession
from masklet.predict.stream import StreamTracker
from masklet.types import Prompts

Clip = UInt8[np.ndarray, "t h w 3"]
SIZE = (48, 96)
SIDE = 16
NOWHERE = torch.zeros(1, 4, 2, 2)
BOX = Prompts.from_box(8, 8, 22, 22)


def square() -> Float[Tensor, "1 1 s s"]:
    """Logits of a mask that fills x 24 to 48 and y 12 to 24 of an image of `SIZE`."""
    logits = torch.full((1, 1, SIDE, SIDE), -4.0)
    logits[..., 4:8, 4:8] = 4.0
    return logits


def scene() -> Clip:
    """A red square that goes away after five frames, and a white one elsewhere from the eighth on."""
    time, y, x = np.mgrid[:12, :96, :144]
    waves = np.sin(x / 7 + time / 3) * np.cos(y / 9), np.cos(x / 5 - y / 8 + time / 5), np.sin(y / 4 - time / 7)
    frames = (128 + 90 * np.stack(waves, axis=-1)).astype(np.uint8)
    frames[:5, 8:28, 8:28] = (230, 40, 30)
    frames[8:, 50:80, 90:120] = 250
    return frames


def test_only_models_unsure_of_clicks_are_guided() -> None:
    assert NANO.guided_corrections
    assert not TEST_TINY.guided_corrections


def test_the_model_is_told_the_extent_of_a_tracked_mask() -> None:
    start, click = PromptStart(NOWHERE, square(), tracked=True), Prompts.click(60, 30)
    said = with_tracked_box(click, start, SIZE)
    assert said.box is not None
    x0, y0, x1, y1 = said.box.tolist()
    assert x0 <= 26
    assert y0 <= 14
    assert (x1, y1) == (61, 31)  # it reaches to the click
    negative = with_tracked_box(Prompts.click(60, 30, positive=False), start, SIZE).box
    assert negative is not None
    assert negative[2] <= 50
    box = Prompts.from_box(1, 2, 3, 4)
    assert with_tracked_box(box, start, SIZE) is box
    assert (
        with_tracked_box(click, PromptStart(NOWHERE, square()), SIZE) is click
    )  # an answer to clicks says nothing of the extent
    assert with_tracked_box(click, PromptStart(NOWHERE, torch.full((1, 1, 4, 4), -1.0), tracked=True), SIZE) is click


def test_a_part_of_the_mask_before_stays() -> None:
    answer = torch.full((1, 1, SIDE, SIDE), 30.0)
    out = combine_with_previous(answer, square(), Prompts.click(36, 18), SIZE)
    torch.testing.assert_close(
        out, (1 - PREVIOUS_WEIGHT) * torch.full_like(out, MAX_LOGIT) + PREVIOUS_WEIGHT * square()
    )


def test_what_is_apart_joins_the_mask() -> None:
    answer = torch.full((1, 1, SIDE, SIDE), -5.0)
    answer[..., 12:14, 12:14] = 6.0
    click = Prompts.click(78, 39)
    out = combine_with_previous(answer, square(), click, SIZE, separate=True)
    assert torch.equal(out > 0, (answer > 0) | (square() > 0))


def test_absent_stays_absent() -> None:
    absent = torch.full((1, 1, SIDE, SIDE), NO_OBJECT_LOGIT)
    assert combine_with_previous(absent, square(), Prompts.click(36, 18), SIZE) is absent


def test_a_box_alone_is_answered_as_it_is() -> None:
    assert combine_with_previous(answer := square() / 2, square(), Prompts.from_box(1, 2, 30, 40), SIZE) is answer


@given(
    st.lists(
        st.tuples(st.integers(0, 5), st.integers(0, 5), st.booleans()),
        min_size=1,
        max_size=6,
        unique_by=lambda c: c[:2],
    ),
    st.integers(0, 2**31),
)
def test_every_click_holds(clicks: list[tuple[int, int, bool]], seed: int) -> None:
    logits = np.random.default_rng(seed).normal(0, 4, (48, 48)).astype(np.float32)
    points = np.array([[4 + 8 * x, 4 + 8 * y] for x, y, _ in clicks], np.float32)
    labels = np.array([int(positive) for *_, positive in clicks])
    for _ in range(len(clicks)):  # of clicks near each other the last has the last word: until all hold
        enforce_clicks(logits, Prompts(points, labels))
    assert [bool(logits[int(y), int(x)] > 0) for x, y in points] == [bool(label) for label in labels]


class TestGuided:
    """Where the answers of the embedded model start."""

    def start(self, prompts: Prompts, start: PromptStart) -> PromptStart:
        return guide_starts({1: prompts}, {1: start}, SIZE)[1]

    def test_from_the_tracked_mask(self) -> None:
        start = self.start(Prompts.click(40, 20), PromptStart(NOWHERE, square(), tracked=True))
        assert start.tracked
        assert not start.separate
        assert start.mask_prompt is not None

    def test_apart_from_it(self) -> None:
        start = self.start(Prompts.click(90, 40), PromptStart(NOWHERE, square(), tracked=True))
        assert start.separate
        assert start.mask_prompt is None
        assert start.previous is not None
        away = Prompts.click(90, 40, positive=False)
        assert not self.start(away, PromptStart(NOWHERE, square(), tracked=True)).separate

    def test_from_nothing(self) -> None:
        empty = torch.full((1, 1, SIDE, SIDE), -4.0)
        assert self.start(Prompts.click(40, 20), PromptStart(NOWHERE, empty, tracked=True)).previous is None
        boxed = self.start(Prompts.from_box(60, 20, 90, 40), PromptStart(NOWHERE, square(), tracked=True))
        assert boxed.previous is None

    def test_an_answer_to_clicks_is_refined(self) -> None:
        start = self.start(Prompts.click(90, 40), PromptStart(NOWHERE, square()))
        assert start.previous is not None
        assert not start.separate


@pytest.mark.parametrize("memory", ["plain", "auto"])
def test_a_box_brings_a_lost_object_back(nano: Sam2, memory: str) -> None:
    """It was tracked onto something else, or hidden; the box says what is meant."""
    truth = np.zeros((96, 144), bool)
    truth[50:80, 90:120] = True
    session = VideoSession(nano, ArrayVideo(scene()), memory=memory)  # type: ignore[arg-type]
    session.prompt(0, object_id=1, prompts=Prompts.from_box(8, 8, 28, 28))
    list(session.propagate())
    mask = session.prompt(9, object_id=1, prompts=Prompts.from_box(90, 50, 120, 80))[1]
    assert np.count_nonzero(mask & truth) > 0.8 * np.count_nonzero(mask | truth)
    tracker = StreamTracker(nano, memory=memory)  # type: ignore[arg-type]
    for t, frame in enumerate(scene()):
        said = {0: Prompts.from_box(8, 8, 28, 28), 9: Prompts.from_box(90, 50, 120, 80)}.get(t)
        out = tracker.step(frame, None if said is None else {1: said})
        if t == 9:
            np.testing.assert_array_equal(out[1], mask)


def test_a_box_replaces_what_a_click_said(nano: Sam2) -> None:
    """On the same frame: the model draws boxes where there is no mask to be corrected, and does not see them else."""
    session = VideoSession(nano, ArrayVideo(scene()))
    session.prompt(9, object_id=1, prompts=Prompts.click(105, 65))
    mask = session.prompt(9, object_id=1, prompts=Prompts.from_box(90, 50, 120, 80))[1]
    fresh = VideoSession(nano, ArrayVideo(scene()))
    both = replace(Prompts.click(105, 65), box=np.array([90, 50, 120, 80], np.float32))
    np.testing.assert_array_equal(mask, fresh.prompt(9, object_id=1, prompts=both)[1])


def test_clicks_hold_on_tracked_frames_and_pictures(nano: Sam2, clip: Clip) -> None:
    session = VideoSession(nano, ArrayVideo(clip))
    session.prompt(0, object_id=1, prompts=BOX)
    list(session.propagate(end=12))
    said = {"on it": (18, 14, True), "beside it": (40, 40, False), "at its corner": (12, 8, False)}
    for x, y, positive in said.values():
        assert session.prompt(6, object_id=1, prompts=Prompts.click(x, y, positive=positive))[1][y, x] == positive
    segmenter = ImageSegmenter(nano)
    image = segmenter.encode(clip[6])
    first = segmenter.segment(image, Prompts.click(18, 14))
    second = segmenter.segment(image, Prompts.click(18, 14).and_click(24, 20, positive=False), refine=first)
    assert second.masks[0][14, 18]
    assert not second.masks[0][20, 24]


def test_a_correction_that_is_corrected_is_still_of_a_tracked_mask(nano: Sam2, clip: Clip) -> None:
    """The box around the mask is told again with the second click; it is not with the second click on a first look."""
    session = VideoSession(nano, ArrayVideo(clip))
    session.prompt(0, object_id=1, prompts=BOX)
    list(session.propagate(end=12))
    for x in (18, 19):
        session.prompt(6, object_id=1, prompts=Prompts.click(x, 15))
        assert 6 in session._objects[1].corrected
    session.prompt(20, object_id=1, prompts=Prompts.click(34, 24))
    assert 20 not in session._objects[1].corrected


def test_a_released_model_is_not_guided(tiny: Sam2, clip: Clip) -> None:
    """The same weights, told that they may trust clicks or not, answer a correction otherwise."""
    answers = []
    for ranked in (True, False):
        model = Sam2(replace(tiny.config, ranked_clicks=ranked)).eval()
        model.load_state_dict(tiny.state_dict())
        session = VideoSession(model, ArrayVideo(clip))
        session.prompt(0, object_id=1, prompts=BOX)
        list(session.propagate(end=8))
        answers.append(session.preview(6, {1: Prompts.click(20, 15).and_click(30, 30, positive=False)})[1])
    assert (answers[0] != answers[1]).any()
