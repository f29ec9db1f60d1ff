"""What is known of every frame of an object, without its mask: kept in memory, and read again only where it changed."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int64
from sqlalchemy import ColumnElement, event, select
from sqlalchemy.orm import Session

from masklet.lru_cache import LruCache
from masklet.studio.store import Store, found
from masklet.studio.tables import FrameRow, ObjectRow, ProjectRow
from masklet.types import ObjectId

LIMIT = 64 * 2**20
"""Bytes kept; an object on every frame of two hours takes 7 MB."""

NEAR = 256
"""Changes no farther apart are read together."""

MOST = 4096
"""Changes noted apart."""

END = 2**31
"""Past every frame."""


class Touched(NamedTuple):
    """Frames of an object that an edit has written: ``start`` to ``end - 1``."""

    project_id: str
    object_id: ObjectId
    start: int
    end: int


@dataclass(frozen=True, eq=False)
class Lane:
    """One object's frames in order, as columns.

    Attributes:
        frame: the frame.
        prompted: whether something was said about it.
        area: of the mask, in pixels.
        presence, iou: of the result.
    """

    frame: Int64[np.ndarray, " n"]
    prompted: Bool[np.ndarray, " n"]
    area: Int64[np.ndarray, " n"]
    presence: Float64[np.ndarray, " n"]
    iou: Float64[np.ndarray, " n"]

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def prompted_frames(self) -> list[int]:
        """The frames something was said about."""
        found: list[int] = self.frame[self.prompted].tolist()
        return found

    @property
    def num_bytes(self) -> int:
        """How many bytes it takes."""
        return sum(getattr(self, column.name).nbytes for column in fields(self))

    def replaced(self, start: int, end: int, by: Lane) -> Lane:
        """The lane with other frames from ``start`` to ``end - 1``."""
        left, right = np.searchsorted(self.frame, (start, end))
        return Lane(
            *(
                np.concatenate([mine[:left], getattr(by, column.name), mine[right:]])
                for column in fields(self)
                for mine in (getattr(self, column.name),)
            )
        )


def lane_of(rows: Sequence[Any] | Float64[np.ndarray, "n 4"], prompted: Sequence[int]) -> Lane:
    """A lane from (frame, area, presence, iou) by frame, the last row of a frame counts, and the prompted frames."""
    table = np.array(rows, np.float64).reshape(-1, 4)
    table = table[np.append(table[1:, 0] != table[:-1, 0], True)[: len(table)]]
    frame, area, presence, iou = (column.copy() for column in table.T)
    return Lane(frame.astype(np.int64), np.isin(frame, prompted), area.astype(np.int64), presence, iou)


class Lanes:
    """The lanes of projects.

    A two-hour video has as many rows as frames. They are read once, from an index that holds these columns; after that
    an edit costs what it has changed, which every transaction tells at its end.

    Args:
        store: the database.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self.kept: LruCache[str, Mapping[ObjectId, Lane]] = LruCache(LIMIT, _num_bytes)
        self._stale: dict[str, list[Touched]] = {}
        self._lock = threading.Lock()
        event.listen(store.sessions, "after_commit", self._take_note)

    def of(self, project_id: str) -> Mapping[ObjectId, Lane]:
        """The lanes of the objects that have frames, by id.

        Raises:
            NotFoundError: there is no such project.
        """
        with self._lock:
            lanes = self.kept.get(project_id)
            changes = self._stale.pop(project_id, [])
            if lanes is not None and not changes:
                return lanes
            with self._store.session() as session:
                project, _ = found(session, project_id)
                if lanes is None or any(change.end == END for change in changes):
                    lanes = _read(session, project, 0, END)
                else:
                    lanes = _renewed(session, project, lanes, changes)
            self.kept.put(project_id, lanes)
            return lanes

    def _take_note(self, session: Session) -> None:
        for touched in session.info.pop("touched", ()):
            with self._lock:
                if self.kept.get(touched.project_id) is None:
                    self._stale.pop(touched.project_id, None)
                else:
                    changes = self._stale.setdefault(touched.project_id, [])
                    changes.append(touched)
                    if len(changes) > MOST:
                        changes[:] = [Touched(touched.project_id, *span) for span in spans(changes)]


def touch(session: Session, touched: Touched) -> None:
    """Have frames read again when the transaction has ended."""
    session.info.setdefault("touched", []).append(touched)


def alive(
    table: type[ObjectRow] | type[FrameRow], project: ProjectRow, revision: int | None = None
) -> ColumnElement[bool]:
    """The rows of a project that are to be seen at its revision, or at another one."""
    revision = project.revision if revision is None else revision
    living = table.died.is_(None) | (table.died > revision)
    return (table.project_id == project.id) & (table.born + 0 <= revision) & living  # by no index: nearly all are


def spans(changes: Iterable[Touched]) -> list[tuple[ObjectId, int, int]]:
    """(object, start, end) that hold all changes, those near each other as one."""
    merged: list[tuple[ObjectId, int, int]] = []
    for _, i, start, end in sorted(changes):
        if merged and merged[-1][0] == i and start <= merged[-1][2] + NEAR:
            merged[-1] = i, merged[-1][1], max(end, merged[-1][2])
        else:
            merged.append((i, start, end))
    return merged


def _renewed(
    session: Session, project: ProjectRow, lanes: Mapping[ObjectId, Lane], changes: Iterable[Touched]
) -> Mapping[ObjectId, Lane]:
    renewed, nothing = dict(lanes), lane_of([], [])
    parts: dict[tuple[int, int], dict[ObjectId, Lane]] = {}
    for i, start, end in spans(changes):
        if (start, end) not in parts:  # objects tracked together have changed on the same frames
            parts[start, end] = _read(session, project, start, end)
        renewed[i] = renewed.get(i, nothing).replaced(start, end, parts[start, end].get(i, nothing))
    return {i: renewed[i] for i in sorted(renewed) if len(renewed[i])}


def _read(session: Session, project: ProjectRow, start: int, end: int) -> dict[ObjectId, Lane]:
    """The lanes of all objects over a range of frames."""
    these = alive(FrameRow, project) & (FrameRow.frame >= start) & (FrameRow.frame < end)
    columns = FrameRow.frame, FrameRow.area, FrameRow.presence, FrameRow.iou, FrameRow.object_id
    scores = session.connection().execute(select(*columns).where(these).order_by(FrameRow.frame, FrameRow.born))
    assert scores.cursor is not None
    table = np.array(scores.cursor.fetchall(), np.float64).reshape(-1, 5)  # of the driver: many rows, plain numbers
    said: dict[ObjectId, list[int]] = {int(i): [] for i in np.unique(table[:, 4])}
    prompted = alive(FrameRow, project) & FrameRow.object_id.in_(said) & FrameRow.prompt.is_not(None)
    for i, frame in session.execute(select(FrameRow.object_id, FrameRow.frame).where(prompted)):
        said[i].append(frame)
    return {i: lane_of(table[table[:, 4] == i, :4], frames) for i, frames in said.items()}


def _num_bytes(lanes: Mapping[ObjectId, Lane]) -> int:
    return sum(lane.num_bytes for lane in lanes.values())
