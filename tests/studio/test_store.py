"""The database: refused when it is not ours, cleared with what it belongs to, newest first."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from masklet.errors import OutputError
from masklet.predict.results import FrameResult, FrameState
from masklet.studio.app import create_app
from masklet.studio.errors import ConflictError, NotFoundError
from masklet.studio.frame_codec import row_of
from masklet.studio.revisions import Revisions
from masklet.studio.settings import Settings
from masklet.studio.store import FolderLock, Store, new_id, now
from masklet.studio.tables import MediaRow
from masklet.types import Rle

RESULT = FrameResult(Rle((2, 2), b"4"), 0.5, 0.5)


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
    project, revisions = add(store), Revisions(store, 10)
    with revisions.edit(project) as edit:
        edit.begin("one")
        edit.add_object("o", "#000000", 1)
        edit.put_frames([row_of(1, 3, FrameState(result=RESULT))])
    row, its_media = store.project(project)
    assert row.revision == 1
    with pytest.raises(ConflictError):
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
        with pytest.raises(OutputError):
            Store(settings)
    else:
        Store(settings).close()


def test_other_databases_are_left_alone(tmp_path: Path) -> None:
    settings = Settings(folder=tmp_path)
    with sqlite3.connect(settings.database) as connection:
        connection.execute("CREATE TABLE other (x)")
    connection.close()
    before = settings.database.read_bytes()
    with pytest.raises(OutputError):
        Store(settings)
    assert settings.database.read_bytes()[32:] == before[32:] or settings.database.stat().st_size == len(before)


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        Store(Settings(folder=tmp_path / "file" / "studio"))


# --- the lock of the folder ---


def test_a_second_studio_is_refused_and_harms_nothing(studio: Any, tiny: Any) -> None:
    folder = studio.services.settings.folder
    upload = studio.call("POST", "folders", 201, json={"name": "cells"})["id"]
    with pytest.raises(OutputError) as caught:
        create_app(tiny, Settings(folder=folder))
    assert str(folder) in str(caught.value)
    assert studio.services.library.upload_folder(upload).is_dir()


def test_it_is_free_when_its_studio_has_closed(tiny: Any, tmp_path: Path) -> None:
    for _ in range(2):
        create_app(tiny, Settings(folder=tmp_path)).state.services.close()


def test_a_database_that_is_refused_leaves_no_lock(tiny: Any, tmp_path: Path) -> None:
    (tmp_path / "studio.sqlite").write_bytes(b"something else, long enough to be read as a header of a file" * 9)
    for _ in range(2):
        with pytest.raises(OutputError):
            create_app(tiny, Settings(folder=tmp_path))


def test_a_process_that_is_killed_lets_go(tmp_path: Path) -> None:
    script = (
        "import sys, time, pathlib; from masklet.studio.store import FolderLock\n"
        "lock = FolderLock(pathlib.Path(sys.argv[1])); print('held', flush=True); time.sleep(600)\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(OutputError):
            FolderLock(tmp_path)
        process.kill()
    FolderLock(tmp_path).release()
