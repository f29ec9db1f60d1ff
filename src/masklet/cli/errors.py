"""How commands fail: one line on stderr, the same as JSON where that was asked for, and an exit code to branch on."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import typer

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
    "Exit codes: 0 done, 1 a bug in masklet, 2 options, prompts or frame range, 3 picture or video, "
    "4 model or weights, 5 output, 6 device or missing extra, 130 interrupted."
)


def exit_code(error: MaskletError) -> int:
    """The exit code of an error."""
    return next((code for kind, code in EXIT_CODES.items() if isinstance(error, kind)), 1)


def error_entry(error: MaskletError) -> dict[str, str]:
    """An error as it stands in JSON."""
    return {"type": type(error).__name__, "message": str(error)}


def show_error(error: MaskletError, where: str = "") -> None:
    """Print an error as one line on stderr; ``where`` names the input, unless the error does."""
    line = " ".join(str(error).split())
    typer.echo(f"masklet: error: {line}" if where in line else f"masklet: error: {where}: {line}", err=True)


@contextmanager
def exit_codes(*, as_json: bool = False) -> Iterator[None]:
    """What masklet raises on purpose inside ends the command with a line and an exit code; bugs keep their traceback.

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
        error = _on_purpose(raised)
        if error is None:
            raise
        show_error(error)
        if as_json:
            print_json({"error": error_entry(error)})
        raise typer.Exit(exit_code(error)) from None


def _on_purpose(raised: Exception) -> MaskletError | None:
    """The error to tell; a device out of memory is the user's to solve, wherever torch noticed it."""
    if isinstance(raised, MaskletError):
        return raised
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(raised, torch.OutOfMemoryError):
        return DeviceError("the device has not enough memory: try a smaller --size, --dtype bfloat16 or --device cpu")
    return None
