"""The three annotation phases of the paper's data engine (section 5.1) with a simulated annotator who knows the truth.

They show how many clicks and edited frames a model saves before anybody annotates.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from masklet.backends.protocol import Model
from masklet.errors import FormatError
from masklet.masks.rle import pair_iou
from masklet.predict.annotator import Predict, annotate_frame
from masklet.predict.image import ImageSegmenter
from masklet.predict.session import VideoSession
from masklet.types import FrameSource, MaskSet, ObjectId, Prompts, Region, Rle

PhaseNumber = Literal["1", "2", "3"]

OBJECT = 1
"""Id of the annotated object; one object is annotated at a time."""


@dataclass(frozen=True, kw_only=True)
class SimulationSettings:
    """Settings of the simulated annotator.

    Every click goes to the center of the largest error (`masklet.predict.annotator`). A frame that does not reach the
    target IoU by clicks is finished with the brush, which draws the true mask.

    Attributes:
        target_iou: IoU with the true mask from which on a mask is good enough.
        max_clicks: maximum number of clicks per frame.
        every: every how many frames one is annotated; 4 corresponds to 6 of 24 per second, as in SA-V.
    """

    target_iou: float = 0.75
    max_clicks: int = 8
    every: int = 4

    def __post_init__(self) -> None:
        if not 0 < self.target_iou <= 1 or self.max_clicks < 1 or self.every < 1:
            raise FormatError(f"expected target_iou in (0, 1], max_clicks and every at least 1, got {self}")

    def frames(self, truth: Mapping[int, Rle]) -> list[int]:
        """Return the annotated frames, starting where the object appears; `FormatError` if it never does."""
        first = min((i for i, rle in truth.items() if rle.area), default=None)
        if first is None:
            raise FormatError("expected an object with a non-empty mask, got none")
        return [i for i in sorted(truth) if i >= first and not (i - first) % self.every]


@dataclass(kw_only=True)
class Effort:
    """The result and the effort of annotating one object in one phase.

    Attributes:
        masks: masks of the annotated frames.
        clicks: frame -> number of clicks; only frames with clicks.
        brushed: frames drawn with the brush.
        edited: frames that were clicked or drawn.
    """

    masks: dict[int, Rle] = field(default_factory=dict)
    clicks: dict[int, int] = field(default_factory=dict)
    brushed: set[int] = field(default_factory=set)
    edited: set[int] = field(default_factory=set)


def annotate(
    phase: PhaseNumber,
    model: Model,
    video: FrameSource,
    truth: Mapping[int, Rle],
    settings: SimulationSettings | None = None,
) -> Effort:
    """Annotate one object of a video as in a phase of the data engine.

    Phase 1 segments every frame separately. Phase 2 tracks the mask of the first frame; a frame that is not good enough
    is annotated from scratch, as in phase 1, and its mask is tracked on. Phase 3 corrects tracked frames with clicks
    that use the memory of the tracker, and tracks on from there.

    Args:
        phase: "1", "2" or "3".
        model: answers clicks and tracks.
        video: a video of known length.
        truth: frame -> true mask of the object, which may be empty.
        settings: settings of the annotator.

    Raises:
        FormatError: all true masks are empty.
    """
    annotation = _Annotation(model, video, truth, settings or SimulationSettings())
    {"1": annotation.per_frame, "2": annotation.propagate_masks, "3": annotation.correct_interactively}[phase]()
    effort = annotation.effort
    effort.masks = {index: effort.masks[index] for index in annotation.frames}
    return effort


class _Annotation:
    """The annotation of one object in progress."""

    def __init__(
        self, model: Model, video: FrameSource, truth: Mapping[int, Rle], settings: SimulationSettings
    ) -> None:
        self.model, self.video, self.truth, self.settings = model, video, truth, settings
        self.frames = settings.frames(truth)
        self.segmenter = ImageSegmenter(model)
        self.effort = Effort()

    def per_frame(self) -> None:
        """Phase 1."""
        for index in self.frames:
            self._annotate_from_scratch(index)

    def propagate_masks(self) -> None:
        """Phase 2."""
        session = VideoSession(self.model, self.video)
        index: int | None = self.frames[0]
        while index is not None:
            self._annotate_from_scratch(index)
            self._prompt_mask(session, index)
            index = self._track_until_wrong(session, index)

    def correct_interactively(self) -> None:
        """Phase 3."""
        session = VideoSession(self.model, self.video)
        index: int | None = self.frames[0]
        while index is not None:
            self._correct(session, index)
            index = self._track_until_wrong(session, index)

    def _track_until_wrong(self, session: VideoSession, start: int) -> int | None:
        """Track from a frame on; return the next annotated frame that is not good enough, or None at the end."""
        annotated = set(self.frames)
        for out in session.propagate("forward", start=start, end=self.frames[-1] + 1):
            index = out.frame_index
            if index > start and index in annotated:
                self.effort.masks[index] = Rle.from_mask(out[OBJECT])
                if pair_iou(self.effort.masks[index], self.truth[index]) < self.settings.target_iou:
                    return index
        return None

    def _prompt_mask(self, session: VideoSession, index: int) -> None:
        """Prompt the tracker with the mask of a frame, unless the object is absent there."""
        if self.effort.masks[index].area:
            session.prompt(index, object_id=OBJECT, prompts=Prompts.from_mask(self.effort.masks[index].to_mask()))

    def _annotate_from_scratch(self, index: int) -> None:
        """Annotate a frame without memory: clicks, then the brush."""
        image = self.segmenter.encode(self.video[index])
        clicked: Prompts | None = None
        answer: MaskSet | None = None

        def predict(prompts: Mapping[ObjectId, Prompts]) -> Mapping[ObjectId, Region]:
            nonlocal clicked, answer
            click = prompts[OBJECT]
            (x, y), positive = click.points[0].tolist(), bool(click.labels[0])
            clicked = click if clicked is None else clicked.and_click(x, y, positive=positive)
            answer = self.segmenter.segment(image, clicked, refine=answer)
            return {OBJECT: answer.masks[0]}

        self.effort.masks.pop(index, None)
        self._edit(index, predict)

    def _correct(self, session: VideoSession, index: int) -> None:
        """Correct a tracked frame: clicks with the memory of the tracker, then the brush."""

        def predict(prompts: Mapping[ObjectId, Prompts]) -> Mapping[ObjectId, Region]:
            return {OBJECT: session.prompt(index, object_id=OBJECT, prompts=prompts[OBJECT])[OBJECT]}

        self._edit(index, predict)
        if index in self.effort.brushed:
            self._prompt_mask(session, index)

    def _edit(self, index: int, predict: Predict) -> None:
        """Click until the mask is good enough, or draw it in the end."""
        before = self.effort.masks.get(index)
        annotation = annotate_frame(
            {OBJECT: self.truth[index].to_mask()},
            predict,
            max_clicks=self.settings.max_clicks,
            masks=None if before is None else {OBJECT: before.to_mask()},
            target_iou=self.settings.target_iou,
            brush=True,
        )[OBJECT]
        self.effort.masks[index] = Rle.from_mask(annotation.mask)
        self.effort.edited.add(index)
        if annotation.clicks:
            self.effort.clicks[index] = self.effort.clicks.get(index, 0) + len(annotation.clicks)
        if annotation.brushed:
            self.effort.brushed.add(index)
