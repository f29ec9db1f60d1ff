"""The content of projects at their revisions: objects, prompts and masks; edits; undo and redo."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from sqlalchemy import ColumnElement, delete, func, select, update
from sqlalchemy.orm import Session

from masklet.io import color_of
from masklet.studio.errors import ConflictError, NotFoundError
from masklet.studio.frame_stats import END, FrameStatsCache, visible
from masklet.studio.store import Store, load_project, now
from masklet.studio.tables import FrameRow, ObjectRow, ProjectRow, StepRow
from masklet.types import ObjectId

COLORS = [f"#{bytes(color_of(i)).hex()}" for i in range(1, 256)]
"""Colors of new objects as "#rrggbb"."""


class Pin(NamedTuple):
    """A revision to be read later.

    Attributes:
        created: when its edit was made; after an undo the next edit takes the same number.
    """

    revision: int
    created: str | None


class Edit:
    """Reads and changes a project in one transaction; from `Revisions.edit`.

    Attributes:
        objects: visible objects by id.
        label: of the edit, once it has begun.
        revision: of the rows that are written.
        changes: what was written, as `FrameStatsCache.note` takes it.
    """

    def __init__(self, session: Session, project_id: str, undo_steps: int, revision: int | None = None) -> None:
        self.session = session
        self._undo_steps = undo_steps
        has_undone = (
            select(StepRow.revision)
            .where(StepRow.project_id == ProjectRow.id, StepRow.revision > ProjectRow.revision)
            .exists()
        )
        query = select(ProjectRow, has_undone, ObjectRow).outerjoin(ObjectRow, ObjectRow.project_id == ProjectRow.id)
        rows = session.execute(query.where(ProjectRow.id == project_id).order_by(ObjectRow.born)).all()
        if not rows:
            raise NotFoundError(f"there is no project {project_id}")
        self.project: ProjectRow = rows[0][0]
        self._has_undone: bool = rows[0][1]
        self.revision = self.project.revision if revision is None else revision
        objects: list[ObjectRow] = [row for _, _, row in rows if row is not None]
        head = self.project.revision
        shown = {row.object_id: row for row in objects if row.born <= head and (row.died is None or row.died > head)}
        self.objects = dict(sorted(shown.items()))
        self._highest_id = max((row.object_id for row in objects), default=0)
        self._is_new = False
        self.label = ""
        self._new_objects: set[ObjectId] = set()
        self.changes: list[tuple[ObjectId, int, int]] = []

    @property
    def next_object_id(self) -> ObjectId:
        """An id that the project has never used: undo and redo must not mix up two objects."""
        return self._highest_id + 1

    def object(self, object_id: ObjectId) -> ObjectRow:
        """Return an object; raise `NotFoundError` if there is none of that id."""
        if object_id not in self.objects:
            raise NotFoundError(f"there is no object {object_id} in this project")
        return self.objects[object_id]

    def frames(self, frame: int) -> list[FrameRow]:
        """Return the visible rows of one frame, by object."""
        query = select(FrameRow).where(visible(FrameRow, self.project), FrameRow.frame == frame)
        return newest_rows(self.session.scalars(query.order_by(FrameRow.object_id, FrameRow.born)).all())

    def begin(self, label: str) -> None:
        """Start a new revision; edits that were undone are deleted, and so are those beyond the undo limit."""
        session, project = self.session, self.project
        if self._has_undone:
            for table in (ObjectRow, FrameRow):
                own = table.project_id == project.id
                session.execute(delete(table).where(own, table.born > project.revision))
                session.execute(update(table).where(own, table.died > project.revision).values(died=None))
            session.execute(
                delete(StepRow).where(StepRow.project_id == project.id, StepRow.revision > project.revision)
            )
        project.revision = self.revision = project.revision + 1
        project.changed = now()
        session.add(StepRow(project_id=project.id, revision=self.revision, label=label, created=now()))
        oldest = self.revision - self._undo_steps
        if oldest > 0 and oldest % max(1, self._undo_steps // 10) == 0:  # not at every edit: it takes three statements
            for table in (ObjectRow, FrameRow):
                session.execute(delete(table).where(table.project_id == project.id, table.died <= oldest))
            session.execute(delete(StepRow).where(StepRow.project_id == project.id, StepRow.revision <= oldest))
        self._is_new = True
        self.label = label

    def add_object(
        self, name: str | None = None, color: str | None = None, object_id: ObjectId | None = None
    ) -> ObjectRow:
        """Insert an object; by default a new one with the name and color of its id."""
        object_id = self.next_object_id if object_id is None else object_id
        row = ObjectRow(
            project_id=self.project.id,
            object_id=object_id,
            name=name or f"Object {object_id}",
            color=color or COLORS[(object_id - 1) % len(COLORS)],
            hidden=False,
            locked=False,
            born=self.revision,
            died=None,
        )
        self.session.add(row)
        if object_id > self._highest_id:
            self._new_objects.add(object_id)
            self._highest_id = object_id
        self.objects[object_id] = row
        return row

    def replace_object(self, old: ObjectRow, *, name: str, color: str) -> ObjectRow:
        """Change the name or color of an object."""
        self._end(old)
        new = self.add_object(name, color, old.object_id)
        new.hidden, new.locked = old.hidden, old.locked
        return new

    def remove_object(self, object_id: ObjectId) -> None:
        """Remove an object with all its frames."""
        self._end(self.object(object_id))
        del self.objects[object_id]
        self.remove_frames(object_id)

    def put_frames(self, rows: Sequence[FrameRow]) -> None:
        """Write rows in place of the earlier ones of the same objects and frames."""
        by_frame: dict[int, list[ObjectId]] = {}
        for row in rows:
            row.project_id, row.born, row.died = self.project.id, self.revision, None
            self.changes.append((row.object_id, row.frame, row.frame + 1))
            if row.object_id not in self._new_objects:
                by_frame.setdefault(row.frame, []).append(row.object_id)
        for frame, object_ids in by_frame.items():
            self._end_frames((FrameRow.frame == frame) & FrameRow.object_id.in_(object_ids))
        self.session.add_all(rows)
        self.session.flush()

    def remove_frames(self, object_id: ObjectId, frame: int | None = None) -> None:
        """Remove one frame of an object, or all."""
        if frame is None:
            self.changes.append((object_id, 0, END))
            self._end_frames(FrameRow.object_id == object_id)
        else:
            self.changes.append((object_id, frame, frame + 1))
            self._end_frames((FrameRow.object_id == object_id) & (FrameRow.frame == frame))

    def _end_frames(self, condition: ColumnElement[bool]) -> None:
        rows = (FrameRow.project_id == self.project.id) & FrameRow.died.is_(None) & condition
        options = {"synchronize_session": False}  # rows of frames that were loaded here are not written again
        if not self._is_new:  # a job goes on with its edit: rows of this revision are replaced, not ended
            self.session.execute(
                delete(FrameRow).where(rows, FrameRow.born >= self.revision), execution_options=options
            )
        self.session.execute(update(FrameRow).where(rows).values(died=self.revision), execution_options=options)

    def _end(self, row: ObjectRow) -> None:
        if row.born >= self.revision:
            self.session.delete(row)
        else:
            row.died = self.revision
        self.session.flush()


class Revisions:
    """The content of all projects.

    Attributes:
        stats: statistics of frames.
    """

    def __init__(self, store: Store, undo_steps: int) -> None:
        self.store = store
        self.stats = FrameStatsCache(store)
        self._undo_steps = undo_steps

    @contextmanager
    def edit(self, project_id: str, *, revision: int | None = None) -> Iterator[Edit]:
        """Open a transaction to read and change a project.

        Without `Edit.begin` changes belong to the present revision, which cannot be undone apart.

        Args:
            revision: of an edit that was begun in an earlier transaction, to go on with it.
        """
        with self.store.session() as session:
            edit = Edit(session, project_id, self._undo_steps, revision)
            yield edit
        if edit.changes:
            self.stats.note(project_id, edit.changes)

    def move(self, project_id: str, step: int) -> set[ObjectId]:
        """Undo (-1) or redo (+1) an edit and return the objects that changed.

        Raises:
            ConflictError: there is nothing to undo or redo.
        """
        changes: list[tuple[ObjectId, int, int]] = []
        with self.store.session() as session:
            project, _ = load_project(session, project_id)
            crossed = project.revision if step < 0 else project.revision + 1
            if session.get(StepRow, (project_id, crossed)) is None:
                raise ConflictError(f"there is nothing to {'undo' if step < 0 else 'redo'}")
            project.revision += step
            project.changed = now()
            changed: set[ObjectId] = set()
            for bound in (ObjectRow.born, ObjectRow.died):
                rows = (ObjectRow.project_id == project_id) & (bound == crossed)
                changed |= set(session.scalars(select(ObjectRow.object_id).where(rows)))
            for bound in (FrameRow.born, FrameRow.died):
                rows = (FrameRow.project_id == project_id) & (bound == crossed)
                spans = select(FrameRow.object_id, func.min(FrameRow.frame), func.max(FrameRow.frame)).where(rows)
                for object_id, first, last in session.execute(spans.group_by(FrameRow.object_id)):
                    changes.append((object_id, first, last + 1))
        self.stats.note(project_id, changes)
        return changed.union(object_id for object_id, _, _ in changes)

    @contextmanager
    def _reading(self, project_id: str, at: Pin | None = None) -> Iterator[tuple[Session, ProjectRow, int]]:
        """Open a transaction to read a project at its revision, or at a pinned one."""
        with self.store.session() as session:
            project, _ = load_project(session, project_id)
            if at is not None and (
                at.revision < project.revision - self._undo_steps
                or _step_created(session, project_id, at.revision) != at.created
            ):
                raise ConflictError(
                    f"revision {at.revision} of the project no longer exists (now {project.revision}): start again"
                )
            yield session, project, project.revision if at is None else at.revision

    def labels(self, project_id: str) -> tuple[str | None, str | None]:
        """Return the labels of the edits that undo and redo would take."""
        with self._reading(project_id) as (session, _, revision):
            steps = [session.get(StepRow, (project_id, revision + ahead)) for ahead in (0, 1)]
        undo, redo = (None if step is None else step.label for step in steps)
        return undo, redo

    def steps(self, project_id: str) -> tuple[int, list[StepRow]]:
        """Return the revision and every edit that undo and redo can reach, oldest first."""
        with self._reading(project_id) as (session, _, revision):
            query = select(StepRow).where(StepRow.project_id == project_id).order_by(StepRow.revision)
            return revision, list(session.scalars(query))

    def pin(self, project_id: str) -> Pin:
        """Return the present revision, to be read later whatever is edited or undone meanwhile."""
        with self._reading(project_id) as (session, _, revision):
            return Pin(revision, _step_created(session, project_id, revision))

    def objects(self, project_id: str, *, at: Pin | None = None) -> list[ObjectRow]:
        """Return the objects by id, now or at a revision; raise `ConflictError` if that no longer exists."""
        with self._reading(project_id, at) as (session, project, revision):
            rows = visible(ObjectRow, project, revision)
            query = select(ObjectRow).where(rows).order_by(ObjectRow.object_id, ObjectRow.born)
            return list({row.object_id: row for row in session.scalars(query)}.values())

    def set_view(self, project_id: str, object_id: ObjectId, **flags: bool) -> None:
        """Hide, show, lock or unlock an object; this is no edit, and undo leaves it alone."""
        with self.store.session() as session:
            rows = (ObjectRow.project_id == project_id) & (ObjectRow.object_id == object_id)
            session.execute(update(ObjectRow).where(rows).values(**flags))

    def frames(
        self,
        project_id: str,
        start: int,
        end: int,
        objects: Collection[ObjectId] | None = None,
        at: Pin | None = None,
    ) -> list[FrameRow]:
        """Return the rows of frames ``start`` to ``end - 1``, by frame and object, now or at a revision.

        Raises:
            ConflictError: the revision no longer exists.
        """
        with self._reading(project_id, at) as (session, project, revision):
            rows = visible(FrameRow, project, revision)
            query = select(FrameRow).where(rows, FrameRow.frame >= start, FrameRow.frame < end)
            if objects is not None:
                query = query.where(FrameRow.object_id.in_(objects))
            return newest_rows(session.scalars(query.order_by(FrameRow.frame, FrameRow.object_id, FrameRow.born)).all())

    def prompted_rows(self, project_id: str) -> list[FrameRow]:
        """Return the rows of all prompted frames, by object and frame."""
        with self._reading(project_id) as (session, project, revision):
            rows = visible(FrameRow, project, revision) & FrameRow.prompt.is_not(None)
            found = session.scalars(select(FrameRow).where(rows)).all()
        return newest_rows(sorted(found, key=lambda row: (row.object_id, row.frame, row.born)))

    def prompted_frames(self, project_id: str, at: Pin | None = None) -> dict[ObjectId, dict[int, int]]:
        """Return the revision of each prompted frame by object, now or at a revision.

        Raises:
            ConflictError: the revision no longer exists.
        """
        with self._reading(project_id, at) as (session, project, revision):
            rows = visible(FrameRow, project, revision) & FrameRow.prompt.is_not(None)
            query = select(FrameRow.object_id, FrameRow.frame, FrameRow.born).where(rows)
            frames: dict[ObjectId, dict[int, int]] = {}
            for object_id, frame, born in session.execute(query.order_by(FrameRow.frame, FrameRow.born)):
                frames.setdefault(object_id, {})[frame] = born
        return frames


def _step_created(session: Session, project_id: str, revision: int) -> str | None:
    step = session.get(StepRow, (project_id, revision))
    return None if step is None else step.created


def newest_rows(rows: Sequence[FrameRow]) -> list[FrameRow]:
    """Keep the last row of each object and frame."""
    return list({(row.frame, row.object_id): row for row in rows}.values())
