"""Which hypotheses of an object survive a frame (SAM2Long, arXiv 2410.16268)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from masklet.tracking.policies.candidates import DecoderCandidates
from masklet.tracking.rules import Tree


class Child(NamedTuple):
    """One candidate mask of one hypothesis.

    Attributes:
        path: index of the hypothesis.
        candidate: index of the mask.
        score: of the hypothesis extended by it.
    """

    path: int
    candidate: int
    score: float


def best_children(paths: Sequence[tuple[float, DecoderCandidates]], rule: Tree) -> list[Child]:
    """Select the hypotheses of the next frame, at most ``rule.paths``, the most likely first.

    Args:
        paths: score and candidates of each hypothesis. Equal hypotheses are listed as often as they count: they
            diverge only where the object's presence is uncertain.
    """
    children = [
        Child(p, j, score + math.log(float(iou) + 1e-5))
        for p, (score, candidates) in enumerate(paths)
        for j, iou in enumerate(candidates.iou)
    ]
    children.sort(key=lambda child: -child.score)
    if max(abs(candidates.object_score) for _, candidates in paths) > rule.certain_logit:
        return children[: rule.paths]
    predictions: set[float] = set()
    selected: list[Child] = []
    for child in children:
        candidates = paths[child.path][1]
        sign = 1 if candidates.object_score > 0 else -1
        prediction = round(sign * float(candidates.iou[child.candidate]), 2)
        if prediction not in predictions and len(selected) < rule.paths:
            predictions.add(prediction)
            selected.append(child)
    covered = {child.path for child in selected}
    for child in children:  # the best child of every hypothesis that has none yet
        if child.path not in covered and len(selected) < rule.paths:
            covered.add(child.path)
            selected.append(child)
    return sorted(selected, key=lambda child: -child.score)
