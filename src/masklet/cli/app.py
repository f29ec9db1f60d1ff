"""The command `masklet` and what holds for all of its commands."""

from __future__ import annotations

from typing import Annotated

import typer

import masklet
from masklet.cli.errors import EXIT_CODE_HELP

SEGMENT_PANEL, TOOL_PANEL = "Segment and track", "Models and machine"

app = typer.Typer(
    name="masklet",
    help="Point at an object once and get its mask in every frame.",
    epilog=f"masklet COMMAND --help shows examples.\n\n{EXIT_CODE_HELP}",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(asked: bool) -> bool:
    if asked:
        typer.echo(f"masklet {masklet.__version__}")
        raise typer.Exit
    return asked


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Point at an object once and get its mask in every frame."""
