"""`masklet engine import` and `stats`: a data set into a project, and how fast and how well the team works."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from masklet.cli import options
from masklet.cli.engine import Place, engine, working
from masklet.cli.errors import EXIT_CODE_HELP


@engine.command("import", epilog=EXIT_CODE_HELP)
def import_(
    place: Place,
    source: Annotated[Path, typer.Argument(metavar="DIR", help="The data set's folder.")],
    *,
    form: Annotated[
        str | None, typer.Option(help="sav or davis, for a set that masklet engine export did not write.")
    ] = None,
    accepted: Annotated[
        bool, typer.Option("--accepted", help="Take the masklets as verified; else a person looks at each.")
    ] = False,
    as_json: options.AsJson = False,
    quiet: options.Quiet = False,
) -> None:
    """Take a data set into a project: its videos become media, its masklets tasks.

    Videos stay where they are. What is broken or only half copied is named and counted, and the rest is taken; again
    from the same folder, only what is missing is.
    """
    with working(as_json=as_json):
        from masklet.cli.sets import take_set  # noqa: PLC0415  slow to import
        from masklet.cli.workshop import Workshop  # noqa: PLC0415

        code = take_set(Workshop(place, as_json=as_json, quiet=quiet), source, form, accepted=accepted)
    raise typer.Exit(code)


@engine.command(epilog=EXIT_CODE_HELP)
def stats(
    place: Place,
    *,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="DIR", help="Write the table and charts (SVG) here.")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="By running sums: at once, without looking at masks.")] = False,
    as_json: options.AsJson = False,
) -> None:
    """Show each phase as in the paper's table: seconds a frame, edited frames, clicks, agreement with phase 1.

    Agreement and disappearance need the masks; a dash stands where nothing was measured.
    """
    with working(as_json=as_json):
        from masklet.cli.sets import tell_phases  # noqa: PLC0415
        from masklet.cli.workshop import Workshop  # noqa: PLC0415

        tell_phases(Workshop(place, as_json=as_json), output, quick=quick)
