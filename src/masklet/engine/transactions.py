"""Building blocks of a transaction that changes the store: tasks, their history, masklet versions, running sums."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from masklet.engine.records import Media, TaskKind, TaskState, Work
from masklet.engine.serialization import pack
from masklet.engine.tables import EventRow, MaskletRow, MediaRow, PartRow, TallyRow, TaskRow
from masklet.errors import FormatError
from masklet.predict.review import REVIEW_BELOW, describe, rank_frames
from masklet.types import Masklet, Rle

MAX_REVIEW_FRAMES = 5
"""Maximum number of frames to annotate next that are stored with a task."""


@dataclass(frozen=True)
class PreparedMasklet:
    """A masklet that was checked, serialized and reviewed before the transaction that stores it.

    Attributes:
        parts: its masks (`masklet.engine.serialization.pack`).
        frames: frames to annotate next, the one that needs review most first.
        doubt: 1 - the lowest confidence of a frame, 0 to 1.
        findings: why these frames need review, for the task's history; may be empty.
    """

    masklet: Masklet
    parts: list[bytes]
    frames: list[int]
    doubt: float
    findings: str


def prepare_masklet(masklet: Masklet, media: Media, backward: Mapping[int, Rle] | None = None) -> PreparedMasklet:
    """Check that a masklet fits its media, serialize it and find the frames that need review.

    Args:
        masklet: the masklet.
        media: the media it belongs to.
        backward: masks of the same object tracked in reverse; frames where they differ need review.

    Raises:
        FormatError: the masklet has no frames, or its frames or sizes do not fit the media.
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
    ranked = rank_frames(masklet, backward=backward)
    found = [one for one in ranked if one.confidence < REVIEW_BELOW]
    return PreparedMasklet(
        masklet=masklet,
        parts=pack(masklet),
        frames=[one.frame_index for one in found[:MAX_REVIEW_FRAMES]],
        doubt=1 - ranked[0].confidence if ranked else 0.0,
        findings=describe(found),
    )


@dataclass
class Change:
    """A transaction in progress and the changes of the running sums, which are written once at its end.

    Sums are written last and in a fixed order, so that concurrent transactions cannot deadlock.

    Attributes:
        at: time of the transaction in seconds since 1970.
        sums: (subject, quantity) -> increment.
    """

    session: Session
    at: float
    sums: Counter[tuple[str, str]] = field(default_factory=Counter)

    def count(self, subject: str, **amounts: float) -> None:
        """Add to the running sums of a subject."""
        for what, amount in amounts.items():
            self.sums[subject, what] += amount  # type: ignore[assignment]

    def create_task(self, row: TaskRow, who: str) -> TaskRow:
        """Insert a task and its first event."""
        self.session.add(row)
        self.session.flush()
        self.add_event(row, "created", who, before=None)
        self._count_state(row, 1)
        return row

    def move(
        self, row: TaskRow, after: TaskState, what: str, who: str, *, key: str | None = None, note: str = ""
    ) -> None:
        """Move a task to a state, end its lease and record the event."""
        before, row.worker, row.token, row.until = row.state, None, None, None
        self._count_state(row, -1)
        row.state = after
        self._count_state(row, 1)
        self.add_event(row, what, who, before=before, key=key, note=note)

    def add_event(
        self, row: TaskRow, what: str, who: str, *, before: TaskState | None, key: str | None = None, note: str = ""
    ) -> None:
        """Add an event to the history of a task."""
        event = EventRow(task_id=row.id, at=self.at, who=who, what=what, before=before, after=row.state)
        event.version, event.note, event.key = row.version, note, key
        self.session.add(event)

    def _count_state(self, row: TaskRow, by: int) -> None:
        if row.kind != TaskKind.GOLD:
            self.count("task", **{row.state: by})

    def add_version(self, row: TaskRow, prepared: PreparedMasklet, work: Work) -> None:
        """Insert the next masklet version of a task and update the frames that need review."""
        masklet = prepared.masklet
        num_frames = len(masklet.frames)
        version = MaskletRow(
            task_id=row.id,
            parent=row.version,
            created=self.at,
            source=masklet.source,
            prompted=masklet.prompted,
            num_frames=num_frames,
            num_visible=sum(rle.area > 0 for rle in masklet.frames.values()),
            **vars(work),
        )
        self.session.add(version)
        self.session.flush()
        self.session.add_all(PartRow(masklet_id=version.id, part=i, data=part) for i, part in enumerate(prepared.parts))
        row.version, row.author = version.id, work.author
        row.doubt, row.frames = prepared.doubt, tuple(prepared.frames)
        if row.kind != TaskKind.GOLD:
            self.count("store", masklets=1)
            self.count(
                f"phase:{work.phase}",
                masklets=1,
                frames=num_frames,
                edited=len(work.edited),
                clicks=work.clicks,
                clicked=work.num_clicked,
            )
            if work.seconds is not None:
                self.count(f"phase:{work.phase}", seconds=work.seconds, timed=num_frames)

    def finish(self) -> None:
        """Write the running sums."""
        rows = [{"subject": a, "what": b, "value": float(n)} for (a, b), n in sorted(self.sums.items()) if n]
        if not rows:
            return
        self.session.flush()
        dialect = postgresql if self.session.get_bind().dialect.name == "postgresql" else sqlite
        insert = dialect.insert(TallyRow)
        more = {"value": TallyRow.value + insert.excluded.value}
        self.session.execute(insert.on_conflict_do_update(index_elements=["subject", "what"], set_=more), rows)


def new_task(media: MediaRow, kind: TaskKind, state: TaskState, object_id: int, *, priority: int = 0) -> TaskRow:
    """Create the row of an unassigned task; `Change.create_task` inserts it."""
    return TaskRow(media_id=media.id, kind=kind, state=state, object_id=object_id, priority=priority)


def new_object_id(session: Session, media_id: int) -> int:
    """Reserve the next object id of a media."""
    more = update(MediaRow).where(MediaRow.id == media_id).values(last_object=MediaRow.last_object + 1)
    return session.scalars(more.returning(MediaRow.last_object)).one()
