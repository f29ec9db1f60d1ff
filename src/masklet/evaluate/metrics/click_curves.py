"""Images: IoU after k clicks, clicks needed to reach an IoU (NoC), and tables of both over many data sets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float64, Int64

from masklet.errors import FormatError

MAX_CLICKS = 20
"""Where one stops clicking when the clicks needed are counted."""

Curves = Float64[np.ndarray, "objects clicks"]
"""IoU of each object after 1, 2, ... clicks, 0 to 1."""


def mean_iou(iou: Curves, clicks: int) -> float:
    """Mean over the objects of the IoU after so many clicks, 0 to 1 (SAM 2, section 6.2: mIoU at k clicks).

    Raises:
        FormatError: no objects, or their curves do not go that far.
    """
    if not len(iou) or not 1 <= clicks <= iou.shape[1]:
        raise FormatError(f"expected objects with an IoU after {clicks} clicks, got {len(iou)} with {iou.shape[1]}")
    return float(iou[:, clicks - 1].mean())


def clicks_needed(iou: Curves, target: float, max_clicks: int = MAX_CLICKS) -> Int64[np.ndarray, " objects"]:
    """How many clicks each object needs to reach an IoU of at least ``target``; ``max_clicks`` where it never does.

    NoC@85 and NoC@90 are the means for 0.85 and 0.9. An object that needs the last click and one that fails count
    alike (as in RITM's evaluation); `failure_rate` tells them apart.

    Raises:
        FormatError: no objects, or curves that stop before ``max_clicks`` without all having reached the target.
    """
    reached = iou[:, :max_clicks] >= target
    if not len(iou) or (iou.shape[1] < max_clicks and not reached.any(axis=1).all()):
        raise FormatError(
            f"expected objects with an IoU after {max_clicks} clicks or of at least {target:g}, "
            f"got {len(iou)} with {iou.shape[1]} clicks"
        )
    return np.where(reached.any(axis=1), reached.argmax(axis=1) + 1, max_clicks)


def failure_rate(iou: Curves, target: float, max_clicks: int = MAX_CLICKS) -> float:
    """Share of the objects that never reach ``target`` within ``max_clicks``, 0 to 1."""
    clicks_needed(iou, target, max_clicks)  # the same demands on the curves
    return float(1 - (iou[:, :max_clicks] >= target).any(axis=1).mean())


@dataclass(frozen=True)
class ClickTable:
    """Mean IoU after k clicks for each of many data sets, and the mean over them, as SAM 2 reports its 23 sets (SA-23).

    Attributes:
        clicks: the numbers of clicks, one column each.
        rows: data set -> mean IoU for each column, 0 to 1, in the order they were added.
    """

    clicks: tuple[int, ...] = (1, 3, 5)
    rows: dict[str, tuple[float, ...]] = field(default_factory=dict)

    def with_dataset(self, name: str, iou: Curves) -> ClickTable:
        """The table with one more row.

        Raises:
            FormatError: no objects, too few clicks, or a name that is there already.
        """
        if name in self.rows:
            raise FormatError(f"the table already has a row for {name}")
        return ClickTable(self.clicks, {**self.rows, name: tuple(mean_iou(iou, k) for k in self.clicks)})

    @property
    def average(self) -> tuple[float, ...]:
        """The mean over the data sets for each column, each data set alike however many objects it has.

        Raises:
            FormatError: the table is empty.
        """
        if not self.rows:
            raise FormatError("expected at least one data set to average over, got none")
        return tuple(np.mean(list(self.rows.values()), axis=0).tolist())

    def __str__(self) -> str:
        """The table in Markdown, in percent."""
        lines: list[Sequence[str]] = [
            ["data set", *(f"{k} click{'s' * (k > 1)}" for k in self.clicks)],
            ["---"] + ["---:"] * len(self.clicks),
        ]
        rows = {**self.rows, "average": self.average} if self.rows else {}
        lines += [[name, *(f"{100 * value:.1f}" for value in values)] for name, values in rows.items()]
        return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
