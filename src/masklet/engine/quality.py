"""Automatic gates: what of a masklet a person should look at again, found without a person.

Each gate is a function from masks to findings; none of them changes anything, and none of them decides alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np

from masklet.errors import FormatError
from masklet.masks.rle import pair_iou
from masklet.types import Masklet, Rle

Gate = Literal["area jump", "flicker", "presence", "passes disagree", "annotators disagree"]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that looks wrong.

    Attributes:
        gate: which gate found it.
        frames: where.
        worst: the value that is furthest off, in the unit of the gate: the ratio of two areas, the number of changes,
            a probability, or an IoU.
        detail: what was expected and what came.
    """

    gate: Gate
    frames: tuple[int, ...]
    worst: float
    detail: str


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What is still taken for right.

    Attributes:
        area_ratio: the larger of two neighboring areas over the smaller one, both visible.
        toggles: changes between present and absent within ``window`` frames.
        window: frames that flicker is looked for in.
        presence: an object with a mask should be visible with more than this probability, one without with less.
        agreement: IoU of two masks of one object on one frame, at least.
    """

    area_ratio: float = 2.5
    toggles: int = 3
    window: int = 8
    presence: float = 0.5
    agreement: float = 0.75

    def __post_init__(self) -> None:
        if self.area_ratio < 1 or self.toggles < 1 or self.window < 2 or not 0 <= self.agreement <= 1:
            raise FormatError(f"expected limits that something can pass, got {self}")


def gates(
    masklet: Masklet,
    limits: Limits | None = None,
    *,
    backward: Mapping[int, Rle] | None = None,
    others: Mapping[str, Mapping[int, Rle]] | None = None,
) -> list[Finding]:
    """Every gate that can be asked, in a fixed order.

    Args:
        masklet: to be looked at.
        limits: what is still right.
        backward: the same object tracked the other way, where that was done.
        others: the same object by other annotators, by name.
    """
    allowed = limits or Limits()
    found = [area_jumps(masklet.frames, allowed), flicker(masklet.frames, allowed), presence(masklet, allowed)]
    if backward is not None:
        found.append(passes(masklet.frames, backward, allowed))
    found += [annotators(masklet.frames, frames, allowed, name) for name, frames in (others or {}).items()]
    return [finding for finding in found if finding is not None]


def frames_to_review(findings: list[Finding]) -> list[int]:
    """The frames of some findings: those that most gates name come first."""
    named = [frame for finding in findings for frame in finding.frames]
    return sorted(set(named), key=lambda frame: (-named.count(frame), frame))


def told(findings: list[Finding]) -> str:
    """Findings in words, for a task's history."""
    return "; ".join(f"{finding.gate} (frame {finding.frames[0]}): {finding.detail}" for finding in findings)


def area_jumps(frames: Mapping[int, Rle], limits: Limits) -> Finding | None:
    """Frames on which the area is many times that of the masked frame before, or a small part of it."""
    areas = [(index, frames[index].area) for index in sorted(frames)]
    jumps = {
        index: max(before, area) / min(before, area)
        for (_, before), (index, area) in pairwise(areas)
        if before and area and max(before, area) > limits.area_ratio * min(before, area)
    }
    if not jumps:
        return None
    worst = max(jumps.values())
    told = f"expected neighboring areas within a factor of {limits.area_ratio:g}, got {worst:.1f}"
    return Finding(gate="area jump", frames=tuple(jumps), worst=worst, detail=told)


def flicker(frames: Mapping[int, Rle], limits: Limits) -> Finding | None:
    """Frames around which the object comes and goes more often than things do."""
    order = sorted(frames)
    changes = [index for before, index in pairwise(order) if bool(frames[before].area) != bool(frames[index].area)]
    bursts = [[i for i in changes if start <= i < start + limits.window] for start in changes]
    bursts = [burst for burst in bursts if len(burst) > limits.toggles]
    if not bursts:
        return None
    where = tuple(sorted({index for burst in bursts for index in burst}))
    worst = max(map(len, bursts))
    told = f"expected at most {limits.toggles} changes of presence in {limits.window} frames, got {worst}"
    return Finding(gate="flicker", frames=where, worst=float(worst), detail=told)


def presence(masklet: Masklet, limits: Limits) -> Finding | None:
    """Frames on which the mask and the probability of being visible contradict each other."""
    odd = {
        index: masklet.presence[index]
        for index in sorted(masklet.frames)
        if index in masklet.presence and bool(masklet.frames[index].area) != (masklet.presence[index] > limits.presence)
    }
    if not odd:
        return None
    worst = max(odd.values(), key=lambda value: abs(value - limits.presence))
    told = f"expected a mask where the object is visible with more than {limits.presence:g}, got the contrary"
    return Finding(gate="presence", frames=tuple(odd), worst=worst, detail=told)


def passes(forward: Mapping[int, Rle], backward: Mapping[int, Rle], limits: Limits) -> Finding | None:
    """Frames on which tracking forward and backward give different masks."""
    return _apart("passes disagree", forward, backward, limits, "both ways")


def annotators(one: Mapping[int, Rle], other: Mapping[int, Rle], limits: Limits, name: str = "") -> Finding | None:
    """Frames on which two people drew different masks."""
    return _apart("annotators disagree", one, other, limits, f"with {name}" if name else "of both")


def agreement(one: Mapping[int, Rle], other: Mapping[int, Rle]) -> dict[int, float]:
    """IoU on every frame that both have; two empty masks agree."""
    shared = sorted(one.keys() & other.keys())
    return {i: pair_iou(one[i], other[i]) for i in shared}


def returns(frames: Mapping[int, Rle]) -> bool:
    """Whether the object goes out of sight and comes back, as the paper counts disappearance (section 5.2)."""
    seen = [bool(frames[index].area) for index in sorted(frames)]
    after = seen[seen.index(True) :] if True in seen else []
    return any(now and not before for before, now in pairwise(after))


def _apart(gate: Gate, one: Mapping[int, Rle], other: Mapping[int, Rle], limits: Limits, who: str) -> Finding | None:
    low = {index: score for index, score in agreement(one, other).items() if score < limits.agreement}
    if not low:
        return None
    worst, mean = min(low.values()), float(np.mean(list(low.values())))
    told = f"expected an IoU of at least {limits.agreement:g} {who}, got {mean:.2f} on {len(low)} frames"
    return Finding(gate=gate, frames=tuple(low), worst=worst, detail=told)
