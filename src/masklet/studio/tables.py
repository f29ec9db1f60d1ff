"""The tables of the database. Rows of objects and frames are versioned: valid from revision ``born`` until ``died``.

A project stands at a revision and shows the rows with ``born <= revision < died`` (NULL: no end). An edit makes
the next revision; undo and redo only move the number. Times are ISO 8601 in UTC.
"""

from __future__ import annotations

from sqlalchemy import ForeignKey, Index, LargeBinary, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    """All tables."""


class MediaRow(Base):
    """A video, image or folder of images at ``path``; ``version`` changes with its content."""

    __tablename__ = "media"
    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    kind: Mapped[str]
    path: Mapped[str]
    width: Mapped[int]
    height: Mapped[int]
    num_frames: Mapped[int]
    fps: Mapped[float | None]
    version: Mapped[str]
    uploaded: Mapped[bool]
    created: Mapped[str]


class ProjectRow(Base):
    """A media with its objects; ``start`` and ``end`` are the in and out markers (half-open).

    ``specks`` and ``holes`` are areas in pixels up to which masks are cleaned when they are shown or exported.
    """

    __tablename__ = "project"
    id: Mapped[str] = mapped_column(primary_key=True)
    media_id: Mapped[str] = mapped_column(ForeignKey("media.id"), index=True)
    name: Mapped[str]
    revision: Mapped[int] = mapped_column(default=0)
    start: Mapped[int]
    end: Mapped[int]
    specks: Mapped[int] = mapped_column(default=0, server_default="0")
    holes: Mapped[int] = mapped_column(default=0, server_default="0")
    created: Mapped[str]
    changed: Mapped[str]


class WorkRow(Base):
    """The task of a data engine that a person works on in a project, and the lease under which they hold it."""

    __tablename__ = "work"
    project_id: Mapped[str] = mapped_column(ForeignKey("project.id", ondelete="CASCADE"), primary_key=True)
    task: Mapped[int]
    person: Mapped[str]
    lease: Mapped[str]


class StepRow(Base):
    """One edit: its label, and the revision it made."""

    __tablename__ = "step"
    project_id: Mapped[str] = mapped_column(ForeignKey("project.id", ondelete="CASCADE"), primary_key=True)
    revision: Mapped[int] = mapped_column(primary_key=True)
    label: Mapped[str]
    created: Mapped[str]


class ObjectRow(Base):
    """The name and color of an object."""

    __tablename__ = "object"
    row: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[str] = mapped_column(ForeignKey("project.id", ondelete="CASCADE"))
    object_id: Mapped[int]
    name: Mapped[str]
    color: Mapped[str]
    hidden: Mapped[bool] = mapped_column(default=False)
    locked: Mapped[bool] = mapped_column(default=False)
    born: Mapped[int]
    died: Mapped[int | None]
    __table_args__ = (Index("object_of_project", "project_id", "object_id"),)


class FrameRow(Base):
    """One object on one frame: its prompts (JSON) and its result (`masklet.predict.results.FrameState`).

    Only ``model`` can read ``pointer`` and ``logits``. ``reverse`` is the direction of the pass that made the row, NULL
    where none did.
    """

    __tablename__ = "frame"
    row: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[str] = mapped_column(ForeignKey("project.id", ondelete="CASCADE"))
    object_id: Mapped[int]
    frame: Mapped[int]
    born: Mapped[int]
    died: Mapped[int | None]
    prompt: Mapped[str | None]
    mask: Mapped[bytes] = mapped_column(LargeBinary)
    area: Mapped[int]
    presence: Mapped[float]
    iou: Mapped[float]
    confidence: Mapped[float]
    reverse: Mapped[bool | None]
    score: Mapped[float]
    model: Mapped[str]
    pointer: Mapped[bytes | None] = mapped_column(LargeBinary)
    logits: Mapped[bytes | None] = mapped_column(LargeBinary)
    __table_args__ = (
        Index("frame_born", "project_id", "born"),
        Index("frame_died", "project_id", "died", sqlite_where=text("died IS NOT NULL")),
        Index(
            "frame_said", "project_id", "object_id", "frame", "born", "died", sqlite_where=text("prompt IS NOT NULL")
        ),
        # covers `frame_stats`: the statistics of a long video are read without opening a row
        Index(
            "frame_scores", "project_id", "frame", "object_id", "born", "died", "area", "presence", "iou", "confidence"
        ),
    )
