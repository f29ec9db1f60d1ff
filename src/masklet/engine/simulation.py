"""The three ways to annotate of the paper's data engine (section 5.1), worked by a simulated person with the truth.

They show how many clicks and edited frames a model saves, before anybody has been asked to annotate.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from masklet.backends.protocol import Model
from masklet.errors import FormatError
from masklet.masks.clicks import Click, next_click
from masklet.masks.rle import pair_iou
from masklet.predict.image import ImageSegmenter
from masklet.predict.session import VideoSession
from masklet.types import FrameSource, MaskSet, Prompts, Region, Rle

PhaseNumber = Literal["1", "2", "3"]

OBJECT = 1
"""The id of the one object that is annotated at a time."""


@dataclass(frozen=True, kw_only=True)
class Annotator:
    """How a simulated person works.

    Every click goes to the middle of the largest error, the first one to the middle of the object. A frame that clicks
    do not bring to the bar is finished with a brush, which draws the true mask.

    Attributes:
        bar: IoU with the truth from which on a mask is good enough.
        max_clicks: on one frame, before the brush is taken.
        every: the person looks at every so many frames; 4 is 6 of 24 a second, as in SA-V.
    """

    bar: float = 0.75
    max_clicks: int = 8
    every: int = 4

    def __post_init__(self) -> None:
        if not 0 < self.bar <= 1 or self.max_clicks < 1 or self.every < 1:
            raise FormatError(f"expected a bar from 0 to 1, at least 1 click and every frame from 1 on, got {self}")

    def frames(self, truth: Mapping[int, Rle]) -> list[int]:
        """The frames that are annotated: from where the object appears, every so many."""
        first = min((i for i, rle in truth.items() if rle.area), default=None)
        if first is None:
            raise FormatError("expected an object with a mask that is not empty, got none")
        return [i for i in sorted(truth) if i >= first and not (i - first) % self.every]


@dataclass(frozen=True, kw_only=True)
class Effort:
    """What one object took in one phase.

    Attributes:
        masks: the annotated frames and what was drawn there.
        clicks: clicked frame -> clicks on it.
        brushed: the frames that were drawn with a brush.
        edited: the frames that were clicked or drawn on.
    """

    masks: Mapping[int, Rle]
    clicks: Mapping[int, int] = field(default_factory=dict)
    brushed: frozenset[int] = frozenset()
    edited: frozenset[int] = frozenset()


def annotate(
    phase: PhaseNumber,
    model: Model,
    video: FrameSource,
    truth: Mapping[int, Rle],
    annotator: Annotator | None = None,
) -> Effort:
    """Annotate one object of a video in the way of a phase.

    Phase 1 segments every frame alone. In phase 2 the mask of the first frame is tracked, and a frame that is not good
    enough is annotated from scratch, as in phase 1; its mask is tracked on. In phase 3 clicks correct what tracking
    gives, with its memory, and tracking goes on from there.

    Args:
        phase: "1", "2" or "3".
        model: answers clicks and tracks.
        video: of known length.
        truth: frame -> the object's true mask, be it empty.
        annotator: how the person works.

    Raises:
        FormatError: the truth has no mask that is not empty.
    """
    worker = _Worker(model, video, truth, annotator or Annotator())
    return {"1": worker.frame_by_frame, "2": worker.by_masks, "3": worker.by_clicks}[phase]()


class _Worker:
    """One person at one object."""

    def __init__(self, model: Model, video: FrameSource, truth: Mapping[int, Rle], annotator: Annotator) -> None:
        self.model, self.video, self.truth, self.annotator = model, video, truth, annotator
        self.frames = annotator.frames(truth)
        self.segmenter = ImageSegmenter(model)
        self.masks: dict[int, Rle] = {}
        self.clicks: dict[int, int] = {}
        self.brushed: set[int] = set()
        self.edited: set[int] = set()

    def frame_by_frame(self) -> Effort:
        """Phase 1."""
        for index in self.frames:
            self._from_scratch(index)
        return self._effort()

    def by_masks(self) -> Effort:
        """Phase 2."""
        session = VideoSession(self.model, self.video)
        index: int | None = self.frames[0]
        while index is not None:
            self._from_scratch(index)
            self._draw(session, index)
            index = self._tracked_on(session, index)
        return self._effort()

    def by_clicks(self) -> Effort:
        """Phase 3."""
        session = VideoSession(self.model, self.video)
        self.masks[self.frames[0]] = Rle.from_mask(np.zeros(self.video.size, bool))
        index: int | None = self.frames[0]
        while index is not None:
            self._corrected(session, index)
            index = self._tracked_on(session, index)
        return self._effort()

    def _effort(self) -> Effort:
        return Effort(
            masks={index: self.masks[index] for index in self.frames},
            clicks=self.clicks,
            brushed=frozenset(self.brushed),
            edited=frozenset(self.edited),
        )

    def _tracked_on(self, session: VideoSession, start: int) -> int | None:
        """Track from a frame on; the next one that is looked at and not good enough, or None at the end."""
        looked_at = set(self.frames)
        for out in session.propagate("forward", start=start, end=self.frames[-1] + 1):
            if out.frame_index > start and out.frame_index in looked_at:
                self.masks[out.frame_index] = Rle.from_mask(out[OBJECT])
                if not self._good(out.frame_index):
                    return out.frame_index
        return None

    def _draw(self, session: VideoSession, index: int) -> None:
        """Track a frame's mask from here on; of a frame that the object has left, nothing can be said."""
        if self.masks[index].area:
            session.prompt(index, object_id=OBJECT, prompts=Prompts.from_mask(self.masks[index].to_mask()))

    def _from_scratch(self, index: int) -> None:
        """Annotate a frame alone: clicks, then the brush."""
        image = self.segmenter.encode(self.video[index])
        asked: Prompts | None = None
        seen: MaskSet | None = None

        def answer(click: Click) -> Region:
            nonlocal asked, seen
            asked = (asked.and_click if asked else Prompts.click)(click.x, click.y, positive=click.positive)
            seen = self.segmenter.segment(image, asked, refine=seen)
            mask: Region = seen.masks[0]
            return mask

        self.masks[index] = Rle.from_mask(np.zeros(self.video.size, bool))
        self._edit(index, answer)

    def _corrected(self, session: VideoSession, index: int) -> None:
        """Correct a frame with what tracking remembers: clicks, then the brush."""

        def answer(click: Click) -> Region:
            said = Prompts.click(click.x, click.y, positive=click.positive)
            return session.prompt(index, object_id=OBJECT, prompts=said)[OBJECT]

        self._edit(index, answer)
        if index in self.brushed:
            self._draw(session, index)

    def _edit(self, index: int, answer: Callable[[Click], Region]) -> None:
        """Click until the mask is good enough, or draw it in the end; an object that has left is drawn away."""
        truth = self.truth[index].to_mask()
        self.edited.add(index)
        for _ in range(self.annotator.max_clicks if truth.any() else 0):
            click = next_click(self.masks[index].to_mask(), truth)
            if click is None or self._good(index):
                break
            self.masks[index] = Rle.from_mask(answer(click))
            self.clicks[index] = self.clicks.get(index, 0) + 1
        if not self._good(index):
            self.brushed.add(index)
            self.masks[index] = self.truth[index]

    def _good(self, index: int) -> bool:
        return pair_iou(self.masks[index], self.truth[index]) >= self.annotator.bar


def size_class(rle: Rle) -> Literal["small", "medium", "large"]:
    """By the number of pixels: below 32 x 32, below 96 x 96, or more, as COCO counts."""
    return "small" if rle.area < 32**2 else "medium" if rle.area < 96**2 else "large"
