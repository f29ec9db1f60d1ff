"""Everything a session knows of one object: its prompts, its memory, and its results so far."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from masklet.errors import PromptError
from masklet.tracking.memory import MemoryBank
from masklet.types import Masklet, ObjectId, Prompts, Rle, Size


@dataclass(frozen=True, slots=True)
class Result:
    """One frame of one object.

    Attributes:
        mask: at the size of the video.
        presence: probability that the object is visible.
        iou: predicted IoU of the mask.
    """

    mask: Rle
    presence: float
    iou: float


@dataclass(eq=False)
class Track:
    """One object of a session.

    Attributes:
        name: what the user calls it, or "".
        prompts: by frame; everything said about that frame so far.
        bank: its memories. A frame that was tracked before a later correction reached it has a result but no memory.
        results: by frame.
        visited: frames a pass went through, and whether that pass ran in reverse.
    """

    name: str = ""
    prompts: dict[int, Prompts] = field(default_factory=dict)
    bank: MemoryBank = field(default_factory=MemoryBank)
    results: dict[int, Result] = field(default_factory=dict)
    visited: dict[int, bool] = field(default_factory=dict)

    def merged(self, frame_index: int, prompts: Prompts) -> Prompts:
        """What was said about a frame before, together with new prompts.

        Clicks add up, a new box replaces the old one, a mask replaces everything, and clicks after a mask stand for
        themselves (the mask is what they refine).
        """
        before = self.prompts.get(frame_index)
        if before is None or prompts.mask is not None or before.mask is not None:
            return prompts
        return Prompts(
            points=np.concatenate([before.points, prompts.points]),
            labels=np.concatenate([before.labels, prompts.labels]),
            box=before.box if prompts.box is None else prompts.box,
        )

    def doubt(self, frame_index: int) -> None:
        """Forget the memories of tracked frames that came out of a pass through this frame: it has changed."""
        downstream = [i for i in self.bank.recent if (i < frame_index if self.visited[i] else i > frame_index)]
        self.bank.drop(downstream)

    def unprompt(self, frame_index: int) -> None:
        """Take back everything said about a frame, and its result.

        Raises:
            PromptError: nothing was said about it.
        """
        if frame_index not in self.prompts:
            said = ", ".join(map(str, sorted(self.prompts)))
            raise PromptError(f"frame {frame_index} has no prompts to clear (prompted frames: {said})")
        del self.prompts[frame_index]
        self.results.pop(frame_index, None)
        self.visited.pop(frame_index, None)
        self.bank.drop([frame_index])
        self.doubt(frame_index)

    def masklet(self, object_id: ObjectId, size: Size, model: str) -> Masklet:
        """The results as a value of its own."""
        ordered = sorted(self.results.items())
        return Masklet(
            object_id=object_id,
            size=size,
            frames={i: result.mask for i, result in ordered},
            presence={i: result.presence for i, result in ordered},
            iou={i: result.iou for i, result in ordered},
            prompted=tuple(sorted(self.prompts)),
            name=self.name,
            model=model,
        )
