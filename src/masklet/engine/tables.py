"""The tables of the data engine's store."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Dialect, ForeignKey, Index, LargeBinary, String, TypeDecorator, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from masklet.engine.records import TaskKind, TaskState
from masklet.engine.serialization import dump_prompts, load_prompts
from masklet.types import Prompts, Size


class AsText(TypeDecorator[Any]):
    """A value that is stored as text; ``dump`` writes it and ``load`` reads it."""

    impl = String
    cache_ok = True

    def __init__(self, dump: Callable[[Any], str], load: Callable[[str], Any]) -> None:
        super().__init__()
        self.dump, self.load = dump, load

    def process_bind_param(self, value: Any | None, dialect: Dialect) -> str | None:
        """Write a value."""
        return None if value is None else self.dump(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        """Read a value."""
        return None if value is None else self.load(value)


def _load_numbers(text: str) -> tuple[int, ...]:
    return tuple(json.loads(text))


Numbers = AsText(json.dumps, _load_numbers)
PromptsByFrame = AsText(dump_prompts, load_prompts)
State = AsText(str, TaskState)


class Base(DeclarativeBase):
    """Base of all tables."""


class MetaRow(Base):
    """A property of the store; "schema" is the version of its schema."""

    __tablename__ = "meta"
    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str]


class MediaRow(Base):
    """A video or image folder; ``last_object`` is the highest object id assigned in it."""

    __tablename__ = "media"
    id: Mapped[int] = mapped_column(primary_key=True)
    content: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str] = mapped_column(unique=True)
    path: Mapped[str]
    num_bytes: Mapped[int]
    num_frames: Mapped[int]
    fps: Mapped[float | None]
    height: Mapped[int]
    width: Mapped[int]
    license: Mapped[str]
    split: Mapped[str]
    last_object: Mapped[int] = mapped_column(default=0)

    @property
    def size(self) -> Size:
        """(height, width) in pixels."""
        return self.height, self.width


class TaskRow(Base):
    """One object of a media and its state.

    ``author`` made the newest version. ``doubt`` (0 to 1) and ``frames`` say which frames need review.
    ``worker``, ``token`` and ``until`` are the lease. ``only_for`` is the only person who may take the task. ``gold``
    is the task that holds the known answer; ``agreement`` is the mean IoU with it.
    """

    __tablename__ = "task"
    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[TaskKind] = mapped_column(AsText(str, TaskKind))
    state: Mapped[TaskState] = mapped_column(State)
    media_id: Mapped[int] = mapped_column(ForeignKey("media.id"))
    object_id: Mapped[int]
    name: Mapped[str] = mapped_column(default="")
    priority: Mapped[int]
    doubt: Mapped[float] = mapped_column(default=0.0)
    frames: Mapped[tuple[int, ...]] = mapped_column(Numbers, default=())
    prompts: Mapped[Mapping[int, Prompts]] = mapped_column(PromptsByFrame, default=dict)
    version: Mapped[int | None]
    author: Mapped[str | None]
    only_for: Mapped[str | None]
    gold: Mapped[int | None]
    agreement: Mapped[float | None]
    worker: Mapped[str | None]
    token: Mapped[str | None]
    until: Mapped[float | None]


Index("task_queue", TaskRow.state, TaskRow.priority.desc(), TaskRow.doubt.desc(), TaskRow.id)
Index("task_of_media", TaskRow.media_id, TaskRow.state)
Index("task_gold", TaskRow.gold, TaskRow.only_for, unique=True)
Index("task_lease", TaskRow.until)


class MaskletRow(Base):
    """One version of a masklet: who made it, how, and its counts; the masks are in `PartRow`."""

    __tablename__ = "masklet"
    id: Mapped[int] = mapped_column(primary_key=True)
    task_id: Mapped[int] = mapped_column(ForeignKey("task.id"))
    parent: Mapped[int | None]
    created: Mapped[float]
    author: Mapped[str]
    phase: Mapped[str]
    model: Mapped[str]
    source: Mapped[str]
    prompts: Mapped[Mapping[int, Prompts]] = mapped_column(PromptsByFrame)
    prompted: Mapped[tuple[int, ...]] = mapped_column(Numbers)
    edited: Mapped[tuple[int, ...]] = mapped_column(Numbers)
    seconds: Mapped[float | None]
    clicks: Mapped[int]
    num_frames: Mapped[int]
    num_visible: Mapped[int]
    __table_args__ = (Index("masklet_of_task", "task_id", "author"),)


class PartRow(Base):
    """The masks of a range of frames (`masklet.engine.serialization`)."""

    __tablename__ = "part"
    masklet_id: Mapped[int] = mapped_column(ForeignKey("masklet.id"), primary_key=True)
    part: Mapped[int] = mapped_column(primary_key=True)
    data: Mapped[bytes] = mapped_column(LargeBinary)


class EventRow(Base):
    """One event of a task; ``key`` is the idempotency key of the submission."""

    __tablename__ = "event"
    id: Mapped[int] = mapped_column(primary_key=True)
    task_id: Mapped[int] = mapped_column(ForeignKey("task.id"))
    at: Mapped[float]
    who: Mapped[str]
    what: Mapped[str]
    before: Mapped[TaskState | None] = mapped_column(State)
    after: Mapped[TaskState] = mapped_column(State)
    version: Mapped[int | None]
    note: Mapped[str]
    key: Mapped[str | None]
    __table_args__ = (Index("event_of_task", "task_id"), UniqueConstraint("key"))


class TallyRow(Base):
    """A running sum: a subject such as "task", "phase:3" or "person:Ann", a quantity, and its value."""

    __tablename__ = "tally"
    subject: Mapped[str] = mapped_column(primary_key=True)
    what: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[float]


class ProposalRow(Base):
    """A search of a media by a model: the number of masklets found, or why it failed."""

    __tablename__ = "proposal"
    media_id: Mapped[int] = mapped_column(ForeignKey("media.id"), primary_key=True)
    model: Mapped[str] = mapped_column(primary_key=True)
    count: Mapped[int]
    error: Mapped[str | None]
