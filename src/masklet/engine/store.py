"""The store of a project (SQLite or PostgreSQL): opening, schema migrations, transactions, and reading its contents."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, make_url, select
from sqlalchemy.exc import ArgumentError, DatabaseError, InterfaceError, OperationalError
from sqlalchemy.orm import Session

from masklet.engine.records import Event, MaskletVersion, Media, Task, TaskKind, TaskState, Work
from masklet.engine.serialization import unpack
from masklet.engine.tables import Base, EventRow, MaskletRow, MediaRow, MetaRow, PartRow, TallyRow, TaskRow
from masklet.engine.transactions import Change
from masklet.errors import MediaError, OutputError, TaskError
from masklet.types import Masklet

SCHEMA = 1
"""Schema version that this package reads and writes. Older databases are migrated, newer ones are refused."""

MIGRATIONS: dict[int, Callable[[Connection], None]] = {}
"""Schema version -> migrates a database of the previous version to it."""

FILE = "engine.sqlite"
"""Name of the database file in a project folder."""

BUSY_TIMEOUT = 60.0
"""Seconds that an SQLite writer waits for another writer."""

_MIGRATION_LOCK = 7_236_553_846  # any number: key of the PostgreSQL advisory lock under which one process migrates


class Store:
    """The store of one project. Use it in a ``with`` block or close it; threads may share it.

    SQLite runs with a write-ahead log, so readers never wait; a writer takes the lock before it reads, so what it read
    is unchanged when it writes. PostgreSQL locks single rows where a transaction asks for it.

    Args:
        place: a folder, which holds an SQLite database, or a ``postgresql://`` URL.
        create: create the folder and the tables if they do not exist.
        clock: returns seconds since 1970; all users of a store should agree on it.

    Raises:
        OutputError: the database cannot be reached, is not a store, or has a newer schema. Every method raises it when
            the connection to the database is lost.
    """

    def __init__(self, place: str, *, create: bool = False, clock: Callable[[], float] = time.time) -> None:
        self.name = place if "://" not in place else _parse_url(place).render_as_string(hide_password=True)
        self.clock = clock
        self._engine = _connect_server(place) if "://" in place else _connect_file(Path(place), create=create)
        self._writer = self._engine.execution_options(writes=True)
        try:
            migrate(self, create=create)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    @property
    def dialect(self) -> str:
        """SQLAlchemy's name of the database: "sqlite" or "postgresql"."""
        return self._engine.dialect.name

    # --- transactions ---

    @contextmanager
    def read(self) -> Iterator[Session]:
        """Open a read-only transaction."""
        with self._output_errors(), Session(self._engine, expire_on_commit=False) as session, session.begin():
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """Open a transaction that is committed at the end and rolled back on an exception."""
        with self._output_errors(), Session(self._writer, expire_on_commit=False) as session, session.begin():
            yield session

    @contextmanager
    def change(self) -> Iterator[Change]:
        """Open a transaction that changes tasks or masklets and updates the running sums with them."""
        with self.write() as session:
            change = Change(session, self.clock())
            yield change
            change.finish()

    @contextmanager
    def _output_errors(self) -> Iterator[None]:
        try:
            yield
        except (OperationalError, InterfaceError) as error:
            raise OutputError(f"cannot use the data engine's store at {self.name}: {_reason(error)}") from error
        except DatabaseError as error:
            if isinstance(error.orig, sqlite3.DatabaseError) and type(error.orig) is sqlite3.DatabaseError:
                raise OutputError(f"the data engine's store at {self.name} is damaged: {_reason(error)}") from error
            raise

    # --- media ---

    def media(self, content: str) -> Media:
        """Return the media with a content hash; `MediaError` if there is none."""
        with self.read() as session:
            return as_media(media_row(session, content))

    def all_media(self) -> list[Media]:
        """Return all media in the order they were added."""
        with self.read() as session:
            return [as_media(row) for row in session.scalars(select(MediaRow).order_by(MediaRow.id))]

    # --- tasks ---

    def task(self, task_id: int) -> Task:
        """Return one task; `TaskError` if there is none with that id."""
        query = select(TaskRow, MediaRow.content).join(MediaRow, TaskRow.media_id == MediaRow.id)
        with self.read() as session:
            found = session.execute(query.where(TaskRow.id == task_id)).one_or_none()
            if found is None:
                raise TaskError(f"there is no task {task_id}")
            return as_task(*found)

    def tasks(
        self,
        states: Sequence[TaskState] = tuple(TaskState),
        *,
        media: str | None = None,
        after: int = 0,
        limit: int = 1000,
    ) -> list[Task]:
        """Return tasks in some states, ordered by id, with ids greater than ``after``.

        Tasks that hold the known answers of gold tasks are left out.
        """
        query = select(TaskRow, MediaRow.content).join(MediaRow, TaskRow.media_id == MediaRow.id)
        query = query.where(TaskRow.id > after, TaskRow.state.in_(states))
        query = query.where((TaskRow.kind != TaskKind.GOLD) | TaskRow.gold.is_not(None))
        if media is not None:
            query = query.where(MediaRow.content == media)
        with self.read() as session:
            return [as_task(row, content) for row, content in session.execute(query.order_by(TaskRow.id).limit(limit))]

    def history(self, task_id: int) -> list[Event]:
        """Return the events of a task, oldest first."""
        with self.read() as session:
            rows = session.scalars(select(EventRow).where(EventRow.task_id == task_id).order_by(EventRow.id))
            return [Event(task=task_id, **_shared(row, Event)) for row in rows]

    # --- masklets ---

    def version(self, version_id: int) -> MaskletVersion:
        """Return one masklet version with its masks; `TaskError` if there is none with that id."""
        with self.read() as session:
            return read_version(session, version_id)

    def versions(self, task_id: int) -> list[MaskletVersion]:
        """Return all masklet versions of a task, oldest first."""
        with self.read() as session:
            ids = session.scalars(select(MaskletRow.id).where(MaskletRow.task_id == task_id).order_by(MaskletRow.id))
            return [read_version(session, version_id) for version_id in ids]

    def accepted(self, media: str | None = None) -> Iterator[MaskletVersion]:
        """Yield the masklets with the verdict "satisfactory", by task; of one media (content hash) or of all."""
        after = 0
        while done := self.tasks([TaskState.DONE], media=media, after=after, limit=100):
            for task in done:
                if task.kind is not TaskKind.GOLD and task.version is not None:
                    yield self.version(task.version)
            after = done[-1].id

    # --- running sums ---

    def tallies(self) -> dict[str, dict[str, float]]:
        """Return the running sums, which every transaction updates.

        Returns:
            Subject -> quantity -> sum, with the subjects
            "store": "media", "masklets" (versions);
            "task": number of tasks in each state;
            "phase:1" and the like: "masklets", "frames", "edited" (frames), "clicks", "clicked" (frames with clicks),
            "seconds", "timed" (frames of masklets whose time was measured), number of verdicts by outcome;
            "person:NAME": "selected", "annotated", "verified", "seconds", number of verdicts on their masklets by
            outcome, "gold" (number of gold tasks) and "agreement" (summed over them).
        """
        found: dict[str, dict[str, float]] = {}
        with self.read() as session:
            for row in session.scalars(select(TallyRow).order_by(TallyRow.subject, TallyRow.what)):
                found.setdefault(row.subject, {})[row.what] = row.value
        return found


# --- rows to values ---


def media_row(session: Session, content: str) -> MediaRow:
    """Return the row of a media; `MediaError` if there is none with that content hash."""
    row = session.scalar(select(MediaRow).where(MediaRow.content == content))
    if row is None:
        raise MediaError(f"the data engine has no media {content}")
    return row


def _shared(row: Base, kind: type) -> dict[str, Any]:
    """The fields of a record that its row has too."""
    return {one.name: getattr(row, one.name) for one in fields(kind) if hasattr(row, one.name)}


def as_media(row: MediaRow) -> Media:
    """Convert a row to a value."""
    return Media(**_shared(row, Media))


def as_task(row: TaskRow, content: str) -> Task:
    """Convert the row of a task and the content hash of its media to a value."""
    return Task(media=content, **_shared(row, Task))


def read_version(session: Session, version_id: int) -> MaskletVersion:
    """Read a masklet version with its masks; `TaskError` if there is none with that id."""
    query = select(MaskletRow, TaskRow, MediaRow).join(TaskRow, MaskletRow.task_id == TaskRow.id)
    found = session.execute(
        query.join(MediaRow, TaskRow.media_id == MediaRow.id).where(MaskletRow.id == version_id)
    ).one_or_none()
    if found is None:
        raise TaskError(f"there is no masklet version {version_id}")
    row, task, media = found
    parts = session.scalars(select(PartRow.data).where(PartRow.masklet_id == version_id).order_by(PartRow.part)).all()
    frames, presence, iou = unpack(parts, media.size)
    masks: dict[str, Any] = {"size": media.size, "frames": frames, "presence": presence, "iou": iou}
    masklet = Masklet(object_id=task.object_id, name=task.name, **masks, **_shared(row, Masklet))
    work = Work(**_shared(row, Work))
    shared = _shared(row, MaskletVersion)
    return MaskletVersion(task=row.task_id, media=media.content, masklet=masklet, work=work, **shared)


# --- schema and connections ---


def migrate(
    store: Store,
    *,
    create: bool,
    schema: int = SCHEMA,
    migrations: Mapping[int, Callable[[Connection], None]] = MIGRATIONS,
) -> None:
    """Migrate a database to a schema version in one transaction; other processes wait meanwhile.

    Raises:
        OutputError: the database is empty and ``create`` is false, is not a store, or has a newer schema.
    """
    with store.read() as session:
        if _schema_version(session.connection(), store.name, schema) == schema:
            return
    with store.write() as session:
        connection = session.connection()
        if store.dialect == "postgresql":
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})")
        version = _schema_version(connection, store.name, schema)
        if version is None and not create:
            raise OutputError(f"there is no data engine at {store.name}: masklet engine init {store.name}")
        if version is None:
            Base.metadata.create_all(connection)
            session.add(MetaRow(name="schema", value=str(schema)))
        elif version < schema:
            for step in range(version + 1, schema + 1):
                migrations[step](connection)
            session.merge(MetaRow(name="schema", value=str(schema)))


def _schema_version(connection: Connection, name: str, schema: int) -> int | None:
    """Return the schema version, None for an empty database; `OutputError` if it is newer or no store."""
    tables = inspect(connection).get_table_names()
    if not tables:
        return None
    if "meta" not in tables:
        raise OutputError(f"{name} is not a data engine's store: it holds the table {tables[0]!r}")
    found = connection.exec_driver_sql("SELECT value FROM meta WHERE name = 'schema'").scalar_one_or_none()
    version = int(found) if found and found.isdigit() else 0
    if version > schema:
        raise OutputError(
            f"{name} is a data engine with schema {version}, newer than this masklet supports ({schema}): "
            "install a newer masklet"
        )
    return version


def _parse_url(place: str) -> URL:
    try:
        url = make_url(place)
    except ArgumentError:
        raise OutputError("expected a folder or postgresql://USER@HOST/NAME as the place of a data engine") from None
    if url.get_backend_name() != "postgresql":
        raise OutputError(f"expected a folder or a postgresql:// URL, got {url.drivername}://")
    return url.set(drivername="postgresql+psycopg")


def _connect_server(place: str) -> Engine:
    return create_engine(_parse_url(place), pool_pre_ping=True, connect_args={"connect_timeout": 10})


def _connect_file(folder: Path, *, create: bool) -> Engine:
    if create:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"cannot create the folder {folder}: {error.strerror}") from error
    elif not (folder / FILE).is_file():
        raise OutputError(f"there is no data engine at {folder}: masklet engine init {folder}")
    engine = create_engine(f"sqlite:///{folder / FILE}", connect_args={"timeout": BUSY_TIMEOUT})

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, record: object) -> None:
        connection.isolation_level = None  # transactions begin in `begin`, not where the driver would start them
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get("writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _reason(error: DatabaseError | InterfaceError) -> str:
    return str(error.orig).strip().splitlines()[0]
