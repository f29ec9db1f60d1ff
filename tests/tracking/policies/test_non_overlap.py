"""Objects that must not overlap: which one gets a pixel, which are hidden, on streams and recorded videos."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import UInt8

from masklet.io import ArrayVideo
from masklet.masks.overlap import SUPPRESSED
from masklet.model.mask_decoder import NO_OBJECT_LOGIT
from masklet.model.sam2 import Sam2
from masklet.model.tensors import ChosenMask
from masklet.predict.session import VideoSession
from masklet.predict.stream import StreamTracker
from masklet.tracking.memory_policy import MemoryPolicy
from masklet.tracking.policies.non_overlap import resolve_overlaps
from masklet.types import Prompts


def claim(*values: float) -> ChosenMask:
    """A mask of 2 x 2."""
    logits = torch.tensor(values, dtype=torch.float32).reshape(1, 1, 2, 2)
    return ChosenMask(logits, torch.tensor([0.8]), torch.ones(1, 3), torch.tensor([5.0]))


def test_a_place_goes_to_the_larger_logit() -> None:
    one, two = claim(4, 4, 1, -2), claim(-3, 1, 2, 5)
    left, right = resolve_overlaps([one, two])
    assert left.logits.flatten().tolist() == [4, 4, SUPPRESSED, SUPPRESSED]
    assert right.logits.flatten().tolist() == [SUPPRESSED, SUPPRESSED, 2, 5]
    assert left.object_score.tolist() == right.object_score.tolist() == [5]
    assert one.logits.flatten().tolist() == [4, 4, 1, -2]  # not changed


def test_who_keeps_next_to_nothing_is_hidden() -> None:
    winner, loser = resolve_overlaps([claim(6, 6, 6, -4), claim(5, 5, 5, -6)])
    assert (winner.logits > 0).sum() == 3
    assert (loser.logits == NO_OBJECT_LOGIT).all()
    assert loser.object_score.tolist() == [-5]


def test_absent_objects_claim_nothing_and_stay_absent() -> None:
    nowhere = torch.full((1, 1, 2, 2), NO_OBJECT_LOGIT)
    gone = ChosenMask(nowhere, torch.zeros(1), torch.zeros(1, 3), torch.tensor([-2.0]))
    there, absent = resolve_overlaps([claim(3, -1, 2, -1), gone])
    assert there.logits.flatten().tolist() == [3, -1, 2, -1]
    assert absent.object_score.tolist() == [-2]
    assert (absent.logits == NO_OBJECT_LOGIT).all()


def test_one_object_has_no_rival() -> None:
    alone = claim(1, -1, 1, -1)
    assert resolve_overlaps([alone]) == [alone]
    assert resolve_overlaps([]) == []


def test_streams_and_sessions_compete_alike(tiny: Sam2, clip: UInt8[np.ndarray, "t h w 3"], one_thread: None) -> None:
    prompts = {1: Prompts.click(15, 15), 2: Prompts.from_box(6, 6, 40, 30)}
    policy = MemoryPolicy(non_overlap=True)
    tracker, plain = StreamTracker(tiny, memory=policy), StreamTracker(tiny)
    session = VideoSession(tiny, ArrayVideo(clip[:6]), memory=policy)
    session.prompt_objects(0, prompts)
    differs = False
    for index, out in enumerate(session.propagate()):
        live = tracker.step(clip[index], {} if index else prompts)
        before = plain.step(clip[index], {} if index else prompts)
        np.testing.assert_array_equal(live.masks, out.masks)
        differs = differs or bool((before.masks != live.masks).any())
    assert differs
