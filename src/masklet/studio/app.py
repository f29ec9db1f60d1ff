"""`create_app`: the studio as an ASGI application, with its page or without."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, get_args

from anyio import to_thread
from fastapi import APIRouter, FastAPI, Request, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

import masklet
from masklet.model.sam2 import Sam2
from masklet.studio import faults
from masklet.studio.desk import Desk, hex_color
from masklet.studio.effects import Background, Foreground
from masklet.studio.exports import form_entries
from masklet.studio.library import SUFFIXES
from masklet.studio.routes import events, media, projects, prompts, work
from masklet.studio.routes.access import ERRORS, Desks
from masklet.studio.schemas import LoginIn
from masklet.studio.security import Guard, login_answer
from masklet.studio.settings import Settings

PAGE = Path(__file__).parent / "page"
THREADS = 16
"""For calls that read the database or make pictures; more would only hold up the model."""

EXPIRE_EVERY = 15.0
"""Seconds between two looks for sessions that nobody uses."""

router = APIRouter(prefix="/api", tags=["studio"])


def create_app(model: Sam2 | Sequence[Sam2], settings: Settings, *, page: bool = True) -> FastAPI:
    """The studio.

    Serve it with any ASGI server, one process; its state is in ``settings.folder``, so that it can be stopped at any
    moment. ``app.state.desk`` is the studio without HTTP.

    Args:
        model: from `masklet.load`; several models, on a device each, share the projects among them.
        settings: folders, limits, token.
        page: whether to serve the page; without it the app is an inference server.

    Raises:
        OutputError: the folder cannot be used.
    """
    desk = Desk([model] if isinstance(model, Sam2) else list(model), settings)
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
    for part in (router, media.router, projects.router, prompts.router, work.router, events.router):
        app.include_router(part)
    if page:
        app.mount("/", _Page(directory=PAGE, html=True, check_dir=False))
    app.add_middleware(Guard, settings=settings)
    faults.install(app)
    return app


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
    return login_answer(desk.settings.token, asked.token, secure=request.url.scheme == "https")


@router.get("/about")
def about(desk: Desks) -> dict[str, Any]:
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
