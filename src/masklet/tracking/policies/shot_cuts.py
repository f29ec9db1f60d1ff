"""Shot cut detection: after a cut, recent memory does not describe what comes next."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch.nn.functional as F  # noqa: N812
from jaxtyping import Float
from torch import Tensor

from masklet.model.tensors import ImageFeatures
from masklet.tracking.memory_policy import ShotCuts
from masklet.tracking.memory_selection import FrameContext

GRID = 4
HISTORY = 15
"""The usual change is the first quartile of this many previous changes."""


def frame_descriptor(features: ImageFeatures) -> Float[Tensor, " d"]:
    """The unconditioned embedding of an image averaged over a coarse grid, as a unit vector."""
    pooled = F.adaptive_avg_pool2d(features.embedding[:1].float(), GRID).flatten()
    return F.normalize(pooled, dim=0)


@dataclass(eq=False)
class ShotCutDetector:
    """Detects shot cuts frame by frame, in either direction.

    Attributes:
        rule: the settings.
        cuts: frames that differ from the one before them (in the order of the video, not of the pass).
        last: index and descriptor of the last frame.
        changes: the last few changes.
    """

    rule: ShotCuts
    cuts: set[int] = field(default_factory=set)
    last: tuple[int, Float[Tensor, " d"]] | None = None
    changes: list[float] = field(default_factory=list)

    def observe(self, frame_index: int, features: ImageFeatures) -> bool:
        """Take the next frame; return whether a cut lies between it and the last one."""
        descriptor = frame_descriptor(features)
        before, self.last = self.last, (frame_index, descriptor)
        if before is None or abs(frame_index - before[0]) != 1:
            return False
        border = max(frame_index, before[0])
        change = 1 - float(descriptor @ before[1])
        usual = sorted(self.changes)[len(self.changes) // 4] if self.changes else 0.0
        is_cut = change > self.rule.min_change and change > self.rule.factor * usual
        (self.cuts.add if is_cut else self.cuts.discard)(border)
        self.changes = [*self.changes, change][-HISTORY:]
        return is_cut

    def context(self, frame_index: int, *, reverse: bool = False) -> FrameContext:
        """The context of a frame of a pass."""
        shot_start = self.shot_start(frame_index, reverse=reverse)
        return FrameContext(frame_index, reverse, shot_start, self.rule.drop_recent)

    def shot_start(self, frame_index: int, *, reverse: bool) -> int | None:
        """The first frame of a pass after the last cut before ``frame_index``; None where there was none."""
        if reverse:
            return min((border - 1 for border in self.cuts if border > frame_index), default=None)
        return max((border for border in self.cuts if border <= frame_index), default=None)

    def prune(self, frame_index: int) -> None:
        """Keep only the last cut up to a frame, which is all that a stream needs."""
        self.cuts = {border for border in (self.shot_start(frame_index, reverse=False),) if border is not None}
