"""The work of `masklet engine tasks` and `prioritize`: the queue as a list, and what is to come first in it."""

from __future__ import annotations

import getpass
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from masklet.cli.report import table
from masklet.cli.workshop import Workshop
from masklet.engine.records import Media, Task, TaskState
from masklet.engine.store import Store
from masklet.engine.tasks import STAGES, Queue
from masklet.errors import FormatError, MediaError


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What is to come first.

    Attributes:
        tasks: ids of tasks.
        video: name of a media whose open tasks are meant, or None.
        priority: that they get, or None for what they have.
        frames: of them, to be annotated next.
        note: why.
    """

    tasks: tuple[int, ...]
    video: str | None
    priority: int | None
    frames: tuple[int, ...]
    note: str = ""

    def __post_init__(self) -> None:
        if not self.tasks and self.video is None:
            raise FormatError("expected tasks by their numbers, or --video NAME")
        if self.priority is None and not self.frames:
            raise FormatError("expected --to N, or --frame I, or both")


def tell_upcoming(workshop: Workshop, state: str | None, video: str | None, limit: int) -> None:
    """List what is given out next.

    Raises:
        FormatError: a state that no open task has.
        MediaError: no video of that name.
    """
    if state not in (None, *STAGES):
        raise FormatError(f"expected --state {', '.join(STAGES)}, got {state!r}")
    with workshop.open() as store:
        media = {one.content: one for one in store.all_media()}
        content = None if video is None else named(media.values(), video).content
        states = STAGES if state is None else (TaskState(state),)
        found = Queue(store).upcoming(states, media=content, limit=limit)
    rows = [_row(task, media[task.media].name) for task in found]
    head = ("task", "state", "video", "object", "priority", "doubt", "annotate next")
    lines = table(head, rows).splitlines() if rows else ["there is nothing to do that nobody holds"]
    entries = [{**_entry(task), "video": media[task.media].name} for task in found]
    workshop.tell("tasks", lines, tasks=entries)


def prioritize_tasks(workshop: Workshop, wish: Wish) -> None:
    """Do as is wished, and say so.

    Raises:
        MediaError: no video of that name.
        TaskError: a task that is not there or has ended, or a frame that is not there; the tasks before it are done.
    """
    with workshop.open() as store:
        queue = Queue(store)
        chosen = list(dict.fromkeys([*wish.tasks, *_open_tasks(store, wish.video)]))
        for task in chosen:
            if wish.priority is not None:
                queue.prioritize(task, wish.priority)
            if wish.frames:
                queue.flag(task, dict.fromkeys(wish.frames, 1.0), note=wish.note, who=getpass.getuser())
    told = [] if wish.priority is None else [f"priority {wish.priority}"]
    told += [f"frames to annotate next: {', '.join(map(str, wish.frames))}"] if wish.frames else []
    lines = [f"{len(chosen)} tasks: {'; '.join(told)}"]
    workshop.tell("prioritize", lines, tasks=chosen, priority=wish.priority, frames=list(wish.frames))


def named(media: Iterable[Media], name: str) -> Media:
    """The media of a name; `MediaError` if there is none."""
    for one in media:
        if one.name == name:
            return one
    raise MediaError(f"there is no video {name} in the project")


def _open_tasks(store: Store, video: str | None) -> list[int]:
    if video is None:
        return []
    content = named(store.all_media(), video).content
    return [task.id for task in store.tasks(STAGES, media=content, limit=1_000_000)]


def _row(task: Task, video: str) -> list[str]:
    frames = ", ".join(map(str, task.frames)) or "-"
    name = f"{task.object_id} {task.name}".strip()
    return [str(task.id), task.state, video, name, str(task.priority), f"{task.doubt:.2f}", frames]


def _entry(task: Task) -> dict[str, Any]:
    kept = ("id", "kind", "state", "object_id", "name", "priority", "doubt", "frames", "version")
    return {what: value for what, value in asdict(task).items() if what in kept}
