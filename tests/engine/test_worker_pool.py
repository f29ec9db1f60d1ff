"""A crew of processes: every item once, whoever dies on the way."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from masklet.engine.worker_pool import RETRIES, Processes
from masklet.errors import FormatError

TRADES = '''
import os, pathlib, signal
from dataclasses import dataclass
from masklet.errors import FormatError

@dataclass(frozen=True)
class Doubling:
    """Doubles numbers; dies at 4 the first time and at 8 always; each beginning leaves a mark."""

    folder: pathlib.Path

    def begin(self):
        (self.folder / f"began-{os.getpid()}").touch()
        return self.double

    def double(self, number):
        mark = self.folder / f"died-{number}"
        if number == 8 or (number == 4 and not mark.exists()):
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return "an odd number" if number % 2 else 2 * number

@dataclass(frozen=True)
class Unable:
    def begin(self):
        raise FormatError("expected weights, got none")
'''
"""In a file of their own, where the processes find them."""


@pytest.fixture
def trades(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    name = f"trades_{os.getpid()}_{tmp_path.name}"
    (tmp_path / f"{name}.py").write_text(TRADES)
    monkeypatch.syspath_prepend(tmp_path)
    return importlib.import_module(name)


def test_every_item_once_though_workers_die(trades: Any, tmp_path: Path) -> None:
    asked: list[int] = []

    def numbers() -> Iterator[int]:
        for number in (0, 2, 4, 6, 7, 8, 10):
            asked.append(number)
            yield number

    done = Processes(workers=2).each(trades.Doubling(tmp_path), numbers())
    first = next(done)
    assert len(asked) == 2  # items are asked for when there is somebody to do them
    found = dict([first, *done])
    died = f"the process that worked on it died, {RETRIES + 1} times"
    assert found == {0: 0, 2: 4, 4: 8, 6: 12, 7: "an odd number", 8: died, 10: 20}
    assert len(list(tmp_path.glob("began-*"))) in (RETRIES + 3, RETRIES + 4)  # the last may have had nothing to do


def test_what_nobody_can_begin(trades: Any) -> None:
    with pytest.raises(FormatError, match="expected weights, got none"):
        list(Processes(workers=1).each(trades.Unable(), [1, 2]))
    assert list(Processes(workers=3).each(trades.Unable(), [])) == []
