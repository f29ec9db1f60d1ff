"""What a project holds at its revision: objects, prompts and masks; edits as revisions; undo and redo."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from masklet.studio.errors import ConflictError, NotFoundError
from masklet.studio.frame_stats import END, Lanes, Touched, alive, touch
from masklet.studio.store import Store, found, now
from masklet.studio.tables import FrameRow, ObjectRow, ProjectRow, StepRow
from masklet.types import ObjectId

Versioned = (ObjectRow, FrameRow)


class Pin(NamedTuple):
    """A revision to be read later on.

    Attributes:
        revision: its number.
        made: when its edit was; after undo the next edit takes the same number again.
    """

    revision: int
    made: str | None


class Edit:
    """One change to a project, inside a transaction; every row it makes is born at ``revision``.

    Attributes:
        revision: what the change makes of the project, or belongs to.
    """

    def __init__(self, session: Session, project: ProjectRow, revision: int) -> None:
        self.session = session
        self.project = project
        self.revision = revision

    def object(self, object_id: ObjectId) -> ObjectRow:
        """An object; `NotFoundError` if there is none of that id."""
        query = select(ObjectRow).where(alive(ObjectRow, self.project), ObjectRow.object_id == object_id)
        row = self.session.scalar(query.order_by(ObjectRow.born.desc()).limit(1))
        if row is None:
            raise NotFoundError(f"there is no object {object_id} in this project")
        return row

    def add_object(self, name: str, color: str, object_id: ObjectId) -> ObjectRow:
        """A new object."""
        row = ObjectRow(
            project_id=self.project.id,
            object_id=object_id,
            name=name,
            color=color,
            hidden=False,
            locked=False,
            born=self.revision,
            died=None,
        )
        self.session.add(row)
        self.session.flush()
        return row

    def replace_object(self, old: ObjectRow, *, name: str, color: str) -> ObjectRow:
        """The same object under another name or color."""
        self._end(old)
        new = self.add_object(name, color, old.object_id)
        new.hidden, new.locked = old.hidden, old.locked
        return new

    def remove_object(self, object_id: ObjectId) -> None:
        """End an object with all its frames."""
        self._end(self.object(object_id))
        self.remove_frames(object_id)

    def put_frames(self, rows: Iterable[FrameRow]) -> None:
        """Take over what is known of frames, in place of what was."""
        new = list(rows)
        for row in new:
            row.project_id, row.born, row.died = self.project.id, self.revision, None
            self.remove_frames(row.object_id, row.frame)
        self.session.add_all(new)
        self.session.flush()

    def remove_frames(self, object_id: ObjectId, frame: int | None = None) -> None:
        """End what is known of one frame of an object, or of all."""
        these = (FrameRow.project_id == self.project.id) & (FrameRow.object_id == object_id) & FrameRow.died.is_(None)
        start, end = (0, END) if frame is None else (frame, frame + 1)
        if frame is not None:
            these &= FrameRow.frame == frame
        touch(self.session, Touched(self.project.id, object_id, start, end))
        blind = {"synchronize_session": False}  # no row of a frame is in this session
        self.session.execute(delete(FrameRow).where(these, FrameRow.born >= self.revision), execution_options=blind)
        self.session.execute(update(FrameRow).where(these).values(died=self.revision), execution_options=blind)

    def _end(self, row: ObjectRow) -> None:
        if row.born >= self.revision:
            self.session.delete(row)
        else:
            row.died = self.revision
        self.session.flush()


class Record:
    """The contents of all projects.

    Args:
        store: the database.
        undo_steps: kept for each project.

    Attributes:
        lanes: what is known of frames, without masks.
    """

    def __init__(self, store: Store, undo_steps: int) -> None:
        self.store = store
        self.lanes = Lanes(store)
        self._undo_steps = undo_steps

    def begin(self, session: Session, project_id: str, label: str) -> Edit:
        """Start an edit: the project moves on to a new revision, and what was undone is gone for good."""
        project, _ = found(session, project_id)
        for table in Versioned:
            mine = table.project_id == project.id
            session.execute(delete(table).where(mine, table.born > project.revision))
            session.execute(update(table).where(mine, table.died > project.revision).values(died=None))
        session.execute(delete(StepRow).where(StepRow.project_id == project.id, StepRow.revision > project.revision))
        project.revision += 1
        project.changed = now()
        session.add(StepRow(project_id=project.id, revision=project.revision, label=label, created=now()))
        oldest = project.revision - self._undo_steps
        if oldest > 0:
            for table in Versioned:
                session.execute(delete(table).where(table.project_id == project.id, table.died <= oldest))
            session.execute(delete(StepRow).where(StepRow.project_id == project.id, StepRow.revision <= oldest))
        session.flush()
        return Edit(session, project, project.revision)

    def resume(self, session: Session, project_id: str, revision: int) -> Edit:
        """Go on with an edit that was begun in an earlier transaction."""
        project, _ = found(session, project_id)
        return Edit(session, project, revision)

    def move(self, project_id: str, step: int) -> set[ObjectId]:
        """Undo (-1) or redo (+1) an edit.

        Returns:
            the objects whose frames have changed.

        Raises:
            ConflictError: there is nothing to undo or redo.
        """
        with self.store.session() as session:
            project, _ = found(session, project_id)
            crossed = project.revision if step < 0 else project.revision + 1
            if session.get(StepRow, (project_id, crossed)) is None:
                raise ConflictError(f"there is nothing to {'undo' if step < 0 else 'redo'}")
            project.revision += step
            project.changed = now()
            touched: set[ObjectId] = set()
            for end in (ObjectRow.born, ObjectRow.died):
                these = (ObjectRow.project_id == project_id) & (end == crossed)
                touched |= set(session.scalars(select(ObjectRow.object_id).where(these)))
            for end in (FrameRow.born, FrameRow.died):
                these = (FrameRow.project_id == project_id) & (end == crossed)
                span = select(FrameRow.object_id, func.min(FrameRow.frame), func.max(FrameRow.frame)).where(these)
                for object_id, first, last in session.execute(span.group_by(FrameRow.object_id)):
                    touch(session, Touched(project_id, object_id, first, last + 1))
                    touched.add(object_id)
        return touched

    def labels(self, project_id: str) -> tuple[str | None, str | None]:
        """What undo and redo would take back and bring back."""
        with self.store.session() as session:
            project, _ = found(session, project_id)
            steps = [session.get(StepRow, (project_id, project.revision + ahead)) for ahead in (0, 1)]
        undo, redo = (None if step is None else step.label for step in steps)
        return undo, redo

    def steps(self, project_id: str) -> tuple[int, list[StepRow]]:
        """The revision and every edit that can be reached, oldest first."""
        with self.store.session() as session:
            project, _ = found(session, project_id)
            query = select(StepRow).where(StepRow.project_id == project_id).order_by(StepRow.revision)
            return project.revision, list(session.scalars(query))

    def pin(self, project_id: str) -> Pin:
        """The revision of a project, to be read later whatever is edited or undone meanwhile.

        A job that is tracking goes on writing into the revision it has begun.
        """
        with self.store.session() as session:
            project, _ = found(session, project_id)
            return Pin(project.revision, _made(session, project, project.revision))

    def _seen(self, session: Session, project: ProjectRow, at: Pin | None) -> int:
        """The revision that is to be read; `ConflictError` if it is gone."""
        if at is None:
            return project.revision
        if at.revision < project.revision - self._undo_steps or _made(session, project, at.revision) != at.made:
            raise ConflictError("the project as it was is gone: it was edited after an undo, or too often; try again")
        return at.revision

    def objects(self, project_id: str, *, at: Pin | None = None) -> list[ObjectRow]:
        """Objects by id, now or at a revision; `ConflictError` if that is gone."""
        with self.store.session() as session:
            project, _ = found(session, project_id)
            these = alive(ObjectRow, project, self._seen(session, project, at))
            query = select(ObjectRow).where(these).order_by(ObjectRow.object_id, ObjectRow.born)
            return list({row.object_id: row for row in session.scalars(query)}.values())

    def locked(self, project_id: str) -> set[ObjectId]:
        """The objects that nobody may change."""
        return {row.object_id for row in self.objects(project_id) if row.locked}

    def highest_id(self, session: Session, project_id: str) -> int:
        """The highest object id a project has ever used: ids are not given twice, so that undo brings no confusion."""
        query = select(func.max(ObjectRow.object_id)).where(ObjectRow.project_id == project_id)
        return session.scalar(query) or 0

    def set_view(self, project_id: str, object_id: ObjectId, **flags: bool) -> None:
        """Hide, show, lock or unlock an object: no edit, undo does not touch it."""
        with self.store.session() as session:
            these = (ObjectRow.project_id == project_id) & (ObjectRow.object_id == object_id)
            session.execute(update(ObjectRow).where(these).values(**flags))

    def frames(
        self,
        project_id: str,
        start: int,
        end: int,
        objects: Collection[ObjectId] | None = None,
        at: Pin | None = None,
    ) -> list[FrameRow]:
        """What is known of frames ``start`` to ``end - 1``, by frame and object, now or at a revision.

        Raises:
            ConflictError: the revision is gone.
        """
        with self.store.session() as session:
            project, _ = found(session, project_id)
            these = alive(FrameRow, project, self._seen(session, project, at))
            query = select(FrameRow).where(these, FrameRow.frame >= start, FrameRow.frame < end)
            if objects is not None:
                query = query.where(FrameRow.object_id.in_(objects))
            rows = session.scalars(query.order_by(FrameRow.frame, FrameRow.object_id, FrameRow.born)).all()
        return newest(rows)

    def object_frames(self, project_id: str) -> dict[ObjectId, tuple[int, list[int]]]:
        """For each object the number of frames with a result, and the prompted frames."""
        return {i: (len(lane), lane.prompted_frames) for i, lane in self.lanes.of(project_id).items()}

    def prompted(self, project_id: str, object_id: ObjectId) -> list[FrameRow]:
        """The frames on which something was said about an object."""
        with self.store.session() as session:
            project, _ = found(session, project_id)
            mine = alive(FrameRow, project) & (FrameRow.object_id == object_id) & FrameRow.prompt.is_not(None)
            rows = session.scalars(select(FrameRow).where(mine))  # in order, it would not be by the index of prompts
            return newest(sorted(rows, key=lambda row: (row.frame, row.born)))

    def prompted_frames(self, project_id: str, at: Pin) -> dict[ObjectId, list[int]]:
        """The frames on which something was said, by object, at a revision; `ConflictError` if that is gone."""
        with self.store.session() as session:
            project, _ = found(session, project_id)
            these = alive(FrameRow, project, self._seen(session, project, at)) & FrameRow.prompt.is_not(None)
            frames: dict[ObjectId, set[int]] = {}
            for object_id, frame in session.execute(select(FrameRow.object_id, FrameRow.frame).where(these)):
                frames.setdefault(object_id, set()).add(frame)
        return {object_id: sorted(those) for object_id, those in frames.items()}

    def said(self, project_id: str, object_id: ObjectId) -> list[tuple[int, int]]:
        """(frame, revision at which it was said) of the same."""
        with self.store.session() as session:
            project, _ = found(session, project_id)
            mine = alive(FrameRow, project) & (FrameRow.object_id == object_id) & FrameRow.prompt.is_not(None)
            return sorted(
                (frame, born) for frame, born in session.execute(select(FrameRow.frame, FrameRow.born).where(mine))
            )


def _made(session: Session, project: ProjectRow, revision: int) -> str | None:
    """When the edit of a revision was made; None where it is no step that undo can take back."""
    step = session.get(StepRow, (project.id, revision))
    return None if step is None else step.created


def newest(rows: Sequence[FrameRow]) -> list[FrameRow]:
    """One row for each object and frame: the last in order."""
    return list({(row.frame, row.object_id): row for row in rows}.values())
