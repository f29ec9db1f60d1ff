"""The work of `masklet engine`: options to calls of the data engine, and what is said about it."""

from __future__ import annotations

from collections import Counter
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
from masklet.cli.job import spec_of
from masklet.cli.options import ModelOptions
from masklet.cli.progress import progress
from masklet.cli.report import document, note, print_json
from masklet.engine import statistics
from masklet.engine.ingest import Terms, add_gold, add_media, find_media
from masklet.engine.proposals import MaskletSearch, propose, unsearched_media
from masklet.engine.ray_pool import RayPool
from masklet.engine.records import Split, TaskKind, TaskState
from masklet.engine.remote import Fetched, fetch, find_remote, is_url
from masklet.engine.store import Store
from masklet.engine.tasks import Queue
from masklet.errors import FormatError, MediaError, OutputError, TaskError
from masklet.predict.automatic_masklets import EverythingSettings
from masklet.predict.automatic_masks import Preset
from masklet.predict.worker_pool import ProcessPool, WorkerPool

PHASES = {"1": "1 pictures", "2": "2 propagation", "3": "3 interactive", "auto": "automatic"}


def terms(license_name: str, split: str | None, shares: tuple[float, float], objects: int, priority: int) -> Terms:
    """What holds for media that are added; `FormatError` for a split that is none, or shares (val, test) above 1."""
    if split is not None and split not in get_args(Split):
        raise FormatError(f"expected --split {', '.join(get_args(Split))}, got {split!r}")
    return Terms(
        license=license_name,
        split=cast("Split | None", split),
        val_share=shares[0],
        test_share=shares[1],
        objects=objects,
        priority=priority,
    )


def worker_pool(workers: int, address: str | None) -> WorkerPool | None:
    """The pool that the options name; None for this process alone."""
    if address is not None:
        return RayPool(address=address, workers=workers)
    return ProcessPool(workers=workers) if workers > 1 else None


def masklet_search(
    model: ModelOptions, preset: Preset, settings: EverythingSettings, *, both_ways: bool, pool: WorkerPool | None
) -> MaskletSearch:
    """The search that the options describe; without a pool its model is loaded here, once."""
    spec = spec_of(model)
    return MaskletSearch(
        model=spec.load() if pool is None else spec, settings=settings, key_frames=preset, both_ways=both_ways
    )


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

    def add(self, media: Sequence[str], given: Terms, into: Path | None = None) -> int:
        """Add media, those with an address by way of a folder; gives the exit code."""
        with self.open() as store:
            here = [Path(place) for place in media if not is_url(place)]
            fetched = self._fetch([place for place in media if is_url(place)], into)
            found = find_media([*here, *fetched.paths])
            with progress(self._name, len(found), quiet=self.quiet or self.as_json, unit="media") as advance:
                intake = add_media(store, found, given, progress=lambda _path: advance())
        intake.failed |= fetched.failed
        for path, name in intake.known.items():
            note(f"{path} is there already, as {name}", quiet=self.quiet or self.as_json)
        for path, reason in intake.failed.items():
            note(f"not added: {reason if path in reason else f'{path}: {reason}'}")
        counts = f"{len(intake.added)} added, {len(intake.known)} there already, {len(intake.failed)} failed"
        splits = Counter(media.split for media in intake.added)
        parts = [", ".join(f"{splits[part]} to {part}" for part in get_args(Split) if splits[part])] if splits else []
        tasks = [f"{intake.tasks} tasks to pick and annotate an object"] if intake.tasks else []
        self.tell(
            "add",
            [f"{len(found) + len(fetched.failed)} media: {counts}", *parts, *tasks],
            added=[
                {"name": m.name, "content": m.content, "frames": m.num_frames, "split": m.split} for m in intake.added
            ],
            known=intake.known,
            failed=intake.failed,
            tasks=intake.tasks,
        )
        return EXIT_CODES[MediaError] if intake.failed else 0

    def _fetch(self, urls: Sequence[str], into: Path | None) -> Fetched:
        """Bring media from the network here."""
        if not urls:
            return Fetched()
        if into is None and "://" in self.place:
            raise OutputError("a project in a database has no folder: say --into DIR, where every machine finds it")
        wanted = find_remote(urls)
        with progress(self._name, len(wanted), quiet=self.quiet or self.as_json, unit="files") as advance:
            return fetch(wanted, into or Path(self.place) / "media", progress=lambda _url: advance())

    def propose(self, search: MaskletSearch, pool: WorkerPool | None, *, limit: int | None, priority: int) -> int:
        """Search media for masklets; gives the exit code."""
        model = search.model_name()
        with self.open() as store:
            total = len(unsearched_media(store, model)[0][:limit])
            with progress(self._name, total, quiet=self.quiet or self.as_json, unit="media") as advance:
                done = propose(
                    store, search, model, pool=pool, limit=limit, priority=priority, progress=lambda _media: advance()
                )
        for name, reason in done.failed.items():
            note(f"{name}: {reason}")
        counts = f"{done.masklets} masklets in {done.media} media, {len(done.failed)} failed"
        lines = [f"{model}: {counts}" + (f", {done.before} searched before" if done.before else "")]
        self.tell("propose", lines, model=model, **asdict(done))
        return EXIT_CODES[MediaError] if done.failed else 0

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
            sums, held, now = store.tallies(), Queue(store).held(), store.clock()
        if self.as_json:
            leases = [{"task": one.task.id, "worker": one.worker, "seconds": round(one.until - now)} for one in held]
            self.tell("status", [], **_status(sums), held=leases)
            return
        console = Console()
        count = sums.get("store", {})
        console.print(
            f"{self._name}: {count.get('media', 0):.0f} media, {count.get('masklets', 0):.0f} masklet versions"
        )
        for table in (_states(sums), _phases(sums), _people(sums)):
            if table.row_count:
                console.print(table)
        for one in held:
            left = max(1, round((one.until - now) / 60))
            console.print(
                f"{one.worker} holds task {one.task.id} ({one.task.state}), for {left} min more unless renewed"
            )

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
