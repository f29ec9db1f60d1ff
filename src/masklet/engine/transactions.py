"""What every change to the store is made of, inside a transaction: a task's step, a masklet version, running sums."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from sqlalchemy import update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from masklet.engine import quality
from masklet.engine.records import Media, TaskKind, TaskState, Work
from masklet.engine.serialization import dump_prompts, pack
from masklet.engine.tables import EventRow, MaskletRow, MediaRow, PartRow, TallyRow, TaskRow
from masklet.errors import FormatError
from masklet.types import Masklet, Prompts, Rle

MAX_DOUBTFUL = 5
"""So many frames to annotate next are kept with a task."""

CERTAIN = 0.9
"""Frames whose score is at least this need no other look."""

ODD = 0.5
"""The score of a frame that an automatic gate names, if it has no lower one."""


@dataclass(frozen=True)
class Prepared:
    """A masklet as it goes into the store.

    Attributes:
        masklet: the masklet.
        parts: its masks as bytes.
        frames: to be annotated next, the most doubtful first.
        doubt: of the first of them, 0 to 1.
        findings: what automatic gates found, in words, or "".
    """

    masklet: Masklet
    parts: list[bytes]
    frames: list[int]
    doubt: float
    findings: str


@dataclass
class Change:
    """A transaction at work: what is said about tasks, and the sums that change with it, written once at the end.

    Sums are written last and in one order, so that two transactions never wait for each other in a circle.

    Attributes:
        session: of the transaction.
        at: seconds since 1970.
        sums: (subject, what) -> how much more.
    """

    session: Session
    at: float
    sums: Counter[tuple[str, str]] = field(default_factory=Counter)

    def count(self, subject: str, **amounts: float) -> None:
        """Add to the sums of a subject."""
        for what, amount in amounts.items():
            self.sums[subject, what] += amount  # type: ignore[assignment]

    def create_task(self, row: TaskRow, who: str) -> TaskRow:
        """A new task, with its first event."""
        self.session.add(row)
        self.session.flush()
        self.tell(row, "created", who, before=None)
        self._count_state(row, 1)
        return row

    def move(
        self, row: TaskRow, after: TaskState, what: str, who: str, *, key: str | None = None, note: str = ""
    ) -> None:
        """Bring a task to a state; whoever held it gives it back."""
        before, row.worker, row.token, row.until = row.state, None, None, None
        self._count_state(row, -1)
        row.state = after
        self._count_state(row, 1)
        self.tell(row, what, who, before=before, key=key, note=note)

    def tell(
        self, row: TaskRow, what: str, who: str, *, before: str | None, key: str | None = None, note: str = ""
    ) -> None:
        """Add to a task's history."""
        told = EventRow(task_id=row.id, at=self.at, who=who, what=what, before=before, after=row.state)
        told.version, told.note, told.key = row.version, note, key
        self.session.add(told)

    def _count_state(self, row: TaskRow, by: int) -> None:
        if row.kind != TaskKind.GOLD:
            self.count("task", **{row.state: by})

    def add_version(self, row: TaskRow, made: Prepared, work: Work) -> None:
        """The next version of a task's masklet; what it says of itself decides what is to be looked at next."""
        masklet = made.masklet
        version = MaskletRow(
            task_id=row.id,
            parent=row.version,
            created=self.at,
            author=work.author,
            phase=work.phase,
            model=work.model,
            source=masklet.source,
            prompts=dump_prompts(work.prompts),
            prompted=json.dumps(masklet.prompted),
            edited=json.dumps(work.edited),
            seconds=work.seconds,
            clicks=work.clicks,
            num_frames=len(masklet.frames),
            num_visible=sum(rle.area > 0 for rle in masklet.frames.values()),
        )
        self.session.add(version)
        self.session.flush()
        self.session.add_all(PartRow(masklet_id=version.id, part=i, data=part) for i, part in enumerate(made.parts))
        row.version, row.author = version.id, work.author
        row.doubt, row.frames = made.doubt, json.dumps(made.frames)
        if row.kind != TaskKind.GOLD:
            self.count("store", masklets=1)
            self.count(f"phase:{work.phase}", **_amounts(masklet, work))

    def finish(self) -> None:
        """Write the sums."""
        rows = [{"subject": a, "what": b, "value": float(n)} for (a, b), n in sorted(self.sums.items()) if n]
        if not rows:
            return
        self.session.flush()
        dialect = postgresql if self.session.get_bind().dialect.name == "postgresql" else sqlite
        insert = dialect.insert(TallyRow)
        more = {"value": TallyRow.value + insert.excluded.value}
        self.session.execute(insert.on_conflict_do_update(index_elements=["subject", "what"], set_=more), rows)


def _amounts(masklet: Masklet, work: Work) -> dict[str, float]:
    amounts = {"masklets": 1.0, "frames": len(masklet.frames), "edited": len(work.edited), "clicks": work.clicks}
    clicked = sum(len(said.points) > 0 for said in work.prompts.values())
    if work.seconds is not None:
        amounts |= {"seconds": work.seconds, "timed": len(masklet.frames)}
    return {**amounts, "clicked": clicked}


def frames_to_review(masklet: Masklet, odd: Collection[int] = ()) -> dict[int, float]:
    """The frames to annotate next and their scores, 0 to 1, the most doubtful first.

    The score is the predicted IoU, weighed by how sure the model is that the object is there or is not.

    Args:
        masklet: to be looked at.
        odd: frames that automatic gates name.
    """
    scores = dict.fromkeys(odd, ODD)
    for index, iou in masklet.iou.items():
        presence = masklet.presence.get(index, 1.0)
        score = abs(2 * presence - 1) * (iou if presence >= 0.5 else 1.0)
        scores[index] = min(score, scores.get(index, 1.0))
    worst = sorted(
        (score, index)
        for index, score in scores.items()
        if score < CERTAIN and math.isfinite(score) and index not in masklet.prompted
    )
    return {index: max(score, 0.0) for score, index in worst[:MAX_DOUBTFUL]}


def prepare(masklet: Masklet, media: Media, backward: Mapping[int, Rle] | None = None) -> Prepared:
    """A masklet as it goes into the store, looked at by the automatic gates.

    Args:
        masklet: to be kept.
        media: that it is of.
        backward: the same object tracked the other way, where that was done.

    Raises:
        FormatError: it has no frames, or does not fit the media.
    """
    if not masklet.frames:
        raise FormatError(f"expected a masklet with at least one frame of {media.name}, got none")
    sizes = {masklet.size, *(rle.size for rle in masklet.frames.values())}
    if sizes != {media.size}:
        (height, width), (h, w) = media.size, next(size for size in sizes if size != media.size)
        raise FormatError(f"expected masks of {width}x{height} pixels as {media.name}, got {w}x{h}")
    outside = [index for index in masklet.frames if not 0 <= index < media.num_frames]
    if outside:
        raise FormatError(f"{media.name} has {media.num_frames} frames, got a mask for frame {outside[0]}")
    found = quality.gates(masklet, backward=backward)
    scores = frames_to_review(masklet, quality.frames_to_review(found))
    return Prepared(
        masklet=masklet,
        parts=pack(masklet),
        frames=list(scores),
        doubt=1 - min(scores.values(), default=1.0),
        findings=quality.told(found),
    )


def new_task(media: MediaRow, kind: TaskKind, state: TaskState, object_id: int, *, priority: int = 0) -> TaskRow:
    """The row of a task that nobody holds."""
    row = TaskRow(media_id=media.id, kind=kind, state=state, object_id=object_id, priority=priority)
    row.name, row.doubt, row.frames, row.prompts = "", 0.0, "[]", "{}"
    return row


def new_object_id(session: Session, media_id: int) -> int:
    """The next object id of a media."""
    more = update(MediaRow).where(MediaRow.id == media_id).values(last_object=MediaRow.last_object + 1)
    return session.scalars(more.returning(MediaRow.last_object)).one()


def add_prompts(row: TaskRow, prompts: Mapping[int, Prompts]) -> None:
    """Keep what whoever picked the object said."""
    row.prompts = dump_prompts(prompts)
