"""Which stories of an object live on after a frame (SAM2Long, arXiv 2410.16268)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from masklet.tracking.policies.candidates import Evidence
from masklet.tracking.rules import Tree


class Child(NamedTuple):
    """One candidate of one path.

    Attributes:
        path: which path it goes on.
        candidate: which of its masks.
        score: of the path with it.
    """

    path: int
    candidate: int
    score: float


def grow(paths: Sequence[tuple[float, Evidence]], rule: Tree) -> list[Child]:
    """The paths of the next frame, at most ``rule.paths``, the likeliest first.

    Args:
        paths: score and evidence of each path now. Equal paths are listed as often as there are of them: they part
            only where the object's presence is in doubt.
        rule: the settings.
    """
    children = [
        Child(p, j, score + math.log(float(iou) + 1e-5))
        for p, (score, evidence) in enumerate(paths)
        for j, iou in enumerate(evidence.iou)
    ]
    children.sort(key=lambda child: -child.score)
    if max(abs(evidence.object_score) for _, evidence in paths) > rule.certain_logit:
        return children[: rule.paths]
    said: set[float] = set()
    kept: list[Child] = []
    for child in children:
        evidence = paths[child.path][1]
        sign = 1 if evidence.object_score > 0 else -1
        says = round(sign * float(evidence.iou[child.candidate]), 2)
        if says not in said and len(kept) < rule.paths:
            said.add(says)
            kept.append(child)
    heard = {child.path for child in kept}
    for child in children:  # the best of every path that has none yet
        if child.path not in heard and len(kept) < rule.paths:
            heard.add(child.path)
            kept.append(child)
    return sorted(kept, key=lambda child: -child.score)
