"""`masklet track`: track objects through videos and live streams."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer import Argument, Option

import masklet
from masklet.cli import options
from masklet.cli.app import INTERRUPTED, SEGMENT_PANEL, command, error_entry, exit_code, show_error
from masklet.cli.options import (
    InputOptions,
    MaskOptions,
    ModelOptions,
    PromptOptions,
    ReportOptions,
    WriterOptions,
    make_parent,
    output_paths,
)
from masklet.cli.report import Progress, interruptible, note, score
from masklet.errors import FrameRangeError, MaskletError, MediaError

if TYPE_CHECKING:
    from masklet.backends.protocol import Model
    from masklet.cli.prompts import PromptList, PromptsByFrame
    from masklet.io import LiveVideo, RecordedSource, Writer
    from masklet.predict.propagation import Direction
    from masklet.predict.stream import TrackedFrame
    from masklet.tracking.memory_policy import PolicyName
    from masklet.types import FrameMasks, ObjectId, RgbImage

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
        Argument(
            metavar="VIDEO",
            help="Video files, TIFF or Zarr stacks, image folders, camera:0, rtsp:// addresses, or - (stdin).",
        ),
    ],
    *,
    prompts: PromptOptions,
    output: options.Outputs = [],  # noqa: B006  typer copies it
    start: Annotated[int, Option(min=0, help="First frame.")] = 0,
    end: Annotated[int | None, Option(min=1, help="One more than the last frame.", show_default="all")] = None,
    reverse: Annotated[bool, Option("--reverse", help="Track backward from the last prompted frame.")] = False,
    both: Annotated[bool, Option("--both", help="Track forward, then backward to the start.")] = False,
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
    writer_options = writing.output_options()
    job_for = partial(
        TrackingJob,
        prompt_list=prompts.parse(),
        start=start,
        end=end,
        direction="reverse" if reverse else "both" if both else "forward",
        memory=options.policy_named(memory),
        postprocess=masks.post_process(),
    )
    load = model.loader()
    results: list[VideoReport | dict[str, Any]] = []
    failures: list[MaskletError] = []
    with interruptible() as interrupt:
        for source, outputs in zip(videos, paths, strict=True):
            try:
                with masklet.open_video(source, **inputs.video_arguments()) as video, ExitStack() as stack:
                    job = job_for(source=source, video=video)
                    sinks = []
                    for path in outputs:
                        if len(videos) > 1:
                            make_parent(path)
                        writer = masklet.open_writer(path, like=video, overwrite=overwrite, options=writer_options)
                        sinks.append(stack.enter_context(writer))
                    done = job.run(load(), sinks, interrupt=interrupt, quiet=report.quiet)
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


@dataclass
class ObjectTally:
    """Counts and sums of one object over the frames of a video.

    Attributes:
        frames: frames with a result.
        visible: frames with a mask that is not empty.
        presence: sum of the presence probabilities over all frames.
        iou: sum of the predicted IoU over visible frames.
        span: first and last visible frame.
    """

    frames: int = 0
    visible: int = 0
    presence: float = 0.0
    iou: float = 0.0
    span: tuple[int, int] | None = None

    def entry(self, object_id: int, name: str) -> dict[str, Any]:
        """Its fields in JSON; presence and IoU are means, null without a frame to average."""
        return {
            "id": object_id,
            "name": name,
            "frames": self.frames,
            "visible": self.visible,
            "first_visible": self.span and self.span[0],
            "last_visible": self.span and self.span[1],
            "presence": score(self.presence / self.frames) if self.frames else None,
            "iou": score(self.iou / self.visible) if self.visible else None,
        }


@dataclass
class VideoReport:
    """Summary of one tracked video.

    Attributes:
        video: as given on the command line, without a password.
        size: (height, width).
        frames: number of frames written.
        seconds: from decoding the first frame to writing the last.
        outputs: paths of the results.
        interrupted: whether tracking stopped early.
        tallies: by object.
        names: of objects.
    """

    video: str
    size: tuple[int, int]
    frames: int = 0
    seconds: float = 0.0
    outputs: list[str] = field(default_factory=list)
    interrupted: bool = False
    tallies: dict[int, ObjectTally] = field(default_factory=dict)
    names: dict[int, str] = field(default_factory=dict)

    @property
    def fps(self) -> float:
        """Frames per second."""
        return self.frames / self.seconds if self.seconds else 0.0

    def add(self, result: FrameMasks) -> None:
        """Count the result of one frame."""
        self.frames += 1
        for row, object_id in enumerate(result.object_ids):
            tally = self.tallies.setdefault(object_id, ObjectTally())
            tally.frames += 1
            tally.presence += float(result.presence[row])
            if result.masks[row].any():
                tally.visible += 1
                tally.iou += float(result.iou[row])
                tally.span = (tally.span[0] if tally.span else result.frame_index, result.frame_index)

    def entry(self) -> dict[str, Any]:
        """Its fields in JSON."""
        return {
            "video": self.video,
            "size": list(self.size),
            "frames": self.frames,
            "seconds": round(self.seconds, 3),
            "fps": round(self.fps, 3),
            "interrupted": self.interrupted,
            "outputs": self.outputs,
            "objects": [tally.entry(i, self.names.get(i, "")) for i, tally in sorted(self.tallies.items())],
        }

    def lines(self) -> list[str]:
        """The report as text."""
        lines = [f"{self.video}: {self.frames} frames at {self.fps:.1f} frames/s"]
        for object_id, tally in sorted(self.tallies.items()):
            entry = tally.entry(object_id, self.names.get(object_id, ""))
            label = f"object {object_id}" + (f" ({entry['name']})" if entry["name"] else "")
            scores = f", predicted IoU {entry['iou']:.2f}" if entry["iou"] is not None else ""
            lines.append(f"  {label}: visible in {tally.visible} of {tally.frames} frames{scores}")
        return [*lines, *(f"  wrote {output}" for output in self.outputs)]


@dataclass(kw_only=True)
class TrackingJob:
    """One video with its prompts, checked against each other.

    Attributes:
        source: as given on the command line.
        video: the same, open.
        prompt_list: the prompts as given.
        start, end: range of the frames; None for the end of the video.
        direction: as in `VideoSession.propagate`.
        memory: name of the memory policy.
        postprocess: of masks.
        frames: frames to track and write.
        prompts: by frame and object.

    Raises:
        FrameRangeError: the range is empty or outside the video, or a prompt is outside the range.
        PromptError: prompts exclude each other or are outside the image.
        MediaError: a live video in another direction than forward, or a mask file that cannot be read.
    """

    source: str
    video: RecordedSource | LiveVideo
    prompt_list: PromptList
    start: int = 0
    end: int | None = None
    direction: Direction = "forward"
    memory: PolicyName = "plain"
    postprocess: masklet.PostProcess | None = None
    frames: range = field(init=False)
    prompts: PromptsByFrame = field(init=False)

    def __post_init__(self) -> None:
        from masklet.io import LiveVideo

        if isinstance(self.video, LiveVideo):
            if self.direction != "forward":
                raise MediaError(f"{self.video.name} is live: --reverse and --both need a recorded video")
            length = UNBOUNDED
        else:
            length = len(self.video)
        end = length if self.end is None else self.end
        self.frames = range(self.start, end)
        if end > length:
            raise FrameRangeError(f"{self.label} has {length} frames, expected --end up to {length}, got {end}")
        if not self.frames:
            raise FrameRangeError(f"expected --start below --end, got {self.start} and {end}: {self.label}")
        first = self.frames[-1] if self.direction == "reverse" else self.start
        self.prompts = self.prompt_list.by_frame(first, masklet.read_mask, self.video.size, self.frames)

    @property
    def label(self) -> str:
        """The video in messages: a file as given, an address without its password."""
        return self.source if getattr(self.video, "path", None) else self.video.name

    def run(self, model: Model, sinks: Sequence[Writer], *, interrupt: Event, quiet: bool = False) -> VideoReport:
        """Track the objects and write each frame to all sinks, which the caller finishes.

        Forward, each frame is written when it is tracked and memory is bounded; in the other directions all frames are
        tracked first (masks are stored as run-length codes), then written in order.

        Raises:
            KeyboardInterrupt: interrupted before the first frame was done.
        """
        from masklet.io import LiveVideo, Provenance
        from masklet.io.writer import AsyncWriter

        names = self.prompt_list.names
        report = VideoReport(self.label, self.video.size, names=names)
        prompted: dict[ObjectId, tuple[int, ...]] = {}
        for frame_index, by_object in sorted(self.prompts.items()):
            for object_id in by_object:
                prompted[object_id] = (*prompted.get(object_id, ()), frame_index)
        for sink in sinks:
            sink.provenance = Provenance(names=names, prompted=prompted, model=model.config.full_name)
        started = time.perf_counter()
        results = (self._streamed if self.direction == "forward" else self._in_passes)(model, interrupt, quiet)
        try:
            with closing(results), AsyncWriter(sinks) as writer:
                for image, result in results:
                    writer.write(image, result)
                    report.add(result)
        except MediaError as error:
            if not (isinstance(self.video, LiveVideo) and report.frames):
                raise
            note(f"{error}; keeping the {report.frames} frames that are done")
        if interrupt.is_set() and not report.frames:
            raise KeyboardInterrupt
        report.seconds = time.perf_counter() - started
        report.interrupted = interrupt.is_set()
        return report

    def _streamed(self, model: Model, interrupt: Event, quiet: bool) -> Generator[TrackedFrame]:
        """Track forward and yield each frame when it is done; frames of a recorded video are encoded ahead."""
        from masklet.io import LiveVideo
        from masklet.predict.stream import TrackedFrame

        tracker = masklet.StreamTracker(model, memory=self.memory, postprocess=self.postprocess)
        prompts = {index - self.start: by_object for index, by_object in self.prompts.items()}
        images: Iterator[RgbImage]
        steps: Generator[TrackedFrame]
        if isinstance(self.video, LiveVideo):
            images = islice(self.video, self.start, self.frames.stop)
            steps = (TrackedFrame(image, tracker.step(image, prompts.get(tracker.frame_index))) for image in images)
        else:
            video = self.video
            images = map(video.__getitem__, self.frames) if self.start else islice(video, self.frames.stop)
            steps = tracker.steps(images, prompts)
        total = None if self.frames.stop == UNBOUNDED else len(self.frames)
        with Progress(self.video.name, total, quiet=quiet) as progress, closing(steps):
            frames = iter(self.frames)
            while not interrupt.is_set() and (step := next(steps, None)) is not None:
                yield TrackedFrame(step.frame, replace(step.masks, frame_index=next(frames)))
                progress.advance()

    def _in_passes(self, model: Model, interrupt: Event, quiet: bool) -> Generator[TrackedFrame]:
        """Run all passes, then yield the results in the order of the frames."""
        from masklet.predict.stream import TrackedFrame

        session = masklet.VideoSession(model, self.video, memory=self.memory, postprocess=self.postprocess)
        start = self.start or None
        end = None if self.frames.stop == session.num_frames else self.frames.stop
        with Progress(self.video.name, quiet=quiet) as progress:
            passes = session.track(
                self.prompts, self.direction, start=start, end=end, progress=progress.update, cancel=interrupt.is_set
            )
            done = {out.frame_index for out in passes if out.object_ids}
        frames = range(min(done), max(done) + 1) if interrupt.is_set() and done else self.frames if done else range(0)
        for frame_index in frames:
            yield TrackedFrame(self.video[frame_index], session.masks(frame_index))
