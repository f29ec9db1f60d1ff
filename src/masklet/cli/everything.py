"""`masklet everything`: masks of all there is in a picture, masklets of all there is in a video."""

from __future__ import annotations

from typing import Annotated

import typer

from masklet.cli import options
from masklet.cli.app import SEGMENT_PANEL, app
from masklet.cli.errors import EXIT_CODE_HELP, exit_codes
from masklet.cli.options import ModelOptions

EXAMPLES = f"""Examples:

masklet everything street.jpg

masklet everything cells.png --preset small --min-area 20 -o cells.json -o masks/

masklet everything dog.mp4 --max-objects 20 -o dog.sav.json

{EXIT_CODE_HELP}"""


@app.command(epilog=EXAMPLES, rich_help_panel=SEGMENT_PANEL)
def everything(
    source: Annotated[str, typer.Argument(metavar="IMG|VIDEO", help="A picture, a video or a folder of pictures.")],
    *,
    output: options.Outputs = [],  # noqa: B006  typer copies it
    preset: Annotated[str, typer.Option(help="How closely to look: fast, default, dense or small.")] = "default",
    max_objects: Annotated[
        int | None, typer.Option(min=1, help="The best so many.", show_default="all; 64 in a video")
    ] = None,
    min_area: Annotated[
        int, typer.Option(min=0, metavar="PIXELS", help="Clean away pieces and holes up to this area.")
    ] = 0,
    every: Annotated[int, typer.Option(min=1, help="In a video, look for new things every so many frames.")] = 30,
    model: options.ModelName = "nano",
    weights: options.Weights = None,
    device: options.Device = "auto",
    dtype: options.Dtype = "float32",
    backend: options.Backend = "torch",
    speed: options.Speed = "exact",
    size: options.InputSize = None,
    overwrite: options.Overwrite = False,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """Find everything, without a prompt.

    A picture is clicked on a grid (--preset fast: 16 x 16, default: 32 x 32; dense and small look at crops too), and
    the best of what comes is kept; a line says how many candidates each filter took. In a video that is done on key
    frames; what is new there is tracked to the end and back to where it came into sight. One thing stays one object.

    -o may be repeated, and its name chooses the form, as in masklet image and masklet track. Without -o it is
    NAME-everything.png or .mp4 in the current folder.
    """
    with exit_codes(as_json=as_json):
        from masklet.cli.finding import Finding, preset_named  # noqa: PLC0415  torch is slow to import
        from masklet.cli.job import Lazy  # noqa: PLC0415

        Finding(
            source=source,
            outputs=output,
            preset=preset_named(preset),
            max_objects=max_objects,
            min_area=min_area,
            every=every,
            load=Lazy(
                ModelOptions(
                    name=model,
                    weights=weights,
                    device=device,
                    dtype=dtype,
                    image_size=size,
                    backend=backend,
                    speed=speed,
                )
            ),
            overwrite=overwrite,
            as_json=as_json,
            quiet=quiet,
        ).run()
