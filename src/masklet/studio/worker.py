"""One thread per device: calls are answered in turn, and long jobs run step by step between them."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any, Generic, TypeVar

from masklet.studio.errors import BusyError

T = TypeVar("T")
Call = tuple[Future[Any], Callable[[], Any]]
log = logging.getLogger(__name__)

CALLS_BEFORE_A_STEP = 4
"""Calls that are answered at most before a job gets its next step, so that neither starves the other."""


class FairQueue(Generic[T]):
    """A queue with one line per owner: owners take turns, and the items of an owner keep their order."""

    def __init__(self) -> None:
        self._lines: OrderedDict[str, deque[T]] = OrderedDict()

    def __len__(self) -> int:
        return sum(map(len, self._lines.values()))

    def waiting(self, owner: str) -> int:
        """Return the number of items of an owner."""
        return len(self._lines.get(owner, ()))

    def put(self, owner: str, item: T) -> None:
        """Append an item to the line of its owner."""
        self._lines.setdefault(owner, deque()).append(item)

    def take(self) -> tuple[str, T]:
        """Remove the next item and move its owner behind the other owners."""
        owner, line = next(iter(self._lines.items()))
        item = line.popleft()
        if line:
            self._lines.move_to_end(owner)
        else:
            del self._lines[owner]
        return owner, item


class Worker:
    """Runs everything that uses one device, on one thread.

    `call` answers in order of arrival, owners taking turns. `start` runs an iterator to its end, one step at a time,
    with calls between any two steps. So a click waits for one frame of a tracking job and for one `preview` at most;
    previews come when no call is waiting.

    Args:
        waiting_calls: of one owner before `BusyError`.
    """

    def __init__(self, name: str, *, waiting_calls: int = 64) -> None:
        self._waiting_calls = waiting_calls
        self._calls: FairQueue[Call] = FairQueue()
        self._previews: FairQueue[Call] = FairQueue()
        self._jobs: FairQueue[Iterator[object]] = FairQueue()
        self._wake = threading.Condition()
        self._closed = False
        self._streak = 0
        self._stepped = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def call(self, owner: str, function: Callable[[], T]) -> Future[T]:
        """Run a function when its turn comes.

        Raises:
            BusyError: too many calls of the owner are waiting, or the worker is closed.
        """
        return self._submit(self._calls, owner, function)

    def preview(self, owner: str, function: Callable[[], T]) -> Future[T]:
        """Run a function when no call is waiting, in turn with the steps of jobs; raise as `call`."""
        return self._submit(self._previews, owner, function)

    def _submit(self, queue: FairQueue[Call], owner: str, function: Callable[[], T]) -> Future[T]:
        future: Future[T] = Future()
        with self._wake:
            if self._closed:
                raise BusyError("the studio is shutting down")
            if queue.waiting(owner) >= self._waiting_calls:
                raise BusyError(f"{self._waiting_calls} requests for this project are waiting: try again in a second")
            queue.put(owner, (future, function))
            self._wake.notify()
        return future

    def start(self, owner: str, steps: Iterator[object]) -> None:
        """Run an iterator to its end, step by step; it handles its own errors."""
        with self._wake:
            self._jobs.put(owner, steps)
            self._wake.notify()

    def close(self) -> None:
        """Stop after the present step, cancel waiting calls and close iterators."""
        with self._wake:
            self._closed = True
            self._wake.notify()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _run(self) -> None:
        queues: tuple[FairQueue[Any], ...] = (self._calls, self._previews, self._jobs)
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._closed or any(len(queue) for queue in queues))
                if self._closed:
                    break
                call, owner, steps = self._next()
            if call is not None:
                _answer(*call)
            elif _has_more(steps):
                with self._wake:
                    self._jobs.put(owner, steps)
        for queue in (self._calls, self._previews):
            while len(queue):
                queue.take()[1][0].cancel()
        while len(self._jobs):
            _, steps = self._jobs.take()
            close = getattr(steps, "close", None)
            if close is not None:
                close()

    def _next(self) -> tuple[Call | None, str, Iterator[object]]:
        """Choose a call, or the owner and iterator of a job; a preview comes before a step if a step came last."""
        others = len(self._previews) or len(self._jobs)
        if len(self._calls) and not (others and self._streak >= CALLS_BEFORE_A_STEP):
            self._streak += 1
            return self._calls.take()[1], "", iter(())
        self._streak = 0
        if len(self._previews) and (self._stepped or not len(self._jobs)):
            self._stepped = False
            return self._previews.take()[1], "", iter(())
        self._stepped = True
        return None, *self._jobs.take()


def _answer(future: Future[Any], function: Callable[[], Any]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        value = function()
    except BaseException as error:  # passed on to the caller
        future.set_exception(error)
    else:
        future.set_result(value)


def _has_more(steps: Iterator[object]) -> bool:
    """Run one step and return whether there are more."""
    try:
        next(steps)
    except StopIteration:
        return False
    except Exception:  # the thread must outlive a bug in one job
        log.exception("a job raised an error that it did not handle")
        return False
    return True
