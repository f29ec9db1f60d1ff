"""Opening the data engine's database (SQLite or PostgreSQL): transactions, the schema's version, migrations."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, InterfaceError, OperationalError
from sqlalchemy.orm import Session

from masklet.engine.tables import Base, MetaRow
from masklet.errors import OutputError

SCHEMA = 1
"""The version that this package reads and writes; older ones are brought up to it, newer ones are refused."""

MIGRATIONS: dict[int, Callable[[Connection], None]] = {}
"""What makes a store of the version before into one of this version."""

FILE = "engine.sqlite"
"""The database in the folder of a project."""

WAIT = 60.0
"""Seconds that a writer waits for another before it gives up."""

_MIGRATION_LOCK = 7_236_553_846  # any number: what PostgreSQL calls the lock under which one process migrates


class Database:
    """One database, used by many threads and processes at a time.

    SQLite has a write-ahead log, so that readers never wait, and a writer takes the lock before it reads anything, so
    that nothing it saw has changed when it writes. PostgreSQL locks rows where the caller asks for it.

    Args:
        place: a folder, for SQLite, or a ``postgresql://`` URL.
        create: make what is not there.

    Raises:
        OutputError: it cannot be reached, holds no data engine, or one of a newer version.
    """

    def __init__(self, place: str, *, create: bool = False) -> None:
        self.name = place if "://" not in place else _parsed(place).render_as_string(hide_password=True)
        self._engine = _server(place) if "://" in place else _file(Path(place), create=create)
        self._writer = self._engine.execution_options(writes=True)
        try:
            migrate(self, create=create)
        except BaseException:
            self.close()
            raise

    @property
    def dialect(self) -> str:
        """Its name in SQLAlchemy: sqlite or postgresql."""
        return self._engine.dialect.name

    @contextmanager
    def read(self) -> Iterator[Session]:
        """One transaction that changes nothing."""
        with self._telling(), Session(self._engine, expire_on_commit=False) as session, session.begin():
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """One transaction: committed at the end, taken back where anything goes wrong."""
        with self._telling(), Session(self._writer, expire_on_commit=False) as session, session.begin():
            yield session

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    @contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except (OperationalError, InterfaceError) as error:
            raise OutputError(f"cannot use the data engine's store at {self.name}: {_reason(error)}") from error
        except DatabaseError as error:
            if isinstance(error.orig, sqlite3.DatabaseError) and type(error.orig) is sqlite3.DatabaseError:
                raise OutputError(f"the data engine's store at {self.name} is damaged: {_reason(error)}") from error
            raise


def migrate(
    database: Database,
    *,
    create: bool,
    schema: int = SCHEMA,
    migrations: Mapping[int, Callable[[Connection], None]] = MIGRATIONS,
) -> None:
    """Bring a store to the schema of this package, in one transaction; whoever comes at the same time waits.

    Raises:
        OutputError: there is no store and none is to be made, or it is of a newer version.
    """
    with database.read() as session:
        if _version(session.connection(), database, schema) == schema:
            return
    with database.write() as session:
        connection = session.connection()
        if database.dialect == "postgresql":
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})")
        version = _version(connection, database, schema)
        if version is None and not create:
            raise OutputError(f"there is no data engine at {database.name}: masklet engine init {database.name}")
        if version is None:
            Base.metadata.create_all(connection)
            session.add(MetaRow(name="schema", value=str(schema)))
        elif version < schema:
            for step in range(version + 1, schema + 1):
                migrations[step](connection)
            session.merge(MetaRow(name="schema", value=str(schema)))


def _version(connection: Connection, database: Database, schema: int) -> int | None:
    """The version of the store, None where there is none; `OutputError` if it is too new or no store of ours."""
    tables = inspect(connection).get_table_names()
    if not tables:
        return None
    if "meta" not in tables:
        raise OutputError(f"{database.name} is not a data engine's store: it holds the table {tables[0]!r}")
    found = connection.exec_driver_sql("SELECT value FROM meta WHERE name = 'schema'").scalar_one_or_none()
    version = int(found) if found and found.isdigit() else 0
    if version > schema:
        raise OutputError(
            f"{database.name} is a data engine of schema {version}, newer than this masklet knows ({schema}): "
            "install a newer masklet"
        )
    return version


def _parsed(place: str) -> URL:
    try:
        url = make_url(place)
    except ArgumentError:
        raise OutputError("expected a folder or postgresql://USER@HOST/NAME as the place of a data engine") from None
    if url.get_backend_name() != "postgresql":
        raise OutputError(f"expected a folder or a postgresql:// URL, got {url.drivername}://")
    return url.set(drivername="postgresql+psycopg")


def _server(place: str) -> Engine:
    return create_engine(_parsed(place), pool_pre_ping=True, connect_args={"connect_timeout": 10})


def _file(folder: Path, *, create: bool) -> Engine:
    if create:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"cannot make the folder {folder}: {error.strerror}") from error
    elif not (folder / FILE).is_file():
        raise OutputError(f"there is no data engine at {folder}: masklet engine init {folder}")
    engine = create_engine(f"sqlite:///{folder / FILE}", connect_args={"timeout": WAIT})

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, record: object) -> None:
        connection.isolation_level = None  # transactions begin below, not where the driver thinks they should
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
