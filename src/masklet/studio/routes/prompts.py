"""Addresses of a project's frames: prompts, candidates, previews, proposals, rendered pictures."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse

from masklet.studio import editing
from masklet.studio.cleaning import Cleaning
from masklet.studio.editing import Said
from masklet.studio.effects import frame_masks, object_colors
from masklet.studio.frame_codec import Click, frame_json, prompt_entry, read_mask, read_prompts
from masklet.studio.proposals import start_proposing
from masklet.studio.routes.access import Desks, Frame, Id, Number, check_frame, fresh, ready, unless_known
from masklet.studio.routes.media import PICTURES, looked, picture
from masklet.studio.schemas import (
    AnswerOut,
    CandidateOut,
    JobOut,
    MasksIn,
    PreviewIn,
    PreviewOut,
    PromptIn,
    ProposalsIn,
    RenderIn,
)
from masklet.studio.schemas import Said as SaidIn
from masklet.studio.services import Desk
from masklet.studio.tables import MediaRow

router = APIRouter(prefix="/api/projects/{project_id}/frames/{frame}", tags=["frames"])


@router.get("", responses={200: {"model": AnswerOut}}, response_class=JSONResponse)
def results(request: Request, desk: Desks, project_id: Id, frame: Frame) -> Response:
    """The masks of a frame, and everything said about it."""
    row, media = desk.store.project(project_id)
    check_frame(media, frame)
    rows = desk.frames(project_id, frame, frame + 1)
    prompts = {str(r.object_id): prompt_entry(r) for r in rows if r.prompt is not None}
    document = {"revision": row.revision, "frame": frame_json(frame, rows, (media.height, media.width))}
    return unless_known(request, document | {"prompts": prompts})


@router.post("/prompts", response_model=AnswerOut)
async def say(desk: Desks, project_id: Id, frame: Frame, asked: PromptIn) -> JSONResponse:
    """Say something about an object, and see every mask of the frame."""
    media = _media(desk, project_id, frame)
    mask = None if asked.mask is None else read_mask(asked.mask.model_dump(), (media.height, media.width))
    said = Said(
        object_id=asked.object_id,
        frame=frame,
        clicks=_clicks(asked),
        box=asked.box,
        mask=mask,
        replace=asked.replace,
        candidates=asked.candidates,
        candidate=asked.candidate,
    )
    said.prompts().check_inside((media.height, media.width))
    return ready(await desk.ask(project_id, lambda device, live: editing.say(desk, device, live, project_id, said)))


@router.delete("/prompts/{object_id}", response_model=AnswerOut)
async def unsay(desk: Desks, project_id: Id, frame: Frame, object_id: Number) -> JSONResponse:
    """Take back everything said about an object on a frame."""
    _media(desk, project_id, frame)
    return ready(await desk.ask(project_id, lambda _, live: editing.unsay(desk, live, project_id, frame, object_id)))


@router.post("/candidates", response_model=dict[str, list[CandidateOut]])
async def candidates(desk: Desks, project_id: Id, frame: Frame, asked: SaidIn) -> JSONResponse:
    """The sensible answers to prompts, best first; nothing is kept."""
    media = _media(desk, project_id, frame)
    prompts = read_prompts(_clicks(asked), asked.box, None)
    prompts.check_inside((media.height, media.width))
    found = await desk.ask(project_id, lambda device, live: editing.readings(device, live, frame, prompts))
    return ready({"candidates": found})


@router.post("/preview", response_model=PreviewOut)
async def preview(desk: Desks, project_id: Id, frame: Frame, asked: PreviewIn) -> JSONResponse:
    """What prompts would give, with all that was said already; nothing is kept."""
    return ready(await previewed(desk, project_id, frame, asked))


async def previewed(desk: Desk, project_id: str, frame: int, asked: PreviewIn) -> dict[str, Any]:
    """The same for the WebSocket."""
    row, media = desk.store.project(project_id)
    check_frame(media, frame)
    prompts = read_prompts(_clicks(asked), asked.box, None)
    prompts.check_inside((media.height, media.width))
    cleaning = Cleaning.of(row)
    return await desk.ask(
        project_id, lambda _, live: editing.preview(live, frame, asked.object_id, prompts, cleaning), urgent=False
    )


@router.post("/proposals", status_code=202, response_model=JobOut)
def proposals(desk: Desks, project_id: Id, frame: Frame, asked: ProposalsIn) -> JSONResponse:
    """Look for everything on a frame."""
    _media(desk, project_id, frame)
    options = asked.points_per_side, asked.limit
    return ready(start_proposing(desk, desk.device(project_id), project_id, frame, options).entry(), 202)


@router.post("/objects", response_model=AnswerOut)
async def add_masks(desk: Desks, project_id: Id, frame: Frame, asked: MasksIn) -> JSONResponse:
    """New objects from masks, such as picked proposals, in one edit."""
    media = _media(desk, project_id, frame)
    rles = [read_mask(mask.model_dump(), (media.height, media.width)) for mask in asked.masks]
    names = [*asked.names, *[None] * len(rles)]
    named = list(zip(rles, names, strict=False))
    return ready(await desk.ask(project_id, lambda _, live: editing.add_masks(desk, live, project_id, frame, named)))


@router.get("/rendered", responses=PICTURES, response_class=Response)
def rendered(
    request: Request,
    desk: Desks,
    project_id: Id,
    frame: Frame,
    look: Annotated[RenderIn, Query()],
) -> Response:
    """A frame with effects, exactly as an export draws it."""
    media = _media(desk, project_id, frame)
    wanted = None if look.objects is None else [int(i) for i in look.objects.split(",")]
    rows = desk.frames(project_id, frame, frame + 1, wanted)
    colors = object_colors(desk.record.objects(project_id))
    drawn_from = [(r.object_id, colors.get(r.object_id), r.mask) for r in rows]
    key = hashlib.sha256(f"{media.id} {media.version} {frame} {drawn_from} {look}".encode()).hexdigest()[:24]
    if fresh(request, f'"{key}"'):
        return Response(status_code=304, headers={"ETag": f'"{key}"'})
    effects = look.effects(colors)
    drawn = effects.draw(desk.viewers.frame(media, frame), frame_masks(frame, rows, (media.height, media.width)))
    return picture(looked(drawn, look), look.format, key, "private, no-cache")


def _media(desk: Desk, project_id: str, frame: int) -> MediaRow:
    _, media = desk.store.project(project_id)
    check_frame(media, frame)
    return media


def _clicks(asked: SaidIn) -> list[Click]:
    return [(click.x, click.y, click.positive) for click in asked.clicks]
