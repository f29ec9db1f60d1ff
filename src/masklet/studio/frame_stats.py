"""Statistics of every frame of every object (area, scores, prompted), cached per project and kept up to date."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int64
from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from masklet.lru_cache import LruCache
from masklet.studio.store import Store, load_project
from masklet.studio.tables import FrameRow, ObjectRow, ProjectRow
from masklet.types import ObjectId

CACHE_BYTES = 64 * 2**20
"""An object on every frame of two hours of video takes 7 MB."""

MAX_PENDING = 4096
"""Changes of a project that are merged into its cached statistics; after more of them these are read again."""

END = 2**31
"""Past every frame."""

Stats = tuple[int, int, float, float, bool]
"""Frame, area, presence, IoU and whether the frame is prompted."""


class FrameChange(NamedTuple):
    """Frames ``start`` to ``end - 1`` of an object that a transaction has replaced.

    Attributes:
        stats: of the only frame; None where there are no rows any more, or where they must be read.
        must_read: whether only the database knows them.
    """

    object_id: ObjectId
    start: int
    end: int
    stats: Stats | None = None
    must_read: bool = False


@dataclass(frozen=True, eq=False)
class FrameStats:
    """The statistics of one object, one element per frame that has a result, by frame.

    Attributes:
        area: of the mask, in pixels.
        presence: probability that the object is visible.
    """

    frame: Int64[np.ndarray, " n"]
    area: Int64[np.ndarray, " n"]
    presence: Float64[np.ndarray, " n"]
    iou: Float64[np.ndarray, " n"]
    prompted: Bool[np.ndarray, " n"]

    @classmethod
    def of(cls, rows: Sequence[Stats]) -> FrameStats:
        """Collect rows; of several rows of a frame the last counts."""
        table = np.array(rows, np.float64).reshape(-1, 5)
        return cls.from_table(table[table[:, 0].argsort(kind="stable")])

    @classmethod
    def from_table(cls, table: Float64[np.ndarray, "n 5"]) -> FrameStats:
        """Split a table with the columns of `Stats`, sorted by frame; of several rows of a frame the last counts."""
        table = table[np.append(table[1:, 0] != table[:-1, 0], True)[: len(table)]]
        types = np.int64, np.int64, np.float64, np.float64, np.bool_
        return cls(*(column.astype(kind) for column, kind in zip(table.T, types, strict=True)))

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def prompted_frames(self) -> list[int]:
        """The frames with prompts."""
        return [int(frame) for frame in self.frame[self.prompted]]

    @property
    def num_bytes(self) -> int:
        """Memory of all columns."""
        return sum(getattr(self, column.name).nbytes for column in fields(self))

    def replaced(self, start: int, end: int, new: FrameStats) -> FrameStats:
        """Return a copy with other statistics for frames ``start`` to ``end - 1``."""
        left, right = np.searchsorted(self.frame, (start, end))
        columns = ((getattr(self, column.name), getattr(new, column.name)) for column in fields(self))
        return FrameStats(*(np.concatenate([old[:left], new, old[right:]]) for old, new in columns))

    def updated(self, rows: Sequence[Stats]) -> FrameStats:
        """Return a copy with single frames inserted or replaced."""
        known = np.stack([getattr(self, column.name).astype(np.float64) for column in fields(self)], axis=1)
        table = np.concatenate([known, np.array(rows, np.float64).reshape(-1, 5)])
        return FrameStats.from_table(table[table[:, 0].argsort(kind="stable")])


EMPTY = FrameStats.of([])


class FrameStatsCache:
    """The statistics of projects.

    They are read once, from an index that holds their columns; after that every transaction reports what it changed.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._cache: LruCache[str, Mapping[ObjectId, FrameStats]] = LruCache(CACHE_BYTES, _num_bytes)
        self._pending: dict[str, list[FrameChange]] = {}
        self._lock = threading.Lock()

    def get(self, project_id: str) -> Mapping[ObjectId, FrameStats]:
        """Return the statistics of all objects that have results, by id.

        Raises:
            NotFoundError: there is no such project.
        """
        with self._lock:
            stats = self._cache.get(project_id)
            changes = self._pending.pop(project_id, [])
            if stats is not None and not changes:
                return stats
            if stats is not None and not any(change.must_read for change in changes):
                stats = _merged(stats, changes)
            else:
                with self._store.session() as session:
                    project, _ = load_project(session, project_id)
                    stats = _read(session, project) if stats is None else _merged(stats, changes, session, project)
            self._cache.put(project_id, stats)
            return stats

    def note(self, project_id: str, changes: Iterable[FrameChange]) -> None:
        """Note what a committed transaction has changed."""
        with self._lock:
            if self._cache.get(project_id) is None:
                return
            pending = self._pending.setdefault(project_id, [])
            pending.extend(changes)
            if len(pending) > MAX_PENDING:
                self._cache.drop(project_id)
                del self._pending[project_id]

    def expire(self, before: float) -> bool:
        """Drop what was last used before a time (`time.monotonic`) and return whether there was anything."""
        with self._lock:
            return self._cache.expire(before)


def stats_of(row: FrameRow) -> Stats:
    """Return the statistics of one row."""
    return row.frame, row.area, row.presence, row.iou, row.prompt is not None


def visible(
    table: type[ObjectRow] | type[FrameRow], project: ProjectRow, revision: int | None = None
) -> ColumnElement[bool]:
    """Return the condition for the rows that a project shows at its revision, or at another one."""
    revision = project.revision if revision is None else revision
    ends_later = table.died.is_(None) | (table.died > revision)
    return (table.project_id == project.id) & (table.born + 0 <= revision) & ends_later  # + 0: no index, nearly all fit


def _merged(
    stats: Mapping[ObjectId, FrameStats],
    changes: Iterable[FrameChange],
    session: Session | None = None,
    project: ProjectRow | None = None,
) -> Mapping[ObjectId, FrameStats]:
    merged = dict(stats)
    ranges: dict[tuple[int, int], Mapping[ObjectId, FrameStats]] = {}
    by_object = sorted(changes, key=lambda change: change.object_id)
    for (i, single), group in groupby(by_object, key=lambda change: (change.object_id, change.stats is not None)):
        if single:
            merged[i] = merged.get(i, EMPTY).updated([change.stats for change in group if change.stats is not None])
            continue
        for change in group:
            new = EMPTY
            if change.must_read:
                assert session is not None
                assert project is not None
                place = change.start, change.end
                if place not in ranges:  # objects that were tracked together have changed on the same frames
                    ranges[place] = _read(session, project, *place)
                new = ranges[place].get(i, EMPTY)
            merged[i] = merged.get(i, EMPTY).replaced(change.start, change.end, new)
    return {i: merged[i] for i in sorted(merged) if len(merged[i])}


def _read(session: Session, project: ProjectRow, start: int = 0, end: int = END) -> dict[ObjectId, FrameStats]:
    """Read the statistics of all objects over a range of frames."""
    rows = visible(FrameRow, project) & (FrameRow.frame >= start) & (FrameRow.frame < end)
    columns = FrameRow.frame, FrameRow.area, FrameRow.presence, FrameRow.iou, FrameRow.object_id
    found = session.connection().execute(select(*columns).where(rows).order_by(FrameRow.frame, FrameRow.born))
    assert found.cursor is not None
    table = np.array(found.cursor.fetchall(), np.float64).reshape(-1, 5)  # straight from the driver: many rows
    object_ids: list[ObjectId] = [int(i) for i in np.unique(table[:, 4])]
    prompted: dict[ObjectId, list[int]] = {i: [] for i in object_ids}
    rows = visible(FrameRow, project) & FrameRow.object_id.in_(object_ids) & FrameRow.prompt.is_not(None)
    for i, frame in session.execute(select(FrameRow.object_id, FrameRow.frame).where(rows)):
        prompted[i].append(frame)
    stats = {}
    for i in object_ids:
        own = table[table[:, 4] == i]
        own[:, 4] = np.isin(own[:, 0], prompted[i])
        stats[i] = FrameStats.from_table(own)
    return stats


def _num_bytes(stats: Mapping[ObjectId, Any]) -> int:
    return sum(one.num_bytes for one in stats.values())
