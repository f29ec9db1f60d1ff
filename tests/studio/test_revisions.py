"""Revisions: rows live from one to another; undo moves, a new edit prunes."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from masklet.predict.results import FrameResult, FrameState
from masklet.studio.errors import ConflictError
from masklet.studio.frame_codec import row_of
from masklet.studio.revisions import Revisions
from masklet.studio.settings import Settings
from masklet.studio.store import Store, new_id, now
from masklet.studio.tables import FrameRow, MediaRow
from masklet.types import Rle


def frame(object_id: int, index: int, mark: float) -> FrameRow:
    return row_of(object_id, index, FrameState(result=FrameResult(Rle((2, 2), b"4"), mark, 0.5)))


@pytest.fixture(scope="module")
def shared_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """One database for all scripts: making one takes longer than a script."""
    store = Store(Settings(folder=tmp_path_factory.mktemp("studio")))
    yield store
    store.close()


def opened(place: Path | Store, undo_steps: int = 50) -> tuple[Revisions, str]:
    """A new project in a database, or in a folder."""
    store = place if isinstance(place, Store) else Store(Settings(folder=place))
    row = MediaRow(
        id=new_id(), name="clip", kind="video", path="clip", width=2, height=2, num_frames=9, fps=None,
        version="v", uploaded=False, created=now(),
    )  # fmt: skip
    store.add_media(row)
    return Revisions(store, undo_steps), store.add_project(row, "clip")


@pytest.fixture
def revisions(tmp_path: Path) -> Iterator[tuple[Revisions, str]]:
    """An empty project."""
    pair = opened(tmp_path)
    yield pair
    pair[0].store.close()


def put(revisions: Revisions, project: str, *rows: FrameRow, label: str = "edit") -> int:
    with revisions.edit(project) as edit:
        edit.begin(label)
        edit.put_frames(rows)
    return edit.revision


def seen(revisions: Revisions, project: str) -> dict[tuple[int, int], float]:
    return {(row.object_id, row.frame): row.presence for row in revisions.frames(project, 0, 100)}


def test_a_pinned_revision_is_read_until_it_is_gone(tmp_path: Path) -> None:
    revisions, project = opened(tmp_path, undo_steps=3)
    start = revisions.pin(project)
    put(revisions, project, frame(1, 0, 0.1))
    pin = revisions.pin(project)
    put(revisions, project, frame(1, 0, 0.2), frame(1, 1, 0.2))
    assert [row.presence for row in revisions.frames(project, 0, 9, at=pin)] == [0.1]
    revisions.move(project, -1)
    revisions.move(project, -1)
    assert [row.presence for row in revisions.frames(project, 0, 9, at=pin)] == [0.1]
    assert revisions.frames(project, 0, 9, at=start) == []
    put(revisions, project, frame(1, 0, 0.3))  # takes the number of the pinned one
    for read in (lambda: revisions.frames(project, 0, 9, at=pin), lambda: revisions.objects(project, at=pin)):
        with pytest.raises(ConflictError):
            read()
    assert revisions.frames(project, 0, 9, at=start) == []
    for mark in (0.4, 0.5, 0.6):
        put(revisions, project, frame(1, 0, mark))
    with pytest.raises(ConflictError):
        revisions.prompted_frames(project, start)
    revisions.store.close()


def test_undo_redo_and_a_new_edit(revisions: tuple[Revisions, str]) -> None:
    rows, project = revisions
    put(rows, project, frame(1, 0, 0.1), frame(1, 1, 0.1), label="first")
    put(rows, project, frame(1, 1, 0.2), frame(2, 1, 0.2), label="second")
    assert seen(rows, project) == {(1, 0): 0.1, (1, 1): 0.2, (2, 1): 0.2}
    assert rows.move(project, -1) == {1, 2}
    assert seen(rows, project) == {(1, 0): 0.1, (1, 1): 0.1}
    assert rows.labels(project) == ("first", "second")
    assert rows.move(project, +1) == {1, 2}
    rows.move(project, -1)
    put(rows, project, frame(1, 2, 0.3), label="other")
    assert seen(rows, project) == {(1, 0): 0.1, (1, 1): 0.1, (1, 2): 0.3}
    assert rows.labels(project) == ("other", None)
    with pytest.raises(ConflictError):
        rows.move(project, +1)
    assert [step.label for step in rows.steps(project)[1]] == ["first", "other"]


def test_a_long_edit_goes_on_while_others_come(revisions: tuple[Revisions, str]) -> None:
    """Tracking writes at its own revision, though a prompt has made a later one."""
    rows, project = revisions
    track = put(rows, project, frame(1, 0, 0.1), label="track")
    put(rows, project, frame(2, 5, 0.2), label="prompt")
    with rows.edit(project, revision=track) as edit:
        edit.put_frames([frame(1, 1, 0.3)])
    assert seen(rows, project) == {(1, 0): 0.1, (1, 1): 0.3, (2, 5): 0.2}
    rows.move(project, -1)
    assert seen(rows, project) == {(1, 0): 0.1, (1, 1): 0.3}
    rows.move(project, -1)
    assert seen(rows, project) == {}


def test_old_steps_are_forgotten(tmp_path: Path) -> None:
    rows, project = opened(tmp_path, undo_steps=3)
    for mark in range(10):
        put(rows, project, frame(1, 0, mark / 10))
    for mark in (8, 7, 6):
        rows.move(project, -1)
        assert seen(rows, project) == {(1, 0): mark / 10}
    with pytest.raises(ConflictError):
        rows.move(project, -1)
    rows.store.close()
    with sqlite3.connect(tmp_path / "studio.sqlite") as connection:
        assert connection.execute("SELECT count(*) FROM frame").fetchone() == (4,)
    connection.close()


Action = tuple[str, int, int]


@settings(max_examples=25)
@given(st.lists(st.tuples(st.sampled_from(["put", "drop", "undo", "redo"]), st.integers(1, 2), st.integers(0, 2))))
def test_any_script_agrees_with_copies(shared_store: Store, script: list[Action]) -> None:
    rows, project = opened(shared_store)
    past: list[dict[tuple[int, int], float]] = [{}]
    future: list[dict[tuple[int, int], float]] = []
    for mark, (action, object_id, index) in enumerate(script):
        if action in ("put", "drop"):
            with rows.edit(project) as edit:
                edit.begin(action)
                if action == "put":
                    edit.put_frames([frame(object_id, index, mark / 100)])
                else:
                    edit.remove_frames(object_id, index)
            state = {key: value for key, value in past[-1].items() if key != (object_id, index)}
            past.append(state | ({(object_id, index): mark / 100} if action == "put" else {}))
            future = []
        elif action == "undo" and len(past) > 1:
            rows.move(project, -1)
            future.append(past.pop())
        elif action == "redo" and future:
            rows.move(project, +1)
            past.append(future.pop())
        assert seen(rows, project) == past[-1]
