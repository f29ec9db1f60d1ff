"""The WebSocket of a project: events to the page, hovers from it."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

from anyio import to_thread
from fastapi import APIRouter, WebSocket
from pydantic import ValidationError
from starlette.websockets import WebSocketDisconnect

from masklet.errors import MaskletError
from masklet.studio.errors import NotFoundError, StudioError, entry, told
from masklet.studio.events import Watcher
from masklet.studio.routes.access import desk_of
from masklet.studio.routes.prompts import previewed
from masklet.studio.schemas import HoverIn
from masklet.studio.services import Desk

router = APIRouter()
log = logging.getLogger(__name__)

NO_PROJECT = 4404


@router.websocket("/api/projects/{project_id}/events")
async def events(socket: WebSocket, project_id: str) -> None:
    """Serve one page until it leaves."""
    desk = desk_of(socket)
    await socket.accept()
    try:
        project, _ = await to_thread.run_sync(desk.store.project, project_id)
    except NotFoundError as error:
        await socket.close(NO_PROJECT, str(error)[:100])
        return
    with desk.hub.watching(project_id) as watcher:
        jobs = [job.entry() for job in desk.jobs.active(project_id)]
        watcher.push({"type": "hello", "revision": project.revision, "jobs": jobs})
        hovers = Hovers(desk, project_id, watcher)
        tasks = [
            asyncio.create_task(part) for part in (_send(socket, watcher), _receive(socket, hovers), hovers.answer())
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            for outcome in await asyncio.gather(*tasks, return_exceptions=True):
                if isinstance(outcome, Exception) and not isinstance(outcome, WebSocketDisconnect | RuntimeError):
                    log.error("the events of %s broke off", project_id, exc_info=outcome)


class Hovers:
    """Previews for a pointer that moves on: only the newest is worth an answer.

    Args:
        desk: where previews are made.
        project_id: the project.
        watcher: gets the answers.
    """

    def __init__(self, desk: Desk, project_id: str, watcher: Watcher) -> None:
        self._desk = desk
        self._project_id = project_id
        self.watcher = watcher
        self._newest: HoverIn | None = None
        self._moved = asyncio.Event()

    def move(self, hover: HoverIn) -> None:
        """The pointer is here now."""
        self._newest = hover
        self._moved.set()

    async def answer(self) -> None:
        """Answer the newest hover, again and again."""
        while True:
            await self._moved.wait()
            self._moved.clear()
            hover, self._newest = self._newest, None
            if hover is not None:
                self.watcher.push({"type": "preview", "seq": hover.seq} | await self._preview(hover))

    async def _preview(self, hover: HoverIn) -> dict[str, Any]:
        try:
            return await previewed(self._desk, self._project_id, hover.frame, hover)
        except Exception as error:  # one hover that fails must not end the connection
            if told(error) is None:
                log.exception("a preview failed")
            return {"error": entry(error)}


async def _send(socket: WebSocket, watcher: Watcher) -> None:
    while True:
        await socket.send_text(json.dumps(await watcher.next(), separators=(",", ":")))


async def _receive(socket: WebSocket, hovers: Hovers) -> None:
    while True:
        message = await socket.receive()
        if message["type"] == "websocket.disconnect":
            return
        try:
            _understand(message, hovers)
        except MaskletError as error:
            hovers.watcher.push({"type": "error", "error": entry(error)})


def _understand(message: Any, hovers: Hovers) -> None:
    try:
        document = json.loads(message.get("text") or "")
        kind = document.get("type")
    except (ValueError, AttributeError, RecursionError):
        raise StudioError('expected a JSON object with a "type"') from None
    if kind == "ping":
        hovers.watcher.push({"type": "pong"})
    elif kind == "hover":
        try:
            hovers.move(HoverIn.model_validate(document))
        except ValidationError as error:
            first = error.errors()[0]
            raise StudioError(f"hover: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    else:
        raise StudioError('expected a message of type "hover" or "ping"')
