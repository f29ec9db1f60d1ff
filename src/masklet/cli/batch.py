"""One command over several videos: each is opened, tracked and written; one that fails does not stop the others."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import typer

from masklet.cli.errors import INTERRUPTED, error_entry, exit_code, show_error
from masklet.cli.inputs import video_keywords
from masklet.cli.job import Lazy, Span, model_entry, policy_named, prepare, track
from masklet.cli.options import InputOptions, MaskOptions
from masklet.cli.outputs import make_parent
from masklet.cli.progress import Interrupt, interruptible
from masklet.cli.prompts import PromptBook
from masklet.cli.report import VideoReport, document, note, print_json
from masklet.errors import MaskletError
from masklet.io import OutputOptions, open_video, open_writer


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Videos that share their prompts.

    Attributes:
        videos: each with its outputs.
        book: the prompts.
        span: which frames, and which way.
        masks: what happens to masks.
        memory: name of the memory policy.
        load: gives the model.
        inputs: what the files leave open.
        looks: how outputs look.
        overwrite: replace outputs that are there.
        as_json: print one JSON document on stdout instead of lines for people.
        quiet: print nothing but errors.
    """

    videos: list[tuple[str, list[str]]]
    book: PromptBook
    span: Span
    masks: MaskOptions
    load: Lazy
    memory: str = "plain"
    inputs: InputOptions = field(default_factory=InputOptions)
    looks: OutputOptions = field(default_factory=OutputOptions)
    overwrite: bool = False
    as_json: bool = False
    quiet: bool = False

    def run(self) -> int:
        """Track every video and give the exit code: that of the first failure, 130 when interrupted, else 0."""
        entries: list[dict[str, Any]] = []
        failures: list[MaskletError] = []
        with interruptible() as interrupt:
            for source, outputs in self.videos:
                try:
                    report = self._one(source, outputs, interrupt)
                except MaskletError as error:
                    show_error(error, source if len(self.videos) > 1 and Path(source).exists() else "")
                    failures.append(error)
                    entries.append({"video": source, "error": error_entry(error)})
                except KeyboardInterrupt:
                    interrupt.pressed = True
                    note(f"interrupted at {source}")
                else:
                    entries.append(report.entry())
                    self._tell(report)
                if interrupt:
                    break
        if self.as_json:
            failure = {"error": error_entry(failures[0])} if failures else {}
            model = model_entry(self.load()) if len(failures) < len(entries) else {}
            print_json(document("track", **failure, **model, interrupted=bool(interrupt), videos=entries))
        if interrupt:
            return INTERRUPTED
        return exit_code(failures[0]) if failures else 0

    def _one(self, source: str, outputs: list[str], interrupt: Interrupt) -> VideoReport:
        with open_video(source, **video_keywords(self.inputs)) as video:
            job = replace(prepare(source, video, self.book, self.span, self.masks), memory=policy_named(self.memory))
            if len(self.videos) > 1:
                for output in outputs:
                    make_parent(output)
            with ExitStack() as stack:
                sinks = [
                    stack.enter_context(open_writer(output, like=video, overwrite=self.overwrite, options=self.looks))
                    for output in outputs
                ]
                report = track(job, self.load(), sinks, interrupt=interrupt, quiet=self.quiet)
        report.outputs = [str(Path(output)) for output in outputs]
        return report

    def _tell(self, report: VideoReport) -> None:
        if report.interrupted:
            note(f"interrupted: kept the {report.frames} frames of {report.video} that were done")
        if not (self.quiet or self.as_json):
            typer.echo("\n".join(report.lines()))
