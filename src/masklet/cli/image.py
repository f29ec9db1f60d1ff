"""`masklet image`: objects in still pictures."""

from __future__ import annotations

from typing import Annotated

import typer

from masklet.cli import options
from masklet.cli.app import SEGMENT_PANEL, app
from masklet.cli.errors import EXIT_CODE_HELP, exit_codes
from masklet.cli.options import InputOptions, MaskOptions, ModelOptions
from masklet.cli.outputs import targets

EXAMPLES = f"""Examples:

masklet image cat.jpg --click 320,240

masklet image cat.jpg --box 1:20,30,200,220 --box 2:220,40,400,220 -o cat.json -o masks/

masklet image cat.jpg --click 320,240 --candidates 3 -o candidates.png

{EXIT_CODE_HELP}"""


@app.command(epilog=EXAMPLES, rich_help_panel=SEGMENT_PANEL)
def image(
    pictures: Annotated[list[str], typer.Argument(metavar="IMG", help="Pictures; all get the same prompts.")],
    *,
    click: options.Clicks = [],  # noqa: B006  typer copies it
    box: options.Boxes = [],  # noqa: B006
    mask: options.Masks = [],  # noqa: B006
    prompts: options.PromptFiles = [],  # noqa: B006
    output: options.Outputs = [],  # noqa: B006
    candidates: Annotated[int, typer.Option(help="1 for the answer, 3 for all that are sensible, best first.")] = 1,
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
    fill_holes: options.FillHoles = 0,
    remove_specks: options.RemoveSpecks = 0,
    non_overlap: options.NonOverlap = False,
    refine: options.Refine = False,
    overwrite: options.Overwrite = False,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """Point at objects in pictures and get their masks.

    A prompt names its object, as in --click 2:55,80; without, it means object 1.

    -o may be repeated, and its name chooses the form: .png, .jpg or .webp is the picture with the masks drawn in, .json
    COCO run-length codes with scores, a folder one black and white PNG for each mask. Without -o it is
    NAME-masklet.png in the current folder. Several pictures need a folder or {name} in the output's name.
    """
    if candidates not in (1, 3):
        raise typer.BadParameter("--candidates must be 1 or 3")
    with exit_codes(as_json=as_json):
        from masklet.cli.job import Lazy  # noqa: PLC0415  torch is slow to import
        from masklet.cli.pictures import Pictures  # noqa: PLC0415
        from masklet.cli.prompts import parse_all  # noqa: PLC0415

        Pictures(
            pictures=list(
                zip(pictures, targets(pictures, output, default="{name}-masklet.png", shared_folder=True), strict=True)
            ),
            book=parse_all(click, box, mask, prompts),
            masks=MaskOptions(
                fill_holes=fill_holes, remove_specks=remove_specks, non_overlap=non_overlap, refine=refine
            ),
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
            candidates=candidates,
            inputs=InputOptions(axis=axis, channel=channel, scale=scale),
            overwrite=overwrite,
            as_json=as_json,
            quiet=quiet,
        ).run()
