"""Events: from any thread to every page of a project, bounded for pages that are slow."""

from __future__ import annotations

import asyncio
import threading

from masklet.studio.events import BACKLOG, EventBus, Subscriber


def test_events_reach_those_who_watch() -> None:
    async def main() -> list[object]:
        events = EventBus()
        events.publish("p", {"type": "before"})  # nobody is there
        events.attach(asyncio.get_running_loop())
        with events.subscribe("p") as first, events.subscribe("p") as second, events.subscribe("q") as other:
            thread = threading.Thread(target=events.publish, args=("p", {"type": "news"}))
            thread.start()
            thread.join()
            events.publish("q", {"type": "else"})
            seen: list[object] = [await first.next(), await second.next(), await other.next()]
        assert not events.has_subscribers("p")
        events.publish("p", {"type": "after"})
        return seen

    assert asyncio.run(main()) == [{"type": "news"}, {"type": "news"}, {"type": "else"}]


def test_a_slow_page_is_told_to_read_anew() -> None:
    async def main() -> list[object]:
        subscriber = Subscriber()
        for index in range(BACKLOG + 1):
            subscriber.push({"index": index})
        return [await subscriber.next(), await subscriber.next()]

    assert asyncio.run(main()) == [{"type": "resync"}, {"index": BACKLOG}]
