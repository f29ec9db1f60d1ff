"""Opening stores: what is there, what is missing, what is too old, too new, damaged or out of reach."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest
from sqlalchemy import Connection

from masklet.engine.store import FILE, SCHEMA, Store, migrate
from masklet.engine.tables import MetaRow
from masklet.errors import OutputError


def version(database: Store) -> str:
    with database.read() as session:
        return session.get_one(MetaRow, "schema").value


def test_created_once_opened_often(tmp_path: Path) -> None:
    for create in (True, False, True):
        database = Store(str(tmp_path / "a" / "project"), create=create)
        assert version(database) == str(SCHEMA)
        database.close()


def test_many_create_at_once(tmp_path: Path) -> None:
    opened: list[Store] = []
    threads = [threading.Thread(target=lambda: opened.append(Store(str(tmp_path), create=True))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(opened) == 4
    for database in opened:
        database.close()


def test_older_schema_is_brought_forward(tmp_path: Path) -> None:
    database = Store(str(tmp_path), create=True)

    def add_column(connection: Connection) -> None:
        connection.exec_driver_sql("ALTER TABLE media ADD COLUMN camera TEXT")

    def fill_column(connection: Connection) -> None:
        connection.exec_driver_sql("UPDATE media SET camera = 'unknown'")

    migrate(database, create=False, schema=SCHEMA + 2, migrations={SCHEMA + 1: add_column, SCHEMA + 2: fill_column})
    assert version(database) == str(SCHEMA + 2)
    with database.read() as session:
        assert session.connection().exec_driver_sql("SELECT camera FROM media").all() == []
    database.close()


def test_migration_that_fails_leaves_the_store_as_it_was(tmp_path: Path) -> None:
    database = Store(str(tmp_path), create=True)

    def add_column(connection: Connection) -> None:
        connection.exec_driver_sql("ALTER TABLE media ADD COLUMN camera TEXT")

    def fail(connection: Connection) -> None:
        raise RuntimeError("no power")

    with pytest.raises(RuntimeError, match="no power"):
        migrate(database, create=False, schema=SCHEMA + 2, migrations={SCHEMA + 1: add_column, SCHEMA + 2: fail})
    assert version(database) == str(SCHEMA)
    with database.read() as session:
        columns = session.connection().exec_driver_sql("SELECT name FROM pragma_table_info('media')").scalars().all()
    assert "camera" not in columns
    database.close()


def test_newer_schema_is_refused(tmp_path: Path) -> None:
    Store(str(tmp_path), create=True).close()
    with sqlite3.connect(tmp_path / FILE) as connection:
        connection.execute("UPDATE meta SET value = '99'")
    connection.close()
    for create in (False, True):
        with pytest.raises(OutputError, match="99"):
            Store(str(tmp_path), create=create)


def test_stranger_is_refused(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / FILE) as connection:
        connection.execute("CREATE TABLE songs (name TEXT)")
    connection.close()
    with pytest.raises(OutputError, match="songs"):
        Store(str(tmp_path), create=True)


def test_damaged_file(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"no database at all" * 100)
    with pytest.raises(OutputError, match=str(tmp_path)):
        Store(str(tmp_path))


def test_half_copied_file(tmp_path: Path) -> None:
    database = Store(str(tmp_path), create=True)
    with database.write() as session:
        session.add_all(MetaRow(name=f"note {i}", value="x" * 5000) for i in range(40))
    database.close()
    whole = (tmp_path / FILE).read_bytes()
    (tmp_path / FILE).write_bytes(whole[: len(whole) // 3])
    with pytest.raises(OutputError, match=str(tmp_path)):
        with_notes(str(tmp_path))


def with_notes(place: str) -> int:
    database = Store(place)
    try:
        with database.read() as session:
            return session.query(MetaRow).count()
    finally:
        database.close()


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("nowhere", "nowhere"),
        ("mysql://user@host/name", "mysql://"),
        ("https://example.com", "https://"),
        ("postgresql://user:secret@127.0.0.1:1/name", r"user:\*\*\*@127.0.0.1:1/name"),
    ],
)
def test_out_of_reach(place: str, value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("psycopg")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(OutputError, match=value) as caught:
        Store(place)
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)


def test_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="project"):
        Store(str(tmp_path / "file" / "project"), create=True)


@pytest.mark.slow
def test_server_that_goes_away(postgres: str) -> None:
    database, other = Store(postgres, create=True), Store(postgres)

    def work_until_cut_off() -> None:
        with database.write() as session:
            session.add(MetaRow(name="half", value="done"))
            session.flush()
            mine = session.connection().exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
            with other.write() as killing:
                killing.connection().exec_driver_sql(f"SELECT pg_terminate_backend({mine})")
            session.connection().exec_driver_sql("SELECT 1")

    with pytest.raises(OutputError, match=r"postgresql\+psycopg://masklet@"):
        work_until_cut_off()
    with database.read() as session:  # it connects again, and nothing half done is there
        assert session.get(MetaRow, "half") is None
    for opened in (database, other):
        opened.close()
