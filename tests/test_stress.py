"""The stress clips of `benchmarks/stress.py`: always the same, and their truth is what their pictures show."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

STRESS = runpy.run_path(str(Path(__file__).parents[1] / "benchmarks" / "stress.py"))
GROUPS, Clip = STRESS["GROUPS"], STRESS["Clip"]
COUNT, HEIGHT, WIDTH = 16, 60, 80
BALL, GROUND, ELSEWHERE = 250, 40, 130


def moving(name: str = "ball", ground: int = GROUND) -> Any:
    """A bright square that goes to the right, one pixel a frame."""
    truth = np.zeros((COUNT, HEIGHT, WIDTH), bool)
    for t in range(COUNT):
        truth[t, 20:32, 10 + t : 22 + t] = True
    pictures = np.where(truth[..., None], BALL, ground).astype(np.uint8).repeat(3, axis=-1)
    return Clip(name, pictures, truth)


@pytest.mark.parametrize("group", GROUPS)
def test_made_alike_every_time(group: str) -> None:
    """And what was given stays as it was: the clips of several groups are made of one."""
    clip, stranger = moving(), moving("stranger", ELSEWHERE)
    first, again = (GROUPS[group](clip, stranger) for _ in range(2))
    np.testing.assert_array_equal(first.frames, again.frames)
    np.testing.assert_array_equal(first.truth, again.truth)
    np.testing.assert_array_equal(clip.frames, moving().frames)
    np.testing.assert_array_equal(clip.truth, moving().truth)
    assert first.frames.shape[:3] == first.truth.shape
    assert first.frames.dtype == np.uint8
    assert first.truth[0].any()


@pytest.mark.parametrize("group", ["as is", "two", "five", "long"])
def test_the_truth_is_what_shows(group: str) -> None:
    """Nothing but the object and its look-alikes is bright, and each bright pixel belongs to one of them."""
    made = GROUPS[group](moving(), moving("stranger", ELSEWHERE))
    claimed = np.stack([made.truth, *made.others])
    assert (claimed.sum(axis=0) <= 1).all()
    np.testing.assert_array_equal(claimed.any(axis=0), made.frames[..., 0] == BALL)


def test_a_gap_hides_the_object_for_the_middle_half() -> None:
    made = GROUPS["gap"](moving(), moving("stranger", ELSEWHERE))
    there = made.truth.any(axis=(1, 2))
    assert len(there) == 2 * COUNT
    assert there[:4].all()
    assert (made.frames[made.truth] == BALL).all()
    assert not there[COUNT // 2 : 3 * COUNT // 2].any()
    assert there[-4:].all()


def test_look_alikes_cross_the_object() -> None:
    made = GROUPS["five"](moving(), moving())
    assert len(made.others) == 4
    assert all(other.any() for other in made.others)
    assert made.truth.sum() < moving().truth.sum()  # some pass in front of it


def test_cuts_show_something_else_for_a_while() -> None:
    made = GROUPS["cuts"](moving(), moving("stranger", ELSEWHERE))
    there = made.truth.any(axis=(1, 2))
    assert there.tolist() == [True] * 16 + [False] * 6
    assert (made.frames[16:, 0, 0, 0] == ELSEWHERE).all()
    np.testing.assert_array_equal(made.truth[8], moving().truth[8][:, ::-1])


def test_small_and_long() -> None:
    clip = moving()
    small, long = (GROUPS[group](clip, clip) for group in ("small", "long"))
    assert small.truth[0].sum() == pytest.approx(clip.truth[0].sum() * STRESS["SMALL"] ** 2, rel=0.3)
    assert len(long.frames) == 20 * COUNT
    np.testing.assert_array_equal(long.truth[COUNT : 2 * COUNT], clip.truth[::-1])
