"""Values of the data engine: media, tasks, leases, masklet versions, verdicts, events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from masklet.types import Masklet, Prompts, Size

Phase = Literal["1", "2", "3", "auto"]
"""Origin of a masklet (paper section 5.1): "1" per frame, "2" mask propagation, "3" interactive, "auto" by a model."""

Split = Literal["train", "val", "test"]
Outcome = Literal["satisfactory", "unsatisfactory", "reject"]


class TaskKind(StrEnum):
    """Kind of a task."""

    OBJECT = "object"
    """An object that a person selects and annotates."""
    PROPOSAL = "proposal"
    """A masklet that a model proposed or that was imported; the task starts with verification."""
    GOLD = "gold"
    """An object with a known answer; measures how well an annotator agrees with it."""


class TaskState(StrEnum):
    """The next step of a task; `DONE` and `REJECTED` are final."""

    SELECT = "select"
    ANNOTATE = "annotate"
    VERIFY = "verify"
    DONE = "done"
    REJECTED = "rejected"

    @property
    def ended(self) -> bool:
        """Whether the state is final."""
        return self in (TaskState.DONE, TaskState.REJECTED)


@dataclass(frozen=True, kw_only=True)
class Media:
    """One video or image folder, identified by its content.

    Attributes:
        content: hash of the bytes, 32 hexadecimal digits; files with equal content are one media.
        name: file name without suffix, unique in the store.
        num_bytes: size of the file, or of all files of the folder.
        fps: frames per second; None for image folders without one.
        size: (height, width) in pixels, as displayed.
        license: license of the media, or "".
        split: part of the data set to which all its masklets belong.
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
    """One object of a media on its way from selection to acceptance.

    Attributes:
        id: from 1.
        media: content hash of the media.
        object_id: id of the object in its media, from 1.
        name: name of the object, or "".
        priority: tasks with a higher priority are assigned first.
        doubt: 1 - confidence of the frame of the newest masklet that needs review most, 0 to 1; among tasks of equal
            priority the highest is assigned first.
        frames: frames to annotate next, the one that needs review most first.
        version: newest masklet version; None before there is one.
        prompts: frame -> prompts of the person who selected the object.
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
    """The right of a worker to work on a task for a limited time.

    Attributes:
        task: the task at the time of the assignment.
        worker: the person who holds the lease.
        token: must accompany every call about the lease.
        until: end of the lease in seconds since 1970; afterwards the task may be assigned to another person.
    """

    task: Task
    worker: str
    token: str
    until: float


@dataclass(frozen=True, kw_only=True)
class Work:
    """How a masklet was made.

    Attributes:
        author: the person, or the model for proposals.
        model: name of the model that assisted, or "".
        prompts: frame -> prompts of the author.
        seconds: working time of the author; None if it was not measured.
        clicks: number of positive and negative clicks on all frames.
        edited: frames that the author changed (clicks, boxes or brush).
    """

    author: str
    phase: Phase
    model: str = ""
    prompts: Mapping[int, Prompts] = field(default_factory=dict)
    seconds: float | None = None
    clicks: int = 0
    edited: tuple[int, ...] = ()

    @property
    def num_clicked(self) -> int:
        """Number of frames with clicks."""
        return sum(len(given.points) > 0 for given in self.prompts.values())


@dataclass(frozen=True, kw_only=True)
class MaskletVersion:
    """One immutable version of an object's masklet.

    Attributes:
        id: from 1, unique in the store.
        task: id of its task.
        media: content hash of the media.
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
    """The judgement of a second person about a masklet.

    Attributes:
        outcome: "satisfactory" accepts the masklet, "unsatisfactory" returns the task to annotation, "reject" ends it
            without a masklet, because the object cannot be segmented reliably.
        by: the verifier, who must not be an author of the masklet.
        note: the reason, or "".
        frames: wrong frames; they are annotated next.
    """

    outcome: Outcome
    by: str
    note: str = ""
    frames: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Event:
    """One entry of a task's history.

    Attributes:
        task: id of the task.
        at: seconds since 1970.
        who: the person or model; "" for the engine itself.
        what: "created", "proposed", "imported", "taken", "released", "expired", "selected", "declined", "annotated",
            "flagged" or the outcome of a verdict.
        before: the state before; None for "created".
        after: the state after.
        version: the masklet version that was made or judged, or None.
        note: a comment, or "".
    """

    task: int
    at: float
    who: str
    what: str
    before: TaskState | None
    after: TaskState
    version: int | None = None
    note: str = ""
