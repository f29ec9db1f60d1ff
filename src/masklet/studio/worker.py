"""One thread for each device: calls are answered in turn, long work goes on step by step between them."""

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
"""So many calls are answered at most before long work gets its next step: neither starves the other."""


class Turns(Generic[T]):
    """Things in line, by owner: owners take turns, each one's things keep their order."""

    def __init__(self) -> None:
        self._lines: OrderedDict[str, deque[T]] = OrderedDict()

    def __len__(self) -> int:
        return sum(map(len, self._lines.values()))

    def waiting(self, owner: str) -> int:
        """How many things of an owner are in line."""
        return len(self._lines.get(owner, ()))

    def put(self, owner: str, thing: T) -> None:
        """Get in line."""
        self._lines.setdefault(owner, deque()).append(thing)

    def take(self) -> tuple[str, T]:
        """The next one; its owner goes to the end of the owners."""
        owner, line = next(iter(self._lines.items()))
        thing = line.popleft()
        if line:
            self._lines.move_to_end(owner)
        else:
            del self._lines[owner]
        return owner, thing


class Worker:
    """Runs everything that uses one device, on one thread.

    `call` answers in the order of arrival, owners taking turns. `start` runs an iterator to its end, one step at a
    time: calls come between any two steps, and several iterators share the steps. So a click waits for one frame of
    somebody else's propagation, never for all of it, and for one `preview`, which comes when no call is in line.

    Args:
        name: of the thread.
        waiting_calls: of one owner in line before `BusyError`.
    """

    def __init__(self, name: str, *, waiting_calls: int = 64) -> None:
        self._waiting_calls = waiting_calls
        self._calls: Turns[Call] = Turns()
        self._previews: Turns[Call] = Turns()
        self._steps: Turns[Iterator[object]] = Turns()
        self._wake = threading.Condition()
        self._closed = False
        self._streak = 0
        self._stepped = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def call(self, owner: str, function: Callable[[], T]) -> Future[T]:
        """What a function returns or raises, once it was its turn.

        Raises:
            BusyError: the owner has too many calls in line, or the worker is closed.
        """
        future: Future[T] = Future()
        with self._wake:
            if self._closed:
                raise BusyError("the studio is closing")
            if self._calls.waiting(owner) >= self._waiting_calls:
                raise BusyError("too many calls on this project are waiting for an answer: wait a second")
            self._calls.put(owner, (future, function))
            self._wake.notify()
        return future

    def preview(self, owner: str, function: Callable[[], T]) -> Future[T]:
        """The same for what is only nice to have: it waits for calls, and takes turns with long work."""
        future: Future[T] = Future()
        with self._wake:
            if self._closed or self._previews.waiting(owner) >= self._waiting_calls:
                raise BusyError("too many previews of this project are waiting for an answer")
            self._previews.put(owner, (future, function))
            self._wake.notify()
        return future

    def start(self, owner: str, steps: Iterator[object]) -> None:
        """Run an iterator to its end, step by step; it handles its own errors."""
        with self._wake:
            self._steps.put(owner, steps)
            self._wake.notify()

    def close(self) -> None:
        """End after the present step; calls in line are cancelled, iterators are closed."""
        with self._wake:
            self._closed = True
            self._wake.notify()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    def _run(self) -> None:
        lines: tuple[Turns[Any], ...] = (self._calls, self._previews, self._steps)
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._closed or any(len(line) for line in lines))
                if self._closed:
                    break
                call, owner, steps = self._next()
            if call is not None:
                _answer(*call)
            elif _step(steps):
                with self._wake:
                    self._steps.put(owner, steps)
        self._clear()

    def _next(self) -> tuple[Call | None, str, Iterator[object]]:
        """A call, or an owner and their long work. A preview comes before a step where the last turn was a step."""
        others = len(self._previews) or len(self._steps)
        if len(self._calls) and not (others and self._streak >= CALLS_BEFORE_A_STEP):
            self._streak += 1
            return self._calls.take()[1], "", iter(())
        self._streak = 0
        if len(self._previews) and (self._stepped or not len(self._steps)):
            self._stepped = False
            return self._previews.take()[1], "", iter(())
        self._stepped = True
        return None, *self._steps.take()

    def _clear(self) -> None:
        for line in (self._calls, self._previews):
            while len(line):
                line.take()[1][0].cancel()
        while len(self._steps):
            _, steps = self._steps.take()
            close = getattr(steps, "close", None)
            if close is not None:
                close()


def _answer(future: Future[Any], function: Callable[[], Any]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        value = function()
    except BaseException as error:  # it is the caller's, whatever it is
        future.set_exception(error)
    else:
        future.set_result(value)


def _step(steps: Iterator[object]) -> bool:
    """Whether there is more to do."""
    try:
        next(steps)
    except StopIteration:
        return False
    except Exception:  # the thread must outlive a bug in one job
        log.exception("a job ended in an error that it did not handle")
        return False
    return True
