"""The event bus: from any thread to every WebSocket that is subscribed to a project."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

Event = dict[str, Any]

BACKLOG = 512
"""Events that one subscriber may have unread before they are dropped."""


class Subscriber:
    """The unread events of one WebSocket; used on the event loop alone."""

    def __init__(self) -> None:
        self._events: asyncio.Queue[Event] = asyncio.Queue()

    def push(self, event: Event) -> None:
        """Add an event; replace a full backlog by one "resync" event."""
        if self._events.qsize() >= BACKLOG:
            while not self._events.empty():
                self._events.get_nowait()
            self._events.put_nowait({"type": "resync"})
        self._events.put_nowait(event)

    async def next(self) -> Event:
        """Wait for the next event."""
        return await self._events.get()


class EventBus:
    """Delivers the events of projects to their subscribers."""

    def __init__(self) -> None:
        self._subscribers: dict[str, set[Subscriber]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None

    def attach(self, loop: asyncio.AbstractEventLoop | None) -> None:
        """Set the event loop of the WebSockets; None stops delivery."""
        self._loop = loop

    @contextmanager
    def subscribe(self, project_id: str) -> Iterator[Subscriber]:
        """Receive the events of a project inside."""
        subscriber = Subscriber()
        self._subscribers.setdefault(project_id, set()).add(subscriber)
        try:
            yield subscriber
        finally:
            self._subscribers[project_id].discard(subscriber)
            if not self._subscribers[project_id]:
                del self._subscribers[project_id]

    def has_subscribers(self, project_id: str) -> bool:
        """Whether anybody would receive an event of a project."""
        return project_id in self._subscribers

    def publish(self, project_id: str, event: Event) -> None:
        """Send an event to the subscribers of a project, from any thread."""
        loop = self._loop
        if loop is not None and not loop.is_closed() and project_id in self._subscribers:
            loop.call_soon_threadsafe(self._deliver, project_id, event)

    def _deliver(self, project_id: str, event: Event) -> None:
        for subscriber in self._subscribers.get(project_id, ()):
            subscriber.push(event)
