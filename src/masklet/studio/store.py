"""The studio's database: opened under a lock, migrated, and queried for media and projects."""

from __future__ import annotations

import datetime
import os
import secrets
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event, func, inspect, select
from sqlalchemy.exc import DatabaseError
from sqlalchemy.orm import Session, sessionmaker

from masklet.errors import OutputError
from masklet.io.atomic import output_errors
from masklet.studio.errors import ConflictError, NotFoundError
from masklet.studio.settings import Settings
from masklet.studio.tables import Base, MediaRow, ObjectRow, ProjectRow

if sys.platform == "win32":
    import msvcrt

    def _lock(file: int) -> None:
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _lock(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


SCHEMA = 4
"""Stored as SQLite's ``user_version``; older databases are migrated, newer ones are refused."""

MIGRATIONS = {
    1: [f"ALTER TABLE project ADD COLUMN {name} INTEGER NOT NULL DEFAULT 0" for name in ("specks", "holes")],
    2: [f"DROP INDEX IF EXISTS {name}" for name in ("frame_of_object", "frame_of_project")],
    3: [
        "ALTER TABLE frame ADD COLUMN confidence FLOAT NOT NULL DEFAULT 0",
        # what `masklet.predict.review.estimate_confidence` estimates
        "UPDATE frame SET confidence = CASE WHEN area > 0 THEN presence * iou ELSE 1 - presence END",
        "DROP INDEX IF EXISTS frame_seen",
    ],
}
"""Statements that bring a schema to the next one; missing indices are created in any case."""


def new_id() -> str:
    """Return a random identifier: 12 hexadecimal digits."""
    return secrets.token_hex(6)


def now() -> str:
    """Return the time in UTC as ISO 8601 with microseconds."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="microseconds")


class FolderLock:
    """Locks a folder for one process until `release` or until the process ends.

    A second studio in the folder would remove the uploads in progress and the exports of the first.

    Raises:
        OutputError: another studio holds the lock, or the folder is not writable.
    """

    def __init__(self, folder: Path) -> None:
        with output_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            self._file = os.open(folder / "studio.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            _lock(self._file)
        except (BlockingIOError, PermissionError):
            self.release()
            raise OutputError(f"another studio is running in {folder}: stop it, or choose another folder") from None
        except OSError:  # some network file systems have no locks
            pass

    def release(self) -> None:
        """Release the lock; a second call does nothing."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


class Store:
    """The SQLite database of a studio folder.

    With write-ahead logging readers work beside a writer, and a killed process loses at most its open transaction.

    Raises:
        OutputError: the folder is locked or not writable; the database is damaged or has a newer schema.
    """

    def __init__(self, settings: Settings) -> None:
        self.path = settings.database
        self._folder_lock = FolderLock(settings.folder)
        self._engine = _engine(self.path, settings.database_wait)
        self._sessions = sessionmaker(self._engine, expire_on_commit=False)
        try:
            self._migrate()
        except DatabaseError as error:
            self.close()
            raise OutputError(f"cannot open the database {self.path}: {error.orig}") from error
        except OutputError:
            self.close()
            raise

    def _migrate(self) -> None:
        with self._engine.begin() as connection:
            version = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
            if not 0 <= version <= SCHEMA or (version == 0 and inspect(connection).get_table_names()):
                raise OutputError(f"{self.path} is no studio database: expected schema 1 to {SCHEMA}, got {version}")
            for statement in (line for step in range(version or SCHEMA, SCHEMA) for line in MIGRATIONS[step]):
                connection.exec_driver_sql(statement)
            Base.metadata.create_all(connection)
            for index in (index for table in Base.metadata.tables.values() for index in table.indexes):
                index.create(connection, checkfirst=True)
            connection.exec_driver_sql(f"PRAGMA user_version = {SCHEMA}")

    @contextmanager
    def session(self) -> Iterator[Session]:
        """Open a transaction: committed at the end, rolled back on an exception."""
        with self._sessions.begin() as session:
            yield session

    def close(self) -> None:
        """Close all connections and release the folder."""
        self._engine.dispose()
        self._folder_lock.release()

    # --- media ---

    def add_media(self, row: MediaRow) -> None:
        """Insert a media."""
        with self.session() as session:
            session.add(row)

    def media(self, media_id: str) -> MediaRow:
        """Return a media; raise `NotFoundError` if there is none of that id."""
        with self.session() as session:
            row = session.get(MediaRow, media_id)
        if row is None:
            raise NotFoundError(f"there is no media {media_id}")
        return row

    def all_media(self) -> list[MediaRow]:
        """Return every media, oldest first."""
        with self.session() as session:
            return list(session.scalars(select(MediaRow).order_by(MediaRow.created)))

    def media_at(self, path: str, version: str) -> MediaRow | None:
        """Return the media with this path and content, or None."""
        with self.session() as session:
            return session.scalar(select(MediaRow).where(MediaRow.path == path, MediaRow.version == version))

    def remove_media(self, media_id: str) -> MediaRow:
        """Delete a media and return its row; raise `ConflictError` while a project uses it."""
        row = self.media(media_id)
        with self.session() as session:
            users = session.scalars(select(ProjectRow.name).where(ProjectRow.media_id == media_id)).all()
            if users:
                raise ConflictError(f"{row.name} is used by the project {users[0]}: delete that first")
            session.delete(row)
        return row

    # --- projects ---

    def add_project(self, media: MediaRow, name: str) -> str:
        """Insert a project on a media and return its id."""
        created = now()
        row = ProjectRow(
            id=new_id(),
            media_id=media.id,
            name=name,
            revision=0,
            start=0,
            end=media.num_frames,
            created=created,
            changed=created,
        )
        with self.session() as session:
            session.add(row)
        return row.id

    def project(self, project_id: str) -> tuple[ProjectRow, MediaRow]:
        """Return a project and its media; raise `NotFoundError` if there is none of that id."""
        with self.session() as session:
            return load_project(session, project_id)

    def projects(self) -> list[tuple[ProjectRow, MediaRow, int]]:
        """Return every project with its media and number of objects, the latest change first."""
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
            project, _ = load_project(session, project_id)
            for name, value in changes.items():
                setattr(project, name, value)
            project.changed = now()

    def remove_project(self, project_id: str) -> None:
        """Delete a project with everything in it."""
        with self.session() as session:
            project, _ = load_project(session, project_id)
            session.delete(project)


def load_project(session: Session, project_id: str) -> tuple[ProjectRow, MediaRow]:
    """Return a project and its media inside a transaction; raise `NotFoundError` if there is none of that id."""
    query = select(ProjectRow, MediaRow).join(MediaRow, ProjectRow.media_id == MediaRow.id)
    pair = session.execute(query.where(ProjectRow.id == project_id)).one_or_none()
    if pair is None:
        raise NotFoundError(f"there is no project {project_id}")
    return pair[0], pair[1]


def _engine(path: Path, wait: float) -> Engine:
    engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": wait})

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, record: object) -> None:
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA cache_size = -2048")

    return engine
