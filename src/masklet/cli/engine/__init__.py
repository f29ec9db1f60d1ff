"""`masklet engine`: the group of commands of the data engine, and the project they work on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer import Argument, Option

from masklet.cli.app import EXIT_CODE_HELP, TOOL_PANEL, app
from masklet.cli.options import ReportOptions

if TYPE_CHECKING:
    from masklet.engine.store import Store
    from masklet.predict.worker_pool import WorkerPool

MAX_INTEGER = 2**31 - 1
"""The largest whole number that every database stores."""

EXAMPLES = """Examples:

masklet engine init dogs

masklet engine add dogs clips/ --license CC-BY-4.0 --objects 5

masklet engine propose dogs --max-objects 10

masklet engine serve dogs

masklet engine status dogs

masklet engine export dogs dogs-1.0

The whole loop, step by step: docs/guides/engine.md."""

engine = typer.Typer(
    help="Build a data set: add media, annotate, propose masklets with a model, verify, export.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    epilog=f"{EXAMPLES}\n\n{EXIT_CODE_HELP}",
)
app.add_typer(engine, name="engine", rich_help_panel=TOOL_PANEL)

ProjectPath = Annotated[str, Argument(metavar="PROJECT", help="Folder of the project, or postgresql://USER@HOST/NAME.")]
Priority = Annotated[
    int, Option(min=-MAX_INTEGER, max=MAX_INTEGER, help="Priority of the tasks; higher ones are assigned first.")
]


@dataclass(frozen=True, kw_only=True)
class WorkerOptions:
    """The processes that share the work."""

    workers: Annotated[
        int,
        Option(min=0, help="Number of processes.", show_default="this one; with --ray one for each GPU, or 2 without"),
    ] = 0
    ray: Annotated[
        str | None,
        Option("--ray", metavar="ADDRESS", help="Ray cluster: auto for the running one, local for a new one."),
    ] = None

    def pool(self) -> WorkerPool | None:
        """A pool of local processes or of Ray workers; None for this process alone."""
        from masklet.engine.ray_pool import RayPool
        from masklet.predict.worker_pool import ProcessPool

        if self.ray is not None:
            return RayPool(address=self.ray, workers=self.workers)
        return ProcessPool(workers=self.workers) if self.workers > 1 else None


class Project:
    """A project of the data engine as the command line names it; `MissingExtraError` without the extra ``engine``."""

    def __init__(self, path: str, report: ReportOptions) -> None:
        from masklet.engine._deps import require_engine

        require_engine()
        self.path, self.report = path, report

    @property
    def is_database(self) -> bool:
        """Whether the project is in a database, so that it has no folder of its own."""
        return "://" in self.path

    @property
    def name(self) -> str:
        """Its path, or its URL without user and password."""
        return self.path.rpartition("@")[2] if self.is_database else self.path

    def open(self, *, create: bool = False) -> Store:
        """Open its store, to be used in a ``with`` block."""
        from masklet.engine.store import Store

        return Store(self.path, create=create)

    def show(self, command: str, lines: Sequence[str], **content: Any) -> None:
        """Print the result of a command, as JSON or as text."""
        self.report.show(f"engine-{command}", lines, project=self.name, **content)
