"""Propagation as a job: frame by frame through the tracker into the database and to the pages."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from masklet.errors import FrameRangeError, PromptError
from masklet.predict.propagation import plan_passes
from masklet.predict.retrack import retrack
from masklet.studio.cleaning import Cleaning
from masklet.studio.errors import ConflictError, NotFoundError, told
from masklet.studio.frame_codec import frame_json, model_key, row_of
from masklet.studio.jobs import Job, Steps
from masklet.studio.revisions import Record
from masklet.studio.services import Desk, refuse_locked
from masklet.studio.sessions import BLOCK, Device, Live
from masklet.studio.tables import ProjectRow
from masklet.types import FrameMasks, ObjectId, Rle, Size

Direction = Literal["forward", "backward", "both"]


@dataclass(frozen=True, kw_only=True)
class Course:
    """What is to be tracked.

    Attributes:
        direction: forward, backward, or both.
        frame: where it begins, or None for the prompts.
        start, end: the range, None for the project's markers.
        objects: which, None for all that are prompted and not locked.
        until_agree: only as far as results change after a correction of ``frame``.
    """

    direction: Direction = "forward"
    frame: int | None = None
    start: int | None = None
    end: int | None = None
    objects: Sequence[ObjectId] | None = None
    until_agree: bool = False

    def span(self, project: ProjectRow) -> range:
        """The frames that may be tracked; `FrameRangeError` for none, or where the first frame lies outside."""
        start = project.start if self.start is None else self.start
        end = project.end if self.end is None else self.end
        if start >= end or (self.frame is not None and not start <= self.frame < end):
            begin = "" if self.frame is None else f" and a first frame within, got {self.frame}"
            raise FrameRangeError(f"expected a range start < end, got {start} to {end}{begin}")
        return range(start, end)


def start_tracking(desk: Desk, device: Device, live: Live, project_id: str, course: Course) -> Job:
    """Put a propagation in line.

    Raises:
        ConflictError: one is running, an object is locked, or nothing is prompted.
        NotFoundError, FrameRangeError: an object or range that is not there.
    """
    if desk.jobs.active(project_id, "track"):
        raise ConflictError("this project is being tracked already: cancel that first, or wait")
    project, media = desk.store.project(project_id)
    span = course.span(project)
    if span.stop > media.num_frames:
        raise FrameRangeError(f"the media has frames 0 to {media.num_frames - 1}, got an end of {span.stop}")
    if course.until_agree and course.frame is None:
        raise PromptError("until_agree needs the corrected frame")
    chosen = _chosen(desk, live, project_id, course)
    prompted = {i: frames for i, (_, frames) in desk.record.object_frames(project_id).items() if i in chosen}
    job = Job(project_id=project_id, kind="track", total=_total(live, course, span, prompted))
    return desk.jobs.start(job, device.worker, lambda: _steps(desk, device, job, (course, span, chosen)))


def _chosen(desk: Desk, live: Live, project_id: str, course: Course) -> set[ObjectId]:
    rows = {row.object_id: row for row in desk.record.objects(project_id)}
    for object_id in course.objects or ():
        if object_id not in rows:
            raise NotFoundError(f"there is no object {object_id} in this project")
        refuse_locked(rows[object_id])
    asked = rows if course.objects is None else course.objects
    chosen = {i for i in asked if not rows[i].locked and i in live.tracker.object_ids}
    if not chosen:
        raise ConflictError("there is nothing to track: prompt an object first")
    return chosen


class Leg(NamedTuple):
    """One call of `VideoSession.propagate`."""

    direction: Literal["forward", "reverse", "both"]
    start: int | None
    end: int | None


def _legs(course: Course, span: range, num_frames: int) -> list[Leg]:
    """What makes up a course; without a first frame, the tracker begins where the prompts are."""
    if course.frame is None:
        start = span.start if span.start else None
        end = span.stop if span.stop < num_frames else None
        named: dict[Direction, Literal["forward", "reverse", "both"]]
        named = {"forward": "forward", "backward": "reverse", "both": "both"}
        return [Leg(named[course.direction], start, end)]
    onward, back = Leg("forward", course.frame, span.stop), Leg("reverse", span.start, course.frame + 1)
    return {"forward": [onward], "backward": [back], "both": [onward, back]}[course.direction]


def _total(live: Live, course: Course, span: range, prompted: Mapping[ObjectId, Collection[int]]) -> int:
    """How many frames a course visits, 0 where results decide.

    Raises:
        FrameRangeError: none.
    """
    if course.until_agree:
        return 0
    num_frames, look_ahead = live.tracker.num_frames, live.tracker.policy.look_ahead
    return sum(
        len(one.frames)
        for leg in _legs(course, span, num_frames)
        for one in plan_passes(*leg, num_frames=num_frames, prompted=prompted, look_ahead=look_ahead)
    )


def _steps(desk: Desk, device: Device, job: Job, asked: tuple[Course, range, Collection[ObjectId]]) -> Steps:
    course, span, chosen = asked
    outcome: dict[str, Any] = {"frames": 0, "stopped": "cancelled"}
    job.result = outcome
    live = device.live(job.project_id)
    live.busy += 1
    try:
        with desk.store.session() as session:
            words = "track again" if course.until_agree else f"track {course.direction}"
            job.revision = desk.record.begin(session, job.project_id, words).revision
        desk.changed(job.project_id, job.revision, "project")
        going = Going(chosen, known=live.tracker.object_ids if course.objects is None else None)
        going.leave(desk.record.locked(job.project_id))
        with live.source.onward():
            for out in _outputs(desk, live, job, (course, span, going)):
                _write(desk, live, job, out)
                outcome["frames"] += 1
                job.done += 1
                job.message = f"frame {out.frame_index}"
                yield None
                going.leave(desk.record.locked(job.project_id))
        job.total = job.done
        return outcome | {"stopped": "agreed" if course.until_agree else "end"}
    except Exception as error:
        if told(error) is not None:
            device.reload(job.project_id)
        raise
    finally:
        live.busy -= 1
        if job.revision is not None:
            desk.changed(job.project_id, job.revision, "prompts")


class Going(set[ObjectId]):
    """The objects that a job tracks: what is prompted while it runs joins it, what is locked leaves it.

    Args:
        chosen: from the start.
        known: the objects there were when it started, None where no other joins.
    """

    def __init__(self, chosen: Collection[ObjectId], *, known: Collection[ObjectId] | None) -> None:
        super().__init__(chosen)
        self._known = None if known is None else frozenset(known)
        self._left: set[ObjectId] = set()

    def __contains__(self, object_id: object) -> bool:
        joined = self._known is not None and object_id not in self._known
        return object_id not in self._left and (joined or super().__contains__(object_id))

    def leave(self, objects: Collection[ObjectId]) -> None:
        """Track these no more."""
        self._left |= set(objects)


def _outputs(desk: Desk, live: Live, job: Job, asked: tuple[Course, range, Going]) -> Iterator[FrameMasks]:
    course, span, going = asked
    if course.until_agree:
        yield from _until_agreed(desk, live, job, asked)
        return
    for direction, start, end in _legs(course, span, live.tracker.num_frames):
        if not _left_over(live, going):  # deleted or locked while the job was in line, or in the leg before
            return
        for out in live.tracker.propagate(direction, start=start, end=end, objects=going):
            yield out
            if not _left_over(live, going):
                return


def _until_agreed(desk: Desk, live: Live, job: Job, asked: tuple[Course, range, Going]) -> Iterator[FrameMasks]:
    """Objects whose results change after a correction; when one of several leaves, the others begin again."""
    course, span, going = asked
    assert course.frame is not None
    before = {i: Earlier(desk.record, job.project_id, i, live.size) for i in _left_over(live, going)}
    while before:
        for out in retrack(live.tracker, course.frame, objects=set(before), within=span, before=before):
            yield out
            if not before.keys() <= _left_over(live, going):
                break
        else:
            return
        before = {i: earlier for i, earlier in before.items() if i in _left_over(live, going)}


def _left_over(live: Live, going: Going) -> set[ObjectId]:
    """The objects that are still there to be tracked."""
    return {i for i in live.tracker.object_ids if i in going}


class Earlier(Mapping[int, Rle]):
    """The masks of an object as they were: a block is read when its first is asked for, before that is written."""

    def __init__(self, record: Record, project_id: str, object_id: ObjectId, size: Size) -> None:
        self._record, self._project_id, self._object_id, self._size = record, project_id, object_id, size
        lane = record.lanes.of(project_id).get(object_id)
        self._frames: frozenset[int] = frozenset(() if lane is None else lane.frame.tolist())
        self._blocks: dict[int, dict[int, Rle]] = {}

    def __contains__(self, frame: object) -> bool:
        return frame in self._frames

    def __iter__(self) -> Iterator[int]:
        return iter(self._frames)

    def __len__(self) -> int:
        return len(self._frames)

    def __getitem__(self, frame: int) -> Rle:
        block = self._blocks.get(frame // BLOCK)
        if block is None:
            start = frame // BLOCK * BLOCK
            rows = self._record.frames(self._project_id, start, start + BLOCK, [self._object_id])
            block = self._blocks[frame // BLOCK] = {row.frame: Rle(self._size, row.mask) for row in rows}
        return block[frame]


def _write(desk: Desk, live: Live, job: Job, out: FrameMasks) -> None:
    """One frame into the database, then to the pages."""
    assert job.revision is not None
    states = {i: live.tracker.frame_state(i, out.frame_index) for i in out.object_ids}
    model = model_key(live.tracker.model)
    rows = [row_of(i, out.frame_index, state, model=model) for i, state in states.items() if state.prompts is None]
    with desk.store.session() as session:
        edit = desk.record.resume(session, job.project_id, job.revision)
        edit.put_frames(rows)
        cleaning = Cleaning.of(edit.project)
    if desk.hub.watched(job.project_id):
        frame = frame_json(out.frame_index, cleaning.rows(rows, live.size, desk.clean), live.size)
        desk.hub.send(job.project_id, {"type": "frame", "job": job.id, "revision": job.revision, "frame": frame})
