"""Lasting memories: the conditions of DAM4SAM one by one, and which memory is dropped."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from masklet.tracking.memory import MemoryBank, MemoryEntry
from masklet.tracking.memory_policy import Anchors
from masklet.tracking.memory_selection import FrameContext
from masklet.tracking.policies.anchors import distractor_box_iou, qualifies, with_limit
from masklet.tracking.policies.candidates import DecoderCandidates
from masklet.tracking.policies.state import PolicyState


def evidence(
    *, iou: float = 0.9, score: float = 5.0, alternative: tuple[int, int] | None = (12, 12)
) -> DecoderCandidates:
    """A mask of 4 x 4 cells at (2, 2); an alternative that adds another 3 x 3 elsewhere, and specks."""
    masks = np.zeros((3, 16, 16), bool)
    masks[:, 2:6, 2:6] = True
    if alternative is not None:
        x, y = alternative
        masks[1, y : y + 3, x : x + 3] = True
    masks[2, 6, 3] = True
    return DecoderCandidates(masks, np.array([iou, 0.5, 0.5], np.float32), np.ones(3, np.float32), score)


AREA = 16 / 256

CASES: dict[str, tuple[dict[str, Any], dict[str, Any], bool]] = {
    "a look-alike shows": ({}, {}, True),
    "nothing else shows": ({"alternative": None}, {}, False),
    "the look-alike touches the object": ({"alternative": (4, 3)}, {}, False),
    "nothing else needs to show": ({"alternative": None}, {"rule": Anchors(reveal=None)}, True),
    "not sure of the mask": ({"iou": 0.8}, {}, False),
    "absent": ({"score": -1.0}, {}, False),
    "larger than usual": ({}, {"areas": dict.fromkeys(range(10), AREA / 1.3)}, False),
    "smaller than usual": ({}, {"areas": dict.fromkeys(range(10), AREA / 0.7)}, False),
    "as large as usual, but for a few": ({}, {"areas": {t: AREA * (9 if t < 4 else 1) for t in range(10)}}, True),
    "of more than ten only the last count": ({}, {"areas": {t: AREA * (9 if t < 20 else 1) for t in range(30)}}, True),
    "sizes of long ago do not count": ({"at": 400}, {"areas": dict.fromkeys(range(10), AREA * 9)}, True),
    "too soon after another": ({"at": 45}, {"anchors": (40,)}, False),
    "late enough": ({"at": 46}, {"anchors": (40,)}, True),
    "too soon before another, in reverse": ({"at": 35, "reverse": True}, {"anchors": (40,)}, False),
    "sizes of the future do not count": (
        {"at": 35, "reverse": True},
        {"areas": dict.fromkeys(range(20), AREA * 9)},
        True,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_qualifies(name: str) -> None:
    seen, known, expected = CASES[name]
    at = (
        FrameContext(seen.pop("at", 40), seen.pop("reverse", False))
        if {"at", "reverse"} & set(seen)
        else FrameContext(40)
    )
    state = PolicyState(areas=known.get("areas", {39: AREA}), anchors=known.get("anchors", ()))
    assert qualifies(state, evidence(**seen), 0, at, known.get("rule", Anchors())) is expected


def test_an_empty_mask_does_not_qualify() -> None:
    nothing = DecoderCandidates(np.zeros((1, 4, 4), bool), np.ones(1, np.float32), np.ones(1, np.float32), 5.0)
    assert not qualifies(PolicyState(), nothing, 0, FrameContext(3), Anchors(reveal=None))


def test_only_the_largest_extra_part_counts() -> None:
    found = evidence(alternative=None)
    found.masks[1, 2:6, 7:9] = True  # larger, near: 4 x 7 cells with the object
    found.masks[1, 15, 15] = True
    assert distractor_box_iou(found, 0) == pytest.approx(16 / 28)


def bank(pointers: dict[int, tuple[float, float]]) -> MemoryBank:
    made = MemoryBank()
    for i, pointer in pointers.items():
        made.put(i, MemoryEntry(None, torch.tensor([pointer], dtype=torch.float32), 5.0, 0.9), prompted=i == 0)
    return made


def test_the_oldest_goes() -> None:
    assert with_limit((3, 9, 20, 31), bank({}), Anchors(limit=3)) == (9, 20, 31)


@pytest.mark.parametrize(
    ("pointers", "left"),
    [
        ({0: (1, 0), 3: (0, 1), 9: (0.7, 0.7), 20: (-1, 0.1), 31: (0.1, 1)}, (9, 20, 31)),  # 3 and 31 say the same
        (
            {0: (1, 0), 3: (0, 1), 9: (1, 0.01), 20: (-1, 0.1), 31: (0.5, 0.5)},
            (3, 20, 31),
        ),  # 9 says what the prompt says
    ],
)
def test_the_most_redundant_goes(pointers: dict[int, tuple[float, float]], left: tuple[int, ...]) -> None:
    assert with_limit((3, 9, 20, 31), bank(pointers), Anchors(limit=3, diverse=True)) == left
