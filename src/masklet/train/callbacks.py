"""Callbacks of a training run: the protocol, a CSV logger and a TensorBoard writer."""

from __future__ import annotations

import csv
import importlib.util
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from masklet.errors import MissingExtraError
from masklet.io.atomic import output_errors, write_text
from masklet.train.previews import Preview, draw_preview

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

LOSSES, SCORES, SKIPPED = "losses.csv", "scores.csv", "skipped.txt"

MAX_REASONS = 10_000
"""At most this many different reasons for skipped samples are written; all skipped samples are counted."""


@dataclass(frozen=True)
class StepReport:
    """Numbers of one optimizer step.

    Attributes:
        step: number of finished steps, including this one.
        steps: number of steps of the whole run.
        terms: "loss" and its terms: means over objects, predictions and batches of this process.
        norm: norm of the gradient before clipping; not finite if the step was skipped.
        lr_scale: learning rate as a share of its peak, 0 to 1.
        images: frames processed in this step by all processes.
        seconds: duration of the step, ``waited`` of it for data.
        skipped: why samples were skipped, one line each.
        is_image: the last batch of the step held images, not clips.
    """

    step: int
    steps: int
    terms: Mapping[str, float]
    norm: float
    lr_scale: float
    images: int
    seconds: float
    waited: float
    skipped: tuple[str, ...]
    is_image: bool


@runtime_checkable
class Callback(Protocol):
    """Receives the events of a run, in its first process only."""

    def on_step(self, report: StepReport) -> None:
        """Handle the end of a step."""

    def on_preview(self, step: int, preview: Preview) -> None:
        """Handle a clip with predictions, made every `RunConfig.picture_every` steps."""

    def on_validation(self, step: int, scores: Mapping[str, float]) -> None:
        """Handle validation scores."""

    def close(self) -> None:
        """Release resources at the end of the run, also after an error."""


class StepAverages:
    """Summarizes the steps since the last line of a log: means of losses, sums of counts and seconds."""

    def __init__(self) -> None:
        self.reports: list[StepReport] = []

    def add(self, report: StepReport, every: int) -> dict[str, float] | None:
        """Add a step; return a line at multiples of ``every`` and at the end of the run, else None."""
        self.reports.append(report)
        if report.step % every and report.step != report.steps:
            return None
        reports, self.reports = self.reports, []
        terms = {name: sum(r.terms[name] for r in reports) / len(reports) for name in reports[0].terms}
        return {
            "step": report.step,
            **terms,
            "norm": sum(r.norm for r in reports) / len(reports),
            "rate": report.lr_scale,
            "pictures": sum(r.images for r in reports),
            "seconds": sum(r.seconds for r in reports),
            "waited": sum(r.waited for r in reports),
            "skipped": sum(len(r.skipped) for r in reports),
        }


class CsvTable:
    """A CSV file that a resumed run continues: lines of steps that run again are replaced.

    The folder of the file must exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._columns: list[str] = []

    def add(self, line: Mapping[str, float]) -> None:
        """Append a line with a "step" and flush it to the file.

        Raises:
            OutputError: the file cannot be written.
        """
        if not self._columns:
            self._continue(line)
        with output_errors(self.path), self.path.open("a", encoding="utf-8", newline="") as file:
            cells = {key: str(value) if isinstance(value, int) else f"{value:.6g}" for key, value in line.items()}
            csv.DictWriter(file, self._columns, lineterminator="\n").writerow(cells)

    def _continue(self, line: Mapping[str, float]) -> None:
        """Keep the lines of earlier steps; add the columns that are new."""
        before = self._complete_lines()
        earlier = [old for old in before if old["step"].isdecimal() and int(old["step"]) < line["step"]]
        self._columns = list(dict.fromkeys([*(before[0] if before else ()), *line]))
        text = io.StringIO()
        writer = csv.DictWriter(text, self._columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(earlier)
        write_text(self.path, text.getvalue())

    def _complete_lines(self) -> list[dict[str, str]]:
        """Read the lines that are complete: the last line of a killed run may not be."""
        if not self.path.is_file():
            return []
        with output_errors(self.path):
            text = self.path.read_bytes().decode(errors="replace")
        lines = csv.DictReader(io.StringIO(text[: text.rfind("\n") + 1]), restval="")
        return [line for line in lines if "step" in line and None not in line]


class CsvLogger:
    """Writes ``losses.csv`` (means of ``every`` steps), ``scores.csv`` (validation) and ``skipped.txt``.

    ``skipped.txt`` lists each reason for skipped samples once. A resumed run continues all three files.
    """

    def __init__(self, out: Path, *, every: int = 10) -> None:
        self.out, self.every, self.averages = out, every, StepAverages()
        self.losses, self.scores = CsvTable(out / LOSSES), CsvTable(out / SCORES)
        self.reasons: set[str] = set()

    def on_step(self, report: StepReport) -> None:
        """Write the reasons for skipped samples, and a line of losses if one is due."""
        self._write_reasons(report.skipped)
        line = self.averages.add(report, self.every)
        if line is not None:
            self.losses.add(line)

    def _write_reasons(self, reasons: Sequence[str]) -> None:
        path = self.out / SKIPPED
        if reasons and not self.reasons and path.is_file():
            with output_errors(path):
                self.reasons = set(path.read_text(encoding="utf-8", errors="replace").splitlines())
        for reason in (" ".join(reason.split()) for reason in reasons):
            if reason not in self.reasons and len(self.reasons) < MAX_REASONS:
                self.reasons.add(reason)
                with output_errors(path), path.open("a", encoding="utf-8") as file:
                    file.write(f"{reason}\n")

    def on_preview(self, step: int, preview: Preview) -> None:
        """Ignore previews."""

    def on_validation(self, step: int, scores: Mapping[str, float]) -> None:
        """Write a line of scores."""
        self.scores.add({"step": step, **scores})

    def close(self) -> None:
        """Do nothing: every line is flushed when it is added."""


class TensorBoard:
    """Writes losses, learning rate, speed, scores and previews as TensorBoard events, one point every few steps.

    Raises:
        MissingExtraError: TensorBoard is not installed.
    """

    def __init__(self, folder: Path, *, every: int = 10) -> None:
        if not has_tensorboard():
            raise MissingExtraError('TensorBoard is not installed: pip install "masklet[train]"')
        self.folder, self.every, self.averages = folder, every, StepAverages()
        self._writer: SummaryWriter | None = None

    def on_step(self, report: StepReport) -> None:
        """Add points if they are due."""
        line = self.averages.add(report, self.every)
        if line is not None:
            speeds = {"pictures a second": line["pictures"], "share of waiting": line["waited"]}
            self._add(report.step, "loss", {name: line[name] for name in report.terms})
            self._add(report.step, "optimizer", {name: line[name] for name in ("norm", "rate")})
            self._add(report.step, "speed", {k: value / max(line["seconds"], 1e-9) for k, value in speeds.items()})

    def on_preview(self, step: int, preview: Preview) -> None:
        """Add an image."""
        with output_errors(self.folder):
            image = draw_preview(preview)
            self._writer_from(step).add_image("prompts, answers, truth", image, step, dataformats="HWC")

    def on_validation(self, step: int, scores: Mapping[str, float]) -> None:
        """Add a point for each score."""
        self._add(step, "validation", scores)

    def close(self) -> None:
        """Flush the events to disk."""
        if self._writer is not None:
            with output_errors(self.folder):
                self._writer.close()

    def _add(self, step: int, group: str, values: Mapping[str, float]) -> None:
        with output_errors(self.folder):
            for name, value in values.items():
                self._writer_from(step).add_scalar(f"{group}/{name}", value, step)

    def _writer_from(self, step: int) -> SummaryWriter:
        """Return the writer; created at its first step, so that TensorBoard hides later steps of an earlier run."""
        if self._writer is None:
            from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415 - of the extra

            self._writer = SummaryWriter(str(self.folder), purge_step=step)
        return self._writer


def has_tensorboard() -> bool:
    """Check whether TensorBoard is installed."""
    return importlib.util.find_spec("tensorboard") is not None
