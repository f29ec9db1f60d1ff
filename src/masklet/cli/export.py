"""`masklet export`: results from one form into others."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from masklet.cli import options
from masklet.cli.app import SEGMENT_PANEL, app
from masklet.cli.errors import EXIT_CODE_HELP, INTERRUPTED, exit_codes
from masklet.cli.options import LookOptions
from masklet.cli.report import document, note, print_json, table
from masklet.errors import OutputError

EXAMPLES = f"""Examples:

masklet export dog.json --to coco

masklet export dog.json --to cvat -o tasks/dog.xml --objects 1,3

masklet export dog.json --video dog.mp4 -o dog.alpha.mov -o dog.exr/ --soften 1.5

masklet export cells.json --video cells.tif -o cells.csv --pixel-size '0.65 um' --frame-interval 30

masklet export dog.json --video dog.mp4 --style blur -o private.mp4

masklet export --forms

{EXIT_CODE_HELP}"""


def _list_forms(asked: bool) -> bool:
    if asked:
        from masklet.io import FORMATS  # noqa: PLC0415  pictures, video and array libraries are slow to import

        rows = [[f.name, " ".join(f.suffixes), f.summary, f.loses if f.read else "not read"] for f in FORMATS.values()]
        typer.echo(table(["form", "names end with", "what", "does not come back"], rows))
        raise typer.Exit
    return asked


@app.command(epilog=EXAMPLES, rich_help_panel=SEGMENT_PANEL)
def export(
    result: Annotated[str, typer.Argument(metavar="RESULT", help="A file or folder with masks of a video.")],
    *,
    to: Annotated[
        list[str], typer.Option("--to", metavar="FORM", help="A form to write, named NAME.FORM beside you.")
    ] = [],  # noqa: B006  typer copies it
    output: options.Outputs = [],  # noqa: B006
    source_form: Annotated[
        str | None, typer.Option("--from", metavar="FORM", help="The form of RESULT.", show_default="recognized")
    ] = None,
    video: Annotated[
        str | None, typer.Option("--video", help="The video, for forms that show, measure or place its frames.")
    ] = None,
    objects: Annotated[
        str, typer.Option("--objects", metavar="ID[,ID]", help="Only these objects.", show_default="all")
    ] = "",
    forms: Annotated[
        bool, typer.Option("--forms", callback=_list_forms, is_eager=True, help="List the forms and end.")
    ] = False,
    style: options.Style = "fill",
    on: options.StyleRegion = "objects",
    color: options.Colors = [],  # noqa: B006
    soften: options.Soften = 0.0,
    detail: options.Detail = 0,
    trimap: options.Trimap = 0,
    tolerance: options.Tolerance = 0.0,
    pixel_size: options.PixelSize = None,
    frame_interval: options.FrameInterval = None,
    no_sound: options.Mute = False,
    overwrite: options.Overwrite = False,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """Write a result that is there in other forms.

    --to names a form (--forms lists them); -o names a file or folder, whose name chooses the form: dog.coco.json,
    dog.alpha.mov, dog.yolo/, and out.mp4 for a video with the masks drawn in. With one --to, -o may have any name.
    Ctrl-C keeps what is done.
    """
    with exit_codes(as_json=as_json):
        from masklet.cli.exporting import ids_of, opened, targets_of, write  # noqa: PLC0415  slow to import
        from masklet.cli.looks import output_options  # noqa: PLC0415
        from masklet.io import FORMATS, read_result  # noqa: PLC0415

        looks = output_options(
            LookOptions(
                style=style,
                region=on,
                colors=color,
                soften=soften,
                detail=detail,
                trimap=trimap,
                tolerance=tolerance,
                pixel_size=pixel_size,
                frame_interval=frame_interval,
                mute=no_sound,
            )
        )
        targets = targets_of(result, to, output)
        masks = read_result(result, format=source_form)
        if objects:
            masks = masks.only(ids_of(objects))
        with ExitStack() as stack:
            frames = None if video is None else stack.enter_context(opened(video))
            missing = [form for _, form in targets if FORMATS[form].needs_frames]
            if missing and frames is None:
                raise OutputError(f"{missing[0]} needs the frames: say --video")
            interrupted = write(masks, frames, targets, looks, overwrite=overwrite, quiet=quiet)
        for _, form in targets:
            if FORMATS[form].loses:
                note(f"{form} does not keep everything: {FORMATS[form].loses}", quiet=quiet or as_json)
        if as_json:
            written = [{"path": str(Path(path)), "form": form} for path, form in targets]
            print_json(document("export", result=result, interrupted=interrupted, outputs=written))
        elif not quiet:
            typer.echo("\n".join(f"wrote {Path(path)}" for path, _ in targets))
    if interrupted:
        raise typer.Exit(INTERRUPTED)
