"""Which tracked frames become lasting memories (DAM4SAM, arXiv 2411.17576), and which goes when they are too many."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

import numpy as np
import torch
from torch import Tensor

from masklet.masks.boxes import box_iou, boxes_of_masks
from masklet.masks.regions import largest_component
from masklet.tracking.memory import MemoryBank
from masklet.tracking.policies.candidates import Evidence
from masklet.tracking.policies.state import FrameContext, State
from masklet.tracking.rules import Anchors

AREAS, AREA_REACH = 10, 300
"""The usual area is the median of so many visible frames, none further back than this."""


def qualifies(state: State, evidence: Evidence, chosen: int, at: FrameContext, rule: Anchors) -> bool:
    """Whether a frame becomes a lasting memory. ``state`` is that of before the frame."""
    area = float(evidence.areas[chosen])
    if evidence.object_score <= 0 or not area or evidence.iou[chosen] <= rule.min_iou:
        return False
    if any(abs(at.back(anchor)) <= rule.spacing for anchor in state.anchors):
        return False
    past = sorted((i for i in state.areas if 0 < at.back(i) <= AREA_REACH), key=at.back)[:AREAS]
    if past and abs(area / median(state.areas[i] for i in past) - 1) > rule.area_band:
        return False
    return rule.reveal is None or nearest_alternative(evidence, chosen) <= rule.reveal


def nearest_alternative(evidence: Evidence, chosen: int) -> float:
    """How far another candidate stretches the box: the least IoU of the box alone and with its largest extra part."""
    mask = evidence.masks[chosen]
    others = [other for j, other in enumerate(evidence.masks) if j != chosen]
    stretched = [mask | largest_component(other & ~mask) for other in others]
    boxes = boxes_of_masks(np.stack([mask, *stretched]))
    return float(box_iou(boxes[:1], boxes[1:]).min(initial=1.0))


def with_limit(anchors: Sequence[int], bank: MemoryBank, rule: Anchors) -> tuple[int, ...]:
    """At most ``rule.limit`` of them: without the oldest, or the one that says least beside the others."""
    kept = list(anchors)
    while len(kept) > rule.limit:
        kept.remove(_most_redundant(kept, bank) if rule.diverse else kept[0])
    return tuple(kept)


def _most_redundant(anchors: list[int], bank: MemoryBank) -> int:
    """The anchor whose pointer is nearest to that of another lasting memory; the older of two."""
    fixed = [entry.pointer for entry in bank.prompted.values()]
    pointers = torch.cat([bank[i].pointer for i in anchors] + fixed)
    alike = likeness(pointers, pointers).fill_diagonal_(-torch.inf)[: len(anchors)]
    return anchors[int(alike.max(dim=1).values.argmax())]


def likeness(pointers: Tensor, others: Tensor) -> Tensor:
    """Cosine similarity of every pointer with every other."""
    norms = pointers.float().norm(dim=-1)[:, None] * others.float().norm(dim=-1)[None]
    similarity: Tensor = pointers.float() @ others.float().mT / norms.clamp(min=1e-12)
    return similarity
