"""Pools of workers for videos: one item per worker at a time, results as they complete, dead workers replaced."""

from __future__ import annotations

import multiprocessing
import signal
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from multiprocessing.connection import Connection, wait
from typing import Any, Generic, Protocol, TypeVar, cast, runtime_checkable

import torch

from masklet.errors import DeviceError, MaskletError

T = TypeVar("T")
R = TypeVar("R")
T_contra = TypeVar("T_contra", contravariant=True)
R_co = TypeVar("R_co", covariant=True)

RETRIES = 2
"""How often an item is retried after the worker that processed it died."""

_SPAWN = multiprocessing.get_context("spawn")  # fork copies locks that other threads of the libraries may hold


@runtime_checkable
class WorkerTask(Protocol[T_contra, R_co]):
    """Work that a pool distributes; picklable, so that it can travel to worker processes and machines."""

    def start_worker(self) -> Callable[[T_contra], R_co]:
        """Prepare one worker, for example by loading a `ModelSpec`; return the function that processes one item."""
        ...


@runtime_checkable
class WorkerPool(Protocol):
    """Workers in this process, in other processes or on other machines."""

    def map_unordered(self, task: WorkerTask[T, R], items: Iterable[T]) -> Iterator[tuple[T, R | MaskletError]]:
        """Process every item once and yield it with its result, in order of completion.

        An item whose processing raises a `MaskletError` is yielded with that error; the others go on. Items are taken
        from the iterable when a worker is free. Closing the iterator stops all workers at once.

        Raises:
            MaskletError: a worker could not be started.
            Exception: any other exception of a worker (a bug) ends the iteration.
        """
        ...


def run_item(function: Callable[[T], R], item: T) -> R | MaskletError:
    """Process one item; an error about the item is its result."""
    try:
        return function(item)
    except MaskletError as error:
        return error


@dataclass(frozen=True)
class SerialPool:
    """Processes one item after the other in this process."""

    def map_unordered(self, task: WorkerTask[T, R], items: Iterable[T]) -> Iterator[tuple[T, R | MaskletError]]:
        """See `WorkerPool.map_unordered`."""
        function = task.start_worker()
        for item in items:
            yield item, run_item(function, item)


@dataclass(frozen=True, kw_only=True)
class ProcessPool:
    """Processes items in several processes of this machine; a process that dies is replaced.

    An item whose process died is retried; after the last retry its result is a `DeviceError`.

    Attributes:
        workers: number of processes.
        retries: how often an item is retried after its process died.
        threads: number of PyTorch threads per process; None leaves PyTorch's default.
    """

    workers: int
    retries: int = RETRIES
    threads: int | None = None

    def map_unordered(self, task: WorkerTask[T, R], items: Iterable[T]) -> Iterator[tuple[T, R | MaskletError]]:
        """See `WorkerPool.map_unordered`."""
        pending = iter(items)
        idle: list[_Process[T, R]] = []
        busy: dict[Connection, tuple[_Process[T, R], T, int]] = {}

        def assign(item: T, deaths: int) -> None:
            process = idle.pop() if idle else _Process[T, R](task, self.threads)
            busy[process.connection] = process, item, deaths
            process.send(item)

        try:
            while True:
                for item in islice(pending, self.workers - len(busy)):
                    assign(item, 0)
                if not busy:
                    return
                for connection in wait(list(busy)):
                    process, item, deaths = busy.pop(cast("Connection", connection))
                    try:
                        result = process.receive()
                    except (EOFError, ConnectionError):
                        process.kill()
                        if deaths < self.retries:
                            assign(item, deaths + 1)
                            continue
                        result = DeviceError(
                            f"the worker process died {deaths + 1} times on this item, most likely out of memory: "
                            "use fewer workers"
                        )
                    else:
                        idle.append(process)
                    yield item, result
        finally:
            for process in [*idle, *(process for process, _, _ in busy.values())]:
                process.kill()


class _Process(Generic[T, R]):
    """One worker process and the connection to it."""

    def __init__(self, task: WorkerTask[T, R], threads: int | None) -> None:
        self.connection, remote = _SPAWN.Pipe()
        self._process = _SPAWN.Process(target=_serve, args=(task, threads, remote), daemon=True)
        self._process.start()
        remote.close()

    def send(self, item: T) -> None:
        try:
            self.connection.send(item)
        except ConnectionError:
            return  # the process has died already; `receive` raises

    def receive(self) -> R | MaskletError:
        """The result of the item; raise what `_serve` could not handle, or EOFError if the process died."""
        kind, value = self.connection.recv()
        if kind == "raise":
            raise value
        return cast("R | MaskletError", value)

    def kill(self) -> None:
        self.connection.close()
        self._process.kill()
        self._process.join()


def _serve(task: WorkerTask[Any, Any], threads: int | None, connection: Connection) -> None:
    """Run a worker process until the parent closes the connection."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C goes to the parent, which kills its workers
    if threads is not None:
        torch.set_num_threads(threads)
    with suppress(EOFError, ConnectionError):  # the parent has ended
        try:
            function = task.start_worker()
        except Exception as error:
            connection.send(_failure(error))
            return
        while True:
            item = connection.recv()
            try:
                reply = "result", run_item(function, item)
            except Exception as error:
                reply = _failure(error)
            connection.send(reply)


def _failure(error: Exception) -> tuple[str, Exception]:
    """The reply that makes the parent raise ``error``, with the traceback of this process as a note."""
    error.add_note(f"in a worker process:\n{traceback.format_exc()}")
    return "raise", error
