"""`masklet export`: write existing results in other formats."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer import Argument, Option

import masklet
from masklet.cli import options
from masklet.cli.app import INTERRUPTED, SEGMENT_PANEL, command
from masklet.cli.options import ReportOptions, WriterOptions
from masklet.cli.report import Progress, interruptible, note, table
from masklet.errors import OutputError

if TYPE_CHECKING:
    from masklet.io import RecordedSource, Result

EXAMPLES = """
masklet export dog.json --to coco

masklet export dog.json --to cvat -o tasks/dog.xml --objects 1,3

masklet export dog.json --video dog.mp4 -o dog.alpha.mov -o dog.exr/ --soften 1.5

masklet export cells.json --video cells.tif -o cells.csv --pixel-size '0.65 um' --frame-interval 30

masklet export dog.json --video dog.mp4 --style blur -o private.mp4

masklet export --formats
"""


def _list_formats(requested: bool) -> bool:
    if requested:
        from masklet.io import FORMATS

        rows = [[f.name, " ".join(f.suffixes), f.summary, f.loses if f.read else "not read"] for f in FORMATS.values()]
        typer.echo(table(["format", "suffixes", "content", "not preserved"], rows))
        raise typer.Exit
    return requested


@command(examples=EXAMPLES, panel=SEGMENT_PANEL)
def export(
    result: Annotated[str, Argument(metavar="RESULT", help="File or folder with the masks of a video.")],
    *,
    to: Annotated[
        list[str], Option("--to", metavar="FORMAT", help="Format to write, to NAME.FORMAT in the current folder.")
    ] = [],  # noqa: B006  typer copies it
    output: options.Outputs = [],  # noqa: B006
    source_format: Annotated[
        str | None, Option("--from", metavar="FORMAT", help="Format of RESULT.", show_default="recognized")
    ] = None,
    video: Annotated[
        str | None, Option("--video", help="Video, for formats that show, measure or geolocate its frames.")
    ] = None,
    objects: Annotated[str, Option("--objects", metavar="ID[,ID]", help="Objects to write.", show_default="all")] = "",
    formats: Annotated[
        bool, Option("--formats", callback=_list_formats, is_eager=True, help="List the formats and exit.")
    ] = False,
    writing: WriterOptions,
    overwrite: options.Overwrite = False,
    report: ReportOptions,
) -> int:
    """Write an existing result in other formats.

    --to names a format (--formats lists them); with -o the format is inferred from the path: dog.coco.json,
    dog.alpha.mov, dog.yolo/, or out.mp4 for a video with the masks drawn in. With one --to, -o may have any name.
    Ctrl-C keeps the frames that are done.
    """
    from masklet.io import FORMATS, RecordedSource, read_result

    writer_options = writing.output_options()
    targets = targets_of(result, to, output)
    masks = read_result(result, format=source_format)
    if objects:
        masks = masks.only(object_ids(objects))
    with ExitStack() as stack:
        frames: RecordedSource | None = None
        if video is not None:
            opened = stack.enter_context(masklet.open_video(video))
            if not isinstance(opened, RecordedSource):
                raise OutputError(f"expected a recorded video, got a live one: {video}")
            frames = opened
        missing = [name for _, name in targets if FORMATS[name].needs_frames]
        if missing and frames is None:
            raise OutputError(f"{missing[0]} needs the frames: expected --video")
        indices = frame_range(masks, frames)
        interrupt = stack.enter_context(interruptible())
        writers = [
            stack.enter_context(
                masklet.open_writer(
                    path,
                    format=name,
                    like=frames or masks,
                    provenance=masks.provenance,
                    overwrite=overwrite,
                    options=writer_options,
                )
            )
            for path, name in targets
        ]
        with Progress("export", len(indices), quiet=report.quiet) as progress:
            for index in indices:
                if interrupt.is_set() and index > indices[0]:
                    break
                image, frame_masks = None if frames is None else frames[index], masks.frame(index)
                for writer in writers:
                    writer.write(image, frame_masks)
                progress.advance()
    for _, name in targets:
        if FORMATS[name].loses:
            note(f"{name} does not preserve everything: {FORMATS[name].loses}", quiet=report.prints_no_text)
    written = [{"path": str(Path(path)), "format": name} for path, name in targets]
    lines = [f"wrote {one['path']}" for one in written]
    report.show("export", lines, result=result, interrupted=interrupt.is_set(), outputs=written)
    return INTERRUPTED if interrupt.is_set() else 0


def targets_of(result: str, to: list[str], outputs: list[str]) -> list[tuple[str, str]]:
    """The path and the format of each output.

    Raises:
        OutputError: there is nothing to write, or paths and formats do not match.
    """
    from masklet.io import FORMATS
    from masklet.io.outputs import format_of

    for name in to:
        if name not in FORMATS:
            raise OutputError(f"expected a format of {', '.join(FORMATS)}, got {name!r}")
    if not to and not outputs:
        raise OutputError("expected --to FORMAT or -o PATH")
    if len(to) == 1 and len(outputs) == 1:
        return [(outputs[0], to[0])]
    if to and outputs:
        raise OutputError("expected several --to without -o, or several -o (whose paths give the format) without --to")
    if outputs:
        return [(output, format_of(output).name) for output in outputs]
    stem = Path(result.rstrip("/")).name.split(".")[0]
    return [(FORMATS[name].file_name(stem), name) for name in to]


def object_ids(text: str) -> frozenset[int]:
    """Parse ``1,3``; `OutputError` for anything else."""
    try:
        return frozenset(int(part) for part in text.split(","))
    except ValueError:
        raise OutputError(f"--objects {text!r}: expected whole numbers, as 1,3") from None


def frame_range(result: Result, video: RecordedSource | None) -> range:
    """The frames from the first to the last with masks; `OutputError` if they are not those of the video."""
    indices = result.frame_indices
    frames = range(indices[0], indices[-1] + 1) if indices else range(result.num_frames)
    if video is None:
        return frames
    if result.size is not None and result.size != video.size:
        sizes = f"{video.size[1]}x{video.size[0]} as the video, got {result.size[1]}x{result.size[0]}"
        raise OutputError(f"expected masks of {sizes}: {video.name}")
    if frames.stop > len(video):
        raise OutputError(f"the result has masks on frame {frames.stop - 1}, {video.name} has {len(video)} frames")
    return frames
