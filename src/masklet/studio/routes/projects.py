"""Addresses of projects and their objects: names, colors, undo, results."""

from __future__ import annotations

from pathlib import PurePath
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse

from masklet.errors import FrameRangeError
from masklet.studio import editing
from masklet.studio.errors import ConflictError
from masklet.studio.frame_codec import frames_json
from masklet.studio.routes.access import Desks, Id, Number, ready, unless_known
from masklet.studio.schemas import (
    MAX_INDEX,
    FrameOut,
    ObjectChange,
    ObjectIn,
    ObjectOut,
    ProjectChange,
    ProjectIn,
    ProjectOut,
)
from masklet.studio.services import Desk, media_entry
from masklet.studio.timeline import timeline

router = APIRouter(prefix="/api/projects", tags=["projects"])

UNDO_WAIT = 60
"""Seconds that undo waits for a running job to end between two frames."""

Index = Annotated[int, Query(ge=0, le=MAX_INDEX)]


@router.get("")
def projects(desk: Desks) -> dict[str, list[dict[str, Any]]]:
    """Every project, the latest change first."""
    return {
        "projects": [
            {
                "id": project.id,
                "name": project.name,
                "media": media_entry(media),
                "num_objects": count,
                "created": project.created,
                "changed": project.changed,
            }
            for project, media, count in desk.store.projects()
        ]
    }


@router.post("", status_code=201, response_model=ProjectOut)
def new_project(desk: Desks, asked: ProjectIn) -> JSONResponse:
    """A new project on a media."""
    media = desk.store.media(asked.media_id)
    project_id = desk.store.add_project(media, asked.name or PurePath(media.name).stem or media.name)
    return ready(desk.project_entry(project_id), 201)


@router.get("/{project_id}", response_model=ProjectOut)
def project(desk: Desks, project_id: Id) -> JSONResponse:
    """A project with its objects."""
    return ready(desk.project_entry(project_id))


@router.patch("/{project_id}", response_model=ProjectOut)
def change_project(desk: Desks, project_id: Id, asked: ProjectChange) -> JSONResponse:
    """A new name, new in and out markers, or other masks: without specks and holes up to so many pixels."""
    row, media = desk.store.project(project_id)
    start = row.start if asked.in_ is None else asked.in_
    end = row.end if asked.out is None else asked.out
    if not 0 <= start < end <= media.num_frames:
        raise FrameRangeError(f"expected markers 0 <= in < out <= {media.num_frames}, got {start} and {end}")
    others = asked.model_dump(include={"name", "specks", "holes"}, exclude_none=True)
    desk.store.change_project(project_id, {"start": start, "end": end, **others})
    desk.changed(project_id, row.revision, "project")
    return ready(desk.project_entry(project_id))


@router.delete("/{project_id}", status_code=204)
def remove_project(desk: Desks, project_id: Id) -> None:
    """Delete a project; its media stays."""
    desk.remove_project(project_id)


@router.post("/{project_id}/objects", status_code=201, response_model=ObjectOut)
async def new_object(desk: Desks, project_id: Id, asked: ObjectIn) -> JSONResponse:
    """A new object, empty until it is prompted."""
    return ready(
        await desk.ask(project_id, lambda *_: editing.add_object(desk, project_id, asked.name, asked.color)), 201
    )


@router.patch("/{project_id}/objects/{object_id}", response_model=ObjectOut)
async def change_object(desk: Desks, project_id: Id, object_id: Number, asked: ObjectChange) -> JSONResponse:
    """Name and color of an object, and whether it is hidden or locked."""
    changes = asked.model_dump(exclude_none=True)
    return ready(await desk.ask(project_id, lambda *_: editing.change_object(desk, project_id, object_id, changes)))


@router.delete("/{project_id}/objects/{object_id}", status_code=204)
async def remove_object(desk: Desks, project_id: Id, object_id: Number) -> None:
    """Delete an object with all its masks."""
    await desk.ask(project_id, lambda _, live: editing.remove_object(desk, live, project_id, object_id))


@router.get("/{project_id}/masks", responses={200: {"model": dict[str, int | list[FrameOut]]}})
def masks(
    desk: Desks,
    project_id: Id,
    start: Index = 0,
    end: Index | None = None,
    object: Annotated[list[int] | None, Query(max_length=255)] = None,  # noqa: A002  the word in the address
) -> JSONResponse:
    """The masks of a range of frames; frames without any are left out."""
    row, media = desk.store.project(project_id)
    most = desk.settings.masks_frames
    stop = min(media.num_frames, start + most) if end is None else end
    if not start <= stop <= start + most:
        raise FrameRangeError(f"expected start <= end <= start + {most}, got start {start} and end {stop}")
    wanted = None if object is None else [i for i in object if 0 < i <= MAX_INDEX]
    rows = desk.frames(project_id, start, stop, wanted)
    return ready({"revision": row.revision, "frames": frames_json(rows, (media.height, media.width))})


@router.get("/{project_id}/timeline", response_model=None)
def lanes(request: Request, desk: Desks, project_id: Id) -> Response:
    """Where each object is present, absent or uncertain, and the frames worth a look."""
    row, media = desk.store.project(project_id)
    found = timeline(desk.record.lanes.of(project_id), specks=row.specks)
    return unless_known(request, {"revision": row.revision, "num_frames": media.num_frames, **found})


@router.post("/{project_id}/undo", response_model=ProjectOut)
async def undo(desk: Desks, project_id: Id) -> JSONResponse:
    """Take back the last edit, also of objects that were locked since; what is being tracked is cancelled first."""
    return await _move(desk, project_id, -1)


@router.post("/{project_id}/redo", response_model=ProjectOut)
async def redo(desk: Desks, project_id: Id) -> JSONResponse:
    """Bring back what was taken back last."""
    return await _move(desk, project_id, +1)


@router.get("/{project_id}/history")
def history(desk: Desks, project_id: Id) -> dict[str, list[dict[str, Any]]]:
    """Every edit that undo and redo can reach."""
    revision, steps = desk.record.steps(project_id)
    return {
        "steps": [
            {"revision": s.revision, "label": s.label, "created": s.created, "undone": s.revision > revision}
            for s in steps
        ]
    }


async def _move(desk: Desk, project_id: str, step: int) -> JSONResponse:
    for job in desk.jobs.active(project_id, "track"):
        desk.jobs.cancel(job)
        if not await to_thread.run_sync(job.ended.wait, UNDO_WAIT):
            raise ConflictError("the project is still being tracked: try again in a moment")
    await desk.ask(project_id, lambda device, live: editing.move(desk, device, live, project_id, step))
    return ready(await to_thread.run_sync(desk.project_entry, project_id))
