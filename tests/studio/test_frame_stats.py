"""Cached statistics equal those read from the rows, whatever was edited, undone or tracked in between."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import event

from masklet.predict.results import FrameResult, FrameState
from masklet.studio import frame_stats
from masklet.studio.errors import NotFoundError
from masklet.studio.frame_codec import row_of
from masklet.studio.frame_stats import FRAME_STATS, prompted_frames
from masklet.studio.revisions import Revisions
from masklet.studio.settings import Settings
from masklet.studio.store import Store, new_id, now
from masklet.studio.tables import FrameRow, MediaRow
from masklet.studio.timeline import timeline
from masklet.types import Prompts, Rle

CODES = {0: b"4", 4: b"04"}


def frame(object_id: int, index: int, mark: float, *, prompted: bool = False, area: int = 4) -> FrameRow:
    prompts = Prompts.click(1, 1) if prompted else None
    return row_of(
        object_id, index, FrameState(result=FrameResult(Rle((2, 2), CODES[area]), mark, mark), prompts=prompts)
    )


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
        id=new_id(), name="clip", kind="video", path="clip", width=2, height=2, num_frames=9000, fps=None,
        version="v", uploaded=False, created=now(),
    )  # fmt: skip
    store.add_media(row)
    revisions, project = Revisions(store, undo_steps), store.add_project(row, "clip")
    with revisions.edit(project) as edit:
        for object_id in (1, 2, 3):
            edit.add_object(f"{object_id}", "#000000", object_id)
    return revisions, project


def put(revisions: Revisions, project: str, *rows: FrameRow) -> int:
    with revisions.edit(project) as edit:
        edit.begin("edit")
        edit.put_frames(rows)
    return edit.revision


Table = dict[int, list[tuple[int, bool, int, float, float, float]]]


def kept(revisions: Revisions, project: str) -> Table:
    """The lanes as rows."""
    return {
        i: list(
            zip(
                *(lane[name].tolist() for name in ("frame", "prompted", "area", "presence", "iou", "confidence")),
                strict=True,
            )
        )
        for i, lane in revisions.stats.get(project).items()
    }


def read(revisions: Revisions, project: str) -> Table:
    """The same from the rows themselves."""
    table: Table = {}
    for row in revisions.frames(project, 0, 10_000):
        entry = (row.frame, row.prompt is not None, row.area, row.presence, row.iou, row.confidence)
        table.setdefault(row.object_id, []).append(entry)
    return dict(sorted(table.items()))


Action = tuple[str, int, int]
actions = st.sampled_from(["say", "track", "clear", "remove", "undo", "redo", "later"])
places = st.sampled_from([0, 1, 2, 3, 256, 259, 5000])


@settings(max_examples=12)
@given(st.lists(st.tuples(actions, st.integers(1, 3), places), max_size=12))
def test_cached_statistics_are_those_of_the_rows(shared_store: Store, script: list[Action]) -> None:
    revisions, project = opened(shared_store, undo_steps=4)
    job = 0
    for number, (action, object_id, index) in enumerate(script):
        mark = number / 100
        if action in ("undo", "redo"):
            undo, redo = revisions.labels(project)
            if (undo if action == "undo" else redo) is not None:
                revisions.move(project, -1 if action == "undo" else 1)
            continue
        if object_id not in {row.object_id for row in revisions.objects(project)}:
            continue
        if action == "later" and job:  # a job goes on at its own revision
            with revisions.edit(project, revision=job) as edit:
                edit.put_frames([frame(object_id, index, mark)])
            continue
        with revisions.edit(project) as edit:
            edit.begin(action)
            if action == "say":
                edit.put_frames([frame(object_id, index, mark, prompted=True)])
            elif action == "track":
                job = edit.revision
                edit.put_frames([frame(object_id, i, mark, area=4 * (i % 2)) for i in range(index, index + 4)])
            elif action == "clear":
                edit.remove_frames(object_id, index)
            else:
                edit.remove_object(object_id)
        if number % 3:
            assert kept(revisions, project) == read(revisions, project)
    assert kept(revisions, project) == read(revisions, project)


@pytest.fixture
def full(tmp_path: Path) -> tuple[Revisions, str]:
    """An object on 300 frames."""
    revisions, project = opened(tmp_path)
    put(revisions, project, frame(1, 0, 0.9, prompted=True), *(frame(1, i, 0.9) for i in range(1, 300)))
    return revisions, project


@pytest.fixture
def statements() -> Callable[[Revisions], list[str]]:
    """Has every statement of a store noted."""

    def watch(revisions: Revisions) -> list[str]:
        noted: list[str] = []
        event.listen(revisions.store._engine, "before_cursor_execute", lambda *said: noted.append(said[2]))
        return noted

    return watch


def test_only_what_changed_is_read_again(
    full: tuple[Revisions, str], statements: Callable[[Revisions], list[str]]
) -> None:
    revisions, project = full
    lanes = revisions.stats.get(project)
    noted = statements(revisions)
    assert revisions.stats.get(project) is lanes
    assert noted == []
    put(revisions, project, frame(1, 290, 0.3, prompted=True), frame(2, 17, 0.9))
    again = revisions.stats.get(project)
    assert prompted_frames(again[1]) == [0, 290]
    assert (len(again[1]), again[2]["frame"].tolist()) == (300, [17])
    assert prompted_frames(lanes[1]) == [0]  # what somebody still reads does not change
    assert again[1]["iou"][290] == 0.3


def test_scores_are_read_from_an_index_alone(full: tuple[Revisions, str]) -> None:
    revisions, project = full
    query = (
        "SELECT frame, area, presence, iou, confidence FROM frame WHERE project_id = ? AND born <= 5"
        " AND (died IS NULL OR died > 5) AND frame >= 0 AND frame < 9999 ORDER BY frame, born"
    )
    plans = {
        query: "COVERING INDEX frame_scores",
        "DELETE FROM frame WHERE project_id = ? AND died <= 3": "INDEX frame_died",
        "UPDATE frame SET died = NULL WHERE project_id = ? AND died > 3": "INDEX frame_died",
        "SELECT frame FROM frame WHERE project_id = ? AND object_id = 1 AND prompt IS NOT NULL": "INDEX frame_said",
        "SELECT mask FROM frame WHERE project_id = ? AND frame >= 3 AND frame < 9": "INDEX frame_scores",
    }
    with sqlite3.connect(revisions.store.path) as connection:
        for statement, index in plans.items():
            plan = " ".join(row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", (project,)))
            assert index in plan
    connection.close()


def test_a_transaction_that_fails_changes_no_lane(full: tuple[Revisions, str]) -> None:
    revisions, project = full
    before = kept(revisions, project)

    def fail() -> None:
        with revisions.edit(project) as edit:
            edit.begin("edit")
            edit.put_frames([frame(1, 5, 0.1)])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert kept(revisions, project) == before == read(revisions, project)


def test_lanes_are_given_back(full: tuple[Revisions, str]) -> None:
    revisions, project = full
    revisions.stats.get(project)
    assert next(iter(revisions.stats.get(project).values())).nbytes == 300 * FRAME_STATS.itemsize
    assert revisions.stats.expire(time.monotonic() + 1)
    put(revisions, project, frame(1, 2, 0.1))
    assert kept(revisions, project) == read(revisions, project)
    with pytest.raises(NotFoundError):
        revisions.stats.get("nothing")


def test_very_many_changes_are_read_again(full: tuple[Revisions, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frame_stats, "MAX_SPANS", 3)
    revisions, project = full
    revisions.stats.get(project)
    with revisions.edit(project) as edit:
        edit.begin("edit")
        edit.put_frames([frame(1, index, 0.5) for index in range(0, 42, 2)])
    assert kept(revisions, project) == read(revisions, project)


def test_changes_that_touch_are_read_at_once(
    full: tuple[Revisions, str], statements: Callable[[Revisions], list[str]]
) -> None:
    revisions, project = full
    revisions.stats.get(project)
    put(revisions, project, *(frame(i, index, 0.5) for index in (7, 8, 6, 3, 5, 4) for i in (1, 2)))
    noted = statements(revisions)
    assert kept(revisions, project) == read(revisions, project)
    assert sum("confidence" in one and "mask" not in one for one in noted) == 1


def test_the_last_row_of_a_frame_counts(full: tuple[Revisions, str]) -> None:
    """A job writes at its own revision, though a later edit has written the same frame."""
    revisions, project = full
    put(revisions, project, frame(3, 5, 0.25))
    with revisions.store.session() as session:
        late = frame(3, 5, 0.75, area=0)
        late.project_id, late.born = project, 1
        session.add(late)
    stats = revisions.stats.get(project)[3]
    assert (stats["frame"].tolist(), stats["iou"].tolist()) == ([5], [0.25])
    assert timeline({3: stats})["lanes"][0]["runs"] == [(5, 6, "uncertain")]
    assert [row.iou for row in revisions.frames(project, 5, 6, [3])] == [0.25]
