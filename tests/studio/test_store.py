"""The database: refused when it is not ours, cleared with what it belongs to, newest first."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from masklet.errors import OutputError
from masklet.predict.track import FrameState, Result
from masklet.studio.errors import ConflictError, NotFoundError
from masklet.studio.frame_codec import row_of
from masklet.studio.revisions import Record
from masklet.studio.settings import Settings
from masklet.studio.store import Store, new_id, now
from masklet.studio.tables import MediaRow
from masklet.types import Rle

RESULT = Result(Rle((2, 2), b"4"), 0.5, 0.5)


def media(name: str = "clip") -> MediaRow:
    return MediaRow(
        id=new_id(), name=name, kind="video", path=f"{name}.mp4", width=2, height=2, num_frames=9, fps=25.0,
        version="v", uploaded=False, created=now(),
    )  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An empty database."""
    store = Store(Settings(folder=tmp_path / "new" / "studio"))
    yield store
    store.close()


def add(store: Store, name: str = "clip") -> str:
    row = media(name)
    store.add_media(row)
    return store.add_project(row, name)


def test_projects_newest_change_first(store: Store) -> None:
    ids = [add(store, name) for name in ("a", "b", "c")]
    store.change_project(ids[0], {"name": "first"})
    assert [project.name for project, _, _ in store.projects()] == ["first", "c", "b"]
    assert [count for _, _, count in store.projects()] == [0, 0, 0]


def test_a_project_is_deleted_with_all_it_holds(store: Store) -> None:
    project, record = add(store), Record(store, 10)
    with store.session() as session:
        edit = record.begin(session, project, "one")
        edit.add_object("o", "#000000", 1)
        edit.put_frames([row_of(1, 3, FrameState(result=RESULT))])
    row, its_media = store.project(project)
    assert row.revision == 1
    with pytest.raises(ConflictError, match="used by the project"):
        store.remove_media(its_media.id)
    store.remove_project(project)
    store.remove_media(its_media.id)
    with sqlite3.connect(store.path) as connection:
        counts = [connection.execute(f"SELECT count(*) FROM {t}").fetchone() for t in ("object", "frame", "step")]
    connection.close()
    assert counts == [(0,)] * 3
    with pytest.raises(NotFoundError):
        store.project(project)


@pytest.mark.parametrize("content", ["not a database" * 100, ""])
def test_files_that_are_no_database(tmp_path: Path, content: str) -> None:
    settings = Settings(folder=tmp_path)
    settings.database.write_text(content)
    if content:
        with pytest.raises(OutputError, match="database"):
            Store(settings)
    else:
        Store(settings).close()


def test_other_databases_are_left_alone(tmp_path: Path) -> None:
    settings = Settings(folder=tmp_path)
    with sqlite3.connect(settings.database) as connection:
        connection.execute("CREATE TABLE other (x)")
    connection.close()
    before = settings.database.read_bytes()
    with pytest.raises(OutputError, match="not a database of this studio"):
        Store(settings)
    assert settings.database.read_bytes()[32:] == before[32:] or settings.database.stat().st_size == len(before)


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot make the folder"):
        Store(Settings(folder=tmp_path / "file" / "studio"))
