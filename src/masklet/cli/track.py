"""`masklet track`: track objects through videos and live streams."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Annotated, Any

import typer

import masklet
from masklet.cli import options
from masklet.cli.app import SEGMENT_PANEL, command
from masklet.cli.errors import INTERRUPTED, error_entry, exit_code, show_error
from masklet.cli.options import InputOptions, MaskOptions, ModelOptions, PromptOptions, ReportOptions
from masklet.cli.output_options import WriterOptions
from masklet.cli.output_paths import make_parent, output_paths
from masklet.cli.progress import Progress, interruptible
from masklet.cli.report import VideoReport, note
from masklet.errors import FrameRangeError, MaskletError, MediaError

if TYPE_CHECKING:
    from masklet.backends.protocol import Model
    from masklet.cli.prompts import PromptList, PromptsByFrame
    from masklet.io import LiveVideo, RecordedSource, Writer
    from masklet.predict.propagation import Direction
    from masklet.predict.stream import TrackedFrame
    from masklet.tracking.memory_policy import PolicyName
    from masklet.types import ObjectId, RgbImage

UNBOUNDED = 2**40
"""End of the frames of a live stream, which has none."""

EXAMPLES = """
masklet track dog.mp4 --click 210,350

masklet track dog.mp4 --box 1:100,200,300,400 --click 2:50,60 --click 2@30:55,80,- -o out.mp4 -o masks/ -o out.json

masklet track a.mp4 b.mp4 --prompts prompts.json -o 'results/{name}.mp4'

masklet track cells.ome.tif --axis t,z=max --channel GFP --box 40,30,80,70 --fps 10 -o masks/

masklet track camera:0 --box 200,100,400,300 --end 500 -o live.mp4

ffmpeg -i in.mov -f rawvideo -pix_fmt rgb24 - | masklet track - --raw 1280x720,rgb24,30 --click 210,350 -o out.json

prompts.json: {"schema": "masklet/prompts", "version": 1, "objects": [{"id": 1, "name": "dog",
"prompts": [{"frame": 0, "clicks": [[210, 350, 1], [200, 300, 0]], "box": [100, 200, 300, 400]},
{"frame": 40, "mask": "dog-40.png"}]}]}
"""


@command(examples=EXAMPLES, panel=SEGMENT_PANEL)
def track(
    videos: Annotated[
        list[str],
        typer.Argument(
            metavar="VIDEO",
            help="Video files, TIFF or Zarr stacks, image folders, camera:0, rtsp:// addresses, or - (stdin).",
        ),
    ],
    *,
    prompts: PromptOptions,
    output: options.Outputs = [],  # noqa: B006  typer copies it
    start: Annotated[int, typer.Option(min=0, help="First frame.")] = 0,
    end: Annotated[int | None, typer.Option(min=1, help="One more than the last frame.", show_default="all")] = None,
    reverse: Annotated[bool, typer.Option("--reverse", help="Track backward from the last prompted frame.")] = False,
    both: Annotated[bool, typer.Option("--both", help="Track forward, then backward to the start.")] = False,
    model: ModelOptions,
    inputs: InputOptions,
    masks: MaskOptions,
    memory: options.Memory = "plain",
    writing: WriterOptions,
    overwrite: options.Overwrite = False,
    report: ReportOptions,
) -> int:
    """Prompt objects once and get their masks in every frame.

    A prompt names its object and frame, as in --click 2@30:55,80; by default it is for object 1 on the first frame
    tracked (with --reverse the last one). Prompts on later frames correct the tracked mask there, or start objects.

    The output format is inferred from the path given with -o: .mp4, .webm, .mov or .mkv is a video with the masks drawn
    in, .json run-length codes with scores, .csv or .parquet measurements, a folder label maps (PNG). Other formats are
    named before the suffix, as dog.coco.json, dog.alpha.mov, dog.yolo/ (masklet export --formats lists them). The
    default is NAME-masklet.mp4 in the current folder. Several videos need a folder or {name} in the path; if one fails,
    the others are still tracked.

    Ctrl-C keeps the frames that are done.
    """
    if reverse and both:
        raise typer.BadParameter("--reverse and --both exclude each other")
    paths = output_paths(videos, output, default="{name}-masklet.mp4")
    prompt_list, writer_options = prompts.parse(), writing.output_options()
    job_options: dict[str, Any] = {
        "start": start,
        "end": end,
        "direction": "reverse" if reverse else "both" if both else "forward",
        "memory": options.policy_named(memory),
        "postprocess": masks.post_process(),
    }
    load = model.loader()
    results: list[VideoReport | dict[str, Any]] = []
    failures: list[MaskletError] = []
    with interruptible() as interrupt:
        for source, outputs in zip(videos, paths, strict=True):
            try:
                with masklet.open_video(source, **inputs.video_arguments()) as video, ExitStack() as stack:
                    job = prepare(source, video, prompt_list, **job_options)
                    sinks = []
                    for path in outputs:
                        if len(videos) > 1:
                            make_parent(path)
                        writer = masklet.open_writer(path, like=video, overwrite=overwrite, options=writer_options)
                        sinks.append(stack.enter_context(writer))
                    done = track_video(job, load(), sinks, interrupt=interrupt, quiet=report.quiet)
            except MaskletError as error:
                show_error(error, source if len(videos) > 1 and Path(source).exists() else "")
                failures.append(error)
                results.append({"video": source, "error": error_entry(error)})
            except KeyboardInterrupt:
                interrupt.set()
                note(f"interrupted at {source}")
            else:
                done.outputs = [str(Path(path)) for path in outputs]
                results.append(done)
                if done.interrupted:
                    note(f"interrupted: kept the {done.frames} finished frames of {done.video}")
                if not report.prints_no_text:
                    report.show("track", done.lines())
            if interrupt.is_set():
                break
    if report.as_json:
        failure = {"error": error_entry(failures[0])} if failures else {}
        about_model = options.model_entry(load()) if len(failures) < len(results) else {}
        entries = [one.entry() if isinstance(one, VideoReport) else one for one in results]
        report.show("track", (), **failure, **about_model, interrupted=interrupt.is_set(), videos=entries)
    if interrupt.is_set():
        return INTERRUPTED
    return exit_code(failures[0]) if failures else 0


@dataclass(frozen=True, kw_only=True)
class TrackingJob:
    """One video with its prompts, checked against each other.

    Attributes:
        source: as given on the command line.
        video: the same, open.
        frames: frames to track and write.
        direction: as in `VideoSession.propagate`.
        prompts: by frame and object.
        names: of objects.
        memory: name of the memory policy.
        postprocess: of masks.
    """

    source: str
    video: RecordedSource | LiveVideo
    frames: range
    direction: Direction
    prompts: PromptsByFrame
    names: dict[ObjectId, str] = field(default_factory=dict)
    memory: PolicyName = "plain"
    postprocess: masklet.PostProcess | None = None

    @property
    def label(self) -> str:
        """The video in messages: a file as given, an address without its password."""
        return self.source if getattr(self.video, "path", None) else self.video.name


def prepare(
    source: str,
    video: RecordedSource | LiveVideo,
    prompt_list: PromptList,
    *,
    start: int = 0,
    end: int | None = None,
    direction: Direction = "forward",
    memory: PolicyName = "plain",
    postprocess: masklet.PostProcess | None = None,
) -> TrackingJob:
    """Check a range of frames and prompts against a video.

    Raises:
        FrameRangeError: the range is empty or outside the video, or a prompt is outside the range.
        PromptError: prompts exclude each other or are outside the image.
        MediaError: a live video in another direction than forward, or a mask file that cannot be read.
    """
    from masklet.cli.prompts import check_prompts
    from masklet.io import LiveVideo

    label = source if getattr(video, "path", None) else video.name
    if isinstance(video, LiveVideo):
        if direction != "forward":
            raise MediaError(f"{video.name} is live: --reverse and --both need a recorded video")
        frames = range(start, UNBOUNDED if end is None else end)
    else:
        frames = range(start, len(video) if end is None else end)
        if frames.stop > len(video):
            raise FrameRangeError(f"{label} has {len(video)} frames, expected --end up to {len(video)}, got {end}")
    if not frames:
        raise FrameRangeError(f"expected --start below --end, got {start} and {frames.stop}: {label}")
    first = frames[-1] if direction == "reverse" else start
    prompts = prompt_list.by_frame(first, masklet.read_mask, video.size)
    check_prompts(prompts, video.size, frames)
    return TrackingJob(
        source=source,
        video=video,
        frames=frames,
        direction=direction,
        prompts=prompts,
        names=prompt_list.names,
        memory=memory,
        postprocess=postprocess,
    )


def track_video(
    job: TrackingJob, model: Model, sinks: Sequence[Writer], *, interrupt: Event, quiet: bool = False
) -> VideoReport:
    """Track the objects of a job and write each frame to all sinks, which the caller finishes.

    Forward, each frame is written when it is tracked and memory is bounded; in the other directions all frames are
    tracked first (masks are stored as run-length codes), then written in order.

    Raises:
        KeyboardInterrupt: interrupted before the first frame was done.
    """
    from masklet.io import LiveVideo, Provenance
    from masklet.io.writer import AsyncWriter

    report = VideoReport(job.label, job.video.size, names=job.names)
    prompted: dict[ObjectId, tuple[int, ...]] = {}
    for frame_index, by_object in sorted(job.prompts.items()):
        for object_id in by_object:
            prompted[object_id] = (*prompted.get(object_id, ()), frame_index)
    for sink in sinks:
        sink.provenance = Provenance(names=job.names, prompted=prompted, model=model.config.full_name)
    started = time.perf_counter()
    results = (_streamed if job.direction == "forward" else _in_passes)(job, model, interrupt, quiet)
    try:
        with closing(results), AsyncWriter(sinks) as writer:
            for image, result in results:
                writer.write(image, result)
                report.add(result)
    except MediaError as error:
        if not (isinstance(job.video, LiveVideo) and report.frames):
            raise
        note(f"{error}; keeping the {report.frames} frames that are done")
    if interrupt.is_set() and not report.frames:
        raise KeyboardInterrupt
    report.seconds = time.perf_counter() - started
    report.interrupted = interrupt.is_set()
    return report


def _streamed(job: TrackingJob, model: Model, interrupt: Event, quiet: bool) -> Generator[TrackedFrame]:
    """Track forward and yield each frame when it is done."""
    from masklet.predict.stream import TrackedFrame

    total = None if job.frames.stop == UNBOUNDED else len(job.frames)
    tracker = masklet.StreamTracker(model, memory=job.memory, postprocess=job.postprocess)
    with Progress(job.video.name, total, quiet=quiet) as progress, closing(_steps(job, tracker)) as steps:
        frames = iter(job.frames)
        while not interrupt.is_set() and (step := next(steps, None)) is not None:
            yield TrackedFrame(step.frame, replace(step.masks, frame_index=next(frames)))
            progress.advance()


def _steps(job: TrackingJob, tracker: masklet.StreamTracker) -> Generator[TrackedFrame]:
    """Steps of the tracker: with frames encoded ahead, but one by one for a live video."""
    from masklet.io import LiveVideo
    from masklet.predict.stream import TrackedFrame

    prompts = {index - job.frames.start: by_object for index, by_object in job.prompts.items()}
    images: Iterator[RgbImage]
    if job.frames.start and not isinstance(job.video, LiveVideo):
        images = (job.video[frame_index] for frame_index in job.frames)
    else:
        images = islice(job.video, job.frames.start, job.frames.stop)
    if not isinstance(job.video, LiveVideo):
        return tracker.steps(images, prompts)
    return (TrackedFrame(image, tracker.step(image, prompts.get(tracker.frame_index))) for image in images)


def _in_passes(job: TrackingJob, model: Model, interrupt: Event, quiet: bool) -> Generator[TrackedFrame]:
    """Run all passes, then yield the results in the order of the frames."""
    from masklet.predict.stream import TrackedFrame

    session = masklet.VideoSession(model, job.video, memory=job.memory, postprocess=job.postprocess)
    start = job.frames.start or None
    end = None if job.frames.stop == session.num_frames else job.frames.stop
    with Progress(job.video.name, quiet=quiet) as progress:
        passes = session.track(
            job.prompts, job.direction, start=start, end=end, progress=progress.update, cancel=interrupt.is_set
        )
        done = {out.frame_index for out in passes if out.object_ids}
    frames = range(min(done), max(done) + 1) if interrupt.is_set() and done else job.frames if done else range(0)
    for frame_index in frames:
        yield TrackedFrame(job.video[frame_index], session.masks(frame_index))
