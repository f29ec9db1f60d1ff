"""Routes of projects and their objects: names, colors, results, undo."""

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
from masklet.studio.routes.dependencies import Id, ServicesDep, cacheable_json
from masklet.studio.schemas import (
    MAX_INDEX,
    FrameIndex,
    FrameOut,
    MediaOut,
    ObjectChange,
    ObjectIn,
    ObjectNumber,
    ObjectOut,
    ProjectChange,
    ProjectIn,
    ProjectOut,
)
from masklet.studio.services import Services
from masklet.studio.timeline import timeline

router = APIRouter(prefix="/api/projects", tags=["projects"])

UNDO_WAIT = 60
"""Seconds that undo waits for the present step of a job."""


@router.get("")
def projects(services: ServicesDep) -> dict[str, list[dict[str, Any]]]:
    """List all projects, the latest change first."""
    return {
        "projects": [
            {
                "id": project.id,
                "name": project.name,
                "media": MediaOut.model_validate(media),
                "num_objects": count,
                "created": project.created,
                "changed": project.changed,
            }
            for project, media, count in services.store.projects()
        ]
    }


@router.post("", status_code=201, response_model=ProjectOut)
def new_project(services: ServicesDep, body: ProjectIn) -> dict[str, Any]:
    """Create a project on a media."""
    media = services.store.media(body.media_id)
    project_id = services.store.add_project(media, body.name or PurePath(media.name).stem or media.name)
    return services.project_json(project_id)


@router.get("/{project_id}", response_model=ProjectOut)
def project(services: ServicesDep, project_id: Id) -> dict[str, Any]:
    """Return a project with its objects."""
    return services.project_json(project_id)


@router.patch("/{project_id}", response_model=ProjectOut)
def change_project(services: ServicesDep, project_id: Id, body: ProjectChange) -> dict[str, Any]:
    """Change the name, the in and out markers, or the areas up to which specks and holes are cleaned."""
    row, media = services.store.project(project_id)
    start = row.start if body.in_ is None else body.in_
    end = row.end if body.out is None else body.out
    if not 0 <= start < end <= media.num_frames:
        raise FrameRangeError(f"expected markers 0 <= in < out <= {media.num_frames}, got {start} and {end}")
    others = body.model_dump(include={"name", "specks", "holes"}, exclude_none=True)
    services.store.change_project(project_id, {"start": start, "end": end, **others})
    services.publish_change(project_id, row.revision, "project")
    return services.project_json(project_id)


@router.delete("/{project_id}", status_code=204)
def remove_project(services: ServicesDep, project_id: Id) -> None:
    """Delete a project; its media stays."""
    services.remove_project(project_id)


@router.post("/{project_id}/objects", status_code=201, response_model=ObjectOut)
async def new_object(services: ServicesDep, project_id: Id, body: ObjectIn) -> dict[str, Any]:
    """Add an object without prompts."""
    return await services.run(
        project_id, lambda project: editing.add_object(services, project.id, body.name, body.color)
    )


@router.patch("/{project_id}/objects/{object_id}", response_model=ObjectOut)
async def change_object(
    services: ServicesDep, project_id: Id, object_id: ObjectNumber, body: ObjectChange
) -> dict[str, Any]:
    """Change the name or color of an object, or whether it is hidden or locked."""
    changes = body.model_dump(exclude_none=True)
    return await services.run(
        project_id, lambda project: editing.change_object(services, project.id, object_id, changes)
    )


@router.delete("/{project_id}/objects/{object_id}", status_code=204)
async def remove_object(services: ServicesDep, project_id: Id, object_id: ObjectNumber) -> None:
    """Remove an object with all its masks."""
    await services.run(project_id, lambda project: editing.remove_object(services, project, object_id))


@router.get("/{project_id}/masks", responses={200: {"model": dict[str, int | list[FrameOut]]}})
def masks(
    services: ServicesDep,
    project_id: Id,
    start: FrameIndex = 0,
    end: FrameIndex | None = None,
    object: Annotated[list[int] | None, Query(max_length=255)] = None,  # noqa: A002  the name in the URL
) -> JSONResponse:
    """Return the masks of a range of frames, without frames that have none."""
    row, media = services.store.project(project_id)
    most = services.settings.masks_frames
    stop = min(media.num_frames, start + most) if end is None else end
    if not start <= stop <= start + most:
        raise FrameRangeError(f"expected start <= end <= start + {most}, got start {start} and end {stop}")
    objects = None if object is None else [i for i in object if 0 < i <= MAX_INDEX]
    rows = services.frames(project_id, start, stop, objects)
    return JSONResponse({"revision": row.revision, "frames": frames_json(rows, (media.height, media.width))})


@router.get("/{project_id}/timeline", response_model=None)
def get_timeline(request: Request, services: ServicesDep, project_id: Id) -> Response:
    """Return where each object is present, absent or uncertain, and the frames that need review."""
    row, media = services.store.project(project_id)
    found = timeline(services.revisions.stats.get(project_id), specks=row.specks)
    return cacheable_json(request, {"revision": row.revision, "num_frames": media.num_frames, **found})


@router.post("/{project_id}/undo", response_model=ProjectOut)
async def undo(services: ServicesDep, project_id: Id) -> dict[str, Any]:
    """Undo the last edit, even of objects that have been locked since; running tracking jobs are cancelled."""
    return await _undo_or_redo(services, project_id, -1)


@router.post("/{project_id}/redo", response_model=ProjectOut)
async def redo(services: ServicesDep, project_id: Id) -> dict[str, Any]:
    """Redo the edit that was undone last."""
    return await _undo_or_redo(services, project_id, +1)


@router.get("/{project_id}/history")
def history(services: ServicesDep, project_id: Id) -> dict[str, list[dict[str, Any]]]:
    """List the edits that undo and redo can reach."""
    revision, steps = services.revisions.steps(project_id)
    return {
        "steps": [
            {"revision": s.revision, "label": s.label, "created": s.created, "undone": s.revision > revision}
            for s in steps
        ]
    }


async def _undo_or_redo(services: Services, project_id: str, step: int) -> dict[str, Any]:
    for job in services.jobs.active(project_id, "track"):
        services.jobs.cancel(job)
        if not await to_thread.run_sync(job.ended.wait, UNDO_WAIT):
            raise ConflictError(f"the tracking job did not stop within {UNDO_WAIT} s: try again")
    await services.run(project_id, lambda project: editing.undo_or_redo(services, project, step))
    return await to_thread.run_sync(services.project_json, project_id)
