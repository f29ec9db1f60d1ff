"""What a recorded session knows of one object beside its memories: name, prompts, and which passes went where."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from masklet.types import Prompts


@dataclass(eq=False)
class ObjectState:
    """One object of a session.

    Attributes:
        name: given by the user, or "".
        prompts: by frame, all prompts of that frame.
        pending: prompted frames that were not answered yet; the first pass that arrives there answers them.
        corrected: prompted frames whose answer corrects what a pass found.
        refines_mask: prompted frames whose clicks refine a mask that was given as a prompt.
        visited: frames a pass went through, and whether that pass ran in reverse.
        resumed: the frame from which on the object is tracked with a memory from elsewhere, or None.
    """

    name: str = ""
    prompts: dict[int, Prompts] = field(default_factory=dict)
    pending: set[int] = field(default_factory=set)
    corrected: set[int] = field(default_factory=set)
    refines_mask: set[int] = field(default_factory=set)
    visited: dict[int, bool] = field(default_factory=dict)
    resumed: int | None = None

    @property
    def starts(self) -> set[int]:
        """Frames from which the object can be tracked."""
        return set(self.prompts) if self.resumed is None else {*self.prompts, self.resumed}

    @property
    def first_frame(self) -> int:
        """The first frame of this video that may be in memory; earlier ones are of another video."""
        return 0 if self.resumed is None else self.resumed

    def was_tracked(self, frame_index: int, results: Collection[int]) -> bool:
        """Whether the mask of a frame is what a pass found, or a correction of it."""
        return frame_index in (self.corrected if frame_index in self.prompts else results)

    def is_provisional(self, frame_index: int) -> bool:
        """Whether the answer to a frame's clicks or box was given before any pass reached the frame."""
        given_mask = self.prompts[frame_index].mask is not None or frame_index in self.refines_mask
        return not given_mask and frame_index not in self.visited

    def builds_on_mask(self, frame_index: int) -> bool:
        """Whether further clicks on a frame refine a mask that was given as a prompt."""
        prompts = self.prompts.get(frame_index)
        is_drawn = prompts is not None and prompts.mask is not None and not prompts.is_absent
        return is_drawn or frame_index in self.refines_mask

    def set_answered(self, frame_index: int, prompts: Prompts, *, corrects: bool, refines_mask: bool = False) -> None:
        """Record all prompts of a frame as answered, and what the answer builds on."""
        self.prompts[frame_index] = prompts
        self.pending.discard(frame_index)
        (self.corrected.add if corrects else self.corrected.discard)(frame_index)
        (self.refines_mask.add if refines_mask else self.refines_mask.discard)(frame_index)

    def remove_prompts(self, frame_index: int) -> None:
        """Remove all prompts of a frame, and what is known of passes through it."""
        del self.prompts[frame_index]
        self.pending.discard(frame_index)
        self.corrected.discard(frame_index)
        self.refines_mask.discard(frame_index)
        self.visited.pop(frame_index, None)
