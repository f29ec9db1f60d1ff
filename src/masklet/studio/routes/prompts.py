"""Routes of the frames of a project: prompts, candidates, previews, proposals, rendered images."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse

from masklet.studio import editing
from masklet.studio.cleaning import Cleaning
from masklet.studio.effects import frame_masks, object_colors
from masklet.studio.frame_codec import frame_json, row_prompt_json
from masklet.studio.jobs import Job
from masklet.studio.routes.dependencies import (
    Id,
    ServicesDep,
    cacheable_json,
    check_frame,
    client_has,
)
from masklet.studio.routes.media import IMAGES, encoded, image_response
from masklet.studio.schemas import (
    AnswerOut,
    CandidateOut,
    FrameIndex,
    JobOut,
    MasksIn,
    ObjectNumber,
    PreviewIn,
    PreviewOut,
    PromptIn,
    PromptsIn,
    ProposalsIn,
    RenderIn,
)
from masklet.studio.services import Services
from masklet.studio.sessions import OpenProject

router = APIRouter(prefix="/api/projects/{project_id}/frames/{frame}", tags=["frames"])


@router.get("", responses={200: {"model": AnswerOut}}, response_class=JSONResponse)
def get_frame(request: Request, services: ServicesDep, project_id: Id, frame: FrameIndex) -> Response:
    """Return the masks and the prompts of a frame."""
    row, media = services.store.project(project_id)
    check_frame(media, frame)
    rows = services.frames(project_id, frame, frame + 1)
    prompts = {str(r.object_id): row_prompt_json(r) for r in rows if r.prompt is not None}
    document = {"revision": row.revision, "frame": frame_json(frame, rows, (media.height, media.width))}
    return cacheable_json(request, document | {"prompts": prompts})


@router.post("/prompts", response_model=AnswerOut)
async def add_prompts(services: ServicesDep, project_id: Id, frame: FrameIndex, body: PromptIn) -> JSONResponse:
    """Prompt an object on a frame and return every mask of the frame."""

    def prompt(project: OpenProject) -> dict[str, Any]:
        return editing.prompt_object(
            services,
            project,
            frame,
            body.object_id or None,
            body.to_prompts(project.size),
            replace_earlier=body.replace,
            with_candidates=body.candidates,
            selecting=body.selecting,
        )

    return JSONResponse(await services.run(project_id, prompt))


@router.delete("/prompts/{object_id}", response_model=AnswerOut)
async def clear_prompts(
    services: ServicesDep, project_id: Id, frame: FrameIndex, object_id: ObjectNumber
) -> JSONResponse:
    """Remove the prompts of an object on a frame; with its last prompt it loses all masks."""
    _, media = services.store.project(project_id)
    check_frame(media, frame)
    return JSONResponse(
        await services.run(project_id, lambda project: editing.clear_prompts(services, project, frame, object_id))
    )


@router.post("/candidates", response_model=dict[str, list[CandidateOut]])
async def get_candidates(services: ServicesDep, project_id: Id, frame: FrameIndex, body: PromptsIn) -> JSONResponse:
    """Return the candidate masks of prompts, best first, without changing anything."""
    found = await services.run(
        project_id, lambda project: editing.candidates(project, frame, body.to_prompts(project.size))
    )
    return JSONResponse({"candidates": found})


@router.post("/preview", response_model=PreviewOut)
async def get_preview(services: ServicesDep, project_id: Id, frame: FrameIndex, body: PreviewIn) -> JSONResponse:
    """Return the mask that prompts would give, together with the earlier ones, without changing anything."""
    return JSONResponse(await preview(services, project_id, frame, body))


async def preview(services: Services, project_id: str, frame: int, body: PreviewIn) -> dict[str, Any]:
    """Return a preview, also for the WebSocket."""
    row, media = services.store.project(project_id)
    check_frame(media, frame)
    prompts = body.to_prompts((media.height, media.width))
    prompts.check_inside((media.height, media.width))
    cleaning = Cleaning(row.specks, row.holes)
    return await services.run(
        project_id,
        lambda project: editing.preview(project, frame, body.object_id, prompts, cleaning),
        urgent=False,
    )


@router.post("/proposals", status_code=202, response_model=JobOut)
def propose(services: ServicesDep, project_id: Id, frame: FrameIndex, body: ProposalsIn) -> Job:
    """Start automatic mask generation on a frame as a job."""
    _, media = services.store.project(project_id)
    check_frame(media, frame)
    return editing.start_proposals(services, project_id, frame, body.points_per_side, body.limit)


@router.post("/objects", response_model=AnswerOut)
async def add_masks(services: ServicesDep, project_id: Id, frame: FrameIndex, body: MasksIn) -> JSONResponse:
    """Add one object for each mask, such as selected proposals, in one edit."""

    def add(project: OpenProject) -> dict[str, Any]:
        prompts = [PromptIn(mask=mask).to_prompts(project.size) for mask in body.masks]
        return editing.add_masks(services, project, frame, prompts, body.names)

    return JSONResponse(await services.run(project_id, add))


@router.get("/rendered", responses=IMAGES, response_class=Response)
def rendered(
    request: Request, services: ServicesDep, project_id: Id, frame: FrameIndex, query: Annotated[RenderIn, Query()]
) -> Response:
    """Return a frame with effects, as an export draws it."""
    _, media = services.store.project(project_id)
    check_frame(media, frame)
    wanted = None if query.objects is None else [int(i) for i in query.objects.split(",")]
    rows = services.frames(project_id, frame, frame + 1, wanted)
    colors = object_colors(services.revisions.objects(project_id))
    drawn = [(r.object_id, colors.get(r.object_id), r.mask) for r in rows]
    key = hashlib.sha256(f"{media.id} {media.version} {frame} {drawn} {query}".encode()).hexdigest()[:24]
    if client_has(request, f'"{key}"'):
        return Response(status_code=304, headers={"ETag": f'"{key}"'})
    pixels = services.frame_server.frame(media, frame)
    image = query.draw(pixels, frame_masks(frame, rows, (media.height, media.width)), colors)
    return image_response(encoded(image, query), query.format, key, "private, no-cache")
