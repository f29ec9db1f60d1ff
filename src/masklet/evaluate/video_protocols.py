"""Video protocols: semi-supervised (prompt each object once, track all) and interactive (correct it by clicks)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from masklet.backends.protocol import Model
from masklet.evaluate.protocols import Interactive, SemiSupervised
from masklet.evaluate.scoring import SequenceScorer
from masklet.io import RecordedSource
from masklet.io.datasets import VideoSequence
from masklet.masks.clicks import Click
from masklet.predict.annotator import annotate_frame, first_prompt
from masklet.predict.prompting import resolve_policy
from masklet.predict.session import VideoSession
from masklet.predict.stream import StreamTracker
from masklet.types import FrameMasks, FrameSource, ObjectId, Prompts, Region

FirstMasks = Mapping[int, Mapping[ObjectId, Region]]
"""Frame -> the true masks of the objects whose first frame it is."""


def track(
    model: Model, sequence: VideoSequence, protocol: SemiSupervised, *, non_overlap: bool
) -> Iterator[FrameMasks]:
    """Track all objects of a sequence by the semi-supervised protocol; yield the masks of its frames in order.

    Several clicks on a frame need a session, where each corrects the mask before. Otherwise a stream is enough, which
    uses bounded memory. For one click both give the same masks.

    Args:
        model: the model.
        sequence: the video; its true masks are used for prompts only.
        protocol: prompts, memory policy and postprocessing.
        non_overlap: assign each pixel to at most one object.
    """
    protocol = replace(protocol, postprocess=replace(protocol.postprocess, non_overlap=non_overlap))
    starts = first_masks(sequence)
    with sequence.open() as video:
        if protocol.prompt == "click" and protocol.clicks > 1:
            yield from _track_session(model, video, starts, protocol)
        else:
            yield from _track_stream(model, video, starts, protocol)


def first_masks(sequence: VideoSequence) -> FirstMasks:
    """Return the true mask of every object on its first frame, by frame."""
    starts: dict[int, dict[ObjectId, Region]] = {}
    for object_id, index in sequence.objects.items():
        starts.setdefault(index, {})[object_id] = sequence.truth(index)[object_id]
    return starts


def _track_stream(
    model: Model, video: RecordedSource, starts: FirstMasks, protocol: SemiSupervised
) -> Iterator[FrameMasks]:
    tracker = StreamTracker(model, memory=protocol.memory, postprocess=protocol.postprocess)
    for index, frame in enumerate(video):
        truths = starts.get(index, {})
        yield tracker.step(frame, {i: first_prompt(truth, protocol.prompt) for i, truth in truths.items()})


def _track_session(
    model: Model, video: RecordedSource, starts: FirstMasks, protocol: SemiSupervised
) -> Iterator[FrameMasks]:
    session = VideoSession(model, video, memory=protocol.memory, postprocess=protocol.postprocess)
    frames = sorted(starts)
    for start, end in zip(frames, [*frames[1:], len(video)], strict=True):

        def predict(prompts: Mapping[ObjectId, Prompts], frame_index: int = start) -> Mapping[ObjectId, Region]:
            masks = session.prompt_objects(frame_index, prompts)
            return {i: masks[i] for i in prompts}

        annotate_frame(starts[start], predict, max_clicks=protocol.clicks)
        yield from session.propagate(start=start, end=end)


@dataclass(frozen=True)
class Round:
    """One corrected frame, and the scores of the object after it.

    Attributes:
        frame_index: the frame.
        clicks: the clicks on it.
        tracked: number of frames tracked afterwards.
        seconds: time of the annotator since the start, by the time model.
        j, f: means over the scored frames, 0 to 1.
    """

    frame_index: int
    clicks: tuple[Click, ...]
    tracked: int
    seconds: float
    j: float
    f: float

    def to_json(self) -> dict[str, Any]:
        """Return the entry of a record."""
        return {
            "frame": self.frame_index,
            "clicks": [[click.x, click.y, int(click.positive)] for click in self.clicks],
            "seconds": self.seconds,
            "J": self.j,
            "F": self.f,
            "JF": (self.j + self.f) / 2,
        }


def open_session(model: Model, video: FrameSource, protocol: Interactive) -> VideoSession:
    """Open a session for the protocol; offline, every frame reads memories of all corrected frames, also later ones."""
    policy = resolve_policy(protocol.memory, model.config)
    if protocol.mode == "offline":
        policy = replace(policy, look_ahead=True)
    return VideoSession(model, video, memory=policy, postprocess=protocol.postprocess)


def correct_video(
    session: VideoSession, scorer: SequenceScorer, object_id: ObjectId, protocol: Interactive
) -> Iterator[Round]:
    """Correct one object frame by frame, until no frame needs it or the maximum number of frames is reached.

    Online, the results after n corrections are those of an annotator who then stops: the video runs on to its end, and
    the n+1st pause is the first frame after the nth whose IoU is too low. Only the frames after it are tracked again.

    Args:
        session: a session without this object.
        scorer: a scorer of this object; filled with empty masks first.
        object_id: the object.
        protocol: how the annotator works.

    Yields:
        a result for each corrected frame; none for an object without scored frames.
    """
    sequence = scorer.sequence
    frame_index: int | None = sequence.objects[object_id]
    corrected: list[int] = []
    seconds = protocol.time.examining(sequence.num_frames) if protocol.mode == "online" else 0.0
    scorer.fill()
    while frame_index is not None and len(corrected) < protocol.max_frames:
        clicks = _correct_frame(session, scorer, object_id, frame_index, protocol)
        if not clicks:  # the worst frame is perfect
            return
        start = frame_index if protocol.mode == "online" else None
        tracked = 0
        for masks in session.propagate("forward", start=start):
            scorer.add(masks)
            tracked += 1
        corrected.append(frame_index)
        seconds += protocol.time.clicking(len(clicks))
        if protocol.mode == "offline":
            seconds += protocol.time.examining(sequence.num_frames)
        rows = list(scorer.rows())
        if not rows:
            return
        yield Round(frame_index, tuple(clicks), tracked, seconds, rows[0]["J"], rows[0]["F"])
        frame_index = next_frame(scorer, object_id, corrected, protocol)


def _correct_frame(
    session: VideoSession, scorer: SequenceScorer, object_id: ObjectId, frame_index: int, protocol: Interactive
) -> list[Click]:
    def predict(prompts: Mapping[ObjectId, Prompts]) -> Mapping[ObjectId, Region]:
        return {object_id: session.prompt_objects(frame_index, prompts)[object_id]}

    before = session.masks(frame_index)
    masks = {object_id: before[object_id]} if object_id in before.object_ids else {}
    truths = {object_id: scorer.sequence.truth(frame_index)[object_id]}
    annotation = annotate_frame(truths, predict, max_clicks=protocol.clicks, masks=masks)[object_id]
    scorer.add(session.masks(frame_index))
    return annotation.clicks


def next_frame(scorer: SequenceScorer, object_id: ObjectId, corrected: list[int], protocol: Interactive) -> int | None:
    """Choose the next frame to correct: offline the one with the lowest IoU, online the first with a too low IoU.

    On ties the first frame is chosen; None if no frame needs a correction.
    """
    frames, scores = scorer.scores(object_id)
    iou = dict(zip(frames, scores.j[:, 0].tolist(), strict=True))
    if protocol.mode == "online":
        return next((i for i in frames if i > corrected[-1] and iou[i] < protocol.pause_below), None)
    left = [i for i in frames if i not in corrected and iou[i] < 1]
    return min(left, key=iou.__getitem__) if left else None
