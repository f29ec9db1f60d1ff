"""The WebSocket of a project: events to the page, requests for previews from it."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Annotated, Any

from anyio import to_thread
from fastapi import APIRouter, WebSocket
from pydantic import Field, TypeAdapter, ValidationError
from starlette.websockets import WebSocketDisconnect

from masklet.errors import MaskletError
from masklet.studio.errors import NotFoundError, StudioError, error_json, first_problem, public_error
from masklet.studio.events import Subscriber
from masklet.studio.routes.dependencies import get_services
from masklet.studio.routes.prompts import preview
from masklet.studio.schemas import HoverIn, PingIn
from masklet.studio.services import Services

router = APIRouter()
log = logging.getLogger(__name__)

NO_PROJECT = 4404
"""Close code."""

MESSAGE: TypeAdapter[HoverIn | PingIn] = TypeAdapter(Annotated[HoverIn | PingIn, Field(discriminator="type")])


@router.websocket("/api/projects/{project_id}/events")
async def events(socket: WebSocket, project_id: str) -> None:
    """Serve one page until it disconnects."""
    services = get_services(socket)
    await socket.accept()
    try:
        project, _ = await to_thread.run_sync(services.store.project, project_id)
    except NotFoundError as error:
        await socket.close(NO_PROJECT, str(error)[:100])
        return
    with services.events.subscribe(project_id) as subscriber:
        jobs = [job.to_json() for job in services.jobs.active(project_id)]
        subscriber.push({"type": "hello", "revision": project.revision, "jobs": jobs})
        previews = Previews(services, project_id, subscriber)
        parts = _send(socket, subscriber), _receive(socket, previews), previews.answer()
        tasks = [asyncio.create_task(part) for part in parts]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            for outcome in await asyncio.gather(*tasks, return_exceptions=True):
                if isinstance(outcome, Exception) and not isinstance(outcome, WebSocketDisconnect | RuntimeError):
                    log.error("the WebSocket of project %s failed", project_id, exc_info=outcome)


class Previews:
    """Previews under a moving pointer: only the newest request is answered."""

    def __init__(self, services: Services, project_id: str, subscriber: Subscriber) -> None:
        self._services = services
        self._project_id = project_id
        self.subscriber = subscriber
        self._newest: HoverIn | None = None
        self._requested = asyncio.Event()

    def request(self, hover: HoverIn) -> None:
        """Request a preview in place of an earlier one that was not answered yet."""
        self._newest = hover
        self._requested.set()

    async def answer(self) -> None:
        """Answer the newest request, again and again."""
        while True:
            await self._requested.wait()
            self._requested.clear()
            hover, self._newest = self._newest, None
            if hover is not None:
                self.subscriber.push({"type": "preview", "seq": hover.seq} | await self._preview(hover))

    async def _preview(self, hover: HoverIn) -> dict[str, Any]:
        try:
            return await preview(self._services, self._project_id, hover.frame, hover)
        except Exception as error:  # a preview that fails must not end the connection
            if public_error(error) is None:
                log.exception("a preview failed")
            return {"error": error_json(error)}


async def _send(socket: WebSocket, subscriber: Subscriber) -> None:
    while True:
        await socket.send_text(json.dumps(await subscriber.next(), separators=(",", ":")))


async def _receive(socket: WebSocket, previews: Previews) -> None:
    while True:
        message = await socket.receive()
        if message["type"] == "websocket.disconnect":
            return
        try:
            _handle(message, previews)
        except MaskletError as error:
            previews.subscriber.push({"type": "error", "error": error_json(error)})


def _handle(message: Any, previews: Previews) -> None:
    try:
        request = MESSAGE.validate_json(message.get("text") or "")
    except ValidationError as error:
        raise StudioError(f"expected a JSON message of type hover or ping: {first_problem(error.errors())}") from None
    if isinstance(request, HoverIn):
        previews.request(request)
    else:
        previews.subscriber.push({"type": "pong"})
