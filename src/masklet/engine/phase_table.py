"""What simulated phases took, as the paper's table: clicks, edited frames, agreement with phase 1."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from masklet.engine.simulation import Annotator, Effort, PhaseNumber, size_class
from masklet.masks.rle import pair_iou
from masklet.types import Rle

ALIGNED = 0.75
"""Two annotations of a frame agree from this IoU on (paper, data engine's table)."""

SIZES = ("small", "medium", "large")


@dataclass(frozen=True, kw_only=True)
class Row:
    """One phase over all objects.

    Attributes:
        phase: "1", "2" or "3".
        objects: masklets.
        frames: annotated frames.
        edited: share of them that was clicked or drawn on, 0 to 1.
        brushed: share of them that was drawn with the brush.
        clicks: in all.
        clicks_per_frame: on a clicked frame, on average; NaN without any.
        truth: mean IoU with the truth.
        aligned: share of masks whose IoU with phase 1 is above `ALIGNED`, of all and by size of phase 1's mask; NaN
            where there is none, or phase 1 is not there.
    """

    phase: PhaseNumber
    objects: int
    frames: int
    edited: float
    brushed: float
    clicks: int
    clicks_per_frame: float
    truth: float
    aligned: Mapping[str, float]


def row_of(
    phase: PhaseNumber,
    efforts: Sequence[Effort],
    truths: Sequence[Mapping[int, Rle]],
    first: Sequence[Effort] | None = None,
) -> Row:
    """What a phase took.

    Args:
        phase: which.
        efforts: one for each object.
        truths: of the same objects.
        first: what phase 1 gave for them.
    """
    pairs = [(effort, truth) for effort, truth in zip(efforts, truths, strict=True)]
    frames = sum(len(effort.masks) for effort in efforts)
    clicked = sum(len(effort.clicks) for effort in efforts)
    clicks = sum(sum(effort.clicks.values()) for effort in efforts)
    correct = [pair_iou(mask, truth[i]) for effort, truth in pairs for i, mask in effort.masks.items()]
    return Row(
        phase=phase,
        objects=len(efforts),
        frames=frames,
        edited=_share(sum(len(effort.edited) for effort in efforts), frames),
        brushed=_share(sum(len(effort.brushed) for effort in efforts), frames),
        clicks=clicks,
        clicks_per_frame=_share(clicks, clicked),
        truth=float(np.mean(correct)) if correct else float("nan"),
        aligned=_aligned(efforts, first or []),
    )


def _aligned(efforts: Sequence[Effort], first: Sequence[Effort]) -> Mapping[str, float]:
    agreed: dict[str, list[bool]] = {name: [] for name in ("all", *SIZES)}
    for effort, other in zip(efforts, first, strict=bool(first)):
        for index, before in other.masks.items():
            if index in effort.masks and before.area:
                alignment = pair_iou(effort.masks[index], before) > ALIGNED
                agreed["all"].append(alignment)
                agreed[size_class(before)].append(alignment)
    return {name: float(np.mean(found)) if found else float("nan") for name, found in agreed.items()}


def _share(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")


def render(rows: Sequence[Row], annotator: Annotator) -> str:
    """The table as Markdown; it says that people were simulated, and how."""
    head = ["phase", "masklets", "frames", "edited", "brushed", "clicks", "clicks / clicked frame", "IoU with truth"]
    head += ["agree with phase 1", *SIZES]
    lines = [
        f"**Simulated** people: IoU {annotator.bar:g} is good enough, at most {annotator.max_clicks} clicks a frame, "
        f"then the brush; every {_ordinal(annotator.every)} frame is looked at. Nobody was timed.",
        "",
        f"| {' | '.join(head)} |",
        f"|{' --- |' * len(head)}",
    ]
    return "\n".join([*lines, *(_line(row) for row in rows)]) + "\n"


def _line(row: Row) -> str:
    show: Callable[[float], str] = lambda share: "-" if np.isnan(share) else f"{100 * share:.1f} %"  # noqa: E731
    cells = [row.phase, str(row.objects), str(row.frames), show(row.edited), show(row.brushed), str(row.clicks)]
    cells += ["-" if np.isnan(row.clicks_per_frame) else f"{row.clicks_per_frame:.2f}", f"{row.truth:.3f}"]
    return f"| {' | '.join([*cells, *(show(row.aligned[name]) for name in ('all', *SIZES))])} |"


def _ordinal(number: int) -> str:
    return {1: "single", 2: "2nd", 3: "3rd"}.get(number, f"{number}th")
