"""Events: from any thread to every page of a project, bounded for pages that are slow."""

from __future__ import annotations

import asyncio
import threading

from masklet.studio.events import BACKLOG, Hub, Watcher


def test_events_reach_those_who_watch() -> None:
    async def main() -> list[object]:
        hub = Hub()
        hub.send("p", {"type": "before"})  # nobody is there
        hub.run_on(asyncio.get_running_loop())
        with hub.watching("p") as first, hub.watching("p") as second, hub.watching("q") as other:
            thread = threading.Thread(target=hub.send, args=("p", {"type": "news"}))
            thread.start()
            thread.join()
            hub.send("q", {"type": "else"})
            seen: list[object] = [await first.next(), await second.next(), await other.next()]
        assert not hub.watched("p")
        hub.send("p", {"type": "after"})
        return seen

    assert asyncio.run(main()) == [{"type": "news"}, {"type": "news"}, {"type": "else"}]


def test_a_slow_page_is_told_to_read_anew() -> None:
    async def main() -> list[object]:
        watcher = Watcher()
        for index in range(BACKLOG + 1):
            watcher.push({"index": index})
        return [await watcher.next(), await watcher.next()]

    assert asyncio.run(main()) == [{"type": "resync"}, {"index": BACKLOG}]
