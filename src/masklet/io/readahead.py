"""Read-ahead: a bounded background thread that prepares the next items while the caller works on this one."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class _Item(Generic[T]):
    value: T


@dataclass(frozen=True)
class _End:
    error: BaseException | None


def read_ahead(produce: Callable[[], Generator[T]], depth: int, *, newest: bool = False) -> Generator[T]:
    """The items of ``produce()``, made by a thread that is at most ``depth`` items ahead; there it waits.

    With ``newest`` it does not wait: the oldest item that nobody has taken is dropped.

    The thread starts with the first item asked for. It closes the inner generator and ends when the items end, when
    they raise (the exception is raised here, at its place in the sequence), or when this generator is closed or
    garbage-collected.
    """
    ready: queue.Queue[_Item[T] | _End] = queue.Queue(maxsize=depth)
    stop = threading.Event()
    thread = threading.Thread(target=_fill, args=(produce, ready, stop, newest), name="masklet-read-ahead", daemon=True)
    thread.start()
    try:
        while isinstance(got := ready.get(), _Item):
            yield got.value
        if got.error is not None:
            raise got.error
    finally:
        stop.set()
        _drain(ready)  # a thread waiting for room gets it, sees the stop and ends
        if thread is not threading.current_thread():
            thread.join()


def _fill(
    produce: Callable[[], Generator[T]], ready: queue.Queue[_Item[T] | _End], stop: threading.Event, newest: bool
) -> None:
    error: BaseException | None = None
    try:
        items = produce()
        try:
            for item in items:
                if newest and ready.full():
                    _take(ready)
                ready.put(_Item(item))
                if stop.is_set():
                    return
        finally:
            items.close()
    except BaseException as raised:  # handed over: the caller's thread is the one that can handle it
        error = raised
    ready.put(_End(error))


def _drain(ready: queue.Queue[_Item[T] | _End]) -> None:
    while _take(ready):
        pass


def _take(ready: queue.Queue[_Item[T] | _End]) -> bool:
    """Take an item out, if there is one."""
    try:
        ready.get_nowait()
    except queue.Empty:
        return False
    return True
