"""The task queue: assigning tasks to people and storing what they submit, exactly once."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy import ColumnElement, exists, select
from sqlalchemy.orm import Session

from masklet.engine.records import Lease, Task, TaskKind, TaskState, Verdict, Work
from masklet.engine.store import Store, as_task, read_version
from masklet.engine.tables import EventRow, MaskletRow, MediaRow, TallyRow, TaskRow
from masklet.engine.transactions import MAX_REVIEW_FRAMES, Change, new_task, prepare_masklet
from masklet.errors import TaskError
from masklet.predict.review import disagreeing_frames, mask_agreement
from masklet.types import Masklet, Prompts, Rle

STAGES = (TaskState.VERIFY, TaskState.ANNOTATE, TaskState.SELECT)
"""Tasks in a later stage are assigned first."""

ORDER = TaskRow.priority.desc(), TaskRow.doubt.desc(), TaskRow.id
"""Order within a stage: highest priority, then highest doubt, then oldest."""

STATE_AFTER = {"satisfactory": TaskState.DONE, "unsatisfactory": TaskState.ANNOTATE, "reject": TaskState.REJECTED}


@dataclass(frozen=True, kw_only=True)
class QueueSettings:
    """Settings of the task queue.

    Attributes:
        lease_seconds: duration of a lease; a task that is not renewed in this time may be assigned to another person.
        gold_every: every how many annotations of a person one is a gold task, if there is one they have not had; 0 for
            never.
    """

    lease_seconds: float = 600.0
    gold_every: int = 20


class Queue:
    """The tasks of a project.

    Every submission has an idempotency key chosen by the caller: submitted again with the same key, for example after a
    lost connection, it changes nothing and returns the same result.
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
        """Assign the next task to a person, or return None if there is none for them.

        Takes the task of the first state that has one, in the order of `ORDER`. A masklet is never verified by a person
        who worked on it.

        Args:
            worker: name of the person.
            states: states whose tasks the person accepts, in order of preference.
            media: only tasks of the media with this content hash.
            task: only the task with this id.
            without: no tasks of media with these content hashes.
        """
        if not worker.strip():
            raise TaskError("expected the name of a person who takes a task, got an empty name")
        wanted = [] if task is None else [TaskRow.id == task]
        wanted += [] if media is None else [_of_media([media])]
        wanted += [~_of_media(without)] if without else []
        golden = media is None and task is None
        with self.store.change() as change:
            for state in (state for state in states if not state.ended):
                row = self._gold(change, worker, wanted) if golden and state is TaskState.ANNOTATE else None
                row = row or self._next(change, worker, state, wanted)
                if row is not None:
                    return self._assign(change, row, worker)
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
        """Create a gold task that the person has not had, if one is due."""
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

    def _assign(self, change: Change, row: TaskRow, worker: str) -> Lease:
        if row.worker is not None:
            change.add_event(row, "expired", row.worker, before=row.state)
        row.worker, row.token, row.until = worker, secrets.token_hex(8), change.at + self.settings.lease_seconds
        change.add_event(row, "taken", worker, before=row.state)
        return _lease(change.session, row)

    def held(self, worker: str | None = None) -> list[Lease]:
        """Return the current leases of a person, or of all."""
        with self.store.read() as session:
            query = select(TaskRow).where(TaskRow.until > self.store.clock()).order_by(TaskRow.id)
            if worker is not None:
                query = query.where(TaskRow.worker == worker)
            return [_lease(session, row) for row in session.scalars(query)]

    def upcoming(
        self, states: Sequence[TaskState] = STAGES, *, media: str | None = None, limit: int = 20
    ) -> list[Task]:
        """Return unassigned tasks in the order in which they are assigned.

        Args:
            states: states of the tasks.
            media: only tasks of the media with this content hash.
            limit: maximum number of tasks.
        """
        found: list[Task] = []
        with self.store.read() as session:
            for state in (state for state in states if not state.ended):
                query = select(TaskRow, MediaRow.content).join(MediaRow, TaskRow.media_id == MediaRow.id)
                query = query.where(*_free(state, self.store.clock()), TaskRow.only_for.is_(None))
                if media is not None:
                    query = query.where(MediaRow.content == media)
                rows = session.execute(query.order_by(*ORDER).limit(limit - len(found)))
                found += [as_task(row, content) for row, content in rows]
        return found

    def renew(self, lease: Lease) -> Lease:
        """Extend a lease; `TaskError` if it is no longer valid."""
        with self.store.change() as change:
            row = _locked(change.session, lease.task.id)
            _check_held(row, lease)
            row.until = change.at + self.settings.lease_seconds
            change.session.flush()
            return _lease(change.session, row)

    def release(self, lease: Lease) -> None:
        """End a lease without a submission; does nothing if it is no longer valid."""
        with self.store.change() as change:
            row = _locked(change.session, lease.task.id)
            if row.token == lease.token:
                change.move(row, row.state, "released", lease.worker)

    # --- submissions ---

    def select(self, lease: Lease, prompts: Mapping[int, Prompts], *, key: str, name: str = "") -> None:
        """Submit the selection of an object: its name and prompts by frame that identify it.

        Raises:
            TaskError: the lease is no longer valid, or the task is past selection.
        """
        with self.store.change() as change:
            row = _locked(change.session, lease.task.id)
            if _is_new(change.session, row, key):
                _check_held(row, lease, TaskState.SELECT)
                row.name = name
                row.prompts = prompts
                change.count(f"person:{lease.worker}", selected=1)
                change.move(row, TaskState.ANNOTATE, "selected", lease.worker, key=key)

    def decline(self, lease: Lease, *, key: str, note: str) -> None:
        """End a task without a masklet: there is no further object to select, or it cannot be annotated.

        Raises:
            TaskError: the lease is no longer valid, or the task is in verification.
        """
        with self.store.change() as change:
            row = _locked(change.session, lease.task.id)
            if _is_new(change.session, row, key):
                _check_held(row, lease, TaskState.SELECT, TaskState.ANNOTATE)
                change.move(row, TaskState.REJECTED, "declined", lease.worker, key=key, note=note)

    def annotate(self, lease: Lease, masklet: Masklet, work: Work, *, key: str) -> int:
        """Submit a masklet: it is stored as a new version, and the task moves to verification by another person.

        Returns:
            The id of the version.

        Raises:
            TaskError: the lease is no longer valid, the task is not in annotation, or the author is not its holder.
            FormatError: the masklet does not fit the media.
        """
        if work.author != lease.worker:
            raise TaskError(f"task {lease.task.id} is held by {lease.worker}, but the masklet is by {work.author}")
        prepared = prepare_masklet(masklet, self.store.media(lease.task.media))
        with self.store.change() as change:
            row = _locked(change.session, lease.task.id)
            if _is_new(change.session, row, key):
                _check_held(row, lease, TaskState.ANNOTATE)
                change.add_version(row, prepared, work)
                change.count(f"person:{work.author}", annotated=1, seconds=work.seconds or 0.0)
                after, note = TaskState.VERIFY, prepared.findings
                if row.gold:
                    after, note = TaskState.DONE, self._judge_gold(change, row, masklet)
                change.move(row, after, "annotated", work.author, key=key, note=note)
            version = change.session.scalars(select(EventRow.version).where(EventRow.key == key)).one()
            assert version is not None, "an annotation always has a version"
            return version

    def _judge_gold(self, change: Change, row: TaskRow, masklet: Masklet) -> str:
        """Compare a masklet with the known answer; return the frames where they differ, for the history."""
        known = change.session.get_one(TaskRow, row.gold)
        assert known.version is not None, "the known answer is a version"
        answer = read_version(change.session, known.version).masklet
        row.agreement = agreement(answer, masklet)
        change.count(f"person:{row.only_for}", gold=1, agreement=row.agreement)
        different = disagreeing_frames(answer.frames, masklet.frames)
        if not different:
            return ""
        mean = sum(different.values()) / len(different)
        return f"differs from the known answer on {len(different)} frames (first {min(different)}), mean IoU {mean:.2f}"

    def judge(self, lease: Lease, verdict: Verdict, *, key: str) -> None:
        """Submit a verdict on the newest version.

        Raises:
            TaskError: the lease is no longer valid, the task is not in verification, the verifier is not its holder, or
                the media has no such frame.
        """
        if verdict.by != lease.worker:
            raise TaskError(f"task {lease.task.id} is held by {lease.worker}, but the verdict is by {verdict.by}")
        with self.store.change() as change:
            row = _locked(change.session, lease.task.id)
            if _is_new(change.session, row, key):
                _check_held(row, lease, TaskState.VERIFY)
                _check_frames(change.session, row, verdict.frames)
                row.frames = _first_frames(verdict.frames, row.frames)
                phase = change.session.scalars(select(MaskletRow.phase).where(MaskletRow.id == row.version)).one()
                change.count(f"person:{verdict.by}", verified=1)
                change.count(f"person:{row.author}", **{verdict.outcome: 1})
                change.count(f"phase:{phase}", **{verdict.outcome: 1})
                change.move(row, STATE_AFTER[verdict.outcome], verdict.outcome, verdict.by, key=key, note=verdict.note)

    def flag(self, task: int, frames: Mapping[int, float], *, note: str = "", who: str = "") -> None:
        """Mark frames of an open task for review, before those that are marked already.

        Args:
            task: id of the task.
            frames: frame -> doubt, 0 to 1.
            note: the reason, for the history.
            who: the person who marks them; "" for a program.

        Raises:
            TaskError: there is no such task, it has ended, or its media has no such frame.
        """
        with self.store.change() as change:
            row = _locked(change.session, task)
            _check_open(row)
            _check_frames(change.session, row, frames)
            worst = sorted(frames, key=lambda index: (-frames[index], index))
            row.frames = _first_frames(worst, row.frames)
            row.doubt = max([row.doubt, *frames.values()])
            change.add_event(row, "flagged", who, before=row.state, note=note)

    def prioritize(self, task: int, priority: int) -> None:
        """Set the priority of an open task; higher ones are assigned first.

        Raises:
            TaskError: there is no such task, or it has ended.
        """
        with self.store.change() as change:
            row = _locked(change.session, task)
            _check_open(row)
            row.priority = priority


def agreement(known: Masklet, given: Masklet) -> float:
    """Return the mean IoU (0 to 1) over the frames of the known answer; a missing mask counts as an empty one."""
    empty = Rle.from_mask(np.zeros(known.size, bool))
    scores = mask_agreement(known.frames, {index: given.frames.get(index, empty) for index in known.frames})
    return sum(scores.values()) / len(scores) if scores else 0.0


def _free(state: TaskState, at: float) -> tuple[ColumnElement[bool], ...]:
    """Condition: the task is in a state and unassigned."""
    return TaskRow.state == state, TaskRow.until.is_(None) | (TaskRow.until <= at)


def _of_media(contents: Collection[str]) -> ColumnElement[bool]:
    """Condition: the task belongs to a media with one of these content hashes."""
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
    """Return whether nothing was submitted with the key yet; `TaskError` if it was used for another task."""
    used = session.scalar(select(EventRow.task_id).where(EventRow.key == key))
    if used not in (None, row.id):
        raise TaskError(f"the key {key!r} was used for task {used}, got it for task {row.id}")
    return used is None


def _first_frames(first: Iterable[int], others: Iterable[int]) -> tuple[int, ...]:
    """The frames to annotate next."""
    return tuple(dict.fromkeys([*first, *others]))[:MAX_REVIEW_FRAMES]


def _check_frames(session: Session, row: TaskRow, frames: Iterable[int]) -> None:
    count = session.get_one(MediaRow, row.media_id).num_frames
    outside = [index for index in frames if not 0 <= index < count]
    if outside:
        raise TaskError(f"expected frames from 0 to {count - 1} for task {row.id}, got {outside[0]}")


def _check_open(row: TaskRow) -> None:
    if row.state.ended:
        raise TaskError(f"task {row.id} has ended: it is {row.state}")


def _check_held(row: TaskRow, lease: Lease, *states: TaskState) -> None:
    """Raise `TaskError` unless the lease is valid; an expired lease is, until another person takes the task."""
    if row.token != lease.token:
        now = f"{row.worker} holds it" if row.worker else f"its state is {row.state}"
        raise TaskError(f"task {row.id} is no longer held by {lease.worker}: {now}")
    if states and row.state not in states:
        raise TaskError(f"expected task {row.id} in state {' or '.join(states)}, got {row.state}")
