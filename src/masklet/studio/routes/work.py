"""Addresses of long work: tracking, exports, jobs and their results."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from fastapi.responses import FileResponse, JSONResponse

from masklet.studio.effects import object_colors
from masklet.studio.exports import Order, exported, start_export
from masklet.studio.routes.access import Desks, Id, ready
from masklet.studio.schemas import ExportIn, JobOut, TrackIn
from masklet.studio.tracking import Course, start_tracking

router = APIRouter(prefix="/api", tags=["jobs"])


@router.post("/projects/{project_id}/track", status_code=202, response_model=JobOut)
async def track(desk: Desks, project_id: Id, asked: TrackIn) -> JSONResponse:
    """Track objects; every frame comes as an event, and is kept as soon as it is done."""
    course = Course(**asked.model_dump())
    job = await desk.ask(project_id, lambda device, live: start_tracking(desk, device, live, project_id, course))
    return ready(job.entry(), 202)


@router.post("/projects/{project_id}/exports", status_code=202, response_model=JobOut)
def export(desk: Desks, project_id: Id, asked: ExportIn) -> JSONResponse:
    """Make a file to take away; the job's result says where to fetch it."""
    colors = object_colors(desk.record.objects(project_id))
    effects = asked.effects.effects(colors)
    order = Order(form=asked.form, objects=asked.objects, start=asked.start, end=asked.end, effects=effects)
    return ready(start_export(desk, project_id, order).entry(), 202)


@router.get("/projects/{project_id}/jobs")
def jobs(desk: Desks, project_id: Id) -> dict[str, list[dict[str, Any]]]:
    """The jobs of a project, oldest first; finished ones stay for an hour."""
    desk.store.project(project_id)
    return {"jobs": [job.entry() for job in desk.jobs.of(project_id)]}


@router.get("/jobs/{job_id}", response_model=JobOut)
def job(desk: Desks, job_id: Id) -> JSONResponse:
    """One job."""
    return ready(desk.jobs.job(job_id).entry())


@router.delete("/jobs/{job_id}", response_model=JobOut)
def cancel(desk: Desks, job_id: Id) -> JSONResponse:
    """End a job between two steps; what is done is kept."""
    return ready(desk.jobs.cancel(desk.jobs.job(job_id)).entry())


@router.get("/exports/{job_id}/{name}", response_class=FileResponse)
def fetch(desk: Desks, job_id: Id, name: str) -> FileResponse:
    """The file of a finished export."""
    return FileResponse(exported(desk, job_id, name), filename=name, content_disposition_type="attachment")
