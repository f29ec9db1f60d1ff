"""Work on many videos at once: what a crew of workers is asked, and a crew of processes of this machine."""

from __future__ import annotations

import functools
import multiprocessing
import signal
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from multiprocessing.connection import Connection, wait
from typing import Protocol, TypeVar, cast, runtime_checkable

from masklet.errors import MaskletError

T = TypeVar("T")
R = TypeVar("R")
T_contra = TypeVar("T_contra", contravariant=True)
R_co = TypeVar("R_co", covariant=True)

RETRIES = 2
"""What a worker was at when it died is begun again so often."""

_SPAWN = multiprocessing.get_context("spawn")  # a fork would share the locks of the libraries


@runtime_checkable
class Trade(Protocol[T_contra, R_co]):
    """What workers can do: a value that travels to them and can be hashed."""

    def __hash__(self) -> int: ...

    def begin(self) -> Callable[[T_contra], R_co]:
        """Get ready, once in each worker: gives what does one piece of work."""
        ...


@runtime_checkable
class Crew(Protocol):
    """Workers somewhere."""

    def each(self, trade: Trade[T, R], items: Iterable[T]) -> Iterator[tuple[T, R | str]]:
        """Every item once with what came of it, as they are done, or with why nothing did."""
        ...


@dataclass(frozen=True, kw_only=True)
class Processes:
    """Processes of this machine; another takes the place of one that dies.

    Attributes:
        workers: how many.
    """

    workers: int

    def each(self, trade: Trade[T, R], items: Iterable[T]) -> Iterator[tuple[T, R | str]]:
        """Every item once with what came of it, as they are done, or with how its workers died.

        Raises:
            MaskletError: a worker cannot get ready.
        """
        left = iter(items)
        idle: list[_Worker] = []
        busy: dict[Connection, tuple[_Worker, T, int]] = {}
        try:
            while True:
                for item in islice(left, self.workers - len(busy)):
                    _hand(idle.pop() if idle else _Worker(trade), item, 0, busy)
                if not busy:
                    return
                for line in wait(list(busy)):
                    worker, item, deaths = busy.pop(cast("Connection", line))
                    try:
                        result = worker.line.recv()
                    except (EOFError, OSError):
                        worker.end()
                        worker = _Worker(trade)
                        if deaths < RETRIES:
                            _hand(worker, item, deaths + 1, busy)
                            continue
                        result = f"the process that worked on it died, {deaths + 1} times"
                    if isinstance(result, MaskletError):
                        raise result
                    idle.append(worker)
                    yield item, result
        finally:
            for worker in [*idle, *(worker for worker, _, _ in busy.values())]:
                worker.end()


class _Worker:
    """A process, and the line to it."""

    def __init__(self, trade: Trade[T, R]) -> None:
        self.line, there = _SPAWN.Pipe()
        self.process = _SPAWN.Process(target=_serve, args=(trade, there), daemon=True)
        self.process.start()
        there.close()

    def end(self) -> None:
        self.line.close()
        self.process.kill()  # what it was at is whole or not there
        self.process.join()


def _hand(worker: _Worker, item: T, deaths: int, busy: dict[Connection, tuple[_Worker, T, int]]) -> None:
    busy[worker.line] = worker, item, deaths
    try:
        worker.line.send(item)
    except OSError:
        return  # it has died already: reading will say so


def _serve(trade: Trade[T, R], line: Connection) -> None:
    """The life of a worker: it ends when nobody is on the line any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that asks; it ends the others
    try:
        while True:
            item = line.recv()
            try:
                result: R | MaskletError = ready(trade)(item)
            except MaskletError as error:
                result = error
            line.send(result)
    except (EOFError, OSError):
        return


@functools.cache
def ready(trade: Trade[T, R]) -> Callable[[T], R]:
    """What does one piece of work, made once in a process."""
    return trade.begin()
