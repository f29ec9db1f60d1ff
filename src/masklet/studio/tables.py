"""The tables of the database. Objects and frames are never overwritten: a row lives from one revision to another.

A project stands at a revision. What it shows are the rows born at or before it that have not died by then; an edit
makes the next revision, undo and redo only move. Times are ISO 8601 in UTC.
"""

from __future__ import annotations

from sqlalchemy import ForeignKey, Index, LargeBinary, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    """All tables."""


class MediaRow(Base):
    """A video, picture or folder of pictures; ``path`` is where it lies, ``version`` changes with its content."""

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
    """One media with its objects; ``start`` and ``end`` are the in and out markers.

    ``specks`` and ``holes`` are areas in pixels, up to which masks are cleaned when they are shown or exported.
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
    """One edit: what it is called, and the revision it made."""

    __tablename__ = "step"
    project_id: Mapped[str] = mapped_column(ForeignKey("project.id", ondelete="CASCADE"), primary_key=True)
    revision: Mapped[int] = mapped_column(primary_key=True)
    label: Mapped[str]
    created: Mapped[str]


class ObjectRow(Base):
    """An object's name and color."""

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
    """One frame of one object: what was said (JSON) and what came of it (`masklet.predict.track.FrameState`).

    ``pointer`` and ``logits`` mean something to ``model`` alone.
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
        # all that `lanes` reads: not one row of a long video is opened for its scores
        Index("frame_seen", "project_id", "frame", "object_id", "born", "died", "area", "presence", "iou"),
    )
