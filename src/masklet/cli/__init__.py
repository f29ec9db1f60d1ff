"""The command line: words to calls. Only commands that need torch import it."""

from __future__ import annotations

from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> None:
    """Run ``masklet`` with the arguments of the process, or those given, and leave with an exit code."""
    from masklet.cli import (  # noqa: F401, PLC0415  they register themselves
        bench,
        convert,
        demo,
        doctor,
        engine,
        engine_sets,
        engine_tasks,
        evaluate,
        everything,
        export,
        image,
        models,
        studio,
        track,
        train,
    )
    from masklet.cli.app import app  # noqa: PLC0415

    app(args=None if arguments is None else list(arguments), prog_name="masklet")
