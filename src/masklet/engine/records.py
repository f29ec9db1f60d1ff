"""What the data engine keeps, as plain values: media, tasks, leases, masklet versions, verdicts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from masklet.types import Masklet, Prompts, Size

Phase = Literal["1", "2", "3", "auto"]
"""How a masklet was made (paper section 5.1): picture by picture, mask propagation, full interactive; or by nobody."""

Split = Literal["train", "val", "test"]
Outcome = Literal["satisfactory", "unsatisfactory", "reject"]


class TaskKind(StrEnum):
    """What a task is about."""

    OBJECT = "object"
    """An object that a person picks and annotates."""
    PROPOSAL = "proposal"
    """A masklet that a model proposed: it starts with verification."""
    GOLD = "gold"
    """An object whose answer is known, given to one annotator to see how well they agree with it."""


class TaskState(StrEnum):
    """What is to be done next; `DONE` and `REJECTED` are the ends."""

    SELECT = "select"
    ANNOTATE = "annotate"
    VERIFY = "verify"
    DONE = "done"
    REJECTED = "rejected"

    @property
    def ended(self) -> bool:
        """Whether nothing more happens to the task."""
        return self in (TaskState.DONE, TaskState.REJECTED)


@dataclass(frozen=True, kw_only=True)
class Media:
    """One video, known by its content.

    Attributes:
        content: hash of the bytes, 32 hexadecimal digits; two files of equal content are one media.
        name: the file's name without its ending, unique in the store.
        path: where it lies.
        num_bytes: how long the file is, or all files of the folder.
        num_frames: decoded pictures.
        fps: frames per second, or None where there is no such thing.
        size: (height, width) in pixels, as displayed.
        license: under which it may be passed on, or "".
        split: the part of the data set that all its masklets belong to.
    """

    content: str
    name: str
    path: str
    num_bytes: int
    num_frames: int
    fps: float | None
    size: Size
    license: str = ""
    split: Split = "train"


@dataclass(frozen=True, kw_only=True)
class Task:
    """One object in one media on its way from selection to the end.

    Attributes:
        id: from 1.
        kind: what it is about.
        state: what is to be done next.
        media: content hash of the media.
        object_id: the object's id in its media, from 1.
        name: what people call the object, or "".
        priority: tasks of a higher one are given out first.
        doubt: 0 to 1, how unsure the newest masklet is on its worst frame; among equals the highest goes first.
        frames: frames to annotate next, the most doubtful first.
        version: the newest masklet version, or None before there is one.
        prompts: frame -> what whoever picked the object said there.
    """

    id: int
    kind: TaskKind
    state: TaskState
    media: str
    object_id: int
    name: str = ""
    priority: int = 0
    doubt: float = 0.0
    frames: tuple[int, ...] = ()
    version: int | None = None
    prompts: Mapping[int, Prompts] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Lease:
    """The right to work on a task until a time.

    Attributes:
        task: as it was when taken.
        worker: who holds it.
        token: what every call about it must show.
        until: seconds since 1970; afterwards the task may be given to another.
    """

    task: Task
    worker: str
    token: str
    until: float


@dataclass(frozen=True, kw_only=True)
class Work:
    """How a masklet came about.

    Attributes:
        author: the person who made it, or the model where nobody did.
        phase: in which way.
        model: name of the model that helped, or "".
        prompts: frame -> what the author said there.
        seconds: time the author worked on it; None where nobody measured it.
        clicks: positive and negative, over all frames.
        edited: the frames that the author touched (clicks, boxes or brush).
    """

    author: str
    phase: Phase
    model: str = ""
    prompts: Mapping[int, Prompts] = field(default_factory=dict)
    seconds: float | None = None
    clicks: int = 0
    edited: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class MaskletVersion:
    """One version of an object's masklet; never changed, only followed by another.

    Attributes:
        id: from 1, over the whole store.
        task: the task it belongs to.
        media: content hash of the media.
        masklet: the masks and their scores.
        work: who made it and how.
        parent: the version it was made from, or None.
        created: seconds since 1970.
    """

    id: int
    task: int
    media: str
    masklet: Masklet
    work: Work
    parent: int | None = None
    created: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a second person says about a masklet.

    Attributes:
        outcome: "satisfactory" ends the task, "unsatisfactory" sends it back to annotation, "reject" ends it without a
            masklet, because the object cannot be told apart well enough.
        by: who says so; never an author of the masklet.
        note: why, or "".
        frames: frames that are wrong; they are to be annotated next.
    """

    outcome: Outcome
    by: str
    note: str = ""
    frames: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Event:
    """One thing that happened to a task.

    Attributes:
        task: which.
        at: seconds since 1970.
        who: the person or model; "" for the engine itself.
        what: "created", "proposed", "taken", "released", "expired", "selected", "declined", "annotated", "flagged" or
            the outcome of a verdict.
        before: the state it was in; None when it was created.
        after: the state it is in since.
        version: the masklet version that came of it or was judged, or None.
        note: what was said about it.
    """

    task: int
    at: float
    who: str
    what: str
    before: TaskState | None
    after: TaskState
    version: int | None = None
    note: str = ""
