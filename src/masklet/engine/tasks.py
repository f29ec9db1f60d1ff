"""Giving out tasks and taking back what people made of them: nothing twice, nothing lost."""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy import ColumnElement, exists, select
from sqlalchemy.orm import Session

from masklet.engine import quality
from masklet.engine.records import Lease, Task, TaskKind, TaskState, Verdict, Work
from masklet.engine.store import Store, as_task, version_of
from masklet.engine.tables import EventRow, MaskletRow, MediaRow, TallyRow, TaskRow
from masklet.engine.transactions import MAX_DOUBTFUL, Change, add_prompts, new_task, prepare
from masklet.errors import TaskError
from masklet.masks.rle import pair_iou
from masklet.types import Masklet, Prompts

STAGES = (TaskState.VERIFY, TaskState.ANNOTATE, TaskState.SELECT)
"""What is nearest to its end is given out first."""

ORDER = TaskRow.priority.desc(), TaskRow.doubt.desc(), TaskRow.id
"""Within a stage: the highest priority, then the most doubtful, then the oldest."""

AFTER = {"satisfactory": TaskState.DONE, "unsatisfactory": TaskState.ANNOTATE, "reject": TaskState.REJECTED}


@dataclass(frozen=True, kw_only=True)
class QueueSettings:
    """How tasks are given out.

    Attributes:
        lease_seconds: a task that is not renewed for so long may be given to another.
        gold_every: every so many annotations of a person one is a gold task, as long as there is one they have not had;
            0 for never.
    """

    lease_seconds: float = 600.0
    gold_every: int = 20


class Queue:
    """The tasks of a project.

    Every submission names a key of the caller's choice; sent again under the same key, after a connection broke, it
    changes nothing and gives the same answer.

    Args:
        store: where they are kept.
        settings: how they are given out.
    """

    def __init__(self, store: Store, settings: QueueSettings | None = None) -> None:
        self.store = store
        self.settings = settings or QueueSettings()

    # --- leases ---

    def take(
        self,
        worker: str,
        states: Sequence[TaskState] = STAGES,
        *,
        media: str | None = None,
        task: int | None = None,
        without: Collection[str] = (),
    ) -> Lease | None:
        """The next task for a person, theirs until the lease ends; None where there is none for them.

        In the first of the states that has one: the highest priority, then the most doubtful, then the oldest. A
        masklet is never verified by anybody who worked on it.

        Args:
            worker: who asks.
            states: what they would do.
            media: only tasks of this content hash.
            task: only this one.
            without: no tasks of these content hashes.
        """
        if not worker.strip():
            raise TaskError("expected the name of a person who takes a task, got none")
        wanted = [] if task is None else [TaskRow.id == task]
        wanted += [] if media is None else [_of_media([media])]
        wanted += [~_of_media(without)] if without else []
        golden = media is None and task is None
        with self.store.change() as change:
            for state in (state for state in states if not state.ended):
                row = self._gold(change, worker, wanted) if golden and state is TaskState.ANNOTATE else None
                row = row or self._next(change, worker, state, wanted)
                if row is not None:
                    return self._give(change, row, worker)
        return None

    def _next(
        self, change: Change, worker: str, state: TaskState, wanted: Sequence[ColumnElement[bool]]
    ) -> TaskRow | None:
        theirs = TaskRow.only_for.is_(None) | (TaskRow.only_for == worker)
        query = select(TaskRow).where(*_free(state, change.at), theirs, *wanted)
        if state is TaskState.VERIFY:
            made = exists().where(MaskletRow.task_id == TaskRow.id, MaskletRow.author == worker)
            query = query.where(TaskRow.author != worker, ~made)
        return change.session.scalar(query.order_by(*ORDER).limit(1).with_for_update(skip_locked=True, of=TaskRow))

    def _gold(self, change: Change, worker: str, wanted: Sequence[ColumnElement[bool]]) -> TaskRow | None:
        """A gold task that the person has not had, when it is time for one."""
        every = self.settings.gold_every
        count = change.session.get(TallyRow, (f"person:{worker}", "annotated"))
        if every < 1 or (1 + (0 if count is None else round(count.value))) % every:
            return None
        had = select(TaskRow.gold).where(TaskRow.only_for == worker, TaskRow.gold.is_not(None))
        query = select(TaskRow).where(TaskRow.kind == TaskKind.GOLD, TaskRow.gold.is_(None), TaskRow.id.not_in(had))
        query = query.where(*wanted)
        known = change.session.scalar(query.order_by(TaskRow.id).limit(1))
        if known is None:
            return None
        media = change.session.get_one(MediaRow, known.media_id)
        row = new_task(media, TaskKind.GOLD, TaskState.ANNOTATE, known.object_id)
        row.name, row.prompts, row.gold, row.only_for = known.name, known.prompts, known.id, worker
        return change.create_task(row, "")

    def _give(self, change: Change, row: TaskRow, worker: str) -> Lease:
        if row.worker is not None:
            change.tell(row, "expired", row.worker, before=row.state)
        row.worker, row.token, row.until = worker, secrets.token_hex(8), change.at + self.settings.lease_seconds
        change.tell(row, "taken", worker, before=row.state)
        return _lease(change.session, row)

    def held(self, worker: str | None = None) -> list[Lease]:
        """What a person holds, for a page that is opened again, or what everybody holds."""
        with self.store.database.read() as session:
            query = select(TaskRow).where(TaskRow.until > self.store.clock()).order_by(TaskRow.id)
            if worker is not None:
                query = query.where(TaskRow.worker == worker)
            return [_lease(session, row) for row in session.scalars(query)]

    def upcoming(
        self, states: Sequence[TaskState] = STAGES, *, media: str | None = None, limit: int = 20
    ) -> list[Task]:
        """The tasks that nobody holds, in the order in which they are given out.

        Args:
            states: of these.
            media: only tasks of this content hash.
            limit: so many at most.
        """
        found: list[Task] = []
        with self.store.database.read() as session:
            for state in (state for state in states if not state.ended):
                query = select(TaskRow, MediaRow.content).join(MediaRow, TaskRow.media_id == MediaRow.id)
                query = query.where(*_free(state, self.store.clock()), TaskRow.only_for.is_(None))
                if media is not None:
                    query = query.where(MediaRow.content == media)
                rows = session.execute(query.order_by(*ORDER).limit(limit - len(found)))
                found += [as_task(row, content) for row, content in rows]
        return found

    def renew(self, lease: Lease) -> Lease:
        """Keep a task for longer.

        Raises:
            TaskError: it is not held any more.
        """
        with self.store.change() as change:
            row = _locked(change.session, lease.task.id)
            _check_held(row, lease)
            row.until = change.at + self.settings.lease_seconds
            change.session.flush()
            return _lease(change.session, row)

    def release(self, lease: Lease) -> None:
        """Give a task back undone; one that is not held any more stays as it is."""
        with self.store.change() as change:
            row = _locked(change.session, lease.task.id)
            if row.token == lease.token:
                change.move(row, TaskState(row.state), "released", lease.worker)

    # --- what people hand in ---

    def select(self, lease: Lease, prompts: Mapping[int, Prompts], *, key: str, name: str = "") -> None:
        """An object was picked: what it is called, and what shows it on one frame or more.

        Raises:
            TaskError: the task is not held any more, or is past selection.
        """
        with self.store.change() as change:
            row = _locked(change.session, lease.task.id)
            if _is_new(change.session, row, key):
                _check_held(row, lease, TaskState.SELECT)
                row.name = name
                add_prompts(row, prompts)
                change.count(f"person:{lease.worker}", selected=1)
                change.move(row, TaskState.ANNOTATE, "selected", lease.worker, key=key)

    def decline(self, lease: Lease, *, key: str, note: str) -> None:
        """There is no further object to pick, or it cannot be annotated: the task ends without a masklet.

        Raises:
            TaskError: the task is not held any more, or waits for a verdict.
        """
        with self.store.change() as change:
            row = _locked(change.session, lease.task.id)
            if _is_new(change.session, row, key):
                _check_held(row, lease, TaskState.SELECT, TaskState.ANNOTATE)
                change.move(row, TaskState.REJECTED, "declined", lease.worker, key=key, note=note)

    def annotate(self, lease: Lease, masklet: Masklet, work: Work, *, key: str) -> int:
        """A masklet was made: its version is kept for good, and another person will verify it.

        Returns:
            the id of the version.

        Raises:
            TaskError: the task is not held any more, or is not to be annotated, or the author is another person.
            FormatError: the masklet does not fit the media.
        """
        if work.author != lease.worker:
            raise TaskError(f"task {lease.task.id} is held by {lease.worker}, but {work.author} says they made it")
        made = prepare(masklet, self.store.media(lease.task.media))
        with self.store.change() as change:
            row = _locked(change.session, lease.task.id)
            if _is_new(change.session, row, key):
                _check_held(row, lease, TaskState.ANNOTATE)
                change.add_version(row, made, work)
                change.count(f"person:{work.author}", annotated=1, seconds=work.seconds or 0.0)
                after, note = self._judge_gold(change, row, masklet) if row.gold else (TaskState.VERIFY, made.findings)
                change.move(row, after, "annotated", work.author, key=key, note=note)
            told = change.session.scalars(select(EventRow.version).where(EventRow.key == key)).one()
            assert told is not None, "whoever annotates makes a version"
            return told

    def _judge_gold(self, change: Change, row: TaskRow, masklet: Masklet) -> tuple[TaskState, str]:
        """Where a gold task ends, and on which frames it is not what is known."""
        known = change.session.get_one(TaskRow, row.gold)
        assert known.version is not None, "the known answer is a version"
        answer = version_of(change.session, known.version).masklet
        row.agreement = agreement(answer, masklet)
        change.count(f"person:{row.only_for}", gold=1, agreement=row.agreement)
        apart = quality.annotators(answer.frames, masklet.frames, quality.Limits(), "the known answer")
        return TaskState.DONE, quality.told([] if apart is None else [apart])

    def judge(self, lease: Lease, verdict: Verdict, *, key: str) -> None:
        """A verdict was given on the newest version.

        Raises:
            TaskError: the task is not held any more, waits for no verdict, the judge is another person, or the media
                has no such frame.
        """
        if verdict.by != lease.worker:
            raise TaskError(f"task {lease.task.id} is held by {lease.worker}, but {verdict.by} says they judged it")
        with self.store.change() as change:
            row = _locked(change.session, lease.task.id)
            if _is_new(change.session, row, key):
                _check_held(row, lease, TaskState.VERIFY)
                _check_frames(change.session, row, verdict.frames)
                wrong = list(dict.fromkeys([*verdict.frames, *json.loads(row.frames)]))[:MAX_DOUBTFUL]
                row.frames = json.dumps(wrong)
                phase = change.session.scalars(select(MaskletRow.phase).where(MaskletRow.id == row.version)).one()
                change.count(f"person:{verdict.by}", verified=1)
                change.count(f"person:{row.author}", **{verdict.outcome: 1})
                change.count(f"phase:{phase}", **{verdict.outcome: 1})
                change.move(row, AFTER[verdict.outcome], verdict.outcome, verdict.by, key=key, note=verdict.note)

    def flag(self, task: int, frames: Mapping[int, float], *, note: str = "", who: str = "") -> None:
        """Frames of a task that is still open need a look.

        Args:
            task: which.
            frames: frame -> how doubtful it is, 0 to 1; those that are in doubt already come after them.
            note: why, for the history.
            who: says so; "" for a program.

        Raises:
            TaskError: there is no such task, it has ended, or its media has no such frame.
        """
        with self.store.change() as change:
            row = _locked(change.session, task)
            _check_open(row)
            _check_frames(change.session, row, frames)
            worst = sorted(frames, key=lambda index: (-frames[index], index))
            row.frames = json.dumps(list(dict.fromkeys([*worst, *json.loads(row.frames)]))[:MAX_DOUBTFUL])
            row.doubt = max([row.doubt, *frames.values()])
            change.tell(row, "flagged", who, before=row.state, note=note)

    def prioritize(self, task: int, priority: int) -> None:
        """Give a task that is still open out sooner (a higher number) or later.

        Raises:
            TaskError: there is no such task, or it has ended.
        """
        with self.store.change() as change:
            row = _locked(change.session, task)
            _check_open(row)
            row.priority = priority


def agreement(known: Masklet, given: Masklet) -> float:
    """Mean IoU over the frames of the known answer, 0 to 1; two empty masks agree, a missing mask is an empty one."""
    scores = []
    for index, rle in known.frames.items():
        other = given.frames.get(index)
        scores.append(float(not rle.area) if other is None else pair_iou(rle, other))
    return float(np.mean(scores)) if scores else 0.0


def _free(state: TaskState, at: float) -> tuple[ColumnElement[bool], ...]:
    """Of tasks: that they are in a state and nobody holds them."""
    return TaskRow.state == state, TaskRow.until.is_(None) | (TaskRow.until <= at)


def _of_media(contents: Collection[str]) -> ColumnElement[bool]:
    """Of tasks: that they are about media of these contents."""
    return TaskRow.media_id.in_(select(MediaRow.id).where(MediaRow.content.in_(contents)))


def _lease(session: Session, row: TaskRow) -> Lease:
    content = session.get_one(MediaRow, row.media_id).content
    return Lease(task=as_task(row, content), worker=row.worker or "", token=row.token or "", until=row.until or 0.0)


def _locked(session: Session, task_id: int) -> TaskRow:
    row = session.scalar(select(TaskRow).where(TaskRow.id == task_id).with_for_update())
    if row is None:
        raise TaskError(f"there is no task {task_id}")
    return row


def _is_new(session: Session, row: TaskRow, key: str) -> bool:
    """Whether nothing was handed in under the key; `TaskError` if it was for another task."""
    told = session.scalar(select(EventRow.task_id).where(EventRow.key == key))
    if told not in (None, row.id):
        raise TaskError(f"the key {key!r} was used for task {told}, got it for task {row.id}")
    return told is None


def _check_frames(session: Session, row: TaskRow, frames: Iterable[int]) -> None:
    count = session.get_one(MediaRow, row.media_id).num_frames
    outside = [index for index in frames if not 0 <= index < count]
    if outside:
        raise TaskError(f"expected frames from 0 to {count - 1} for task {row.id}, got {outside[0]}")


def _check_open(row: TaskRow) -> None:
    if TaskState(row.state).ended:
        raise TaskError(f"task {row.id} has ended: it is {row.state}")


def _check_held(row: TaskRow, lease: Lease, *states: TaskState) -> None:
    """`TaskError` unless the lease still holds; one that ran out does until another takes the task."""
    if row.token != lease.token:
        now = f"{row.worker} holds it" if row.worker else f"it is at {row.state}"
        raise TaskError(f"task {row.id} is no longer held by {lease.worker}: {now}")
    if states and row.state not in states:
        raise TaskError(f"task {row.id} is at {row.state}, expected {' or '.join(states)}")
