"""Events from any thread to every page that watches a project; a page that is too slow is told to read anew."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

Event = dict[str, Any]

BACKLOG = 512
"""Events one page may be behind before they are dropped."""


class Watcher:
    """The events of one page; used on the event loop alone."""

    def __init__(self) -> None:
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._behind = False

    def push(self, event: Event) -> None:
        """Add an event; where too many wait, all are dropped for one "resync"."""
        if self._events.qsize() >= BACKLOG:
            while not self._events.empty():
                self._events.get_nowait()
            self._events.put_nowait({"type": "resync"})
        self._events.put_nowait(event)

    async def next(self) -> Event:
        """The next event."""
        return await self._events.get()


class Hub:
    """Who watches which project."""

    def __init__(self) -> None:
        self._watchers: dict[str, set[Watcher]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None

    def run_on(self, loop: asyncio.AbstractEventLoop | None) -> None:
        """The loop that pages are served on; None stops all sending."""
        self._loop = loop

    @contextmanager
    def watching(self, project_id: str) -> Iterator[Watcher]:
        """Get a project's events inside."""
        watcher = Watcher()
        self._watchers.setdefault(project_id, set()).add(watcher)
        try:
            yield watcher
        finally:
            self._watchers[project_id].discard(watcher)
            if not self._watchers[project_id]:
                del self._watchers[project_id]

    def watched(self, project_id: str) -> bool:
        """Whether any page watches a project."""
        return project_id in self._watchers

    def send(self, project_id: str, event: Event) -> None:
        """Send an event, from any thread."""
        loop = self._loop
        if loop is not None and not loop.is_closed() and project_id in self._watchers:
            loop.call_soon_threadsafe(self._deliver, project_id, event)

    def _deliver(self, project_id: str, event: Event) -> None:
        for watcher in self._watchers.get(project_id, ()):
            watcher.push(event)
