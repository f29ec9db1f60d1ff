"""`create_app`: the studio as an ASGI application, with or without its page."""

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
from masklet.studio.effects import Background, Foreground
from masklet.studio.errors import install_handlers
from masklet.studio.exports import formats_json
from masklet.studio.library import SUFFIXES
from masklet.studio.revisions import COLORS
from masklet.studio.routes import events, jobs, media, projects, prompts
from masklet.studio.routes.dependencies import ERRORS, ServicesDep
from masklet.studio.schemas import LoginIn
from masklet.studio.security import SecurityMiddleware, check_token, login_response
from masklet.studio.services import Services
from masklet.studio.settings import Settings
from masklet.studio.team import Person, Team

if TYPE_CHECKING:
    from masklet.engine.tasks import Queue

PAGE = Path(__file__).parent / "page"
THREADS = 16
"""For requests that read the database or encode images; more would only slow down the model."""

EXPIRE_SECONDS = 15.0
"""Time between two searches for idle projects and caches."""

router = APIRouter(prefix="/api", tags=["studio"])


def create_app(
    model: Model | Sequence[Model],
    settings: Settings,
    *,
    page: bool = True,
    queue: Queue | None = None,
    people: Sequence[Person] = (),
) -> FastAPI:
    """Create the studio.

    Serve it with any ASGI server in one process. All state is in ``settings.folder``, so it can be stopped at any time.
    ``app.state.services`` is the studio without HTTP.

    Args:
        model: from `masklet.load`; several models, one per device, share the projects among them.
        settings: folders, limits, token.
        page: whether to serve the page; without it the app is an inference server.
        queue: the tasks of a data engine; the studio then serves these tasks to ``people`` and nothing else.
        people: who works on the tasks; ``app.state.team`` holds their tokens, which stay the same for a folder.

    Raises:
        OutputError: the folder cannot be used, or another studio is running in it.
        FormatError: the file with the tokens is damaged.
    """
    services = Services(list(model) if isinstance(model, Sequence) else [model], settings)
    app = FastAPI(
        title="masklet studio",
        version=masklet.__version__,
        description="Segment and track objects in videos and images: prompt, track, correct, export.",
        openapi_url="/api/openapi.json",
        docs_url=None,  # the interactive pages load scripts from other hosts
        redoc_url=None,
        lifespan=_lifespan,
        responses=ERRORS,
    )
    app.state.services = services
    team = app.state.team = None if queue is None else Team.load(settings.folder, list(people))
    if queue is not None and team is not None:
        _add_annotation(app, queue, team)
    for part in (router, media.router, projects.router, prompts.router, jobs.router, events.router):
        app.include_router(part)
    if page:
        app.mount("/", _Page(directory=PAGE, html=True, check_dir=False))
    app.add_middleware(SecurityMiddleware, settings=settings, authorize=None if team is None else team.authorize)
    install_handlers(app)
    return app


def _add_annotation(app: FastAPI, queue: Queue, team: Team) -> None:
    """Add the annotation service of a data engine; only here its libraries are needed."""
    from masklet.studio.annotation import AnnotationService  # noqa: PLC0415
    from masklet.studio.routes import tasks  # noqa: PLC0415

    app.state.annotation = AnnotationService(queue, team, app.state.services)
    app.include_router(tasks.router)


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    services: Services = app.state.services
    services.events.attach(asyncio.get_running_loop())
    to_thread.current_default_thread_limiter().total_tokens = THREADS
    expiring = asyncio.create_task(_expire(services))
    try:
        yield
    finally:
        expiring.cancel()
        services.events.attach(None)
        await asyncio.to_thread(services.close)


async def _expire(services: Services) -> None:
    while True:
        await asyncio.sleep(min(EXPIRE_SECONDS, services.settings.idle_seconds))
        services.expire(time.monotonic())


class _Page(StaticFiles):
    """The files of the page; browsers check each time whether they have changed."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = "no-cache"
        return response


@router.get("/health")
def health() -> dict[str, bool]:
    """Return whether the studio is running; needs no token."""
    return {"ok": True}


@router.post("/login", status_code=204, response_class=Response)
def login(request: Request, services: ServicesDep, body: LoginIn) -> Response:
    """Exchange the access token for a cookie."""
    team: Team | None = request.app.state.team
    token = services.settings.token
    if team is not None:
        team.authenticate(body.token)
    elif token:
        check_token(token, body.token)
    return login_response(body.token if team else token, secure=request.url.scheme == "https")


@router.get("/about")
def about(request: Request, services: ServicesDep) -> dict[str, Any]:
    """Return the model, limits, export formats and effects of this studio."""
    model, settings = services.devices[0].model, services.settings
    return {
        "version": masklet.__version__,
        "model": {
            "name": model.config.full_name,
            "device": str(model.device),
            "input_size": model.config.image_size,
        },
        "token_required": settings.token is not None,
        "team": request.app.state.team is not None,
        "limits": {
            "upload_bytes": settings.upload_bytes,
            "folder_files": settings.folder_files,
            "objects": settings.objects,
            "masks_frames": settings.masks_frames,
        },
        "media_suffixes": list(SUFFIXES),
        "export_formats": formats_json(),
        "effects": {"background": list(get_args(Background)), "object": list(get_args(Foreground))},
        "palette": COLORS,
    }
