"""What commands print: JSON documents and tables on stdout, notes and warnings on stderr."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TextIO

import typer

if TYPE_CHECKING:
    from masklet.types import FrameMasks

SCHEMA_VERSION = 1


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


@dataclass
class ObjectTally:
    """Counts and sums of one object over the frames of a video.

    Attributes:
        frames: frames with a result.
        visible: frames with a mask that is not empty.
        presence: sum of the presence probabilities over all frames.
        iou: sum of the predicted IoU over visible frames.
        span: first and last visible frame.
    """

    frames: int = 0
    visible: int = 0
    presence: float = 0.0
    iou: float = 0.0
    span: tuple[int, int] | None = None

    def entry(self, object_id: int, name: str) -> dict[str, Any]:
        """Its fields in JSON; presence and IoU are means, null without a frame to average."""
        return {
            "id": object_id,
            "name": name,
            "frames": self.frames,
            "visible": self.visible,
            "first_visible": self.span and self.span[0],
            "last_visible": self.span and self.span[1],
            "presence": score(self.presence / self.frames) if self.frames else None,
            "iou": score(self.iou / self.visible) if self.visible else None,
        }


@dataclass
class VideoReport:
    """Summary of one tracked video.

    Attributes:
        video: as given on the command line, without a password.
        size: (height, width).
        frames: number of frames written.
        seconds: from decoding the first frame to writing the last.
        outputs: paths of the results.
        interrupted: whether tracking stopped early.
        tallies: by object.
        names: of objects.
    """

    video: str
    size: tuple[int, int]
    frames: int = 0
    seconds: float = 0.0
    outputs: list[str] = field(default_factory=list)
    interrupted: bool = False
    tallies: dict[int, ObjectTally] = field(default_factory=dict)
    names: dict[int, str] = field(default_factory=dict)

    @property
    def fps(self) -> float:
        """Frames per second."""
        return self.frames / self.seconds if self.seconds else 0.0

    def add(self, result: FrameMasks) -> None:
        """Count the result of one frame."""
        self.frames += 1
        for row, object_id in enumerate(result.object_ids):
            tally = self.tallies.setdefault(object_id, ObjectTally())
            tally.frames += 1
            tally.presence += float(result.presence[row])
            if result.masks[row].any():
                tally.visible += 1
                tally.iou += float(result.iou[row])
                tally.span = (tally.span[0] if tally.span else result.frame_index, result.frame_index)

    def entry(self) -> dict[str, Any]:
        """Its fields in JSON."""
        return {
            "video": self.video,
            "size": list(self.size),
            "frames": self.frames,
            "seconds": round(self.seconds, 3),
            "fps": round(self.fps, 3),
            "interrupted": self.interrupted,
            "outputs": self.outputs,
            "objects": [tally.entry(i, self.names.get(i, "")) for i, tally in sorted(self.tallies.items())],
        }

    def lines(self) -> list[str]:
        """The report as text."""
        lines = [f"{self.video}: {self.frames} frames at {self.fps:.1f} frames/s"]
        for object_id, tally in sorted(self.tallies.items()):
            entry = tally.entry(object_id, self.names.get(object_id, ""))
            label = f"object {object_id}" + (f" ({entry['name']})" if entry["name"] else "")
            scores = f", predicted IoU {entry['iou']:.2f}" if entry["iou"] is not None else ""
            lines.append(f"  {label}: visible in {tally.visible} of {tally.frames} frames{scores}")
        return [*lines, *(f"  wrote {output}" for output in self.outputs)]
