"""What commands print: JSON documents and tables on stdout; notes, warnings and progress on stderr."""

from __future__ import annotations

import json
import math
import signal
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any, TextIO

import typer
from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bar

SCHEMA_VERSION = 1

PLAIN_INTERVAL = 5.0
"""Seconds between two lines where stderr is no terminal."""


def document(kind: str, **content: Any) -> dict[str, Any]:
    """A JSON document: its schema and version, then the content."""
    return {"schema": f"masklet/{kind}", "version": SCHEMA_VERSION, **content}


def print_json(value: Mapping[str, Any]) -> None:
    """Print one JSON document on stdout."""
    typer.echo(json.dumps(value, ensure_ascii=False, allow_nan=False, indent=2))


def note(text: str, *, quiet: bool = False) -> None:
    """Print a line on stderr."""
    if not quiet:
        typer.echo(f"masklet: {text}", err=True)


def show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Print a Python warning as one line on stderr; replaces `warnings.showwarning`."""
    typer.echo(f"masklet: warning: {' '.join(str(message).split())}", err=True)


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Format left-aligned columns of plain text, two spaces apart."""
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in [header, *rows]]
    return "\n".join(line.rstrip() for line in lines)


def score(value: float) -> float | None:
    """Round a score to four digits; None (null in JSON) if it is not finite."""
    return round(value, 4) if math.isfinite(value) else None


class Progress:
    """How far a long operation is, with its speed and the time left, to be used in a ``with`` block.

    Args:
        label: name of the operation, such as the video.
        total: number of units, or None if it is not known.
        unit: what is counted.
        quiet: show nothing.
    """

    def __init__(self, label: str, total: int | None = None, *, unit: str = "frames", quiet: bool = False) -> None:
        self.label, self.total, self.unit, self.quiet = label, total, unit, quiet
        self.done = 0
        self._first_done_at = 0.0
        self._line_at = time.monotonic()
        self._console = None if quiet else Console(stderr=True)
        self._bar: Bar | None = None

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *raised: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def advance(self, *_: object) -> None:
        """Count one unit as done; arguments are ignored, so that it is a callback of any function."""
        self.update(self.done + 1)

    def update(self, done: int, total: int | None = None) -> None:
        """Set how many units are done, and of how many; speed is measured from the first one on."""
        if self.quiet:
            return
        if not self.done:
            self._first_done_at = time.monotonic()
        self.done, self.total = done, total or self.total
        self.show(describe(done, self.total, time.monotonic() - self._first_done_at, self.unit))

    @property
    def has_bar(self) -> bool:
        """Whether progress is shown as a bar: stderr is a terminal."""
        return self._console is not None and self._console.is_terminal

    def show(self, state: str, *, now: bool = False) -> None:
        """Show a text as the state; ``now``: even if the last line was printed a moment ago."""
        if self._console is None:
            return
        if self.has_bar:
            if self._bar is None:
                columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[state]}"))
                self._bar = Bar(*columns, console=self._console, transient=True)
                self._bar.add_task(self.label, state="")
                self._bar.start()
            self._bar.update(self._bar.task_ids[0], completed=self.done, total=self.total, state=state)
        elif now or time.monotonic() - self._line_at >= PLAIN_INTERVAL:
            self._line_at = time.monotonic()
            note(f"{self.label}: {state}")


def describe(done: int, total: int | None, seconds: float, unit: str = "frames") -> str:
    """Format units done, speed and time left: "40/82 frames, 5.6 frames/s, 0:08 left".

    Args:
        done: number of units done.
        total: of how many, or None.
        seconds: time since the first unit was done.
        unit: what is counted.
    """
    count = f"{done}/{total} {unit}" if total else f"{done} {unit}"
    if done < 2 or seconds <= 0:
        return count
    speed = (done - 1) / seconds
    if not total:
        return f"{count}, {speed:.1f} {unit}/s"
    return f"{count}, {speed:.1f} {unit}/s, {clock(round(max(total - done, 0) / speed))} left"


def clock(seconds: int) -> str:
    """Format a duration: "0:08", "1:02:45"."""
    hours, minutes = divmod(seconds // 60, 60)
    return f"{hours}:{minutes:02d}:{seconds % 60:02d}" if hours else f"{minutes}:{seconds % 60:02d}"


@contextmanager
def interruptible() -> Iterator[threading.Event]:
    """Inside, Ctrl-C sets an event, so that the current frame is finished; a second Ctrl-C raises KeyboardInterrupt."""
    interrupt = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield interrupt  # only the main thread may handle signals
        return

    def handle(_number: int, _frame: FrameType | None) -> None:
        if interrupt.is_set():
            raise KeyboardInterrupt
        interrupt.set()
        note("stopping after this frame and keeping the results so far (Ctrl-C again to stop at once)")

    before = signal.signal(signal.SIGINT, handle)
    try:
        yield interrupt
    finally:
        signal.signal(signal.SIGINT, before)
