"""`masklet track`: objects through videos and live streams."""

from __future__ import annotations

from typing import Annotated

import typer

from masklet.cli import options
from masklet.cli.app import SEGMENT_PANEL, app
from masklet.cli.errors import EXIT_CODE_HELP, exit_codes
from masklet.cli.options import InputOptions, LookOptions, MaskOptions, ModelOptions
from masklet.cli.outputs import targets

EXAMPLES = f"""Examples:

masklet track dog.mp4 --click 210,350

masklet track dog.mp4 --box 1:100,200,300,400 --click 2:50,60 --click 2@30:55,80,- -o out.mp4 -o masks/ -o out.json

masklet track a.mp4 b.mp4 --prompts prompts.json -o 'results/{{name}}.mp4'

masklet track cells.ome.tif --axis t,z=max --channel GFP --box 40,30,80,70 --fps 10 -o masks/

masklet track camera:0 --box 200,100,400,300 --end 500 -o live.mp4

ffmpeg -i in.mov -f rawvideo -pix_fmt rgb24 - | masklet track - --raw 1280x720,rgb24,30 --click 210,350 -o out.json

prompts.json: {{"schema": "masklet/prompts", "version": 1, "objects": [{{"id": 1, "name": "dog",
"prompts": [{{"frame": 0, "clicks": [[210, 350, 1], [200, 300, 0]], "box": [100, 200, 300, 400]}},
{{"frame": 40, "mask": "dog-40.png"}}]}}]}}

{EXIT_CODE_HELP}"""


@app.command(epilog=EXAMPLES, rich_help_panel=SEGMENT_PANEL)
def track(
    videos: Annotated[
        list[str],
        typer.Argument(
            metavar="VIDEO",
            help="Video files, TIFF or Zarr stacks, folders of pictures, camera:0, rtsp:// addresses, or - (stdin).",
        ),
    ],
    *,
    click: options.Clicks = [],  # noqa: B006  typer copies it
    box: options.Boxes = [],  # noqa: B006
    mask: options.Masks = [],  # noqa: B006
    absent: options.Absences = [],  # noqa: B006
    prompts: options.PromptFiles = [],  # noqa: B006
    output: options.Outputs = [],  # noqa: B006
    start: Annotated[int, typer.Option(min=0, help="The first frame.")] = 0,
    end: Annotated[int | None, typer.Option(min=1, help="One more than the last frame.", show_default="all")] = None,
    reverse: Annotated[bool, typer.Option("--reverse", help="Track backward from the last prompted frame.")] = False,
    both: Annotated[bool, typer.Option("--both", help="Track forward, then backward to the start.")] = False,
    model: options.ModelName = "nano",
    weights: options.Weights = None,
    device: options.Device = "auto",
    dtype: options.Dtype = "float32",
    backend: options.Backend = "torch",
    speed: options.Speed = "exact",
    size: options.InputSize = None,
    mirror: options.Mirror = False,
    axis: options.Axis = None,
    channel: options.Channel = None,
    scale: options.ScaleRange = None,
    fps: options.Fps = None,
    raw: options.Raw = None,
    fill_holes: options.FillHoles = 0,
    remove_specks: options.RemoveSpecks = 0,
    non_overlap: options.NonOverlap = False,
    memory: options.Memory = "plain",
    refine: options.Refine = False,
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
    """Point at objects once and get their masks in every frame.

    A prompt names its object and frame, as in --click 2@30:55,80; without, it means object 1 and the first frame
    tracked (with --reverse the last one). Prompts of later frames correct what tracking gave there, or start objects.

    -o may be repeated, and its name chooses the form: .mp4, .webm, .mov or .mkv is a video with the masks drawn in,
    .json run-length codes with scores, .csv or .parquet measurements, a folder label maps (PNG). Other forms go by
    their name before the suffix, as dog.coco.json, dog.alpha.mov, dog.yolo/ (masklet export --forms lists them).
    Without -o it is NAME-masklet.mp4 in the current folder. Several videos need a folder or {name} in the output's
    name; one that fails does not stop the others.

    Ctrl-C keeps what is done.
    """
    if reverse and both:
        raise typer.BadParameter("--reverse and --both exclude each other")
    with exit_codes(as_json=as_json):
        from masklet.cli.batch import Batch  # noqa: PLC0415  torch is slow to import
        from masklet.cli.job import Lazy, Span  # noqa: PLC0415
        from masklet.cli.looks import output_options  # noqa: PLC0415
        from masklet.cli.prompts import parse_all  # noqa: PLC0415

        batch = Batch(
            videos=list(zip(videos, targets(videos, output, default="{name}-masklet.mp4"), strict=True)),
            book=parse_all(click, box, mask, prompts, absent=absent),
            span=Span(start, end, "reverse" if reverse else "both" if both else "forward"),
            masks=MaskOptions(
                fill_holes=fill_holes, remove_specks=remove_specks, non_overlap=non_overlap, refine=refine
            ),
            memory=memory,
            load=Lazy(
                ModelOptions(
                    name=model,
                    weights=weights,
                    device=device,
                    dtype=dtype,
                    image_size=size,
                    backend=backend,
                    speed=speed,
                    mirror=mirror,
                )
            ),
            inputs=InputOptions(axis=axis, channel=channel, scale=scale, fps=fps, raw=raw),
            looks=output_options(
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
            ),
            overwrite=overwrite,
            as_json=as_json,
            quiet=quiet,
        )
        code = batch.run()
    raise typer.Exit(code)
