"""`masklet engine` tasks, prioritize, status, gold, review and serve: the work of people."""

from __future__ import annotations

import getpass
import secrets
from collections.abc import Iterable
from contextlib import closing
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast, get_args

import typer
from typer import Argument, Option

from masklet.cli.app import command
from masklet.cli.engine import MAX_INTEGER, Project, ProjectPath, engine
from masklet.cli.options import ListenOptions, ModelOptions, ReportOptions, Without
from masklet.cli.report import note as print_note
from masklet.cli.report import table
from masklet.errors import FormatError, MediaError, OutputError, TaskError

if TYPE_CHECKING:
    from rich.table import Table

    from masklet.engine.records import Lease, Media, Outcome, Verdict
    from masklet.engine.store import Store

SHEET_FRAMES = 12
"""Frames on the contact sheet of a masklet."""

PHASES = {"1": "1 images", "2": "2 propagation", "3": "3 interactive", "auto": "automatic"}

Totals = dict[str, dict[str, float]]


@command(parent=engine)
def tasks(
    project: ProjectPath,
    *,
    state: Annotated[str | None, Option(help="verify, annotate or select.", show_default="all, in this order")] = None,
    video: Annotated[
        str | None, Option("--video", metavar="NAME", help="Tasks of this video.", show_default="all")
    ] = None,
    limit: Annotated[int, Option(min=1, metavar="N", help="Largest number of tasks.")] = 20,
    report: Annotated[ReportOptions, Without("quiet")],
) -> None:
    """List unassigned tasks in the order of assignment, with the frames to annotate next.

    Verification comes first, then annotation, then selection; within each, the highest priority, then the least
    confident masklet.
    """
    target = Project(project, report)
    from masklet.engine.records import TaskState
    from masklet.engine.tasks import STAGES, Queue

    if state not in (None, *STAGES):
        raise FormatError(f"expected --state {', '.join(STAGES)}, got {state!r}")
    with target.open() as store:
        media = {one.content: one for one in store.all_media()}
        content = None if video is None else media_named(media.values(), video).content
        states = STAGES if state is None else (TaskState(state),)
        found = Queue(store).upcoming(states, media=content, limit=limit)
    rows = [
        (
            str(task.id),
            task.state,
            media[task.media].name,
            f"{task.object_id} {task.name}".strip(),
            str(task.priority),
            f"{task.doubt:.2f}",
            ", ".join(map(str, task.frames)) or "-",
        )
        for task in found
    ]
    header = ("task", "state", "video", "object", "priority", "doubt", "annotate next")
    shown = ("id", "kind", "state", "object_id", "name", "priority", "doubt", "frames", "version")
    entries = [{name: asdict(task)[name] for name in shown} | {"video": media[task.media].name} for task in found]
    target.show("tasks", table(header, rows).splitlines() if rows else ["no unassigned tasks"], tasks=entries)


@command(parent=engine)
def prioritize(
    project: ProjectPath,
    task: Annotated[list[int] | None, Argument(metavar="TASK...", max=MAX_INTEGER, help="Task numbers.")] = None,
    *,
    to: Annotated[
        int | None,
        Option(
            "--to",
            metavar="N",
            min=-MAX_INTEGER,
            max=MAX_INTEGER,
            help="New priority; higher ones are assigned first.",
            show_default="unchanged",
        ),
    ] = None,
    video: Annotated[
        str | None, Option("--video", metavar="NAME", help="All open tasks of this video.", show_default=False)
    ] = None,
    frame: Annotated[list[int], Option("--frame", metavar="I", help="Frame to annotate next; may be repeated.")] = [],  # noqa: B006  typer copies it
    note: Annotated[str, Option(help="Reason, stored in the history and shown to annotators.")] = "",
    report: Annotated[ReportOptions, Without("quiet")],
) -> None:
    """Set the priority of tasks, and which of their frames to annotate next.

    Assigned tasks stay with the people who have them.
    """
    target = Project(project, report)
    from masklet.engine.tasks import STAGES, Queue

    if not task and video is None:
        raise FormatError("expected task numbers, or --video NAME")
    if to is None and not frame:
        raise FormatError("expected --to N, or --frame I, or both")
    frames = sorted(set(frame))
    with target.open() as store:
        chosen = list(task or ())
        if video is not None:
            content = media_named(store.all_media(), video).content
            chosen += [one.id for one in store.tasks(STAGES, media=content, limit=1_000_000)]
        chosen = list(dict.fromkeys(chosen))
        queue = Queue(store)
        for number in chosen:
            if to is not None:
                queue.prioritize(number, to)
            if frames:
                queue.flag(number, dict.fromkeys(frames, 1.0), note=note, who=getpass.getuser())
    changes = [] if to is None else [f"priority {to}"]
    changes += [f"frames to annotate next: {', '.join(map(str, frames))}"] if frames else []
    lines = [f"{len(chosen)} tasks: {'; '.join(changes)}"]
    target.show("prioritize", lines, tasks=chosen, priority=to, frames=frames)


def media_named(media: Iterable[Media], name: str) -> Media:
    """The media of a name; `MediaError` if there is none."""
    found = next((one for one in media if one.name == name), None)
    if found is None:
        raise MediaError(f"there is no video {name} in the project")
    return found


@command(parent=engine)
def gold(
    project: ProjectPath,
    task: Annotated[list[int], Argument(metavar="TASK...", max=MAX_INTEGER, help="Tasks with an accepted masklet.")],
    report: Annotated[ReportOptions, Without("quiet")],
) -> None:
    """Make gold tasks from accepted masklets: tasks with a known answer, which measure agreement with annotators."""
    target = Project(project, report)
    from masklet.engine.ingest import add_gold
    from masklet.engine.records import TaskKind, TaskState

    with target.open() as store:
        found = [store.task(number) for number in task]
        for one in found:
            if one.state is not TaskState.DONE or one.version is None or one.kind is TaskKind.GOLD:
                raise TaskError(f"expected tasks with an accepted masklet, got task {one.id} ({one.state})")
        for one in found:
            version = store.version(one.version or 0)
            add_gold(store, one.media, version.masklet, one.prompts or version.work.prompts)
    target.show("gold", [f"{len(found)} gold tasks added"], tasks=task)


@command(parent=engine)
def status(
    project: ProjectPath,
    *,
    task: Annotated[
        int | None, Option(metavar="N", max=MAX_INTEGER, help="Show the history of this task instead.")
    ] = None,
    report: Annotated[ReportOptions, Without("quiet")],
) -> None:
    """Show the progress of a project: tasks by state, masklets by phase, work by person."""
    target = Project(project, report)
    from masklet.engine.tasks import Queue

    if task is not None:
        _show_history(target, task)
        return
    with target.open() as store:
        totals, held, now = store.tallies(), Queue(store).held(), store.clock()
    if report.as_json:
        leases = [{"task": one.task.id, "worker": one.worker, "seconds": round(one.until - now)} for one in held]
        target.show("status", [], **_status_entry(totals), held=leases)
        return
    from rich.console import Console

    console, count = Console(), totals.get("store", {})
    console.print(f"{target.name}: {count.get('media', 0):.0f} media, {count.get('masklets', 0):.0f} masklet versions")
    for part in (_state_table(totals), _phase_table(totals), _person_table(totals)):
        if part.row_count:
            console.print(part)
    for one in held:
        left = max(1, round((one.until - now) / 60))
        console.print(f"task {one.task.id} ({one.task.state}) is assigned to {one.worker} for {left} more min")


def _show_history(project: Project, number: int) -> None:
    with project.open() as store:
        task, events = store.task(number), store.history(number)
    lines = [f"task {task.id} ({task.kind}), object {task.object_id} {task.name}: {task.state}"]
    for event in events:
        when = datetime.fromtimestamp(event.at, UTC).isoformat(timespec="seconds")
        version = "" if event.version is None else f", version {event.version}"
        reason = f": {event.note}" if event.note else ""
        lines.append(f"  {when}  {event.what:14} {event.who or '-'} -> {event.after}{version}{reason}")
    project.show("history", lines, task=task.id, state=task.state, events=[asdict(event) for event in events])


def _status_entry(totals: Totals) -> dict[str, Any]:
    """The totals in JSON: of the store, of tasks by state, of phases and of people."""
    from masklet.engine.records import TaskState

    groups: dict[str, Totals] = {"phases": {}, "people": {}}
    for subject, amounts in totals.items():
        group, _, name = subject.partition(":")
        if group in ("phase", "person"):
            groups["phases" if group == "phase" else "people"][name] = amounts
    counts = {name: round(amount) for name, amount in totals.get("store", {}).items()}
    return {**counts, "tasks": {state: round(totals.get("task", {}).get(state, 0)) for state in TaskState}, **groups}


def _state_table(totals: Totals) -> Table:
    from rich.table import Table

    from masklet.engine.records import TaskState

    rows = Table("task", "count")
    for state in TaskState:
        rows.add_row(state, f"{totals.get('task', {}).get(state, 0):.0f}")
    return rows


def _phase_table(totals: Totals) -> Table:
    from rich.table import Table

    from masklet.engine.statistics import from_tallies

    rows = Table("phase", "masklets", "accepted", "s/frame", "edited", "clicks/frame")
    for phase in from_tallies(totals):
        rows.add_row(
            PHASES[phase.phase],
            str(phase.masklets),
            f"{totals[f'phase:{phase.phase}'].get('satisfactory', 0):.0f}",
            "-" if phase.seconds_per_frame is None else f"{phase.seconds_per_frame:.2f}",
            "-" if phase.edited_share is None else f"{phase.edited_share:.1%}",
            "-" if phase.clicks_per_frame is None else f"{phase.clicks_per_frame:.2f}",
        )
    return rows


def _person_table(totals: Totals) -> Table:
    from rich.table import Table

    rows = Table("person", "made", "accepted", "sent back", "verified", "gold", "agreement", "hours")
    for subject, amounts in totals.items():
        kind, _, name = subject.partition(":")
        if kind == "person" and amounts.keys() & {"selected", "annotated", "verified"}:
            columns = ("annotated", "satisfactory", "unsatisfactory", "verified", "gold")
            agreement = f"{amounts['agreement'] / amounts['gold']:.2f}" if amounts.get("gold") else "-"
            hours = f"{amounts.get('seconds', 0) / 3600:.2f}"
            rows.add_row(name, *(f"{amounts.get(column, 0):.0f}" for column in columns), agreement, hours)
    return rows


@command(parent=engine)
def review(
    project: ProjectPath,
    *,
    name: Annotated[str, Option("--as", metavar="NAME", help="Name of the reviewer.")],
    task: Annotated[
        int | None, Option(metavar="N", max=MAX_INTEGER, help="Task to verify.", show_default="the next one")
    ] = None,
    verdict: Annotated[
        str | None,
        Option(
            help="satisfactory, unsatisfactory or reject, or its first letters; without it, a question is asked.",
            show_default=False,
        ),
    ] = None,
    note: Annotated[str, Option(help="Reason for the verdict.")] = "",
    frame: Annotated[list[int], Option("--frame", metavar="I", help="Frame with a wrong mask; may be repeated.")] = [],  # noqa: B006  typer copies it
    output: Annotated[Path, Option("-o", "--output", metavar="DIR", help="Folder for the contact sheets.")] = Path(),
    report: Annotated[ReportOptions, Without("quiet")],
) -> None:
    """Verify masklets in a terminal: each is drawn on a contact sheet of twelve frames, then a verdict is asked for.

    Nobody verifies a masklet they worked on. In the browser: masklet engine serve.
    """
    target = Project(project, report)
    from masklet.engine.records import TaskState, Verdict
    from masklet.engine.tasks import Queue

    given = None
    if verdict is not None:
        given = Verdict(outcome=parse_outcome(verdict), by=name, note=note, frames=tuple(frame))
    judged: list[dict[str, object]] = []
    with target.open() as store:
        queue = Queue(store)
        while (lease := queue.take(name, [TaskState.VERIFY], task=task)) is not None:
            answer = given or _ask(store, lease, output)
            if answer is None:
                queue.release(lease)
                break
            queue.judge(lease, answer, key=secrets.token_hex(8))
            judged.append({"task": lease.task.id, "outcome": answer.outcome})
            if task is not None or given is not None:
                break
        else:
            if not judged:
                missing = "no task" if task is None else f"no task {task}"
                raise TaskError(f"there is {missing} for {name} to verify")
    lines = [f"task {one['task']}: {one['outcome']}" for one in judged]
    target.show("review", lines or ["no verdict was given"], by=name, verdicts=judged)


def parse_outcome(text: str) -> Outcome:
    """The outcome that starts with a text; `FormatError` if there is none."""
    from masklet.engine.records import Outcome

    for known in get_args(Outcome):
        if text and known.startswith(text.strip().lower()):
            return cast("Outcome", known)
    raise FormatError(f"expected a verdict of {', '.join(get_args(Outcome))}, got {text!r}")


def _ask(store: Store, lease: Lease, folder: Path) -> Verdict | None:
    """Draw the contact sheet of a masklet and ask for a verdict; None to stop."""
    from masklet.cli.contact_sheet import ContactSheetWriter, evenly_spaced
    from masklet.engine.ingest import open_media
    from masklet.engine.records import Verdict
    from masklet.io import Result

    task = lease.task
    assert task.version is not None, "a task to verify has a version"
    version, media = store.version(task.version), store.media(task.media)
    masklets = {task.object_id: version.masklet}
    result = Result(masklets=masklets, size=media.size, num_frames=media.num_frames)
    path = folder / f"task-{task.id}.png"
    with open_media(media) as video:
        frames = evenly_spaced(range(len(video)), SHEET_FRAMES)
        with ContactSheetWriter(path, frames=frames, prompts={}, columns=4, width=320) as sheet:
            for index in frames:
                sheet.write(video[index], result.frame(index))
    print_note(f"task {task.id}: object {task.object_id} {task.name} in {media.name}, by {version.work.author}: {path}")
    print_note(f"frames {', '.join(map(str, frames))}, row by row")
    while True:
        text = typer.prompt("satisfactory, unsatisfactory, reject or quit (s/u/r/q)", err=True).strip().lower()
        if text.startswith("q"):
            return None
        try:
            outcome = parse_outcome(text)
        except FormatError as error:
            print_note(str(error))
            continue
        satisfactory = outcome == "satisfactory"
        reason = "" if satisfactory else typer.prompt("reason", default="", show_default=False, err=True)
        return Verdict(outcome=outcome, by=lease.worker, note=reason)


@command(parent=engine)
def serve(
    project: ProjectPath,
    *,
    person: Annotated[
        list[str],
        Option(
            "--person",
            metavar="NAME[:annotate|:review]",
            help="Person of the team and their role, by default both; may be repeated.",
            show_default="the current user",
        ),
    ] = [],  # noqa: B006  typer copies it
    listen: ListenOptions,
    folder: Annotated[
        Path | None,
        Option("--studio", metavar="DIR", help="Folder for unfinished work.", show_default="PROJECT/studio"),
    ] = None,
    lease: Annotated[
        float, Option(min=1, metavar="MINUTES", help="Time after which the task of a closed tab is reassigned.")
    ] = 10,
    gold_every: Annotated[int, Option(min=0, help="Annotations between two gold tasks; 0 for none.")] = 20,
    model: Annotated[ModelOptions, Without("backend", "speed", "tta")],
) -> None:
    """Serve the studio to a team: a queue of tasks, annotation, verification.

    Each person gets a personal URL, which stays the same between restarts. Ctrl-C stops the server.
    """
    Project(project, ReportOptions())
    from masklet.studio._deps import require_studio

    require_studio()
    from masklet.engine.store import Store
    from masklet.engine.tasks import Queue, QueueSettings
    from masklet.studio.app import create_app
    from masklet.studio.serve import Listener, serve
    from masklet.studio.settings import Settings
    from masklet.studio.team import Person

    people = [Person.parse(text) for text in person or [getpass.getuser()]]
    if folder is None and "://" in project:
        raise OutputError("a project in a database has no folder: expected --studio DIR")
    settings = Settings(
        folder=(folder or Path(project) / "studio").expanduser(), hosts=(*listen.allow_host, listen.host)
    )
    listener = Listener.bind(listen.host, listen.port, None)
    with closing(listener.socket), Store(project) as store:
        queue = Queue(store, QueueSettings(lease_seconds=60 * lease, gold_every=gold_every))
        application = create_app(model.spec().load(), settings, queue=queue, people=people)
        with closing(application.state.services):
            for member in application.state.team.people.values():
                url = replace(listener, token=member.token).url()
                typer.echo(f"{member.name} ({', '.join(member.roles)}): {url}")
            print_note("Ctrl-C stops the studio")
            serve(application, listener)
