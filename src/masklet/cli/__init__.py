"""The command line. A command's module imports torch and media libraries only when the command runs."""

from __future__ import annotations

from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> None:
    """Run ``masklet`` with the arguments of the process, or those given, and raise `SystemExit` with its exit code."""
    from masklet.cli import (  # noqa: F401  importing a module registers its commands
        automatic_masks,
        bench,
        convert,
        demo,
        doctor,
        evaluate,
        export,
        image,
        models,
        studio,
        track,
        train,
    )
    from masklet.cli.app import app
    from masklet.cli.engine import data, tasks  # noqa: F401

    app(args=None if arguments is None else list(arguments), prog_name="masklet")
