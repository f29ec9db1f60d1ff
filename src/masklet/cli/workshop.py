"""The work of `masklet engine`: options to calls of the data engine, and what is said about it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast, get_args

import typer
from rich.console import Console
from rich.table import Table

from masklet.cli.errors import EXIT_CODES
from masklet.cli.options import ModelOptions
from masklet.cli.progress import progress
from masklet.cli.report import document, note, print_json
from masklet.engine import statistics
from masklet.engine.cluster import RayFinder, Recipe
from masklet.engine.intake import Terms, add_gold, add_media, find_media
from masklet.engine.proposals import Finder, propose, waiting
from masklet.engine.records import Split, TaskKind, TaskState
from masklet.engine.store import Store
from masklet.errors import FormatError, MediaError, TaskError
from masklet.predict.automatic import Preset
from masklet.predict.everything import EverythingSettings
from masklet.predict.load import load

PHASES = {"1": "1 pictures", "2": "2 propagation", "3": "3 interactive", "auto": "automatic"}


def terms(license_name: str, split: str | None, val_share: float, objects: int, priority: int) -> Terms:
    """What holds for media that are added; `FormatError` for a split that is none."""
    if split is not None and split not in get_args(Split):
        raise FormatError(f"expected --split {', '.join(get_args(Split))}, got {split!r}")
    return Terms(
        license=license_name,
        split=cast("Split | None", split),
        val_share=val_share,
        objects=objects,
        priority=priority,
    )


def finder(
    model: ModelOptions, preset: Preset, *, max_objects: int, every: int, cluster: tuple[str, int] | None
) -> Finder:
    """What looks for masklets, here or on a cluster (its address, and how many workers)."""
    recipe = Recipe(
        name=model.name,
        weights=None if model.weights is None else str(model.weights),
        device=model.device,
        dtype=model.dtype,
        image_size=model.image_size,
        preset=preset,
        settings=EverythingSettings(every=every, max_objects=max_objects),
    )
    if cluster is None:
        return recipe.finder()
    loaded = load(model.name, weights=model.weights, device="cpu", image_size=model.image_size)
    return RayFinder(recipe=recipe, model=loaded.config.full_name, address=cluster[0], workers=cluster[1])


@dataclass(frozen=True)
class Workshop:
    """A project as the command line names it.

    Attributes:
        place: its folder or URL.
        as_json: print one JSON document on stdout instead of lines for people.
        quiet: print nothing but errors.
    """

    place: str
    as_json: bool = False
    quiet: bool = False

    def open(self, *, create: bool = False) -> AbstractContextManager[Store]:
        """Its store."""
        return Store(self.place, create=create)

    def tell(self, kind: str, lines: Sequence[str], **content: Any) -> None:
        """Say what was done."""
        if self.as_json:
            print_json(document(f"engine-{kind}", project=self._name, **content))
        elif not self.quiet:
            typer.echo("\n".join(lines))

    @property
    def _name(self) -> str:
        """Without a password."""
        return self.place if "://" not in self.place else self.place.rpartition("@")[2]

    def init(self) -> None:
        """Make it."""
        with self.open(create=True) as store:
            self.tell("init", [f"the data engine is at {store.database.name}"], store=store.database.name)

    def add(self, paths: Sequence[Path], given: Terms) -> int:
        """Add media; gives the exit code."""
        with self.open() as store:
            found = find_media(paths)
            with progress(self._name, len(found), quiet=self.quiet or self.as_json, unit="media") as advance:
                intake = add_media(store, found, given, progress=lambda _path: advance())
        for path, name in intake.known.items():
            note(f"{path} is there already, as {name}", quiet=self.quiet or self.as_json)
        for path, reason in intake.failed.items():
            note(f"not added: {reason if path in reason else f'{path}: {reason}'}")
        counts = f"{len(intake.added)} added, {len(intake.known)} there already, {len(intake.failed)} failed"
        tasks = [f"{intake.tasks} tasks to pick and annotate an object"] if intake.tasks else []
        self.tell(
            "add",
            [f"{len(found)} media: {counts}", *tasks],
            added=[{"name": m.name, "content": m.content, "frames": m.num_frames} for m in intake.added],
            known=intake.known,
            failed=intake.failed,
            tasks=intake.tasks,
        )
        return EXIT_CODES[MediaError] if intake.failed else 0

    def propose(self, look: Finder, *, limit: int | None, priority: int) -> int:
        """Let a model look for masklets; gives the exit code."""
        with self.open() as store:
            total = len(waiting(store, look.model)[0][:limit])
            with progress(self._name, total, quiet=self.quiet or self.as_json, unit="media") as advance:
                told = propose(store, look, limit=limit, priority=priority, progress=lambda _media: advance())
        for name, reason in told.failed.items():
            note(f"{name}: {reason}")
        counts = f"{told.masklets} masklets in {told.media} media, {len(told.failed)} failed"
        lines = [f"{look.model}: {counts}" + (f", {told.before} searched before" if told.before else "")]
        self.tell("propose", lines, model=look.model, **asdict(told))
        return EXIT_CODES[MediaError] if told.failed else 0

    def gold(self, tasks: Sequence[int]) -> None:
        """Make known answers of accepted masklets.

        Raises:
            TaskError: a task that has none.
        """
        with self.open() as store:
            found = [store.task(task) for task in tasks]
            for task in found:
                if task.state is not TaskState.DONE or task.version is None or task.kind is TaskKind.GOLD:
                    raise TaskError(f"expected tasks with an accepted masklet, got task {task.id} ({task.state})")
            made = []
            for task in found:
                version = store.version(task.version or 0)
                made.append(add_gold(store, task.media, version.masklet, task.prompts or version.work.prompts))
        self.tell("gold", [f"{len(made)} known answers will be mixed in among the tasks"], tasks=list(tasks))

    def status(self) -> None:
        """How far it is."""
        with self.open() as store:
            sums = store.tallies()
        if self.as_json:
            self.tell("status", [], **_status(sums))
            return
        console = Console()
        count = sums.get("store", {})
        console.print(
            f"{self._name}: {count.get('media', 0):.0f} media, {count.get('masklets', 0):.0f} masklet versions"
        )
        for table in (_states(sums), _phases(sums), _people(sums)):
            if table.row_count:
                console.print(table)

    def history(self, task_id: int) -> None:
        """What happened to a task."""
        with self.open() as store:
            task, events = store.task(task_id), store.history(task_id)
        lines = [f"task {task.id} ({task.kind}), object {task.object_id} {task.name}: {task.state}"]
        for event in events:
            when = datetime.fromtimestamp(event.at, UTC).isoformat(timespec="seconds")
            version = "" if event.version is None else f", version {event.version}"
            said = f": {event.note}" if event.note else ""
            lines.append(f"  {when}  {event.what:14} {event.who or '-'} -> {event.after}{version}{said}")
        self.tell("history", lines, task=task.id, state=task.state, events=[asdict(event) for event in events])


def _status(sums: dict[str, dict[str, float]]) -> dict[str, Any]:
    tasks = {state: round(sums.get("task", {}).get(state, 0)) for state in TaskState}
    groups: dict[str, dict[str, Any]] = {"phases": {}, "people": {}}
    for subject, amounts in sums.items():
        group, _, name = subject.partition(":")
        if group in ("phase", "person"):
            groups["phases" if group == "phase" else "people"][name] = amounts
    return {**{what: round(n) for what, n in sums.get("store", {}).items()}, "tasks": tasks, **groups}


def _states(sums: dict[str, dict[str, float]]) -> Table:
    table = Table("task", "count")
    for state in TaskState:
        table.add_row(state, f"{sums.get('task', {}).get(state, 0):.0f}")
    return table


def _phases(sums: dict[str, dict[str, float]]) -> Table:
    table = Table("phase", "masklets", "accepted", "s/frame", "edited", "clicks/frame")
    for row in statistics.from_tallies(sums):
        table.add_row(
            PHASES[row.phase],
            str(row.masklets),
            f"{sums[f'phase:{row.phase}'].get('satisfactory', 0):.0f}",
            "-" if row.seconds_per_frame is None else f"{row.seconds_per_frame:.2f}",
            "-" if row.edited_share is None else f"{row.edited_share:.1%}",
            "-" if row.clicks_per_frame is None else f"{row.clicks_per_frame:.2f}",
        )
    return table


def _people(sums: dict[str, dict[str, float]]) -> Table:
    table = Table("person", "made", "accepted", "sent back", "verified", "gold", "agreement", "hours")
    for subject, of in sums.items():
        kind, _, name = subject.partition(":")
        if kind == "person" and of.keys() & {"selected", "annotated", "verified"}:
            counts = ("annotated", "satisfactory", "unsatisfactory", "verified", "gold")
            agreed = f"{of['agreement'] / of['gold']:.2f}" if of.get("gold") else "-"
            hours = f"{of.get('seconds', 0) / 3600:.2f}"
            table.add_row(name, *(f"{of.get(what, 0):.0f}" for what in counts), agreed, hours)
    return table
