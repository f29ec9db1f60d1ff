"""Worker pools: every item once, in this process or in several, though workers die."""

from __future__ import annotations

import importlib
import multiprocessing
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from masklet.errors import DeviceError, FormatError, MaskletError
from masklet.predict.worker_pool import RETRIES, ProcessPool, SerialPool, WorkerPool

TASKS = '''
import os, pathlib, signal, time
from dataclasses import dataclass
import torch
from masklet.errors import FormatError

@dataclass(frozen=True)
class Double:
    """Doubles numbers; dies at 4 the first time and at 8 always; each start leaves a file."""

    folder: pathlib.Path

    def start_worker(self):
        (self.folder / f"started-{os.getpid()}").touch()
        return self.double

    def double(self, number):
        mark = self.folder / f"died-{number}"
        if number == 8 or (number == 4 and not mark.exists()):
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if number % 2:
            raise FormatError(f"odd: {number}")
        return 2 * number

class Threads:
    def start_worker(self):
        return lambda _item: torch.get_num_threads()

class Sleep:
    def start_worker(self):
        return time.sleep

class Unable:
    def start_worker(self):
        raise FormatError("no weights")

class Broken:
    def start_worker(self):
        return lambda number: 1 / number
'''
"""In a file of their own, where the processes find them."""


@pytest.fixture
def tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    name = f"tasks_{os.getpid()}_{tmp_path.name}"
    (tmp_path / f"{name}.py").write_text(TASKS)
    monkeypatch.syspath_prepend(tmp_path)
    return importlib.import_module(name)


def values(results: Iterable[tuple[int, Any]]) -> dict[int, Any]:
    """Results by item; errors as their type and text."""
    return {item: (type(r), str(r)) if isinstance(r, MaskletError) else r for item, r in results}


def test_every_item_once_though_workers_die(tasks: Any, tmp_path: Path) -> None:
    taken: list[int] = []

    def numbers() -> Iterator[int]:
        for number in (0, 2, 4, 6, 7, 8, 10):
            taken.append(number)
            yield number

    results = ProcessPool(workers=2).map_unordered(tasks.Double(tmp_path), numbers())
    first = next(results)
    assert len(taken) == 2  # items are taken when a worker is free
    found = values([first, *results])
    kind, text = found.pop(8)
    assert kind is DeviceError
    assert f"died {RETRIES + 1} times" in text
    assert found == {0: 0, 2: 4, 4: 8, 6: 12, 7: (FormatError, "odd: 7"), 10: 20}
    deaths = 1 + (RETRIES + 1)  # 4 once, 8 always; an idle process takes over, or a new one is started
    assert deaths <= len(list(tmp_path.glob("started-*"))) <= deaths + 2


def test_without_retries(tasks: Any, tmp_path: Path) -> None:
    ((_, result),) = ProcessPool(workers=1, retries=0).map_unordered(tasks.Double(tmp_path), [4])
    assert isinstance(result, DeviceError)


def test_threads_of_a_worker(tasks: Any) -> None:
    assert values(ProcessPool(workers=1, threads=1).map_unordered(tasks.Threads(), [0])) == {0: 1}


def test_closing_ends_the_workers(tasks: Any) -> None:
    results = ProcessPool(workers=2).map_unordered(tasks.Sleep(), [0, 600, 600])
    assert next(results) == (0, None)
    assert multiprocessing.active_children()
    results.close()  # type: ignore[attr-defined]
    assert not multiprocessing.active_children()


@pytest.mark.parametrize("pool", [SerialPool(), ProcessPool(workers=1)])
def test_errors(tasks: Any, tmp_path: Path, pool: WorkerPool) -> None:
    assert values(pool.map_unordered(tasks.Double(tmp_path), [1, 2])) == {1: (FormatError, "odd: 1"), 2: 4}
    with pytest.raises(FormatError):
        list(pool.map_unordered(tasks.Unable(), [1, 2]))
    with pytest.raises(ZeroDivisionError):
        list(pool.map_unordered(tasks.Broken(), [1, 0]))
    assert list(pool.map_unordered(tasks.Double(tmp_path), [])) == []
