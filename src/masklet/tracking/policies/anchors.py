"""Anchors: which tracked frames become lasting memories (DAM4SAM, arXiv 2411.17576), and which to drop."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

import numpy as np
import torch
from torch import Tensor

from masklet.masks.boxes import box_iou, boxes_of_masks
from masklet.masks.regions import largest_component
from masklet.tracking.memory import MemoryBank
from masklet.tracking.memory_policy import Anchors
from masklet.tracking.memory_selection import FrameContext
from masklet.tracking.policies.candidates import DecoderCandidates
from masklet.tracking.policies.state import PolicyState

AREAS, AREA_REACH = 10, 300
"""The usual area is the median of so many visible frames, none further back than this."""


def past_areas(state: PolicyState, context: FrameContext) -> dict[int, float]:
    """The last `AREAS` areas within reach, by frame."""
    past = sorted((i for i in state.areas if 0 < context.age(i) <= AREA_REACH), key=context.age)[:AREAS]
    return {i: state.areas[i] for i in past}


def qualifies(
    state: PolicyState, candidates: DecoderCandidates, chosen: int, context: FrameContext, rule: Anchors
) -> bool:
    """Whether a frame becomes an anchor. ``state`` is that of before the frame."""
    area = float(candidates.areas[chosen])
    if candidates.object_score <= 0 or not area or candidates.iou[chosen] <= rule.min_iou:
        return False
    if any(abs(context.age(anchor)) <= rule.spacing for anchor in state.anchors):
        return False
    past = past_areas(state, context)
    if past and abs(area / median(past.values()) - 1) > rule.area_band:
        return False
    return rule.reveal is None or distractor_box_iou(candidates, chosen) <= rule.reveal


def distractor_box_iou(candidates: DecoderCandidates, chosen: int) -> float:
    """IoU of the mask's box with the box extended by another candidate's largest extra part; the smallest of these."""
    mask = candidates.masks[chosen]
    others = [other for j, other in enumerate(candidates.masks) if j != chosen]
    extended = [mask | largest_component(other & ~mask) for other in others]
    boxes = boxes_of_masks(np.stack([mask, *extended]))
    return float(box_iou(boxes[:1], boxes[1:]).min(initial=1.0))


def with_limit(anchors: Sequence[int], bank: MemoryBank, rule: Anchors) -> tuple[int, ...]:
    """At most ``rule.limit`` anchors: drop the oldest, or the most redundant ones."""
    kept = list(anchors)
    while len(kept) > rule.limit:
        kept.remove(_most_redundant(kept, bank) if rule.diverse else kept[0])
    return tuple(kept)


def _most_redundant(anchors: list[int], bank: MemoryBank) -> int:
    """The anchor whose pointer is nearest to that of another lasting memory; the older of two."""
    prompted = [entry.pointer for entry in bank.prompted.values()]
    pointers = torch.cat([bank[i].pointer for i in anchors] + prompted)
    similarity = cosine_similarity(pointers, pointers).fill_diagonal_(-torch.inf)[: len(anchors)]
    return anchors[int(similarity.max(dim=1).values.argmax())]


def cosine_similarity(pointers: Tensor, others: Tensor) -> Tensor:
    """Cosine similarity of every pointer with every other."""
    norms = pointers.float().norm(dim=-1)[:, None] * others.float().norm(dim=-1)[None]
    similarity: Tensor = pointers.float() @ others.float().mT / norms.clamp(min=1e-12)
    return similarity
