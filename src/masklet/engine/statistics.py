"""How fast and how well a team annotates, by phase, as in the paper's table of its data engine (section 5.1)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import get_args

from masklet.engine.phase_table import ALIGNED, SIZES
from masklet.engine.plots import Bars
from masklet.engine.quality import returns
from masklet.engine.records import MaskletVersion, Phase
from masklet.engine.simulation import size_class
from masklet.masks.rle import pair_iou
from masklet.types import Rle

PHASES: tuple[Phase, ...] = get_args(Phase)


@dataclass(frozen=True, kw_only=True)
class PhaseStatistics:
    """What one phase took and gave.

    Attributes:
        phase: which.
        masklets: versions that were made in it.
        frames: annotated frames of them, those where the object is absent too.
        edited: of these, frames that a person touched.
        clicks: in all.
        clicked: frames with clicks.
        seconds: that people worked on masklets whose time was measured.
        timed: frames of these masklets.
        returning: masklets whose object goes out of sight and comes back; None where nobody looked.
        agreed: by size ("all", "small", "medium", "large"): frames that agree with phase 1, and frames compared.
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
        """None where nobody was timed."""
        return self.seconds / self.timed if self.timed else None

    @property
    def edited_share(self) -> float | None:
        """Of all annotated frames, 0 to 1."""
        return self.edited / self.frames if self.frames else None

    @property
    def clicks_per_frame(self) -> float | None:
        """On a clicked frame."""
        return self.clicks / self.clicked if self.clicked else None

    @property
    def disappearance(self) -> float | None:
        """Share of masklets whose object goes out of sight and comes back, 0 to 1."""
        return None if self.returning is None or not self.masklets else self.returning / self.masklets

    def alignment(self, size: str = "all") -> float | None:
        """Share of masks with an IoU above `ALIGNED` with phase 1, 0 to 1; None where no object has both."""
        agreed, compared = self.agreed.get(size, (0, 0))
        return agreed / compared if compared else None


def from_tallies(tallies: Mapping[str, Mapping[str, float]]) -> list[PhaseStatistics]:
    """Phases by the running sums of a store (`Store.tallies`): at once, whatever its size; masks are not looked at."""
    rows = []
    for phase in PHASES:
        sums = tallies.get(f"phase:{phase}", {})
        if sums.get("masklets"):
            rows.append(
                PhaseStatistics(
                    phase=phase,
                    masklets=int(sums["masklets"]),
                    frames=int(sums.get("frames", 0)),
                    edited=int(sums.get("edited", 0)),
                    clicks=int(sums.get("clicks", 0)),
                    clicked=int(sums.get("clicked", 0)),
                    seconds=float(sums.get("seconds", 0)),
                    timed=int(sums.get("timed", 0)),
                )
            )
    return rows


def from_versions(versions: Iterable[MaskletVersion]) -> list[PhaseStatistics]:
    """Phases by masklets, with how often objects return and how well masks agree with phase 1.

    Masks agree where one object was annotated in phase 1 and in another phase; of several versions by one phase the
    last counts. Only the masks of phase 1 and of objects that wait for it are kept in memory.

    Args:
        versions: in any order.
    """
    sums: dict[Phase, list[MaskletVersion]] = {}
    for version in versions:
        sums.setdefault(version.work.phase, []).append(version)
    first = {(one.media, one.masklet.object_id): one.masklet.frames for one in sums.get("1", [])}
    return [_row(phase, sums[phase], first) for phase in PHASES if phase in sums]


def _row(
    phase: Phase, versions: Sequence[MaskletVersion], first: Mapping[tuple[str, int], Mapping[int, Rle]]
) -> PhaseStatistics:
    works = [version.work for version in versions]
    timed = [version for version in versions if version.work.seconds is not None]
    return PhaseStatistics(
        phase=phase,
        masklets=len(versions),
        frames=sum(len(version.masklet.frames) for version in versions),
        edited=sum(len(work.edited) for work in works),
        clicks=sum(work.clicks for work in works),
        clicked=sum(sum(bool(len(said.points)) for said in work.prompts.values()) for work in works),
        seconds=sum(version.work.seconds or 0.0 for version in timed),
        timed=sum(len(version.masklet.frames) for version in timed),
        returning=sum(returns(version.masklet.frames) for version in versions),
        agreed={} if phase == "1" else _agreed(versions, first),
    )


def _agreed(
    versions: Sequence[MaskletVersion], first: Mapping[tuple[str, int], Mapping[int, Rle]]
) -> dict[str, tuple[int, int]]:
    found: dict[str, tuple[int, int]] = dict.fromkeys(("all", *SIZES), (0, 0))
    last = {(one.media, one.masklet.object_id): one.masklet.frames for one in sorted(versions, key=lambda one: one.id)}
    for key in last.keys() & first.keys():
        for index in last[key].keys() & first[key].keys():
            before = first[key][index]
            if before.area:
                good = pair_iou(last[key][index], before) > ALIGNED
                for size in ("all", size_class(before)):
                    found[size] = (found[size][0] + good, found[size][1] + 1)
    return found


def render(rows: Sequence[PhaseStatistics]) -> str:
    """The phases as a Markdown table; a dash where nothing was measured."""
    head = ["phase", "masklets", "seconds a frame", "edited frames", "clicks / clicked frame", "disappearance"]
    head += ["agree with phase 1", *SIZES]
    lines = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    for row in rows:
        cells = [row.phase, str(row.masklets), _number(row.seconds_per_frame, 1), _percent(row.edited_share)]
        cells += [_number(row.clicks_per_frame, 2), _percent(row.disappearance)]
        cells += [_percent(row.alignment(size)) for size in ("all", *SIZES)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def charts(rows: Sequence[PhaseStatistics]) -> dict[str, Bars]:
    """What can be drawn of the phases, by name: seconds a frame, edited frames, clicks."""
    kinds = {
        "seconds": ("Seconds a frame", "s", [(row.phase, row.seconds_per_frame) for row in rows]),
        "edited": ("Edited frames", "%", [(row.phase, _hundred(row.edited_share)) for row in rows]),
        "clicks": ("Clicks on a clicked frame", "", [(row.phase, row.clicks_per_frame) for row in rows]),
    }
    drawn = {}
    for name, (title, unit, values) in kinds.items():
        known = [(phase, value) for phase, value in values if value is not None]
        if known:
            drawn[name] = Bars(title=title, x="phase", y=unit, bars=known)
    return drawn


def _hundred(share: float | None) -> float | None:
    return None if share is None else 100 * share


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
