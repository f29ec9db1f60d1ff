"""The typer application `masklet`, how functions become its commands, and how these fail.

A command fails with one line on stderr, the same as JSON with --json, and an exit code.
"""

from __future__ import annotations

import inspect
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Annotated, Any

import typer
from typer import Option

import masklet
from masklet.cli.options import expand_groups
from masklet.cli.report import print_json, show_warning
from masklet.errors import (
    DeviceError,
    FormatError,
    FrameRangeError,
    MaskletError,
    MediaError,
    MissingExtraError,
    OutputError,
    PromptError,
    TaskError,
    UnknownModelError,
    UnknownObjectError,
    WeightsError,
)

SEGMENT_PANEL, TOOL_PANEL = "Segment and track", "Models and machine"

INTERRUPTED = 130

EXIT_CODES: dict[type[MaskletError], int] = {
    PromptError: 2,
    UnknownObjectError: 2,
    FrameRangeError: 2,
    FormatError: 2,
    TaskError: 2,
    MediaError: 3,
    UnknownModelError: 4,
    WeightsError: 4,
    OutputError: 5,
    DeviceError: 6,
    MissingExtraError: 6,
}

EXIT_CODE_HELP = (
    "Exit codes: 0 success, 1 bug in masklet, 2 option, prompt or frame range, 3 image or video, "
    "4 model or weights, 5 output, 6 device or missing extra, 130 interrupted."
)

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
    name: str | None = None,
    *,
    examples: str = "",
    panel: str | None = None,
    parent: typer.Typer = app,
    default: bool = False,
) -> Callable[[Callable[..., int | None]], Callable[..., int | None]]:
    """Register a function as a command: expand its option groups and turn errors into messages and exit codes.

    Args:
        name: default: the function's name with dashes.
        examples: commands, shown below the help; blank lines between them.
        panel: section of the list of commands.
        parent: the application or group of commands.
        default: whether the function is what ``parent`` itself runs, without a command.
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
        if default:
            parent.callback(invoke_without_command=True, epilog=epilog)(_without_command(run))
        else:
            parent.command(name, epilog=epilog, rich_help_panel=panel)(run)
        return function

    return register


def _without_command(run: Callable[..., None]) -> Callable[..., None]:
    """Wrap the function of a group so that it does nothing if a command of the group runs."""

    @wraps(run)
    def run_alone(**values: Any) -> None:
        if values.pop("context").invoked_subcommand is None:
            run(**values)

    context = inspect.Parameter("context", inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)
    signature = inspect.signature(run)
    run_alone.__signature__ = signature.replace(parameters=[*signature.parameters.values(), context])  # type: ignore[attr-defined]
    run_alone.__annotations__ = {**run.__annotations__, "context": typer.Context}
    return run_alone


def exit_code(error: MaskletError) -> int:
    """The exit code of an error; 1 for a class without one."""
    return next((code for kind, code in EXIT_CODES.items() if isinstance(error, kind)), 1)


def error_entry(error: MaskletError) -> dict[str, str]:
    """The fields of an error in JSON documents."""
    return {"type": type(error).__name__, "message": str(error)}


def show_error(error: MaskletError, where: str = "") -> None:
    """Print an error as one line on stderr, after the input ``where`` it occurred unless the message names it."""
    line = " ".join(str(error).split())
    typer.echo(f"masklet: error: {line}" if where in line else f"masklet: error: {where}: {line}", err=True)


@contextmanager
def exit_codes(*, as_json: bool = False) -> Iterator[None]:
    """Turn a `MaskletError` or Ctrl-C into one line on stderr and `typer.Exit`; other exceptions pass.

    Args:
        as_json: print ``{"error": {"type": ..., "message": ...}}`` on stdout too.
    """
    try:
        with warnings.catch_warnings():
            warnings.showwarning = show_warning
            yield
    except KeyboardInterrupt:
        typer.echo("masklet: interrupted", err=True)
        if as_json:
            print_json({"error": {"type": "KeyboardInterrupt", "message": "interrupted"}})
        raise typer.Exit(INTERRUPTED) from None
    except Exception as raised:
        error = _as_masklet_error(raised)
        if error is None:
            raise
        show_error(error)
        if as_json:
            print_json({"error": error_entry(error)})
        raise typer.Exit(exit_code(error)) from None


def _as_masklet_error(raised: Exception) -> MaskletError | None:
    """The error itself, a `DeviceError` for torch's out-of-memory error, None for anything else."""
    if isinstance(raised, MaskletError):
        return raised
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(raised, torch.OutOfMemoryError):
        return DeviceError("out of device memory: use a smaller --size, --dtype bfloat16 or --device cpu")
    return None


def _print_version(requested: bool) -> bool:
    if requested:
        typer.echo(f"masklet {masklet.__version__}")
        raise typer.Exit
    return requested


@app.callback()
def main_options(
    version: Annotated[
        bool, Option("--version", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Segment and track objects in images and videos (SAM 2)."""
