"""`masklet engine tasks` and `prioritize`: what comes next, and what is to come first."""

from __future__ import annotations

from typing import Annotated

import typer

from masklet.cli import options
from masklet.cli.engine import LARGEST, Place, engine, working
from masklet.cli.errors import EXIT_CODE_HELP


@engine.command(epilog=EXIT_CODE_HELP)
def tasks(
    place: Place,
    *,
    state: Annotated[
        str | None, typer.Option(help="verify, annotate or select.", show_default="all, in this order")
    ] = None,
    video: Annotated[
        str | None, typer.Option("--video", metavar="NAME", help="Of this one only.", show_default="all")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, metavar="N", help="So many at most.")] = 20,
    as_json: options.AsJson = False,
) -> None:
    """List the tasks that nobody holds, in the order they are given out, with the frames to annotate next.

    Verification first, then annotation, then selection; there the highest priority, then the most doubtful masklet.
    """
    with working(as_json=as_json):
        from masklet.cli.steering import tell_upcoming  # noqa: PLC0415  slow to import
        from masklet.cli.workshop import Workshop  # noqa: PLC0415

        tell_upcoming(Workshop(place, as_json=as_json), state, video, limit)


@engine.command(epilog=EXIT_CODE_HELP)
def prioritize(
    place: Place,
    task: Annotated[list[int] | None, typer.Argument(metavar="TASK...", max=LARGEST, help="These tasks.")] = None,
    *,
    to: Annotated[
        int | None,
        typer.Option(
            "--to",
            metavar="N",
            min=-LARGEST,
            max=LARGEST,
            help="Their priority; higher ones go first.",
            show_default="as it is",
        ),
    ] = None,
    video: Annotated[
        str | None, typer.Option("--video", metavar="NAME", help="All open tasks of this one.", show_default=False)
    ] = None,
    frame: Annotated[
        list[int], typer.Option("--frame", metavar="I", help="Annotate this frame next; may be repeated.")
    ] = [],  # noqa: B006  typer copies it
    note: Annotated[str, typer.Option(help="Why, for the history and whoever takes the task.")] = "",
    as_json: options.AsJson = False,
) -> None:
    """Say which tasks are to be done first, and which of their frames.

    Nothing is taken from anybody who is at work on it.
    """
    with working(as_json=as_json):
        from masklet.cli.steering import Wish, prioritize_tasks  # noqa: PLC0415
        from masklet.cli.workshop import Workshop  # noqa: PLC0415

        wish = Wish(tasks=tuple(task or ()), video=video, priority=to, frames=tuple(sorted(set(frame))), note=note)
        prioritize_tasks(Workshop(place, as_json=as_json), wish)
