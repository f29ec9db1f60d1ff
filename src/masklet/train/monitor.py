"""Watchers that write: tables of losses and scores as CSV, what was passed over, and TensorBoard."""

from __future__ import annotations

import csv
import importlib.util
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from masklet.errors import MissingExtraError
from masklet.io.atomic import output_errors, write_text
from masklet.train.callbacks import Shown, StepReport
from masklet.train.clip_sheets import draw_shown

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

LOSSES, SCORES, SKIPPED = "losses.csv", "scores.csv", "skipped.txt"

MAX_SKIPPED = 10_000
"""So many different reasons for samples that were passed over are written down; all are counted."""


class Window:
    """What came since the last line: means of losses, sums of what is counted."""

    def __init__(self) -> None:
        self.reports: list[StepReport] = []

    def add(self, report: StepReport, every: int) -> dict[str, float] | None:
        """The line that is due after this step, or None; lines are due at multiples of ``every`` and at the end."""
        self.reports.append(report)
        if report.step % every and report.step != report.steps:
            return None
        reports, self.reports = self.reports, []
        terms = {name: sum(r.terms[name] for r in reports) / len(reports) for name in reports[0].terms}
        return {
            "step": report.step,
            **terms,
            "norm": sum(r.norm for r in reports) / len(reports),
            "rate": report.rate,
            "pictures": sum(r.pictures for r in reports),
            "seconds": sum(r.seconds for r in reports),
            "waited": sum(r.waited for r in reports),
            "skipped": sum(len(r.skipped) for r in reports),
        }


class Table:
    """A CSV file that grows by lines and can be continued: lines of steps that are done again are replaced.

    Args:
        path: the file; its folder is there.

    Raises:
        OutputError: it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._columns: list[str] = []

    def add(self, line: Mapping[str, float]) -> None:
        """One more line, on disk when this returns; its first number is the step."""
        if not self._columns:
            self._continue(line)
        with output_errors(self.path), self.path.open("a", encoding="utf-8", newline="") as file:
            csv.DictWriter(file, self._columns, lineterminator="\n").writerow({k: _cell(v) for k, v in line.items()})

    def _continue(self, line: Mapping[str, float]) -> None:
        """Keep the lines before a step; columns are added to theirs where it has more."""
        before = self._lines()
        kept = [old for old in before if old["step"].isdecimal() and int(old["step"]) < line["step"]]
        self._columns = list(dict.fromkeys([*(before[0] if before else ()), *line]))
        text = io.StringIO()
        writer = csv.DictWriter(text, self._columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(kept)
        write_text(self.path, text.getvalue())

    def _lines(self) -> list[dict[str, str]]:
        """Whole lines only: a killed run may leave a part of one."""
        if not self.path.is_file():
            return []
        with output_errors(self.path):
            text = self.path.read_bytes().decode(errors="replace")
        lines = csv.DictReader(io.StringIO(text[: text.rfind("\n") + 1]), restval="")
        return [line for line in lines if "step" in line and None not in line]


class Journal:
    """Writes ``losses.csv`` (means over the steps since the last line), ``scores.csv`` (validation) and ``skipped.txt``
    (why samples were passed over, each reason once).

    A run that is resumed continues them: steps that are done again do not stand there twice.

    Args:
        out: the run's folder.
        every: steps between lines.
    """

    def __init__(self, out: Path, *, every: int = 10) -> None:
        self.out, self.every, self.window = out, every, Window()
        self.losses, self.scores = Table(out / LOSSES), Table(out / SCORES)
        self.reasons: set[str] = set()

    def step(self, report: StepReport) -> None:
        """Add a line if one is due."""
        self._skipped(report.skipped)
        line = self.window.add(report, self.every)
        if line is not None:
            self.losses.add(line)

    def _skipped(self, reasons: Sequence[str]) -> None:
        path = self.out / SKIPPED
        if reasons and not self.reasons and path.is_file():
            with output_errors(path):
                self.reasons = set(path.read_text(encoding="utf-8", errors="replace").splitlines())
        for reason in (" ".join(reason.split()) for reason in reasons):
            if reason not in self.reasons and len(self.reasons) < MAX_SKIPPED:
                self.reasons.add(reason)
                with output_errors(path), path.open("a", encoding="utf-8") as file:
                    file.write(f"{reason}\n")

    def shown(self, step: int, shown: Shown) -> None:
        """Pictures are not for tables."""

    def validated(self, step: int, scores: Mapping[str, float]) -> None:
        """Add a line of scores."""
        self.scores.add({"step": step, **scores})

    def close(self) -> None:
        """Every line is on disk already."""


class TensorBoard:
    """Writes losses, rates, speed, scores and pictures (prompts, answers, truth) for TensorBoard.

    Args:
        folder: where its event files go.
        every: steps between points of a curve.

    Raises:
        MissingExtraError: TensorBoard is not installed.
    """

    def __init__(self, folder: Path, *, every: int = 10) -> None:
        require_tensorboard()
        self.folder, self.every, self.window = folder, every, Window()
        self._writer: SummaryWriter | None = None

    def step(self, report: StepReport) -> None:
        """Add points if some are due."""
        line = self.window.add(report, self.every)
        if line is not None:
            speeds = {"pictures a second": line["pictures"], "share of waiting": line["waited"]}
            self._add(report.step, "loss", {name: line[name] for name in report.terms})
            self._add(report.step, "optimizer", {name: line[name] for name in ("norm", "rate")})
            self._add(report.step, "speed", {k: value / max(line["seconds"], 1e-9) for k, value in speeds.items()})

    def shown(self, step: int, shown: Shown) -> None:
        """Add a picture."""
        with output_errors(self.folder):
            self._at(step).add_image("prompts, answers, truth", draw_shown(shown), step, dataformats="HWC")

    def validated(self, step: int, scores: Mapping[str, float]) -> None:
        """Add points of the scores."""
        self._add(step, "validation", scores)

    def close(self) -> None:
        """Write what is still in memory."""
        if self._writer is not None:
            with output_errors(self.folder):
                self._writer.close()

    def _add(self, step: int, group: str, values: Mapping[str, float]) -> None:
        with output_errors(self.folder):
            for name, value in values.items():
                self._at(step).add_scalar(f"{group}/{name}", value, step)

    def _at(self, step: int) -> SummaryWriter:
        """The writer; what an earlier run wrote from this step on is hidden."""
        if self._writer is None:
            from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415 - of the extra

            self._writer = SummaryWriter(str(self.folder), purge_step=step)
        return self._writer


def has_tensorboard() -> bool:
    """Whether TensorBoard is installed."""
    return importlib.util.find_spec("tensorboard") is not None


def require_tensorboard() -> None:
    """Raise `MissingExtraError` unless TensorBoard is installed."""
    if not has_tensorboard():
        raise MissingExtraError('TensorBoard is not installed: pip install "masklet[train]"')


def _cell(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.6g}"
