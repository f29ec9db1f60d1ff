"""What a policy knows of one object beside its memories, as data; and where in a video a frame stands."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import NamedTuple

from masklet.tracking.memory import MemoryBank
from masklet.tracking.policies.motion import MotionState


class FrameContext(NamedTuple):
    """A frame as a pass comes to it.

    Attributes:
        frame_index: the frame.
        reverse: the pass runs from later frames to earlier ones.
        since: the first frame, in the order of the pass, after the last cut; None where there was none.
        forget: what lies before the cut is not recalled.
    """

    frame_index: int
    reverse: bool = False
    since: int | None = None
    forget: bool = True

    def back(self, other: int) -> int:
        """How many frames ago, in the order of the pass, another frame was."""
        return (other - self.frame_index) if self.reverse else (self.frame_index - other)

    def follows(self, other: int) -> bool:
        """Whether another frame is past, with no cut between."""
        return self.back(other) > 0 and (self.since is None or self.back(other) <= self.back(self.since))

    def reaches(self, other: int) -> bool:
        """Whether another frame is past and was not dropped at a cut."""
        return self.follows(other) if self.forget else self.back(other) > 0

    @property
    def next(self) -> FrameContext:
        """The frame after it in the pass."""
        return self._replace(frame_index=self.frame_index + (-1 if self.reverse else 1))


@dataclass(eq=False)
class State:
    """What the rules know of an object.

    Attributes:
        areas: of frames where it was visible, as shares of the frame.
        anchors: tracked frames that are lasting memories, in the order they became so.
        overlaps: of frames chosen by motion: overlap of the mask's box with the predicted one.
        unlike: of frames whose mask was unlike the object: how many these were in a row, and more where one was
            something else.
        course: where it is going, or None.
        origin: the frame from which strides are counted.
    """

    areas: dict[int, float] = field(default_factory=dict)
    anchors: tuple[int, ...] = ()
    overlaps: dict[int, float] = field(default_factory=dict)
    unlike: dict[int, int] = field(default_factory=dict)
    course: MotionState | None = None
    origin: int = 0

    def copy(self) -> State:
        """One that can go another way."""
        return replace(self, areas=dict(self.areas), overlaps=dict(self.overlaps), unlike=dict(self.unlike))


@dataclass(eq=False)
class Hypothesis:
    """One story of an object.

    Attributes:
        bank: its memories.
        state: what the rules know.
        score: sum of the logarithms of predicted IoUs.
    """

    bank: MemoryBank = field(default_factory=MemoryBank)
    state: State = field(default_factory=State)
    score: float = 0.0

    def fork(self) -> Hypothesis:
        """Another one with the same past; memories are shared."""
        bank = MemoryBank(dict(self.bank.prompted), dict(self.bank.recent), set(self.bank.mapped))
        return Hypothesis(bank, self.state.copy(), self.score)
