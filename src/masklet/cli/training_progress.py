"""Watching a training run from a terminal, from a log file, or from a program that reads JSON lines."""

from __future__ import annotations

import json
import math
import time
from collections import deque
from collections.abc import Mapping
from typing import Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from masklet.cli.progress import PLAIN_INTERVAL, clock
from masklet.cli.report import document, note
from masklet.train.callbacks import StepAverages, StepReport
from masklet.train.previews import Preview

RECENT = 50
"""Speed and time left are told from so many steps."""

MAX_SKIPS = 5
"""So many reasons for samples that were passed over are told one by one."""


class Pace:
    """How fast the last steps were."""

    def __init__(self) -> None:
        self.recent: deque[StepReport] = deque(maxlen=RECENT)

    def state(self) -> str:
        """For people: "120/4000, loss 1.03, 35.1 images/s, waiting for data 2%, 41:20 left"."""
        last = self.recent[-1]
        seconds = max(sum(report.seconds for report in self.recent), 1e-9)
        speed = sum(report.images for report in self.recent) / seconds
        waited = sum(report.waited for report in self.recent) / seconds
        loss = sum(report.terms["loss"] for report in self.recent) / len(self.recent)
        left = clock(round((last.steps - last.step) * seconds / len(self.recent)))
        return (
            f"{last.step}/{last.steps}, loss {loss:.3f}, {speed:.1f} images/s, "
            f"waiting for data {waited:.0%}, {left} left"
        )


class Lines:
    """A bar on a terminal, else a line now and then; scores and what goes wrong as lines of their own.

    Args:
        what: the run.
        every: steps between plain lines, which are some seconds apart at least.
    """

    def __init__(self, what: str, *, every: int) -> None:
        self.what, self.every, self.pace = what, every, Pace()
        self.skipped = 0
        self._told = -math.inf
        self._console = Console(stderr=True)
        self._bar: Progress | None = None
        self._task = 0

    def on_step(self, report: StepReport) -> None:
        """Show how far the run is."""
        self.pace.recent.append(report)
        for reason in report.skipped:
            self.skipped += 1
            if self.skipped <= MAX_SKIPS:
                note(f"sample passed over: {reason}")
        if not math.isfinite(report.norm):
            note(f"step {report.step} was left out: its gradient is not finite")
        if self._bar is None and self._console.is_terminal:
            self._bar = self._started(report)
        if self._bar is not None:
            self._bar.update(self._task, completed=report.step, state=self.pace.state())  # type: ignore[arg-type]
        elif self._due(report):
            note(f"{self.what}: {self.pace.state()}")

    def on_preview(self, step: int, preview: Preview) -> None:
        """Pictures do not fit here."""

    def on_validation(self, step: int, scores: Mapping[str, float]) -> None:
        """Tell the scores."""
        note(f"step {step}: {', '.join(f'{name} {value:.1f}' for name, value in scores.items())}")

    def close(self) -> None:
        """Take the bar away, and tell what was passed over."""
        if self._bar is not None:
            self._bar.stop()
        if self.skipped > MAX_SKIPS:
            note(f"{self.skipped} samples were passed over; skipped.txt says why")

    def _started(self, report: StepReport) -> Progress:
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[state]}"))
        bar = Progress(*columns, console=self._console, transient=True)
        self._task = bar.add_task(self.what, total=report.steps, state="")
        bar.start()
        return bar

    def _due(self, report: StepReport) -> bool:
        if report.step % self.every and report.step != report.steps:
            return False
        now = time.monotonic()
        if now - self._told < PLAIN_INTERVAL and report.step != report.steps:
            return False
        self._told = now
        return True


class JsonLines:
    """One JSON object a line on stdout.

    Args:
        every: steps between lines; numbers are means or sums over them.
    """

    def __init__(self, *, every: int) -> None:
        self.every, self.averages = every, StepAverages()

    def on_step(self, report: StepReport) -> None:
        """Print a line if one is due."""
        line = self.averages.add(report, self.every)
        if line is not None:
            say("step", steps=report.steps, **line)

    def on_preview(self, step: int, preview: Preview) -> None:
        """Pictures do not fit here."""

    def on_validation(self, step: int, scores: Mapping[str, float]) -> None:
        """Print the scores."""
        say("validation", step=step, scores=dict(scores))

    def close(self) -> None:
        """Every line is out already."""


def say(event: str, **content: Any) -> None:
    """Print one event as a line of JSON; numbers that are none become null."""
    typer.echo(json.dumps(_finite(document("train", event=event, **content)), ensure_ascii=False, allow_nan=False))


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(item) for name, item in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
