"""Progress on stderr (a bar on a terminal, a plain line every few seconds anywhere else), and Ctrl-C as a flag."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from masklet.cli.report import note

PLAIN_INTERVAL = 5.0
"""Seconds between two plain lines."""

Advance = Callable[[], None]


@contextmanager
def progress(what: str, total: int | None, *, quiet: bool = False, unit: str = "frames") -> Iterator[Advance]:
    """Show how far something is; call what you get once a frame, or whatever is counted.

    Args:
        what: the video.
        total: frames to be done, or None where nobody knows.
        quiet: show nothing.
        unit: what is counted.
    """
    console = Console(stderr=True)
    pace = Pace(total, unit)
    if quiet:
        yield pace.advance
    elif console.is_terminal:
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[state]}"))
        with Progress(*columns, console=console, transient=True) as bar:
            task = bar.add_task(what, total=total, state="")

            def advance() -> None:
                pace.advance()
                bar.update(task, completed=pace.done, state=pace.state())

            yield advance
    else:
        yield _plain(what, pace)


def _plain(what: str, pace: Pace) -> Advance:
    told = time.monotonic()

    def advance() -> None:
        nonlocal told
        pace.advance()
        if time.monotonic() - told >= PLAIN_INTERVAL:
            told = time.monotonic()
            note(f"{what}: {pace.state()}")

    return advance


class Pace:
    """How many frames are done and how fast; the clock starts with the first one done, which may load things."""

    def __init__(self, total: int | None, unit: str = "frames") -> None:
        self.total = total
        self.unit = unit
        self.done = 0
        self._first = 0.0

    def advance(self) -> None:
        """One more frame is done."""
        self.done += 1
        if self.done == 1:
            self._first = time.monotonic()

    def state(self) -> str:
        """For people: "40/82 frames, 5.6 frames/s, 0:08 left"."""
        return describe(self.done, self.total, time.monotonic() - self._first, self.unit)


def describe(done: int, total: int | None, seconds: float, unit: str = "frames") -> str:
    """Frames done, frames per second and time left, where ``seconds`` have passed since the first frame was done."""
    frames = f"{done}/{total} {unit}" if total else f"{done} {unit}"
    if done < 2 or seconds <= 0:
        return frames
    fps = (done - 1) / seconds
    if not total:
        return f"{frames}, {fps:.1f} {unit}/s"
    return f"{frames}, {fps:.1f} {unit}/s, {clock(round(max(total - done, 0) / fps))} left"


def clock(seconds: int) -> str:
    """For people: "0:08", "1:02:45"."""
    hours, minutes = divmod(seconds // 60, 60)
    return f"{hours}:{minutes:02d}:{seconds % 60:02d}" if hours else f"{minutes}:{seconds % 60:02d}"


@dataclass
class Interrupt:
    """Whether Ctrl-C was pressed."""

    pressed: bool = False

    def __bool__(self) -> bool:
        return self.pressed


@contextmanager
def interruptible() -> Iterator[Interrupt]:
    """Ctrl-C inside sets a flag, so that the frame at work is finished; pressed again, it ends the program at once."""
    interrupt = Interrupt()
    if threading.current_thread() is not threading.main_thread():
        yield interrupt  # only the main thread hears signals
        return

    def press(_number: int, _frame: FrameType | None) -> None:
        if interrupt.pressed:
            raise KeyboardInterrupt
        interrupt.pressed = True
        note("stopping after this frame and keeping what is done (Ctrl-C again to stop at once)")

    before = signal.signal(signal.SIGINT, press)
    try:
        yield interrupt
    finally:
        signal.signal(signal.SIGINT, before)
