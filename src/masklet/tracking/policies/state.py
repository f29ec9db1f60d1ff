"""One hypothesis of an object as data: its memory bank and the state of the rules."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from masklet.tracking.memory import MemoryBank
from masklet.tracking.policies.motion import MotionState


@dataclass(eq=False)
class PolicyState:
    """State of the rules for one hypothesis.

    Attributes:
        areas: by frame where the object was visible, as shares of the frame.
        anchors: tracked frames that are lasting memories, in the order they became so.
        overlaps: by frame chosen with `Motion`: IoU of the mask's box with the predicted one.
        dissimilar: by frame whose mask did not look like the object: length of the run of such frames so far, and more
            than the patience once a mask was below ``min_similarity``.
        motion: state of the Kalman filter, or None.
        stride_origin: the frame from which strides are counted.
    """

    areas: dict[int, float] = field(default_factory=dict)
    anchors: tuple[int, ...] = ()
    overlaps: dict[int, float] = field(default_factory=dict)
    dissimilar: dict[int, int] = field(default_factory=dict)
    motion: MotionState | None = None
    stride_origin: int = 0

    def copy(self) -> PolicyState:
        """A state that changes independently."""
        return replace(self, areas=dict(self.areas), overlaps=dict(self.overlaps), dissimilar=dict(self.dissimilar))


@dataclass(eq=False)
class Hypothesis:
    """One hypothesis of where an object is.

    Attributes:
        bank: its memories.
        state: of the rules.
        score: sum of the logarithms of predicted IoUs.
        results: what a caller recorded along this hypothesis; a fork shares the past.
    """

    bank: MemoryBank = field(default_factory=MemoryBank)
    state: PolicyState = field(default_factory=PolicyState)
    score: float = 0.0
    results: Any = None

    def fork(self) -> Hypothesis:
        """A second hypothesis with the same past; memory entries are shared."""
        return Hypothesis(self.bank.copy(), self.state.copy(), self.score, self.results)
