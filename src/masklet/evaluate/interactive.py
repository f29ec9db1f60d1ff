"""The interactive protocols: one person, one object, a few clicks on one frame after the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol, runtime_checkable

from masklet.backends.protocol import Model
from masklet.evaluate.protocols import Interactive
from masklet.evaluate.scoring import SequenceScorer
from masklet.masks.clicks import Click
from masklet.predict.annotator import annotate_frame
from masklet.predict.prompting import memory_policy
from masklet.predict.propagation import Direction
from masklet.predict.session import VideoSession
from masklet.types import FrameMasks, FrameSource, ObjectId, Prompts, Region


@runtime_checkable
class Session(Protocol):
    """What answers a person who works on a video; see `masklet.VideoSession`."""

    def prompt_objects(self, frame_index: int, prompts: Mapping[ObjectId, Prompts]) -> FrameMasks:
        """Say something about objects on a frame and see its masks."""
        ...

    def propagate(self, direction: Direction = "forward", *, start: int | None = None) -> Iterator[FrameMasks]:
        """Track and yield the masks of each frame."""
        ...

    def masks(self, frame_index: int) -> FrameMasks:
        """The results so far on one frame."""
        ...


@dataclass(frozen=True)
class Round:
    """One corrected frame, and what the object scores after it.

    Attributes:
        frame_index: the frame.
        clicks: made on it.
        tracked: frames that were tracked then.
        seconds: what the person has spent since the start, by the time model.
        j, f: over the frames that count, 0 to 1.
    """

    frame_index: int
    clicks: tuple[Click, ...]
    tracked: int
    seconds: float
    j: float
    f: float

    def entry(self) -> dict[str, Any]:
        """As it stands in a record."""
        return {
            "frame": self.frame_index,
            "clicks": [[click.x, click.y, int(click.positive)] for click in self.clicks],
            "seconds": self.seconds,
            "J": self.j,
            "F": self.f,
            "JF": (self.j + self.f) / 2,
        }


def open_session(model: Model, video: FrameSource, protocol: Interactive) -> VideoSession:
    """A session for the protocol: offline every frame recalls all corrected frames, also later ones."""
    policy = memory_policy(protocol.memory, model.config)
    if protocol.mode == "offline":
        policy = replace(policy, look_ahead=True)
    return VideoSession(model, video, memory=policy, postprocess=protocol.postprocess)


def interact(session: Session, scorer: SequenceScorer, object_id: ObjectId, protocol: Interactive) -> Iterator[Round]:
    """Correct one object frame by frame, until all is well or the protocol's frames are used up.

    Online, the results after n corrections are those of a person who stops correcting then: the video runs on to its
    end, and the n+1st pause is the first frame after the nth whose IoU is too low. Only what follows it runs again.

    Args:
        session: knows nothing of the object yet.
        scorer: of this one object; filled with empty masks here.
        object_id: the object.
        protocol: how the person works.

    Yields:
        Nothing for an object of which no frame counts.
    """
    sequence = scorer.sequence
    frame_index: int | None = sequence.objects[object_id]
    corrected: list[int] = []
    spent = protocol.time.examining(sequence.num_frames) if protocol.mode == "online" else 0.0
    scorer.fill()
    while frame_index is not None and len(corrected) < protocol.max_frames:
        clicks = _click(session, scorer, object_id, frame_index, protocol)
        if not clicks:  # the worst frame is perfect
            return
        start = frame_index if protocol.mode == "online" else None
        tracked = 0
        for out in session.propagate("forward", start=start):
            scorer.add(out)
            tracked += 1
        corrected.append(frame_index)
        spent += protocol.time.clicking(len(clicks))
        if protocol.mode == "offline":
            spent += protocol.time.examining(sequence.num_frames)
        rows = list(scorer.rows())
        if not rows:
            return
        yield Round(frame_index, tuple(clicks), tracked, spent, rows[0]["J"], rows[0]["F"])
        frame_index = next_frame(scorer, object_id, corrected, protocol)


def _click(
    session: Session, scorer: SequenceScorer, object_id: ObjectId, frame_index: int, protocol: Interactive
) -> list[Click]:
    """Correct one frame; the masks shown are those of the last run."""

    def predict(prompts: Mapping[ObjectId, Prompts]) -> Mapping[ObjectId, Region]:
        return {object_id: session.prompt_objects(frame_index, prompts)[object_id]}

    before = session.masks(frame_index)
    masks = {object_id: before[object_id]} if object_id in before.object_ids else {}
    truths = {object_id: scorer.sequence.truth(frame_index)[object_id]}
    annotation = annotate_frame(truths, predict, max_clicks=protocol.clicks, masks=masks)[object_id]
    scorer.add(session.masks(frame_index))
    return annotation.clicks


def next_frame(scorer: SequenceScorer, object_id: ObjectId, corrected: list[int], protocol: Interactive) -> int | None:
    """The frame to correct next: offline the one with the worst IoU, online the first one where it is too low.

    Of several that are equally bad it is the first; None where there is nothing (more) to correct.
    """
    frames, scores = scorer.scores(object_id)
    iou = dict(zip(frames, scores.j[:, 0].tolist(), strict=True))
    if protocol.mode == "online":
        return next((i for i in frames if i > corrected[-1] and iou[i] < protocol.pause_below), None)
    left = [i for i in frames if i not in corrected and iou[i] < 1]
    return min(left, key=iou.__getitem__) if left else None
