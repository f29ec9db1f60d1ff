"""Lanes that are kept are those a plain reading of the database gives, whatever was edited, undone or tracked since."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import event

from masklet.predict.track import FrameState, Result
from masklet.studio.errors import NotFoundError
from masklet.studio.frame_codec import row_of
from masklet.studio.frame_stats import MOST, NEAR, Touched, lane_of, spans, touch
from masklet.studio.revisions import Record
from masklet.studio.settings import Settings
from masklet.studio.store import Store, new_id, now
from masklet.studio.tables import FrameRow, MediaRow
from masklet.studio.timeline import timeline
from masklet.types import Prompts, Rle

CODES = {0: b"4", 4: b"04"}


def frame(object_id: int, index: int, mark: float, *, prompted: bool = False, area: int = 4) -> FrameRow:
    prompts = Prompts.click(1, 1) if prompted else None
    return row_of(object_id, index, FrameState(result=Result(Rle((2, 2), CODES[area]), mark, mark), prompts=prompts))


def opened(folder: Path, undo_steps: int = 50) -> tuple[Record, str]:
    store = Store(Settings(folder=folder))
    row = MediaRow(
        id=new_id(), name="clip", kind="video", path="clip", width=2, height=2, num_frames=9000, fps=None,
        version="v", uploaded=False, created=now(),
    )  # fmt: skip
    store.add_media(row)
    record, project = Record(store, undo_steps), store.add_project(row, "clip")
    with store.session() as session:
        edit = record.resume(session, project, 0)
        for object_id in (1, 2, 3):
            edit.add_object(f"{object_id}", "#000000", object_id)
    return record, project


def put(record: Record, project: str, *rows: FrameRow) -> int:
    with record.store.session() as session:
        edit = record.begin(session, project, "edit")
        edit.put_frames(rows)
    return edit.revision


Table = dict[int, list[tuple[int, bool, int, float, float]]]


def kept(record: Record, project: str) -> Table:
    """The lanes as rows."""
    return {
        i: list(
            zip(
                *(getattr(lane, name).tolist() for name in ("frame", "prompted", "area", "presence", "iou")),
                strict=True,
            )
        )
        for i, lane in record.lanes.of(project).items()
    }


def read(record: Record, project: str) -> Table:
    """The same from the rows themselves."""
    table: Table = {}
    for row in record.frames(project, 0, 10_000):
        entry = (row.frame, row.prompt is not None, row.area, row.presence, row.iou)
        table.setdefault(row.object_id, []).append(entry)
    return dict(sorted(table.items()))


Action = tuple[str, int, int]
actions = st.sampled_from(["say", "track", "clear", "remove", "undo", "redo", "later"])
places = st.sampled_from([0, 1, 2, 3, NEAR, NEAR + 3, 5000])


@settings(max_examples=12)
@given(st.lists(st.tuples(actions, st.integers(1, 3), places), max_size=12))
def test_kept_lanes_are_those_of_the_rows(tmp_path_factory: pytest.TempPathFactory, script: list[Action]) -> None:
    record, project = opened(tmp_path_factory.mktemp("lanes"), undo_steps=4)
    job = 0
    for number, (action, object_id, index) in enumerate(script):
        mark = number / 100
        if action in ("undo", "redo"):
            undo, redo = record.labels(project)
            if (undo if action == "undo" else redo) is not None:
                record.move(project, -1 if action == "undo" else 1)
            continue
        if object_id not in {row.object_id for row in record.objects(project)}:
            continue
        with record.store.session() as session:
            if action == "later" and job:  # a job goes on at its own revision
                record.resume(session, project, job).put_frames([frame(object_id, index, mark)])
                continue
            edit = record.begin(session, project, action)
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
            assert kept(record, project) == read(record, project)
    assert kept(record, project) == read(record, project)
    record.store.close()


@pytest.fixture
def full(tmp_path: Path) -> tuple[Record, str]:
    """An object on 300 frames."""
    record, project = opened(tmp_path)
    put(record, project, frame(1, 0, 0.9, prompted=True), *(frame(1, i, 0.9) for i in range(1, 300)))
    return record, project


@pytest.fixture
def statements() -> Callable[[Record], list[str]]:
    """Has every statement of a store noted."""

    def watch(record: Record) -> list[str]:
        noted: list[str] = []
        event.listen(record.store.sessions.kw["bind"], "before_cursor_execute", lambda *said: noted.append(said[2]))
        return noted

    return watch


def test_only_what_changed_is_read_again(full: tuple[Record, str], statements: Callable[[Record], list[str]]) -> None:
    record, project = full
    lanes = record.lanes.of(project)
    noted = statements(record)
    assert record.lanes.of(project) is lanes
    assert noted == []
    put(record, project, frame(1, 290, 0.3, prompted=True), frame(2, 17, 0.9))
    again = record.lanes.of(project)
    assert again[1].prompted_frames == [0, 290]
    assert (len(again[1]), again[2].frame.tolist()) == (300, [17])
    assert lanes[1].prompted_frames == [0]  # what somebody still reads does not change
    assert again[1].iou[290] == 0.3


def test_scores_are_read_from_an_index_alone(full: tuple[Record, str]) -> None:
    record, project = full
    query = (
        "SELECT frame, area, presence, iou FROM frame WHERE project_id = ? AND born <= 5 AND (died IS NULL OR died > 5)"
        " AND frame >= 0 AND frame < 9999 ORDER BY frame, born"
    )
    plans = {
        query: "COVERING INDEX frame_seen",
        "DELETE FROM frame WHERE project_id = ? AND died <= 3": "INDEX frame_died",
        "UPDATE frame SET died = NULL WHERE project_id = ? AND died > 3": "INDEX frame_died",
        "SELECT frame FROM frame WHERE project_id = ? AND object_id = 1 AND prompt IS NOT NULL": "INDEX frame_said",
        "SELECT mask FROM frame WHERE project_id = ? AND frame >= 3 AND frame < 9": "INDEX frame_seen",
    }
    with sqlite3.connect(record.store.path) as connection:
        for statement, index in plans.items():
            plan = " ".join(row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", (project,)))
            assert index in plan
    connection.close()


def test_a_transaction_that_fails_changes_no_lane(full: tuple[Record, str]) -> None:
    record, project = full
    before = kept(record, project)

    def fail() -> None:
        with record.store.session() as session:
            record.begin(session, project, "edit").put_frames([frame(1, 5, 0.1)])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert kept(record, project) == before == read(record, project)


def test_lanes_are_given_back(full: tuple[Record, str]) -> None:
    record, project = full
    record.lanes.of(project)
    assert record.lanes.kept.num_bytes == 300 * 33
    assert record.lanes.kept.expire(time.monotonic() + 1)
    put(record, project, frame(1, 2, 0.1))
    assert kept(record, project) == read(record, project)
    with pytest.raises(NotFoundError):
        record.lanes.of("nothing")


def test_changes_near_each_other_are_read_together() -> None:
    touched = [Touched("p", 1, i, i + 1) for i in (900, 3, 1, 2, 3 + NEAR)] + [Touched("p", 2, 4, 5)]
    assert spans(touched) == [(1, 1, 4 + NEAR), (1, 900, 901), (2, 4, 5)]
    assert spans([]) == []


def test_very_many_changes_are_noted_in_short(full: tuple[Record, str]) -> None:
    record, project = full
    record.lanes.of(project)
    with record.store.session() as session:
        record.begin(session, project, "edit").put_frames([frame(1, 7, 0.5), frame(3, 8, 0.5)])
        for index in range(MOST):
            touch(session, Touched(project, 1, index, index + 1))
    assert kept(record, project) == read(record, project)
    assert record.lanes.of(project)[1].iou[7] == 0.5


def test_the_last_row_of_a_frame_counts() -> None:
    lane = lane_of([(2, 4, 0.1, 0.1), (5, 4, 0.2, 0.2), (5, 0, 0.3, 0.3)], [5])
    assert (lane.frame.tolist(), lane.iou.tolist(), lane.prompted_frames) == ([2, 5], [0.1, 0.3], [5])
    assert len(lane_of([], [])) == 0
    assert timeline({1: lane})["lanes"][0]["runs"] == [(2, 3, "uncertain"), (5, 6, "absent")]
    assert np.array_equal(lane.replaced(0, 9, lane_of([], [])).frame, [])
