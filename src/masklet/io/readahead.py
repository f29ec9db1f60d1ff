"""Read-ahead: a bounded background thread that prepares the next items while the caller works on this one."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class _End:
    error: BaseException | None


def read_ahead(produce: Callable[[], Generator[T]], depth: int, *, newest: bool = False) -> Generator[T]:
    """Yield the items of ``produce()``, made by a thread that is at most ``depth`` items ahead.

    The thread starts with the first item requested. It closes the inner generator and ends when the items end, when
    they raise (the exception is raised here, at its place in the sequence), or when this generator is closed or
    garbage-collected.

    Args:
        produce: starts the inner generator; runs in the thread.
        depth: length of the queue.
        newest: drop the oldest item in a full queue rather than wait for room.
    """
    ready: queue.Queue[T | _End] = queue.Queue(maxsize=depth)
    stop = threading.Event()

    def fill() -> None:
        error: BaseException | None = None
        try:
            with contextlib.closing(produce()) as items:
                for item in items:
                    if newest and ready.full():
                        with contextlib.suppress(queue.Empty):
                            ready.get_nowait()
                    ready.put(item)
                    if stop.is_set():
                        return
        except BaseException as raised:  # re-raised in the caller's thread, which can handle it
            error = raised
        ready.put(_End(error))

    thread = threading.Thread(target=fill, name="masklet-read-ahead", daemon=True)
    thread.start()
    try:
        while not isinstance(item := ready.get(), _End):
            yield item
        if item.error is not None:
            raise item.error
    finally:
        stop.set()
        with contextlib.suppress(queue.Empty):  # a thread waiting for room gets it, sees `stop` and ends
            while True:
                ready.get_nowait()
        if thread is not threading.current_thread():
            thread.join()
