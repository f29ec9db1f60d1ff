"""Routes of long-running jobs: tracking, exports and their files."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import FileResponse

from masklet.studio.exports import export_file, start_export
from masklet.studio.jobs import Job
from masklet.studio.routes.dependencies import Id, ServicesDep
from masklet.studio.schemas import ExportIn, JobOut, TrackIn
from masklet.studio.tracking import start_tracking

router = APIRouter(prefix="/api", tags=["jobs"])


@router.post("/projects/{project_id}/track", status_code=202, response_model=JobOut)
async def track(services: ServicesDep, project_id: Id, body: TrackIn) -> Job:
    """Start to track objects; every frame is stored and published as soon as it is done."""
    return await services.run(project_id, lambda project: start_tracking(services, project, body))


@router.post("/projects/{project_id}/exports", status_code=202, response_model=JobOut)
def export(services: ServicesDep, project_id: Id, body: ExportIn) -> Job:
    """Start an export; the result of the job holds the URL of the file."""
    return start_export(services, project_id, body)


@router.get("/projects/{project_id}/jobs", response_model=dict[str, list[JobOut]])
def jobs(services: ServicesDep, project_id: Id) -> dict[str, list[Job]]:
    """List the jobs of a project, oldest first; finished ones for an hour."""
    services.store.project(project_id)
    return {"jobs": services.jobs.of(project_id)}


@router.get("/jobs/{job_id}", response_model=JobOut)
def job(services: ServicesDep, job_id: Id) -> Job:
    """Return a job."""
    return services.jobs.job(job_id)


@router.delete("/jobs/{job_id}", response_model=JobOut)
def cancel(services: ServicesDep, job_id: Id) -> Job:
    """Cancel a job after its present step; finished steps stay."""
    return services.jobs.cancel(services.jobs.job(job_id))


@router.get("/exports/{job_id}/{name}", response_class=FileResponse)
def download(services: ServicesDep, job_id: Id, name: str) -> FileResponse:
    """Return the file of a finished export."""
    path = export_file(services, job_id, name)
    return FileResponse(path, filename=name, content_disposition_type="attachment")
