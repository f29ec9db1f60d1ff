"""Everything a session knows of one object: its prompts, its memory, and its results so far."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor

from masklet.errors import PromptError
from masklet.model.config import ModelConfig
from masklet.tracking.memory import MemoryBank, MemoryEntry
from masklet.tracking.policies import Hypothesis, HypothesisSet
from masklet.types import FrameMasks, Masklet, ObjectId, Prompts, Rle, Size


@dataclass(frozen=True, slots=True)
class Result:
    """One frame of one object.

    Attributes:
        mask: at the size of the video.
        presence: probability that the object is visible.
        iou: predicted IoU of the mask.
        confidence: probability that the mask is right, or None where that is not known.
    """

    mask: Rle
    presence: float
    iou: float
    confidence: float | None = None


def results_of(out: FrameMasks) -> dict[ObjectId, Result]:
    """One frame's masks, object by object."""
    certain = [None] * len(out) if out.confidence is None else out.confidence.tolist()
    return {
        i: Result(Rle.from_mask(mask), float(presence), float(iou), confidence)
        for i, mask, presence, iou, confidence in zip(
            out.object_ids, out.masks, out.presence, out.iou, certain, strict=True
        )
    }


class Told(NamedTuple):
    """What one story says of a frame, and of those before."""

    frame_index: int
    result: Result
    before: Told | None


@dataclass(frozen=True, eq=False, kw_only=True)
class FrameState:
    """One frame of one object as plain values, which can be written down and read back.

    Attributes:
        result: what is shown.
        prompts: everything said about the object on this frame, or None.
        reverse: whether the pass that went through this frame ran in reverse; None where none did.
        object_score: logit of the presence head.
        pointer: the object pointer of its memory, or None where a correction has made the memory doubtful.
        logits: mask logits at a quarter of the model's input size; only of prompted frames.
    """

    result: Result
    prompts: Prompts | None = None
    reverse: bool | None = None
    object_score: float = 0.0
    pointer: Float32[np.ndarray, " c"] | None = None
    logits: Float32[np.ndarray, "s s"] | None = None

    def check(self, size: Size, config: ModelConfig) -> None:
        """Raise `PromptError` unless the mask is of ``size``, and logits and pointer are such as the model makes."""
        side, width = config.image_size // 4, config.embed_dim
        if self.result.mask.size != size:
            raise PromptError(f"expected a mask of size {size} (height, width), got {self.result.mask.size}")
        if self.logits is not None and self.logits.shape != (side, side):
            raise PromptError(f"expected logits of shape {(side, side)}, got {self.logits.shape}: another model's?")
        if self.pointer is not None and self.pointer.shape != (width,):
            raise PromptError(f"expected a pointer of {width} numbers, got {self.pointer.size}: another model's?")
        if self.prompts is not None:
            self.prompts.check_inside(size)
            if self.pointer is None and not self.prompts.is_absent:
                raise PromptError("expected the pointer of a prompted frame, got none")


@dataclass(eq=False)
class Track:
    """One object of a session.

    Attributes:
        name: what the user calls it, or "".
        prompts: by frame; everything said about that frame so far.
        belief: its memories. A frame that was tracked before a later correction reached it has a result but no memory.
        results: by frame.
        corrected: prompted frames whose prompts correct what a pass found.
        visited: frames a pass went through, and whether that pass ran in reverse.
        resumed: the frame from which on it is followed as remembered from elsewhere, or None.
        told: what each story that is still believed says of the frames of this pass, the newest first.
    """

    name: str = ""
    prompts: dict[int, Prompts] = field(default_factory=dict)
    belief: HypothesisSet = field(default_factory=HypothesisSet)
    results: dict[int, Result] = field(default_factory=dict)
    corrected: set[int] = field(default_factory=set)
    visited: dict[int, bool] = field(default_factory=dict)
    resumed: int | None = None
    told: dict[Hypothesis, Told] = field(default_factory=dict)

    @property
    def starts(self) -> set[int]:
        """Frames from which it can be tracked."""
        return set(self.prompts) if self.resumed is None else {*self.prompts, self.resumed}

    @property
    def begins(self) -> int:
        """The first frame of this video that may be in its memory; earlier ones are of another."""
        return 0 if self.resumed is None else self.resumed

    @property
    def bank(self) -> MemoryBank:
        """The memories of the likeliest story."""
        return self.belief.best.bank

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

    def is_gone(self, frame_index: int, *, reverse: bool) -> bool:
        """Whether the last thing said before a frame, in the order of a pass, is that the object is absent."""
        before = [i for i in self.prompts if (i > frame_index if reverse else i < frame_index)]
        return bool(before) and self.prompts[min(before) if reverse else max(before)].is_absent

    def starts_afresh(self, frame_index: int) -> bool:
        """Whether clicks have no answer to correct: nothing is known of a frame, or a person said "absent"."""
        asked = self.prompts.get(frame_index)
        return frame_index not in self.results or (asked is not None and asked.is_absent)

    def is_passed_over(self, frame_index: int) -> bool:
        """Whether a pass came to a frame after a person had said that the object is absent."""
        reverse = self.visited.get(frame_index, False)
        return frame_index not in self.prompts and self.is_gone(frame_index, reverse=reverse)

    def was_tracked(self, frame_index: int) -> bool:
        """Whether the mask of a frame is what a pass found, or a correction of it."""
        return frame_index in (self.corrected if frame_index in self.prompts else self.results)

    def say(self, frame_index: int, prompts: Prompts, *, corrects: bool) -> None:
        """Note everything said about a frame, and whether that corrects what a pass found."""
        self.prompts[frame_index] = prompts
        (self.corrected.add if corrects else self.corrected.discard)(frame_index)

    def doubt(self, frame_index: int) -> None:
        """Forget the memories of tracked frames that came out of a pass through this frame: it has changed."""
        downstream = [
            i
            for i in self.bank.recent
            if i in self.visited and (i < frame_index if self.visited[i] else i > frame_index)
        ]
        self.bank.drop(downstream)

    def unprompt(self, frame_index: int) -> None:
        """Take back everything said about a frame, and its result.

        Raises:
            PromptError: nothing was said about it.
        """
        if frame_index not in self.prompts:
            said = ", ".join(map(str, sorted(self.prompts)))
            raise PromptError(f"frame {frame_index} has no prompts to clear (prompted frames: {said})")
        self.belief.settle()  # no other story may remember it
        del self.prompts[frame_index]
        self.corrected.discard(frame_index)
        self.results.pop(frame_index, None)
        self.visited.pop(frame_index, None)
        self.bank.drop([frame_index])
        self.doubt(frame_index)

    def state(self, frame_index: int, logits: Float[Tensor, "1 1 s s"] | None) -> FrameState:
        """What is known of a frame that has a result."""
        entry = self.bank.prompted.get(frame_index) or self.bank.recent.get(frame_index)
        return FrameState(
            result=self.results[frame_index],
            prompts=self.prompts.get(frame_index),
            reverse=self.visited.get(frame_index),
            object_score=entry.object_score if entry else 0.0,
            pointer=entry.pointer[0].float().cpu().numpy() if entry else None,
            logits=None if logits is None else logits[0, 0].float().cpu().numpy(),
        )

    def restore(self, frames: Mapping[int, FrameState], *, like: Tensor) -> None:
        """Take frames back of which nothing is known; their pointers become tensors of the kind of ``like``."""
        for i, state in sorted(frames.items()):
            self.results[i] = state.result
            if state.prompts is not None:
                self.prompts[i] = state.prompts
            if state.reverse is not None:
                self.visited[i] = state.reverse
            if state.pointer is not None and (state.prompts is not None or state.reverse is not None):
                pointer = torch.from_numpy(state.pointer.copy()).to(like)[None]
                entry = MemoryEntry(None, pointer, state.object_score, state.result.iou)
                self.bank.put(i, entry, prompted=state.prompts is not None)

    def masklet(self, object_id: ObjectId, size: Size, model: str) -> Masklet:
        """The results as a value of its own."""
        ordered = sorted(self.results.items())
        return Masklet(
            object_id=object_id,
            size=size,
            frames={i: result.mask for i, result in ordered},
            presence={i: result.presence for i, result in ordered},
            iou={i: result.iou for i, result in ordered},
            confidence={i: result.confidence for i, result in ordered if result.confidence is not None},
            prompted=tuple(sorted(self.prompts)),
            name=self.name,
            model=model,
        )
