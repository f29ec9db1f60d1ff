"""The work of the demo: one job on one clip, written as a video and as a strip of frames."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from masklet.cli.job import Lazy, Span, model_entry, prepare, track
from masklet.cli.options import MaskOptions, ModelOptions
from masklet.cli.outputs import make_parent
from masklet.cli.progress import interruptible
from masklet.cli.prompts import parse_all
from masklet.cli.report import document
from masklet.cli.strip import StripWriter, spread
from masklet.io import open_video, open_writer

STRIP_FRAMES = 6


@dataclass(frozen=True, kw_only=True)
class Showcase:
    """A clip and how it is shown.

    Attributes:
        source: the clip.
        output: the video; the strip goes beside it, with the suffix ``.png``.
        shot: first frame and one more than the last, or None for the whole clip.
        frames: of the strip; evenly spread where none are named.
        clean: what happens to masks.
        origin: where the clip comes from, or "".
    """

    source: str
    output: Path
    shot: tuple[int, int] | None = None
    frames: tuple[int, ...] = ()
    clean: MaskOptions = field(default_factory=MaskOptions)
    origin: str = ""

    def run(
        self, said: tuple[Sequence[str], Sequence[str], Sequence[str]], model: ModelOptions, *, quiet: bool = False
    ) -> dict[str, Any]:
        """Track and write; ``said`` are clicks, boxes and masks as on the command line. Gives the report as JSON."""
        book = parse_all(*said, [])
        load = Lazy(model)
        with interruptible() as interrupt, open_video(self.source) as video:
            job = prepare(self.source, video, book, Span(*(self.shot or (0, None))), self.clean)
            make_parent(str(self.output))
            strip = self.output.with_suffix(".png")
            wanted = self.frames or spread(job.frames, STRIP_FRAMES)
            with (
                open_writer(self.output, like=video, overwrite=True) as sink,
                StripWriter(strip, frames=wanted, prompts=job.prompts) as tiles,
            ):
                report = track(job, load(), [sink, tiles], interrupt=interrupt, quiet=quiet)
        report.outputs = [str(self.output), str(strip)]
        command = " ".join(["masklet track", *self._arguments(said)])
        return document("demo", **model_entry(load()), **report.entry(), origin=self.origin, same_as=command)

    def lines(self, report: dict[str, Any]) -> list[str]:
        """A report for people."""
        seen = [
            f"object {one['id']}: visible in {one['visible']} of {one['frames']} frames" for one in report["objects"]
        ]
        return [
            f"{report['frames']} frames at {report['fps']:.1f} frames/s with {report['model']} on {report['device']}",
            *(f"  {line}" for line in seen),
            *(f"  wrote {path}" for path in report["outputs"]),
            *([f"clip: {self.origin}"] if self.origin else []),
            f"the same: {report['same_as']}",
        ]

    def _arguments(self, said: tuple[Sequence[str], Sequence[str], Sequence[str]]) -> list[str]:
        """The options of `masklet track` that do the same."""
        options = [self.source]
        for option, words in zip(("--click", "--box", "--mask"), said, strict=True):
            options += [part for one in words for part in (option, one)]
        if self.shot:
            options += ["--start", str(self.shot[0]), "--end", str(self.shot[1])]
        if self.clean.fill_holes:
            options += ["--fill-holes", str(self.clean.fill_holes)]
        if self.clean.remove_specks:
            options += ["--remove-specks", str(self.clean.remove_specks)]
        return [shlex.quote(option) for option in [*options, "-o", str(self.output)]]
