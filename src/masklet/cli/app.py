"""The typer application `masklet`, and how functions become its commands."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any

import typer

import masklet
from masklet.cli.errors import EXIT_CODE_HELP, exit_codes
from masklet.cli.options import expand_groups

SEGMENT_PANEL, TOOL_PANEL = "Segment and track", "Models and machine"

app = typer.Typer(
    name="masklet",
    help="Segment and track objects in images and videos (SAM 2).",
    epilog=f"masklet COMMAND --help shows examples.\n\n{EXIT_CODE_HELP}",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def command(
    name: str | None = None, *, examples: str = "", panel: str | None = None, parent: typer.Typer = app
) -> Callable[[Callable[..., int | None]], Callable[..., int | None]]:
    """Register a function as a command: expand its option groups and turn errors into messages and exit codes.

    Args:
        name: default: the function's name with dashes.
        examples: commands, shown below the help; blank lines between them.
        panel: section of the list of commands.
        parent: the application or group of commands.
    """

    def register(function: Callable[..., int | None]) -> Callable[..., int | None]:
        expanded = expand_groups(function)

        @wraps(expanded)
        def run(**values: Any) -> None:
            with exit_codes(as_json=values.get("as_json", False)):
                code = expanded(**values)
            if code:
                raise typer.Exit(code)

        epilog = f"Examples:\n\n{examples.strip()}\n\n{EXIT_CODE_HELP}" if examples else EXIT_CODE_HELP
        parent.command(name, epilog=epilog, rich_help_panel=panel)(run)
        return function

    return register


def _print_version(requested: bool) -> bool:
    if requested:
        typer.echo(f"masklet {masklet.__version__}")
        raise typer.Exit
    return requested


@app.callback()
def main_options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Segment and track objects in images and videos (SAM 2)."""
