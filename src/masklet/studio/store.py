"""The studio's database: opened, kept sound through a crash, and what is asked of media and projects."""

from __future__ import annotations

import datetime
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine, create_engine, event, func, inspect, select
from sqlalchemy.exc import DatabaseError
from sqlalchemy.orm import Session, sessionmaker

from masklet.errors import OutputError
from masklet.studio.errors import ConflictError, NotFoundError
from masklet.studio.settings import Settings
from masklet.studio.tables import Base, MediaRow, ObjectRow, ProjectRow

SCHEMA = 3
"""Kept in SQLite's ``user_version``; older databases are brought up to it, a newer one is refused."""

STEPS = {
    1: [f"ALTER TABLE project ADD COLUMN {name} INTEGER NOT NULL DEFAULT 0" for name in ("specks", "holes")],
    2: [f"DROP INDEX IF EXISTS {name}" for name in ("frame_of_object", "frame_of_project")],
}
"""By schema, what makes it the next one; indices that are missing are made in any case."""


def new_id() -> str:
    """An identifier nobody guesses: 12 hexadecimal digits."""
    return secrets.token_hex(6)


def now() -> str:
    """The present in UTC, ISO 8601, fine enough to tell two changes apart."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="microseconds")


class Store:
    """The database of one studio.

    Write-ahead logging lets readers work beside a writer, and a process that is killed loses at most the transaction
    it was in.

    Args:
        settings: where it lies.

    Attributes:
        sessions: makes transactions; who wants to know of each one's end listens to it.

    Raises:
        OutputError: it cannot be made, is damaged, or belongs to another version of masklet.
    """

    def __init__(self, settings: Settings) -> None:
        self.path = settings.database
        try:
            settings.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"cannot make the folder {settings.folder}: {error.strerror}") from error
        self._engine = _engine(self.path, settings.database_wait)
        self.sessions = sessionmaker(self._engine, expire_on_commit=False)
        try:
            self._prepare()
        except DatabaseError as error:
            self.close()
            raise OutputError(f"cannot use {self.path} as the studio's database: {error.orig}") from error

    def _prepare(self) -> None:
        with self._engine.begin() as connection:
            version = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
            if not 0 <= version <= SCHEMA or (version == 0 and inspect(connection).get_table_names()):
                raise OutputError(f"{self.path} is not a database of this studio (schema {version}, expected {SCHEMA})")
            for statement in (line for step in range(version or SCHEMA, SCHEMA) for line in STEPS.get(step, ())):
                connection.exec_driver_sql(statement)
            Base.metadata.create_all(connection)
            for index in (index for table in Base.metadata.tables.values() for index in table.indexes):
                index.create(connection, checkfirst=True)
            connection.exec_driver_sql(f"PRAGMA user_version = {SCHEMA}")

    @contextmanager
    def session(self) -> Iterator[Session]:
        """One transaction: committed at the end, taken back where anything goes wrong."""
        with self.sessions.begin() as session:
            yield session

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    # --- media ---

    def add_media(self, row: MediaRow) -> None:
        """Keep a media."""
        with self.session() as session:
            session.add(row)

    def media(self, media_id: str) -> MediaRow:
        """One media; `NotFoundError` if there is none of that id."""
        with self.session() as session:
            row = session.get(MediaRow, media_id)
        if row is None:
            raise NotFoundError(f"there is no media {media_id}")
        return row

    def all_media(self) -> list[MediaRow]:
        """Every media, oldest first."""
        with self.session() as session:
            return list(session.scalars(select(MediaRow).order_by(MediaRow.created)))

    def media_at(self, path: str, version: str) -> MediaRow | None:
        """The media at a path of this machine, if it is known with that content."""
        with self.session() as session:
            return session.scalar(select(MediaRow).where(MediaRow.path == path, MediaRow.version == version))

    def remove_media(self, media_id: str) -> MediaRow:
        """Forget a media and give back what was known.

        Raises:
            ConflictError: a project uses it.
        """
        row = self.media(media_id)
        with self.session() as session:
            users = session.scalars(select(ProjectRow.name).where(ProjectRow.media_id == media_id)).all()
            if users:
                raise ConflictError(f"{row.name} is used by the project {users[0]}: delete that first")
            session.delete(row)
        return row

    # --- projects ---

    def add_project(self, media: MediaRow, name: str) -> str:
        """A new project on a media; gives its id."""
        present = now()
        row = ProjectRow(
            id=new_id(),
            media_id=media.id,
            name=name,
            revision=0,
            start=0,
            end=media.num_frames,
            created=present,
            changed=present,
        )
        with self.session() as session:
            session.add(row)
        return row.id

    def project(self, project_id: str) -> tuple[ProjectRow, MediaRow]:
        """A project and its media; `NotFoundError` if there is none of that id."""
        with self.session() as session:
            return found(session, project_id)

    def projects(self) -> list[tuple[ProjectRow, MediaRow, int]]:
        """Every project with its media and number of objects, the latest change first."""
        alive = (ObjectRow.born <= ProjectRow.revision) & (
            ObjectRow.died.is_(None) | (ObjectRow.died > ProjectRow.revision)
        )
        query = (
            select(ProjectRow, MediaRow, func.count(ObjectRow.row))
            .join(MediaRow, ProjectRow.media_id == MediaRow.id)
            .outerjoin(ObjectRow, (ObjectRow.project_id == ProjectRow.id) & alive)
            .group_by(ProjectRow.id)
            .order_by(ProjectRow.changed.desc())
        )
        with self.session() as session:
            return [(project, media, count) for project, media, count in session.execute(query)]

    def change_project(self, project_id: str, changes: dict[str, Any]) -> None:
        """Set columns of a project."""
        with self.session() as session:
            project, _ = found(session, project_id)
            for name, value in changes.items():
                setattr(project, name, value)
            project.changed = now()

    def remove_project(self, project_id: str) -> None:
        """Delete a project with all it holds."""
        with self.session() as session:
            project, _ = found(session, project_id)
            session.delete(project)


def found(session: Session, project_id: str) -> tuple[ProjectRow, MediaRow]:
    """A project and its media, inside a transaction."""
    query = select(ProjectRow, MediaRow).join(MediaRow, ProjectRow.media_id == MediaRow.id)
    pair = session.execute(query.where(ProjectRow.id == project_id)).one_or_none()
    if pair is None:
        raise NotFoundError(f"there is no project {project_id}")
    return pair[0], pair[1]


def _engine(path: Any, wait: float) -> Engine:
    engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": wait})

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, record: object) -> None:
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA cache_size = -2048")

    return engine
