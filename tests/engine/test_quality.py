"""Automatic gates on literal masklets: what passes, what is found, and on which frames."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from masklet.engine.quality import (
    Finding,
    Limits,
    agreement,
    annotators,
    area_jumps,
    flicker,
    frames_to_review,
    gates,
    passes,
    presence,
    returns,
)
from masklet.errors import FormatError
from masklet.types import Masklet, Rle

LIMITS = Limits()


def row(width: int, left: int = 0) -> Rle:
    """A mask of one row of so many pixels."""
    mask = np.zeros((1, 16), bool)
    mask[0, left : left + width] = True
    return Rle.from_mask(mask)


def frames(widths: Sequence[int], every: int = 1) -> dict[int, Rle]:
    return {place * every: row(width) for place, width in enumerate(widths)}


@pytest.mark.parametrize(
    ("widths", "where", "worst"),
    [
        ([4, 4, 5, 4], None, 0),
        ([4, 10, 10], None, 0),  # just within
        ([4, 11, 11], (1,), 2.75),
        ([4, 12, 4, 4], (1, 2), 3.0),
        ([12, 0, 4], None, 0),  # it was out of sight between
        ([], None, 0),
    ],
)
def test_area_jumps(widths: list[int], where: tuple[int, ...] | None, worst: float) -> None:
    found = area_jumps(frames(widths), LIMITS)
    assert (found and found.frames) == where
    assert found is None or found.worst == worst


@pytest.mark.parametrize(
    ("widths", "where"),
    [
        ([1, 1, 0, 0, 1, 1], None),  # once behind a tree
        ([1, 0, 1, 0, 1, 1], (1, 2, 3, 4)),
        ([1, 0, 1, 1, 1, 1, 1, 1, 1, 1, 0, 1], None),  # often, but far apart
        ([0, 0, 0], None),
    ],
)
def test_flicker(widths: list[int], where: tuple[int, ...] | None) -> None:
    found = flicker(frames(widths), LIMITS)
    assert (found and found.frames) == where


def test_presence_contradicts_the_mask() -> None:
    masks = frames([2, 0, 2, 0, 2])
    said = {0: 0.9, 1: 0.1, 2: 0.2, 3: 0.95}  # nobody said anything of frame 4
    found = presence(Masklet(1, (1, 16), masks, presence=said), LIMITS)
    assert found is not None
    assert (found.frames, found.worst) == ((2, 3), 0.95)
    assert presence(Masklet(1, (1, 16), frames([2, 0]), presence={0: 0.9, 1: 0.1}), LIMITS) is None


def test_passes_and_annotators_agree_where_both_have_a_frame() -> None:
    one, other = frames([4, 4, 4, 0]), {1: row(4), 2: row(4, left=2), 3: row(0), 9: row(4)}
    assert agreement(one, other) == {1: 1.0, 2: pytest.approx(1 / 3), 3: 1.0}
    found = passes(one, other, LIMITS)
    assert found is not None
    assert (found.gate, found.frames) == ("passes disagree", (2,))
    assert found.worst == pytest.approx(1 / 3)
    assert passes(one, one, LIMITS) is None
    assert annotators(one, other, Limits(agreement=0.3)) is None


def test_all_gates_at_once_name_the_frames_to_look_at_again() -> None:
    masklet = Masklet(1, (1, 16), frames([4, 12, 4]), presence={0: 0.9, 1: 0.2, 2: 0.9})
    found = gates(masklet, backward=frames([4, 4, 4]), others={"ann": frames([4, 12, 0]), "bo": frames([4, 12, 4])})
    assert [finding.gate for finding in found] == ["area jump", "presence", "passes disagree", "annotators disagree"]
    assert found[-1].frames == (2,)
    assert "with ann" in found[-1].detail
    assert frames_to_review(found) == [1, 2]
    assert frames_to_review([]) == []
    assert gates(Masklet(1, (1, 16), frames([4, 4]))) == []


@pytest.mark.parametrize(
    ("widths", "comes_back"),
    [
        ([0, 0, 1, 1], False),
        ([1, 0, 1], True),
        ([1, 1, 0], False),
        ([0, 1, 0, 0, 2], True),
        ([0, 0], False),
        ([], False),
    ],
)
def test_an_object_returns_once_it_has_been_seen(widths: list[int], comes_back: bool) -> None:
    assert returns(frames(widths)) is comes_back


def test_findings_are_values() -> None:
    assert Finding(gate="flicker", frames=(1,), worst=4.0, detail="") == Finding(
        gate="flicker", frames=(1,), worst=4.0, detail=""
    )
    with pytest.raises(FormatError, match="expected limits that something can pass"):
        Limits(area_ratio=0.5)
