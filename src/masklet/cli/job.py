"""Tracking one video: frames and prompts in, every result written as it is done, a report at the end."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from itertools import islice
from typing import Any, NamedTuple, cast

import typer

from masklet.backends.flip_augmented import FlipAugmented
from masklet.backends.protocol import Model
from masklet.cli.options import MaskOptions, ModelOptions
from masklet.cli.progress import Advance, Interrupt, progress
from masklet.cli.prompts import PromptBook, check
from masklet.cli.report import Tally, VideoReport, note
from masklet.errors import FrameRangeError, MediaError
from masklet.io import LiveVideo, Provenance, RecordedSource, Writer, read_mask
from masklet.io.writer import AsyncWriter
from masklet.predict.load import load
from masklet.predict.propagation import Direction
from masklet.predict.refine import Refinement
from masklet.predict.results import PostProcess
from masklet.predict.session import VideoSession
from masklet.predict.spec import ModelSpec
from masklet.predict.speed import Speed
from masklet.predict.stream import StreamTracker, Tracked
from masklet.tracking.policies import NAMES, PolicyName
from masklet.types import FrameMasks, ObjectId, Prompts, RgbImage

ENDLESS = 2**40
"""More frames than a camera gives in a century."""


class Lazy:
    """The model of a command, loaded when the first input has proved to be sound."""

    def __init__(self, options: ModelOptions) -> None:
        self._options = options
        self._model: Model | None = None

    def __call__(self) -> Model:
        """The model."""
        if self._model is None:
            options = self._options
            build: Any = {"backend": options.backend, "speed": options.speed}
            model = load(
                options.name,
                weights=options.weights,
                device=options.device,
                dtype=options.dtype,
                image_size=options.image_size,
                **build,
            )
            self._model = FlipAugmented(model) if options.mirror else model
        return self._model


def spec_of(options: ModelOptions) -> ModelSpec:
    """A torch model as workers take it; what cannot be is said when it is loaded."""
    return ModelSpec(
        name=options.name,
        weights=options.weights,
        device=options.device,
        dtype=options.dtype,
        image_size=options.image_size,
        speed=cast("Speed", options.speed),
        tta=options.mirror,
    )


def policy_named(name: str) -> PolicyName:
    """The memory policy of a name.

    Raises:
        BadParameter: no such policy.
    """
    for known in NAMES:
        if name == known:
            return known
    raise typer.BadParameter(f"expected one of {', '.join(NAMES)}, got {name!r}", param_hint="--memory")


def post_process(masks: MaskOptions) -> PostProcess:
    """What the options of a command do to masks."""
    refinement = Refinement() if masks.refine else None
    return PostProcess(**{**asdict(masks), "refine": refinement})


def model_entry(model: Model) -> dict[str, object]:
    """A model as it stands in JSON."""
    return {
        "model": model.config.full_name,
        "device": str(model.device),
        "dtype": str(model.dtype).removeprefix("torch."),
        "input_size": model.config.image_size,
    }


class Span(NamedTuple):
    """Which frames, and which way.

    Attributes:
        start: the first frame.
        end: one more than the last frame, or None for the end of the video.
        direction: as in `VideoSession.propagate`.
    """

    start: int = 0
    end: int | None = None
    direction: Direction = "forward"


@dataclass(frozen=True, kw_only=True)
class Job:
    """One video with its prompts, checked against each other.

    Attributes:
        source: the video as the user named it.
        video: the same, open.
        frames: what is tracked and written, in order.
        direction: as in `VideoSession.propagate`.
        prompts: by frame and object.
        names: of objects.
        postprocess: what happens to masks.
        memory: name of the memory policy.
    """

    source: str
    video: RecordedSource | LiveVideo
    frames: range
    direction: Direction
    prompts: dict[int, dict[ObjectId, Prompts]]
    names: dict[ObjectId, str] = field(default_factory=dict)
    postprocess: PostProcess = field(default_factory=PostProcess)
    memory: PolicyName = "plain"

    @property
    def is_live(self) -> bool:
        """Whether nobody knows how many frames will come."""
        return isinstance(self.video, LiveVideo)


def prepare(
    source: str, video: RecordedSource | LiveVideo, book: PromptBook, span: Span, masks: MaskOptions | None = None
) -> Job:
    """Bring a video and prompts together.

    Raises:
        FrameRangeError: no frame to track, or a prompt on a frame that is not tracked.
        PromptError: prompts that are impossible or outside the picture.
        MediaError: a live video in another direction than forward, or an unreadable mask.
    """
    if isinstance(video, LiveVideo):
        if span.direction != "forward":
            raise MediaError(f"{video.name} is live: --reverse and --both need a recorded video")
        stop = ENDLESS if span.end is None else span.end
    else:
        count = len(video)
        stop = count if span.end is None else span.end
        if stop > count:
            raise FrameRangeError(
                f"{_shown(source, video)} has {count} frames, expected --end up to {count}, got {stop}"
            )
    frames = range(span.start, stop)
    if not frames:
        raise FrameRangeError(f"expected --start below --end, got {span.start} and {stop}: {_shown(source, video)}")
    prompts = book.at(frames[-1] if span.direction == "reverse" else frames[0], read_mask, video.size)
    check(prompts, video.size, frames)
    return Job(
        source=source,
        video=video,
        frames=frames,
        direction=span.direction,
        prompts=prompts,
        names=book.names,
        postprocess=post_process(masks or MaskOptions()),
    )


def _shown(source: str, video: RecordedSource | LiveVideo) -> str:
    """What messages call a video: a file as the user named it, an address without the password it may hold."""
    return source if getattr(video, "path", None) else video.name


def track(job: Job, model: Model, sinks: Sequence[Writer], *, interrupt: Interrupt, quiet: bool = False) -> VideoReport:
    """Track the objects of a job and write every frame to every sink; the caller finishes the sinks.

    Forward, frames are written as they are done and memory stays bounded; in the other directions all masks are made
    first (and kept as run-length codes), then written in the order of the frames.

    Raises:
        KeyboardInterrupt: interrupted before the first frame was done.
    """
    report = VideoReport(_shown(job.source, job.video), job.video.size, names=job.names)
    prompted: dict[ObjectId, tuple[int, ...]] = {}
    for frame_index, by_object in sorted(job.prompts.items()):
        for object_id in by_object:
            prompted[object_id] = (*prompted.get(object_id, ()), frame_index)
    for sink in sinks:
        sink.provenance = Provenance(names=job.names, prompted=prompted, model=model.config.full_name)
    started = time.perf_counter()
    results = _streamed if job.direction == "forward" else _revisited
    try:
        with closing(results(job, model, interrupt, quiet)) as frames, AsyncWriter(sinks) as written:
            for picture, out in frames:
                written.write(picture, out)
                _count(report, out)
    except MediaError as error:
        if not (job.is_live and report.frames):
            raise
        note(f"{error}; keeping the {report.frames} frames that are done")
    if interrupt and not report.frames:
        raise KeyboardInterrupt
    report.seconds = time.perf_counter() - started
    report.interrupted = bool(interrupt)
    return report


def _count(report: VideoReport, out: FrameMasks) -> None:
    report.frames += 1
    for row, object_id in enumerate(out.object_ids):
        report.tallies.setdefault(object_id, Tally()).add(
            out.frame_index,
            visible=bool(out.masks[row].any()),
            presence=float(out.presence[row]),
            iou=float(out.iou[row]),
        )


def _streamed(job: Job, model: Model, interrupt: Interrupt, quiet: bool) -> Generator[Tracked]:
    """Frame by frame, as they come."""
    total = None if job.frames.stop == ENDLESS else len(job.frames)
    tracker = StreamTracker(model, memory=job.memory, postprocess=job.postprocess)
    prompts = {index - job.frames.start: asked for index, asked in job.prompts.items()}
    pictures = islice(_pictures(job), len(job.frames))
    with (
        progress(job.video.name, total, quiet=quiet) as advance,
        closing(_steps(job, tracker, pictures, prompts)) as steps,
    ):
        for frame_index in job.frames:
            done = None if interrupt else next(steps, None)
            if done is None:
                return
            yield Tracked(done.frame, replace(done.masks, frame_index=frame_index))
            advance()


def _steps(
    job: Job, tracker: StreamTracker, pictures: Iterator[RgbImage], prompts: dict[int, dict[ObjectId, Prompts]]
) -> Generator[Tracked]:
    """Steps of the tracker: of a live video as each picture comes, else with some pictures encoded ahead."""
    if not job.is_live:
        return tracker.steps(pictures, prompts)
    return (Tracked(p, tracker.step(p, prompts.get(tracker.frame_index))) for p in pictures)


def _pictures(job: Job) -> Iterator[RgbImage]:
    """The frames of a job; decoded ahead, or from where the job starts in a video that can seek."""
    if isinstance(job.video, RecordedSource) and job.frames.start:
        video = job.video
        return (video[frame_index] for frame_index in job.frames)
    return islice(job.video, job.frames.start, None)


def _revisited(job: Job, model: Model, interrupt: Interrupt, quiet: bool) -> Generator[Tracked]:
    """All passes first, then the results in the order of the frames."""
    video = job.video
    session = VideoSession(model, video, memory=job.memory, postprocess=job.postprocess)
    steps = plan(job.prompts, job.frames, job.direction)
    done: set[int] = set()
    total = sum((step.end - step.start) * (2 if step.direction == "both" else 1) for step in steps)
    with progress(job.video.name, total, quiet=quiet) as advance:
        for step in steps:
            done |= _run(session, step, job.prompts, interrupt, advance)
    frames = range(min(done), max(done) + 1) if interrupt and done else job.frames if done else range(0)
    for frame_index in frames:
        yield Tracked(video[frame_index], session.masks(frame_index))


class Step(NamedTuple):
    """One part of a pass: prompt a frame, then track from there.

    Attributes:
        prompt: the frame to prompt first, or None.
        direction: of the pass.
        start: the lowest frame.
        end: one more than the highest.
    """

    prompt: int | None
    direction: Direction
    start: int
    end: int


def plan(prompts: dict[int, dict[ObjectId, Prompts]], frames: range, direction: Direction) -> list[Step]:
    """The order in which frames are prompted and tracked, so that a prompt corrects what tracking gave for its frame.

    Each part runs up to and with the next prompted frame, whose prompts then refine the mask that is there.
    """
    marks = sorted(prompts, reverse=direction == "reverse")
    if direction == "reverse":
        lows = [*marks[1:], frames.start]
        return [Step(mark, direction, low, mark + 1) for mark, low in zip(marks, lows, strict=True)]
    ends = [*(mark + 1 for mark in marks[1:]), frames.stop]
    steps = [Step(mark, "forward", mark, end) for mark, end in zip(marks, ends, strict=True)]
    first: dict[ObjectId, int] = {}
    for mark in marks:
        first = dict.fromkeys(prompts[mark], mark) | first
    if direction == "both" and max(first.values()) > frames.start:
        steps.append(Step(None, "both", frames.start, max(first.values())))
    return steps


def _run(
    session: VideoSession,
    step: Step,
    prompts: dict[int, dict[ObjectId, Prompts]],
    interrupt: Interrupt,
    advance: Advance,
) -> set[int]:
    """The frames that were done."""
    if interrupt:
        return set()
    done = set()
    if step.prompt is not None:
        session.prompt_objects(step.prompt, prompts[step.prompt])
        done.add(step.prompt)
    for out in session.propagate(step.direction, start=step.start, end=step.end, cancel=lambda: bool(interrupt)):
        if out.object_ids:
            done.add(out.frame_index)
        advance()
    return done
