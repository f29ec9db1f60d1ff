"""What the store holds, read as values: media, tasks with their history, masklet versions, sums."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import TypeVar, cast

from sqlalchemy import select
from sqlalchemy.orm import Session

from masklet.engine.database import Database
from masklet.engine.records import Event, MaskletVersion, Media, Phase, Split, Task, TaskKind, TaskState, Work
from masklet.engine.serialization import load_prompts, unpack
from masklet.engine.tables import EventRow, MaskletRow, MediaRow, PartRow, TallyRow, TaskRow
from masklet.engine.transactions import Change
from masklet.errors import MediaError, TaskError
from masklet.types import Masklet, Source

S = TypeVar("S", bound="Store")


class Store:
    """The store of one project; use it in a ``with`` block, or close it. Safe to share between threads.

    Args:
        place: a folder, which holds a SQLite database, or a ``postgresql://`` URL.
        create: make what is not there.
        clock: seconds since 1970; all who share a store should agree on it.

    Raises:
        OutputError: it cannot be reached, holds no data engine, or one of a newer version. Every call raises it when
            the database is lost.
    """

    def __init__(self, place: str, *, create: bool = False, clock: Callable[[], float] = time.time) -> None:
        self.database = Database(place, create=create)
        self.clock = clock

    def __enter__(self: S) -> S:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self.database.close()

    @contextmanager
    def change(self) -> Iterator[Change]:
        """One transaction that changes something: all of it happens, or nothing."""
        with self.database.write() as session:
            change = Change(session, self.clock())
            yield change
            change.finish()

    # --- media ---

    def media(self, content: str) -> Media:
        """The media of that content; `MediaError` if there is none."""
        with self.database.read() as session:
            return as_media(media_row(session, content))

    def all_media(self) -> list[Media]:
        """Every media, in the order they were added."""
        with self.database.read() as session:
            return [as_media(row) for row in session.scalars(select(MediaRow).order_by(MediaRow.id))]

    # --- tasks ---

    def task(self, task_id: int) -> Task:
        """One task; `TaskError` if there is none of that id."""
        with self.database.read() as session:
            return as_task(*_found(session, task_id))

    def tasks(
        self,
        states: Sequence[TaskState] = tuple(TaskState),
        *,
        media: str | None = None,
        after: int = 0,
        limit: int = 1000,
    ) -> list[Task]:
        """Tasks in some states by id, from the one after ``after``; the known answers of gold tasks are not listed."""
        query = select(TaskRow, MediaRow.content).join(MediaRow, TaskRow.media_id == MediaRow.id)
        query = query.where(TaskRow.id > after, TaskRow.state.in_([str(state) for state in states]))
        query = query.where((TaskRow.kind != TaskKind.GOLD) | TaskRow.gold.is_not(None))
        if media is not None:
            query = query.where(MediaRow.content == media)
        with self.database.read() as session:
            return [as_task(row, content) for row, content in session.execute(query.order_by(TaskRow.id).limit(limit))]

    def history(self, task_id: int) -> list[Event]:
        """All that has happened to a task, oldest first."""
        with self.database.read() as session:
            rows = session.scalars(select(EventRow).where(EventRow.task_id == task_id).order_by(EventRow.id))
            return [as_event(row) for row in rows]

    # --- masklets ---

    def version(self, version_id: int) -> MaskletVersion:
        """One version with its masks; `TaskError` if there is none of that id."""
        with self.database.read() as session:
            return version_of(session, version_id)

    def versions(self, task_id: int) -> list[MaskletVersion]:
        """Every version of a task's masklet, oldest first."""
        with self.database.read() as session:
            ids = session.scalars(select(MaskletRow.id).where(MaskletRow.task_id == task_id).order_by(MaskletRow.id))
            return [version_of(session, version_id) for version_id in ids]

    def accepted(self, media: str | None = None) -> Iterator[MaskletVersion]:
        """The masklets that a verifier found satisfactory, by task; those of one media, or all."""
        after = 0
        while done := self.tasks([TaskState.DONE], media=media, after=after, limit=100):
            for task in done:
                if task.kind is not TaskKind.GOLD and task.version is not None:
                    yield self.version(task.version)
            after = done[-1].id

    # --- sums ---

    def tallies(self) -> dict[str, dict[str, float]]:
        """Running sums, kept with every change.

        Returns:
            "store" -> "media" and "masklets" (versions); "task" -> how many are in each state; "phase:1" and the like
            -> "masklets", "frames", "edited" (frames), "clicks", "clicked" (frames with clicks), "seconds", "timed"
            (frames of masklets whose time was measured), "accepted"; "person:NAME" -> "selected", "annotated",
            "verified", "seconds", the outcomes of verdicts on their masklets, "gold" and "agreement" (a sum over them).
        """
        found: dict[str, dict[str, float]] = {}
        with self.database.read() as session:
            for row in session.scalars(select(TallyRow).order_by(TallyRow.subject, TallyRow.what)):
                found.setdefault(row.subject, {})[row.what] = row.value
        return found


def media_row(session: Session, content: str) -> MediaRow:
    """The row of a media; `MediaError` if there is none."""
    row = session.scalar(select(MediaRow).where(MediaRow.content == content))
    if row is None:
        raise MediaError(f"the data engine has no media {content}")
    return row


def as_media(row: MediaRow) -> Media:
    """A row as a value."""
    return Media(
        content=row.content,
        name=row.name,
        path=row.path,
        num_bytes=row.num_bytes,
        num_frames=row.num_frames,
        fps=row.fps,
        size=(row.height, row.width),
        license=row.license,
        split=cast("Split", row.split),
    )


def as_task(row: TaskRow, content: str) -> Task:
    """A row as a value."""
    return Task(
        id=row.id,
        kind=TaskKind(row.kind),
        state=TaskState(row.state),
        media=content,
        object_id=row.object_id,
        name=row.name,
        priority=row.priority,
        doubt=row.doubt,
        frames=tuple(json.loads(row.frames)),
        version=row.version,
        prompts=load_prompts(row.prompts),
    )


def as_event(row: EventRow) -> Event:
    """A row as a value."""
    return Event(
        task=row.task_id,
        at=row.at,
        who=row.who,
        what=row.what,
        before=None if row.before is None else TaskState(row.before),
        after=TaskState(row.after),
        version=row.version,
        note=row.note,
    )


def version_of(session: Session, version_id: int) -> MaskletVersion:
    """A version with its masks; `TaskError` if there is none of that id."""
    query = select(MaskletRow, TaskRow, MediaRow).join(TaskRow, MaskletRow.task_id == TaskRow.id)
    found = session.execute(
        query.join(MediaRow, TaskRow.media_id == MediaRow.id).where(MaskletRow.id == version_id)
    ).one_or_none()
    if found is None:
        raise TaskError(f"there is no masklet version {version_id}")
    row, task, media = found
    parts = session.scalars(select(PartRow.data).where(PartRow.masklet_id == version_id).order_by(PartRow.part)).all()
    frames, presence, iou = unpack(parts, (media.height, media.width))
    masklet = Masklet(
        object_id=task.object_id,
        size=(media.height, media.width),
        frames=frames,
        presence=presence,
        iou=iou,
        prompted=tuple(json.loads(row.prompted)),
        name=task.name,
        source=cast("Source", row.source),
        model=row.model,
    )
    work = Work(
        author=row.author,
        phase=cast("Phase", row.phase),
        model=row.model,
        prompts=load_prompts(row.prompts),
        seconds=row.seconds,
        clicks=row.clicks,
        edited=tuple(json.loads(row.edited)),
    )
    return MaskletVersion(
        id=row.id,
        task=row.task_id,
        media=media.content,
        masklet=masklet,
        work=work,
        parent=row.parent,
        created=row.created,
    )


def _found(session: Session, task_id: int) -> tuple[TaskRow, str]:
    query = select(TaskRow, MediaRow.content).join(MediaRow, TaskRow.media_id == MediaRow.id)
    found = session.execute(query.where(TaskRow.id == task_id)).one_or_none()
    if found is None:
        raise TaskError(f"there is no task {task_id}")
    return found[0], found[1]
