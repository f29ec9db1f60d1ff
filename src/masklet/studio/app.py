"""`create_app`: the studio as an ASGI application, with its page or without."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from anyio import to_thread
from fastapi import APIRouter, FastAPI, Request, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

import masklet
from masklet.backends.protocol import Model
from masklet.studio import errors
from masklet.studio.effects import Background, Foreground
from masklet.studio.exports import form_entries
from masklet.studio.library import SUFFIXES
from masklet.studio.routes import events, media, projects, prompts, work
from masklet.studio.routes.access import ERRORS, Desks
from masklet.studio.schemas import LoginIn
from masklet.studio.security import Guard, check_token, login_answer
from masklet.studio.services import Desk, hex_color
from masklet.studio.settings import Settings
from masklet.studio.team import Person, Team

if TYPE_CHECKING:
    from masklet.engine.tasks import Queue

PAGE = Path(__file__).parent / "page"
THREADS = 16
"""For calls that read the database or make pictures; more would only hold up the model."""

EXPIRE_EVERY = 15.0
"""Seconds between two looks for sessions that nobody uses."""

router = APIRouter(prefix="/api", tags=["studio"])


def create_app(
    model: Model | Sequence[Model],
    settings: Settings,
    *,
    page: bool = True,
    queue: Queue | None = None,
    people: Sequence[Person] = (),
) -> FastAPI:
    """The studio.

    Serve it with any ASGI server, one process; its state is in ``settings.folder``, so that it can be stopped at any
    moment. ``app.state.desk`` is the studio without HTTP.

    Args:
        model: from `masklet.load`; several models, on a device each, share the projects among them.
        settings: folders, limits, token.
        page: whether to serve the page; without it the app is an inference server.
        queue: the tasks of a data engine; the studio is then the workplace of ``people`` and shows nothing else.
        people: who works on the tasks; ``app.state.team`` knows their tokens, which stay the same for the folder.

    Raises:
        OutputError: the folder cannot be used, or another studio is using it.
        FormatError: the file that keeps the tokens is damaged.
    """
    desk = Desk(list(model) if isinstance(model, Sequence) else [model], settings)
    app = FastAPI(
        title="masklet studio",
        version=masklet.__version__,
        description="Objects in videos and pictures: prompt, track, correct, export.",
        openapi_url="/api/openapi.json",
        docs_url=None,  # the interactive pages load scripts from elsewhere
        redoc_url=None,
        lifespan=_lifespan,
        responses=ERRORS,
    )
    app.state.desk = desk
    team = app.state.team = None if queue is None else Team.at(settings.folder, list(people))
    if queue is not None and team is not None:
        _bring_in(app, queue, team)
    for part in (router, media.router, projects.router, prompts.router, work.router, events.router):
        app.include_router(part)
    if page:
        app.mount("/", _Page(directory=PAGE, html=True, check_dir=False))
    app.add_middleware(Guard, settings=settings, admit=None if team is None else team.admit)
    errors.install(app)
    return app


def _bring_in(app: FastAPI, queue: Queue, team: Team) -> None:
    """The addresses of a data engine's workplace; its libraries are needed only here."""
    from masklet.studio.annotation import Workplace  # noqa: PLC0415
    from masklet.studio.routes import tasks  # noqa: PLC0415

    app.state.workplace = Workplace(queue, team, app.state.desk)
    app.include_router(tasks.router)


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    desk: Desk = app.state.desk
    desk.hub.run_on(asyncio.get_running_loop())
    to_thread.current_default_thread_limiter().total_tokens = THREADS
    expiring = asyncio.create_task(_expire(desk))
    try:
        yield
    finally:
        expiring.cancel()
        desk.hub.run_on(None)
        await asyncio.to_thread(desk.close)


async def _expire(desk: Desk) -> None:
    while True:
        await asyncio.sleep(min(EXPIRE_EVERY, desk.settings.idle_seconds))
        desk.expire(time.monotonic())


class _Page(StaticFiles):
    """The files of the page; the browser asks each time whether they have changed."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = "no-cache"
        return response


@router.get("/health")
def health() -> dict[str, bool]:
    """Whether the studio answers; needs no token."""
    return {"ok": True}


@router.post("/login", status_code=204, response_class=Response)
def login(request: Request, desk: Desks, asked: LoginIn) -> Response:
    """Show the token once; the cookie that comes back stands for it."""
    team: Team | None = request.app.state.team
    if team is not None:
        team.who(asked.token)
    elif desk.settings.token:
        check_token(desk.settings.token, asked.token)
    return login_answer(asked.token if team else desk.settings.token, secure=request.url.scheme == "https")


@router.get("/about")
def about(request: Request, desk: Desks) -> dict[str, Any]:
    """What this studio is and can do."""
    model = desk.devices[0].model
    return {
        "version": masklet.__version__,
        "model": {
            "name": model.config.full_name,
            "device": str(model.device),
            "input_size": model.config.image_size,
        },
        "token_required": desk.settings.token is not None,
        "team": request.app.state.team is not None,
        "limits": {
            "upload_bytes": desk.settings.upload_bytes,
            "folder_files": desk.settings.folder_files,
            "objects": desk.settings.objects,
            "masks_frames": desk.settings.masks_frames,
        },
        "media_suffixes": list(SUFFIXES),
        "export_forms": form_entries(),
        "effects": {"background": list(get_args(Background)), "object": list(get_args(Foreground))},
        "palette": [hex_color(i) for i in range(1, 256)],
    }
