"""The work of `masklet engine import` and `stats`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from masklet.cli.errors import EXIT_CODES
from masklet.cli.progress import progress
from masklet.cli.report import note
from masklet.cli.workshop import Workshop
from masklet.engine.dataset_import import import_set
from masklet.engine.records import MaskletVersion
from masklet.engine.set_intake import take_in
from masklet.engine.statistics import PhaseStatistics, charts, from_tallies, from_versions, render
from masklet.engine.store import Store
from masklet.errors import FormatError, MediaError
from masklet.io.atomic import output_errors, write_text


def take_set(workshop: Workshop, root: Path, form: str | None, *, accepted: bool) -> int:
    """Take a set into a project; gives the exit code."""
    if not root.is_dir():
        raise FormatError(f"expected the folder of a data set, found nothing: {root}")
    found = import_set(root, form)
    quiet = workshop.quiet or workshop.as_json
    with workshop.open() as store, progress(str(root), len(found.videos), quiet=quiet, unit="videos") as advance:
        label = f"set {root.resolve().name}"
        told = take_in(store, found, label, accepted=accepted, progress=lambda _name: advance())
    for name, reason in told.failed.items():
        note(f"{name}: {reason}")
    counts = f"{len(told.known)} videos there already, {len(told.failed)} failed"
    lines = [f"{root}: {told.masklets} masklets in {told.media} videos ({counts})"]
    workshop.tell("import", lines, source=str(root), **asdict(told))
    return EXIT_CODES[FormatError] if told.failed else 0


def tell_phases(workshop: Workshop, output: Path | None, *, quick: bool) -> None:
    """Print the phases, and write them with charts to a folder."""
    with workshop.open() as store:
        rows = from_tallies(store.tallies()) if quick else from_versions(all_versions(store))
    files = [] if output is None else _written(output, rows)
    if not rows:
        raise MediaError(f"there is no masklet yet in {workshop.place}")
    entries = [
        {**asdict(row), "seconds_per_frame": row.seconds_per_frame, "clicks_per_frame": row.clicks_per_frame}
        | {"edited_share": row.edited_share, "disappearance": row.disappearance, "alignment": row.alignment()}
        for row in rows
    ]
    workshop.tell("stats", [*render(rows).splitlines(), *(f"wrote {file}" for file in files)], phases=entries)


def all_versions(store: Store) -> Iterator[MaskletVersion]:
    """Every version of every task that is no gold task."""
    after = 0
    while tasks := store.tasks(after=after, limit=100):
        for task in tasks:
            if task.kind != "gold":
                yield from store.versions(task.id)
        after = tasks[-1].id


def _written(folder: Path, rows: list[PhaseStatistics]) -> list[Path]:
    """The table as Markdown and its charts."""
    with output_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    drawn = charts(rows)
    for name, chart in drawn.items():
        chart.save(folder / f"{name}.svg")
    pictures = " ".join(f"![{chart.title}]({name}.svg)" for name, chart in drawn.items())
    write_text(folder / "README.md", f"# Phases\n\n{render(rows)}\n{pictures}\n")
    return [folder / "README.md", *(folder / f"{name}.svg" for name in drawn)]
