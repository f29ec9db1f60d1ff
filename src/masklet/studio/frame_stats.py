"""Statistics of every frame of every object (area, scores, prompted), cached per project and kept up to date."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from typing import TypeAlias

import numpy as np
from sqlalchemy import ColumnElement, literal, select
from sqlalchemy.orm import Session

from masklet.lru_cache import LruCache
from masklet.studio.store import Store, load_project
from masklet.studio.tables import FrameRow, ObjectRow, ProjectRow
from masklet.types import ObjectId

FRAME_STATS = np.dtype(
    [
        ("object_id", np.int32),
        ("frame", np.int32),
        ("area", np.int64),
        ("presence", np.float64),
        ("iou", np.float64),
        ("confidence", np.float64),
        ("prompted", np.bool_),
    ]
)
"""One object on one frame; the columns are those of `masklet.studio.tables.FrameRow`."""

FrameStats: TypeAlias = np.ndarray
"""The statistics of one object: an array of `FRAME_STATS`, one element per frame that has a result, by frame."""

CACHE_BYTES = 64 * 2**20
"""An object on every frame of two hours of video takes 9 MB."""

MAX_SPANS = 32
"""Ranges of changed frames of an object; more are joined."""

END = 2**31
"""Past every frame."""


FrameSpan = tuple[int, int]
"""First frame, and one more than the last."""


class FrameStatsCache:
    """The statistics of projects.

    They are read once, from an index that holds their columns; after that every transaction reports the frames that it
    changed, and only these are read again.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._cache: LruCache[str, Mapping[ObjectId, FrameStats]] = LruCache(CACHE_BYTES, _num_bytes)
        self._changed: dict[str, dict[ObjectId, list[FrameSpan]]] = {}
        self._lock = threading.Lock()

    def get(self, project_id: str) -> Mapping[ObjectId, FrameStats]:
        """Return the statistics of all objects that have results, by id.

        Raises:
            NotFoundError: there is no such project.
        """
        with self._lock:
            stats, changed = self._cache.get(project_id), self._changed.get(project_id, {})
            if stats is None or changed:
                with self._store.session() as session:
                    project, _ = load_project(session, project_id)
                    stats = _read(session, project) if stats is None else _reread(session, project, stats, changed)
                self._cache.put(project_id, stats)
                self._changed.pop(project_id, None)
            return stats

    def note(self, project_id: str, changes: Iterable[tuple[ObjectId, int, int]]) -> None:
        """Note what a committed transaction has changed: frames ``start`` to ``end - 1`` of objects."""
        with self._lock:
            if self._cache.get(project_id) is None:
                return
            changed = self._changed.setdefault(project_id, {})
            for object_id, start, end in changes:
                spans = changed.setdefault(object_id, [])
                joined = [span for span in spans if span[0] <= end and start <= span[1]] + [(start, end)]
                if len(spans) >= MAX_SPANS:
                    joined += spans
                rest = [span for span in spans if span not in joined]
                spans[:] = [*rest, (min(span[0] for span in joined), max(span[1] for span in joined))]

    def expire(self, before: float) -> bool:
        """Drop what was last used before a time (`time.monotonic`) and return whether there was anything."""
        with self._lock:
            return self._cache.expire(before)


def prompted_frames(stats: FrameStats) -> list[int]:
    """Return the frames with prompts."""
    frames: list[int] = stats["frame"][stats["prompted"]].tolist()
    return frames


def visible(
    table: type[ObjectRow] | type[FrameRow], project: ProjectRow, revision: int | None = None
) -> ColumnElement[bool]:
    """Return the condition for the rows that a project shows at its revision, or at another one."""
    revision = project.revision if revision is None else revision
    ends_later = table.died.is_(None) | (table.died > revision)
    return (table.project_id == project.id) & (table.born + 0 <= revision) & ends_later  # + 0: no index, nearly all fit


def _reread(
    session: Session,
    project: ProjectRow,
    stats: Mapping[ObjectId, FrameStats],
    changed: Mapping[ObjectId, Iterable[FrameSpan]],
) -> Mapping[ObjectId, FrameStats]:
    """Return a copy of the statistics with the changed frames as the database has them now."""
    updated = dict(stats)
    nothing = np.empty(0, FRAME_STATS)
    for span in {span for spans in changed.values() for span in spans}:  # objects that were tracked together share one
        new = _read(session, project, span)
        for i in (i for i, spans in changed.items() if span in spans):
            old = updated.get(i, nothing)
            left, right = np.searchsorted(old["frame"], span)
            updated[i] = np.concatenate([old[:left], new.get(i, nothing), old[right:]])
    return {i: updated[i] for i in sorted(updated) if len(updated[i])}


def _read(session: Session, project: ProjectRow, span: FrameSpan = (0, END)) -> dict[ObjectId, FrameStats]:
    """Read the statistics of all objects over a range of frames."""
    rows = visible(FrameRow, project) & (FrameRow.frame >= span[0]) & (FrameRow.frame < span[1])
    columns = FrameRow.object_id, FrameRow.frame, FrameRow.area, FrameRow.presence, FrameRow.iou, FrameRow.confidence
    query = select(*columns, literal(0)).where(rows).order_by(FrameRow.frame, FrameRow.born)
    found = session.connection().execute(query)
    assert found.cursor is not None
    table = np.array(found.cursor.fetchall(), FRAME_STATS)  # straight from the driver: many rows
    object_ids: list[ObjectId] = np.unique(table["object_id"]).tolist()
    prompted: dict[ObjectId, list[int]] = {i: [] for i in object_ids}
    rows = visible(FrameRow, project) & FrameRow.object_id.in_(object_ids) & FrameRow.prompt.is_not(None)
    for i, frame in session.execute(select(FrameRow.object_id, FrameRow.frame).where(rows)):
        prompted[i].append(frame)
    stats = {}
    for i in object_ids:
        own = table[table["object_id"] == i]
        stats[i] = own[np.append(np.diff(own["frame"]) != 0, True)]  # of several rows of a frame the last counts
        stats[i]["prompted"] = np.isin(stats[i]["frame"], prompted[i])
    return stats


def _num_bytes(stats: Mapping[ObjectId, FrameStats]) -> int:
    return sum(one.nbytes for one in stats.values())
