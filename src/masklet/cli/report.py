"""What commands say: JSON for programs on stdout, short lines for people."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TextIO

import typer

SCHEMA_VERSION = 1


def document(kind: str, **content: Any) -> dict[str, Any]:
    """What a command prints with --json: its schema, then its content."""
    return {"schema": f"masklet/{kind}", "version": SCHEMA_VERSION, **content}


def print_json(value: Mapping[str, Any]) -> None:
    """Print one JSON document on stdout."""
    typer.echo(json.dumps(value, ensure_ascii=False, allow_nan=False, indent=2))


def note(text: str, *, quiet: bool = False) -> None:
    """Print a line for people on stderr."""
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
    """A Python warning as one line on stderr (in the place of `warnings.showwarning`)."""
    typer.echo(f"masklet: warning: {' '.join(str(message).split())}", err=True)


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Aligned columns of plain text, as wide as their content, so that it can be cut and searched."""
    widths = [max(len(row[column]) for row in [header, *rows]) for column in range(len(header))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in [header, *rows]]
    return "\n".join(line.rstrip() for line in lines)


def score(value: float) -> float | None:
    """A score with the digits that mean something; what is no number is null in JSON."""
    return round(value, 4) if math.isfinite(value) else None


@dataclass
class Tally:
    """What is counted of one object over the frames of a video.

    Attributes:
        frames: frames with a result.
        visible: frames whose mask holds a pixel.
        presence: sum of the presence probabilities.
        iou: sum of the predicted IoU of visible frames.
        seen: the first and the last frame on which it is visible.
    """

    frames: int = 0
    visible: int = 0
    presence: float = 0.0
    iou: float = 0.0
    seen: tuple[int, int] | None = None

    def add(self, frame_index: int, *, visible: bool, presence: float, iou: float) -> None:
        """Count one frame."""
        self.frames += 1
        self.presence += presence
        if visible:
            self.visible += 1
            self.iou += iou
            self.seen = (self.seen[0] if self.seen else frame_index, frame_index)

    def entry(self, object_id: int, name: str) -> dict[str, Any]:
        """The counts as they stand in JSON; means, and null where there is nothing to take one of."""
        return {
            "id": object_id,
            "name": name,
            "frames": self.frames,
            "visible": self.visible,
            "first_visible": self.seen and self.seen[0],
            "last_visible": self.seen and self.seen[1],
            "presence": score(self.presence / self.frames) if self.frames else None,
            "iou": score(self.iou / self.visible) if self.visible else None,
        }


@dataclass
class VideoReport:
    """What happened to one video.

    Attributes:
        video: as the user named it.
        size: (height, width).
        frames: how many were written.
        seconds: from the first frame's decoding to the last one's writing.
        outputs: where the results are.
        interrupted: it was not tracked to its end.
        tallies: by object.
        names: of objects.
    """

    video: str
    size: tuple[int, int]
    frames: int = 0
    seconds: float = 0.0
    outputs: list[str] = field(default_factory=list)
    interrupted: bool = False
    tallies: dict[int, Tally] = field(default_factory=dict)
    names: dict[int, str] = field(default_factory=dict)

    @property
    def fps(self) -> float:
        """Frames per second."""
        return self.frames / self.seconds if self.seconds else 0.0

    def entry(self) -> dict[str, Any]:
        """The report as it stands in JSON."""
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
        """The report for people."""
        lines = [f"{self.video}: {self.frames} frames at {self.fps:.1f} frames/s"]
        for object_id, tally in sorted(self.tallies.items()):
            entry = tally.entry(object_id, self.names.get(object_id, ""))
            label = f"object {object_id}" + (f" ({entry['name']})" if entry["name"] else "")
            scores = f", predicted IoU {entry['iou']:.2f}" if entry["iou"] is not None else ""
            lines.append(f"  {label}: visible in {tally.visible} of {tally.frames} frames{scores}")
        return [*lines, *(f"  wrote {output}" for output in self.outputs)]
