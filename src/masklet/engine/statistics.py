"""Speed and quality of annotation by phase, as in the table of the paper's data engine (section 5.1).

The same table is made from the running sums of a store, from masklets, and from simulated annotation.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, get_args

import numpy as np

from masklet.engine.records import MaskletVersion, Phase
from masklet.engine.simulation import Effort, PhaseNumber, SimulationSettings
from masklet.io.charts import BarChart
from masklet.masks.rle import pair_iou
from masklet.types import Rle

PHASES: tuple[Phase, ...] = get_args(Phase)

SIZES = ("small", "medium", "large")
"""Size classes of COCO: area below 32 x 32 pixels, below 96 x 96, or more."""

ALIGNED = 0.75
"""Two annotations of a frame agree if their IoU is greater (paper, table of the data engine)."""


@dataclass(frozen=True, kw_only=True)
class PhaseStatistics:
    """Effort and quality of one phase.

    Attributes:
        masklets: number of masklet versions made in the phase.
        frames: number of their annotated frames, including those where the object is absent.
        edited: number of these frames that a person changed.
        clicks: number of clicks.
        clicked: number of frames with clicks.
        seconds: working time on the masklets whose time was measured.
        timed: number of frames of these masklets.
        returning: number of masklets whose object disappears and reappears; None if it was not counted.
        agreed: size class ("all" or one of `SIZES`) -> number of masks that agree with phase 1, number compared.
    """

    phase: Phase
    masklets: int = 0
    frames: int = 0
    edited: int = 0
    clicks: int = 0
    clicked: int = 0
    seconds: float = 0.0
    timed: int = 0
    returning: int | None = None
    agreed: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def seconds_per_frame(self) -> float | None:
        """Working time per annotated frame; None if it was not measured."""
        return self.seconds / self.timed if self.timed else None

    @property
    def edited_share(self) -> float | None:
        """Share of the annotated frames that a person changed, 0 to 1."""
        return self.edited / self.frames if self.frames else None

    @property
    def clicks_per_frame(self) -> float | None:
        """Clicks per clicked frame."""
        return self.clicks / self.clicked if self.clicked else None

    @property
    def disappearance(self) -> float | None:
        """Share of masklets whose object disappears and reappears, 0 to 1."""
        return None if self.returning is None or not self.masklets else self.returning / self.masklets

    def alignment(self, size: str = "all") -> float | None:
        """Return the share of masks that agree with phase 1, 0 to 1; None if no object was annotated in both."""
        agreed, compared = self.agreed.get(size, (0, 0))
        return agreed / compared if compared else None


@dataclass(frozen=True, kw_only=True)
class SimulatedStatistics(PhaseStatistics):
    """Effort and quality of one simulated phase.

    Attributes:
        brushed: number of frames that were drawn with the brush.
        true_iou: mean IoU with the true masks; NaN without frames.
    """

    brushed: int = 0
    true_iou: float = float("nan")


def from_tallies(tallies: Mapping[str, Mapping[str, float]]) -> list[PhaseStatistics]:
    """Compute the statistics from the running sums of a store (`Store.tallies`), without reading masks."""
    rows = []
    for phase in PHASES:
        sums = tallies.get(f"phase:{phase}", {})
        if sums.get("masklets"):
            names = ("masklets", "frames", "edited", "clicks", "clicked", "timed")
            counts: dict[str, Any] = {name: int(sums.get(name, 0)) for name in names}
            rows.append(PhaseStatistics(phase=phase, seconds=float(sums.get("seconds", 0)), **counts))
    return rows


def from_versions(versions: Iterable[MaskletVersion]) -> list[PhaseStatistics]:
    """Compute the statistics from masklets, including disappearance and agreement with phase 1.

    Masks are compared where an object was annotated in phase 1 and in another phase; of several versions of one phase
    the last counts.
    """
    by_phase: dict[Phase, list[MaskletVersion]] = {}
    for version in versions:
        by_phase.setdefault(version.work.phase, []).append(version)
    first = _last_masks(by_phase.get("1", []))
    rows = []
    for phase in PHASES:
        if found := by_phase.get(phase):
            works = [version.work for version in found]
            masks = _last_masks(found)
            pairs = [(masks[key], first[key]) for key in masks.keys() & first.keys()]
            rows.append(
                PhaseStatistics(
                    phase=phase,
                    masklets=len(found),
                    frames=sum(len(version.masklet.frames) for version in found),
                    edited=sum(len(work.edited) for work in works),
                    clicks=sum(work.clicks for work in works),
                    clicked=sum(work.num_clicked for work in works),
                    seconds=sum(work.seconds or 0.0 for work in works),
                    timed=sum(len(version.masklet.frames) for version in found if version.work.seconds is not None),
                    returning=sum(reappears(version.masklet.frames) for version in found),
                    agreed={} if phase == "1" else _count_agreement(pairs),
                )
            )
    return rows


def from_efforts(
    phase: PhaseNumber,
    efforts: Sequence[Effort],
    truths: Sequence[Mapping[int, Rle]],
    first: Sequence[Effort] | None = None,
) -> SimulatedStatistics:
    """Compute the statistics of a simulated phase.

    Args:
        phase: the phase.
        efforts: one for each object.
        truths: frame -> true mask, for the same objects.
        first: the results of phase 1 for the same objects.
    """
    correct = [
        pair_iou(mask, truth[i])
        for effort, truth in zip(efforts, truths, strict=True)
        for i, mask in effort.masks.items()
    ]
    pairs = zip(efforts, first or [], strict=bool(first))
    return SimulatedStatistics(
        phase=phase,
        masklets=len(efforts),
        frames=sum(len(effort.masks) for effort in efforts),
        edited=sum(len(effort.edited) for effort in efforts),
        clicks=sum(sum(effort.clicks.values()) for effort in efforts),
        clicked=sum(len(effort.clicks) for effort in efforts),
        agreed=_count_agreement([(effort.masks, other.masks) for effort, other in pairs]),
        brushed=sum(len(effort.brushed) for effort in efforts),
        true_iou=float(np.mean(correct)) if correct else float("nan"),
    )


def _last_masks(versions: Sequence[MaskletVersion]) -> dict[tuple[str, int], Mapping[int, Rle]]:
    """Return the masks of the last version of each object."""
    ordered = sorted(versions, key=lambda version: version.id)
    return {(version.media, version.masklet.object_id): version.masklet.frames for version in ordered}


def _count_agreement(pairs: Iterable[tuple[Mapping[int, Rle], Mapping[int, Rle]]]) -> dict[str, tuple[int, int]]:
    """Count the masks of each object that agree with phase 1, the second of a pair, by the size of its mask there."""
    counts = dict.fromkeys(("all", *SIZES), (0, 0))
    for masks, first in pairs:
        for index in masks.keys() & first.keys():
            if first[index].area:
                agrees = pair_iou(masks[index], first[index]) > ALIGNED
                for size in ("all", size_class(first[index])):
                    counts[size] = counts[size][0] + agrees, counts[size][1] + 1
    return counts


def size_class(rle: Rle) -> str:
    """Return the size class of a mask (`SIZES`)."""
    return SIZES[0] if rle.area < 32**2 else SIZES[1] if rle.area < 96**2 else SIZES[2]


def reappears(frames: Mapping[int, Rle]) -> bool:
    """Return whether an object disappears and reappears, as the paper counts disappearance (section 5.2)."""
    visible = [bool(frames[index].area) for index in sorted(frames)]
    after = visible[visible.index(True) :] if True in visible else []
    return any(now and not before for before, now in pairwise(after))


def render(rows: Sequence[PhaseStatistics]) -> str:
    """Return the phases as a Markdown table; "-" where nothing was measured."""
    head = ["phase", "masklets", "seconds / frame", "edited frames", "clicks / clicked frame", "disappearance"]
    lines = []
    for row in rows:
        cells = [row.phase, str(row.masklets), _number(row.seconds_per_frame, 1), percent(row.edited_share)]
        lines.append([*cells, _number(row.clicks_per_frame, 2), percent(row.disappearance), *_alignment(row)])
    return markdown_table([*head, "agree with phase 1", *SIZES], lines)


def render_simulated(rows: Sequence[SimulatedStatistics], settings: SimulationSettings) -> str:
    """Return simulated phases as a Markdown table, preceded by the settings of the simulation."""
    every = {1: "every frame", 2: "every 2nd frame", 3: "every 3rd frame"}.get(
        settings.every, f"every {settings.every}th frame"
    )
    head = ["phase", "masklets", "frames", "edited", "brushed", "clicks", "clicks / clicked frame", "IoU with truth"]
    lines = []
    for row in rows:
        brushed = percent(row.brushed / row.frames if row.frames else None)
        cells = [row.phase, str(row.masklets), str(row.frames), percent(row.edited_share), brushed, str(row.clicks)]
        lines.append([*cells, _number(row.clicks_per_frame, 2), f"{row.true_iou:.3f}", *_alignment(row)])
    return (
        f"**Simulated** annotators: target IoU {settings.target_iou:g}, at most {settings.max_clicks} clicks per frame"
        f", then the brush; {every} is annotated. No times were measured.\n\n"
        + markdown_table([*head, "agree with phase 1", *SIZES], lines)
    )


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Format a Markdown table."""
    lines = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}", *(f"| {' | '.join(row)} |" for row in rows)]
    return "\n".join(lines) + "\n"


def _alignment(row: PhaseStatistics) -> list[str]:
    return [percent(row.alignment(size)) for size in ("all", *SIZES)]


def charts(rows: Sequence[PhaseStatistics]) -> dict[str, BarChart]:
    """Return charts of the phases by name: seconds per frame, edited frames, clicks; those that were measured."""
    kinds = {
        "seconds": ("Seconds per frame", "s", [row.seconds_per_frame for row in rows]),
        "edited": ("Edited frames", "%", [row.edited_share and 100 * row.edited_share for row in rows]),
        "clicks": ("Clicks per clicked frame", "", [row.clicks_per_frame for row in rows]),
    }
    found = {}
    for name, (title, unit, values) in kinds.items():
        bars = [(row.phase, value) for row, value in zip(rows, values, strict=True) if value is not None]
        if bars:
            found[name] = BarChart(title=title, x="phase", y=unit, bars=bars)
    return found


def percent(share: float | None) -> str:
    """Format a share; "-" for None."""
    return "-" if share is None else f"{100 * share:.1f} %"


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
