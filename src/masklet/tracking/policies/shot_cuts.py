"""Cuts: where a video changes at once, recent memory says nothing about what comes next."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch.nn.functional as F  # noqa: N812
from jaxtyping import Float
from torch import Tensor

from masklet.model.tensors import ImageFeatures
from masklet.tracking.policies.state import FrameContext
from masklet.tracking.rules import Cuts

GRID = 4
USUAL = 15
"""The usual change is the first quartile of so many last ones."""


def describe(features: ImageFeatures) -> Float[Tensor, " d"]:
    """A picture in short: its unconditioned embedding averaged over a coarse grid, of length 1."""
    pooled = F.adaptive_avg_pool2d(features.embedding[:1].float(), GRID).flatten()
    return F.normalize(pooled, dim=0)


@dataclass(eq=False)
class CutDetector:
    """Finds cuts as frames come, in either direction.

    Attributes:
        rule: what a cut is.
        cuts: frames that differ from the one before them (in the order of the video, not of the pass).
        last: index and descriptor of the last frame.
        changes: the last few changes.
    """

    rule: Cuts
    cuts: set[int] = field(default_factory=set)
    last: tuple[int, Float[Tensor, " d"]] | None = None
    changes: list[float] = field(default_factory=list)

    def see(self, frame_index: int, features: ImageFeatures) -> bool:
        """Look at the next frame; True where a cut lies between it and the last one."""
        now = describe(features)
        before, self.last = self.last, (frame_index, now)
        if before is None or abs(frame_index - before[0]) != 1:
            return False
        border = max(frame_index, before[0])
        change = 1 - float(now @ before[1])
        usual = sorted(self.changes)[len(self.changes) // 4] if self.changes else 0.0
        is_cut = change > self.rule.min_change and change > self.rule.factor * usual
        (self.cuts.add if is_cut else self.cuts.discard)(border)
        self.changes = [*self.changes, change][-USUAL:]
        return is_cut

    def moment(self, frame_index: int, *, reverse: bool = False) -> FrameContext:
        """A frame of a pass."""
        return FrameContext(frame_index, reverse, self.since(frame_index, reverse=reverse), self.rule.forget)

    def since(self, frame_index: int, *, reverse: bool) -> int | None:
        """The first frame of a pass after the last cut before ``frame_index``; None where there was none."""
        if reverse:
            return min((border - 1 for border in self.cuts if border > frame_index), default=None)
        return max((border for border in self.cuts if border <= frame_index), default=None)

    def forget(self, frame_index: int) -> None:
        """Keep only the last cut up to a frame: what a stream needs."""
        self.cuts = {border for border in (self.since(frame_index, reverse=False),) if border is not None}
