"""The semi-supervised protocol: prompt each object on its first frame, track all to the end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from masklet.backends.protocol import Model
from masklet.evaluate.protocols import SemiSupervised
from masklet.io import RecordedSource
from masklet.io.datasets import VideoSequence
from masklet.predict.annotator import annotate_frame, first_prompt
from masklet.predict.session import VideoSession
from masklet.predict.stream import StreamTracker
from masklet.types import FrameMasks, ObjectId, Prompts, Region

Starts = Mapping[int, Mapping[ObjectId, Region]]
"""Frame -> the true masks of the objects that begin there."""


def track(
    model: Model, sequence: VideoSequence, protocol: SemiSupervised, *, non_overlap: bool
) -> Iterator[FrameMasks]:
    """Track all objects of a sequence; yields its frames in order, from the first prompt on or earlier.

    Several clicks on a frame need a session, in which each corrects the answer before. One answer for each object is
    a stream: bounded memory, frames read ahead. For one click both give the same masks.

    Args:
        model: the model.
        sequence: the video with its truth, of which only the prompts are used.
        protocol: what is prompted.
        non_overlap: give every pixel to one object at most.
    """
    protocol = replace(protocol, postprocess=replace(protocol.postprocess, non_overlap=non_overlap))
    starts = first_masks(sequence)
    with sequence.open() as video:
        if protocol.prompt == "click" and protocol.clicks > 1:
            yield from _clicked(model, video, starts, protocol)
        else:
            yield from _streamed(model, video, starts, protocol)


def first_masks(sequence: VideoSequence) -> Starts:
    """The true mask of every object on the first frame that shows it, by frame."""
    starts: dict[int, dict[ObjectId, Region]] = {}
    for object_id, index in sequence.objects.items():
        starts.setdefault(index, {})[object_id] = sequence.truth(index)[object_id]
    return starts


def _streamed(model: Model, video: RecordedSource, starts: Starts, protocol: SemiSupervised) -> Iterator[FrameMasks]:
    tracker = StreamTracker(model, memory=protocol.memory, postprocess=protocol.postprocess)
    for index, frame in enumerate(video):
        yield tracker.step(
            frame, {i: first_prompt(truth, protocol.prompt) for i, truth in starts.get(index, {}).items()}
        )


def _clicked(model: Model, video: RecordedSource, starts: Starts, protocol: SemiSupervised) -> Iterator[FrameMasks]:
    session = VideoSession(model, video, memory=protocol.memory, postprocess=protocol.postprocess)
    marks = sorted(starts)
    for mark, end in zip(marks, [*marks[1:], len(video)], strict=True):

        def predict(prompts: Mapping[ObjectId, Prompts], frame_index: int = mark) -> Mapping[ObjectId, Region]:
            masks = session.prompt_objects(frame_index, prompts)
            return {i: masks[i] for i in prompts}

        annotate_frame(starts[mark], predict, max_clicks=protocol.clicks)
        yield from session.propagate(start=mark, end=end)
