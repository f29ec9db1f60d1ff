"""Tracking jobs: results go frame by frame from the tracker into the database and to the pages."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from masklet.errors import FrameRangeError, PromptError
from masklet.predict.propagation import Direction, plan_passes
from masklet.predict.retrack import retrack
from masklet.studio.errors import ConflictError, public_error
from masklet.studio.frame_codec import frame_json, model_key, row_of, selecting_clicks
from masklet.studio.frame_stats import prompted_frames
from masklet.studio.jobs import Job, JobSteps
from masklet.studio.revisions import Revisions
from masklet.studio.schemas import TrackIn
from masklet.studio.services import Services, refuse_locked
from masklet.studio.sessions import BLOCK, OpenProject
from masklet.types import FrameMasks, ObjectId, Rle


def start_tracking(services: Services, project: OpenProject, request: TrackIn) -> Job:
    """Queue a tracking job.

    Raises:
        ConflictError: a tracking job is running, an object is locked, or there is nothing to track.
        NotFoundError, FrameRangeError: an object or range that does not exist.
    """
    if services.jobs.active(project.id, "track"):
        raise ConflictError("the project is being tracked: cancel that job, or wait for its end")
    row, media = services.store.project(project.id)
    start = row.start if request.start is None else request.start
    end = row.end if request.end is None else request.end
    if start >= end or (request.frame is not None and not start <= request.frame < end):
        first = "" if request.frame is None else f" and a first frame in it, got {request.frame}"
        raise FrameRangeError(f"expected a range start < end, got {start} to {end}{first}")
    if end > media.num_frames:
        raise FrameRangeError(f"expected end <= {media.num_frames}, the number of frames, got {end}")
    if request.until_agree and request.frame is None:
        raise PromptError("until_agree needs the corrected frame")
    objects, frames = _chosen_objects(services, project, request), range(start, end)
    stats = services.revisions.stats.get(project.id)
    prompted = {i: prompted_frames(own) for i, own in stats.items() if i in objects}
    total = 0
    if not request.until_agree:  # else the results decide how many frames are visited
        num_frames, look_ahead = project.tracker.num_frames, project.tracker.policy.look_ahead
        for direction, first_frame, stop in _passes(request, frames, num_frames):
            planned = plan_passes(
                direction, first_frame, stop, num_frames=num_frames, prompted=prompted, look_ahead=look_ahead
            )
            total += sum(len(one.frames) for one in planned)
    job = Job(project_id=project.id, kind="track", total=total)
    worker = services.device(project.id).worker
    return services.jobs.start(job, worker, lambda: track_steps(services, job, request, frames, objects))


def _passes(request: TrackIn, frames: range, num_frames: int) -> list[tuple[Direction, int | None, int | None]]:
    """Return direction, start and end of each call of `VideoSession.propagate`."""
    if request.frame is None:  # the tracker starts at the prompts
        start = frames.start if frames.start else None
        end = frames.stop if frames.stop < num_frames else None
        return [("reverse" if request.direction == "backward" else request.direction, start, end)]
    passes: list[tuple[Direction, int | None, int | None]] = []
    if request.direction != "backward":
        passes.append(("forward", request.frame, frames.stop))
    if request.direction != "forward":
        passes.append(("reverse", frames.start, request.frame + 1))
    return passes


def _chosen_objects(services: Services, project: OpenProject, request: TrackIn) -> set[ObjectId]:
    with services.revisions.edit(project.id) as edit:
        rows = edit.objects
        for object_id in request.objects or ():
            refuse_locked(edit.object(object_id))
    wanted = rows if request.objects is None else request.objects
    chosen = {i for i in wanted if not rows[i].locked and i in project.tracker.object_ids}
    if not chosen:
        raise ConflictError("nothing to track: prompt an unlocked object first")
    return chosen


def track_steps(
    services: Services, job: Job, request: TrackIn, frames: range, objects: Collection[ObjectId]
) -> JobSteps:
    """Run a tracking job, one frame at a step.

    Args:
        frames: that may be tracked.
        objects: to track from the start. Objects that are added while the job runs join, locked ones leave.
    """
    outcome: dict[str, Any] = {"frames": 0, "stopped": "cancelled"}
    job.result = outcome
    device = services.device(job.project_id)
    project = device.open(job.project_id)
    project.busy += 1
    try:
        with services.revisions.edit(job.project_id) as edit:
            edit.begin("track again" if request.until_agree else f"track {request.direction}")
        job.revision = edit.revision
        services.publish_change(job.project_id, job.revision, "project")
        tracked, seen = set(objects), set(project.tracker.object_ids)
        tracked -= {i for i, row in edit.objects.items() if row.locked}
        with project.source.sequential():
            for out in _outputs(services, project, request, frames, tracked):
                _write(services, project, job, out)
                outcome["frames"] += 1
                job.done += 1
                job.message = f"frame {out.frame_index}"
                yield None
                if request.objects is None:  # new objects join, unless they were locked at once
                    tracked |= set(project.tracker.object_ids) - seen
                seen |= set(project.tracker.object_ids)
                tracked -= {row.object_id for row in services.revisions.objects(job.project_id) if row.locked}
        job.total = job.done
        return outcome | {"stopped": "agreed" if request.until_agree else "end"}
    except Exception as error:
        if public_error(error) is not None:
            device.reload(job.project_id)
        raise
    finally:
        project.busy -= 1
        if job.revision is not None:
            services.publish_change(job.project_id, job.revision, "prompts")


def _outputs(
    services: Services, project: OpenProject, request: TrackIn, frames: range, tracked: set[ObjectId]
) -> Iterator[FrameMasks]:
    tracker = project.tracker
    if request.until_agree:
        assert request.frame is not None
        yield from _until_agreed(services, project, request.frame, frames, tracked)
        return
    for direction, start, end in _passes(request, frames, tracker.num_frames):
        if not tracked.intersection(
            tracker.object_ids
        ):  # deleted or locked while the job was waiting, or in the last pass
            return
        for out in tracker.propagate(direction, start=start, end=end, objects=tracked):
            yield out
            if not tracked.intersection(tracker.object_ids):
                return


def _until_agreed(
    services: Services, project: OpenProject, frame: int, frames: range, tracked: set[ObjectId]
) -> Iterator[FrameMasks]:
    """Track again from a corrected frame; when one of several objects is locked, the others start again."""
    tracker = project.tracker
    before = {i: PreviousMasks(services.revisions, project, i) for i in tracked.intersection(tracker.object_ids)}
    while before:
        for out in retrack(tracker, frame, objects=set(before), within=frames, before=before):
            yield out
            if not before.keys() <= tracked.intersection(tracker.object_ids):
                break
        else:
            return
        remaining = tracked.intersection(tracker.object_ids)
        before = {i: masks for i, masks in before.items() if i in remaining}


class PreviousMasks(Mapping[int, Rle]):
    """The masks of an object before it is tracked again; a block is read when its first mask is needed."""

    def __init__(self, revisions: Revisions, project: OpenProject, object_id: ObjectId) -> None:
        self._revisions, self._project, self._object_id = revisions, project, object_id
        stats = revisions.stats.get(project.id).get(object_id)
        self._frames: frozenset[int] = frozenset(() if stats is None else stats["frame"].tolist())
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
            rows = self._revisions.frames(self._project.id, start, start + BLOCK, [self._object_id])
            block = self._blocks[frame // BLOCK] = {row.frame: Rle(self._project.size, row.mask) for row in rows}
        return block[frame]


def _write(services: Services, project: OpenProject, job: Job, out: FrameMasks) -> None:
    """Write the results of a frame to the database and publish them."""
    states = {i: project.tracker.frame_state(i, out.frame_index) for i in out.object_ids}
    model = model_key(project.tracker.model)
    rows = [row_of(i, out.frame_index, state, model=model) for i, state in states.items() if state.prompts is None]
    with services.revisions.edit(project.id, revision=job.revision) as edit:
        if len(rows) < len(states):  # a pass may have answered prompts again
            for row in edit.frames(out.frame_index):
                state = states.get(row.object_id)
                if state is None or state.prompts is None:
                    continue
                if (row.mask, row.reverse) != (state.result.mask.counts, state.reverse):
                    rows.append(row_of(row.object_id, row.frame, state, selecting_clicks(row), model=model))
        edit.put_frames(rows)
    if services.events.has_subscribers(project.id):
        cleaned = services.cleaned(edit.project, rows, project.size)
        event = {"type": "frame", "job": job.id, "revision": job.revision}
        services.events.publish(project.id, event | {"frame": frame_json(out.frame_index, cleaned, project.size)})
