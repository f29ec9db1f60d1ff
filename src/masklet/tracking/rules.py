"""Settings of the memory rules beyond SAM 2: gating, anchors, motion, hypothesis tree, shot cuts, appearance."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True, kw_only=True)
class Rule:
    """Base of all rules: settings that are at least 0."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, int | float) and value < 0 and not field.name.endswith("logit"):
                raise ValueError(f"{type(self).__name__}.{field.name} cannot be negative, got {value}")


@dataclass(frozen=True, kw_only=True)
class Gate(Rule):
    """Read reliable recent memories, however far back, in place of the last ones.

    A frame is reliable when the object was visible, its predicted IoU is above ``min_iou``, and the quality
    ``(2 * presence - 1) * IoU`` is above ``min_quality`` (the memory selection of SAM 3). Temporal codes are given by
    rank, so that none is skipped.

    Attributes:
        min_iou: predicted IoU of a reliable frame.
        min_quality: quality of a reliable frame.
        newest: read the previous frame even where it is not reliable.
        stride: read maps of every stride-th frame, beside the newest.
        reach: how many frames back to search.
        maps: recent maps read; with more than the model has temporal codes, codes are interpolated. 0 for as many as
            there are codes.
        shared: every prompted or lasting memory after the first takes the place of a recent one.
        emphasis: scale the keys of memories by 1 +- this, in the order of their presence (SAM2Long: 0.05).
    """

    min_iou: float = 0.0
    min_quality: float = 0.01
    newest: bool = True
    stride: int = 1
    reach: int = 64
    maps: int = 0
    shared: bool = False
    emphasis: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if min(self.stride, self.reach) < 1:
            raise ValueError(f"stride and reach must be at least 1, got {self.stride} and {self.reach}")


@dataclass(frozen=True, kw_only=True)
class Anchors(Rule):
    """Keep some tracked frames as lasting memories, which count as prompted ones (DAM4SAM, arXiv 2411.17576).

    Attributes:
        limit: number of anchors kept.
        min_iou: predicted IoU of an anchor.
        area_band: largest relative difference of its area from the median of the last 10 visible ones.
        spacing: smallest number of frames between two anchors.
        reveal: a frame qualifies only where another candidate reveals a distractor: the box of the mask extended by
            the largest extra part of that candidate has at most this IoU with the box of the mask. None for no such
            condition.
        diverse: drop the anchor with the most redundant pointer; else the oldest.
    """

    limit: int = 3
    min_iou: float = 0.8
    area_band: float = 0.2
    spacing: int = 5
    reveal: float | None = 0.7
    diverse: bool = False


@dataclass(frozen=True, kw_only=True)
class Motion(Rule):
    """Choose the candidate nearest to the box predicted by a Kalman filter (SAMURAI, arXiv 2411.11922).

    Attributes:
        weight: weight of the IoU with the predicted box; the rest is that of the predicted IoU.
        min_stable_frames: frames before the prediction is used.
        min_iou: predicted IoU below which the filter restarts.
        patience: frames without the object after which the filter restarts.
        presence_logit: the object counts as present where the presence logit is above this.
        margin: remove components of a mask outside the expected box, grown by this share of its sides, where another
            component lies inside. None leaves masks alone, as published.
    """

    weight: float = 0.25
    min_stable_frames: int = 15
    min_iou: float = 0.3
    patience: int = 30
    presence_logit: float = 0.0
    margin: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.weight > 1:
            raise ValueError(f"Motion.weight must be 0 to 1, got {self.weight}")


@dataclass(frozen=True, kw_only=True)
class Tree(Rule):
    """Track several hypotheses of an object and return the most likely one (SAM2Long, arXiv 2410.16268).

    Attributes:
        paths: number of hypotheses.
        certain_logit: where no hypothesis has a presence logit further from 0 than this, keep hypotheses with
            different predictions; elsewhere keep the most likely ones.
    """

    paths: int = 3
    certain_logit: float = 2.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.paths <= 8:
            raise ValueError(f"Tree.paths must be 1 to 8, got {self.paths}")


@dataclass(frozen=True, kw_only=True)
class ShotCuts(Rule):
    """Detect shot cuts: motion states end there and recent memory is dropped; prompted and lasting memory stays.

    Attributes:
        min_change: cosine distance between the descriptors of two frames,
        factor: and how many times the usual change of the video it must be.
        drop_recent: drop recent memory at a cut; else a cut only ends the states of `Motion`.
    """

    min_change: float = 0.08
    factor: float = 3.0
    drop_recent: bool = True


@dataclass(frozen=True, kw_only=True)
class AppearanceGate(Rule):
    """Hide and do not remember masks that do not look like the object.

    For models whose presence head seldom detects that an object is hidden. Similarity is the cosine similarity of the
    mask's appearance embedding (`tracking.appearance`) with the most similar reference. References are the prompted
    masks and, as the object turns and comes nearer, tracked masks that stayed reliable for a while: what occludes an
    object is not reliable for long.

    Attributes:
        min_similarity: below this the object is absent at once, until a frame is reliable again.
        reliable_similarity: below this a `Gate` skips a frame,
        patience: and the object is absent after so many such frames in a row, until one is reliable again.
        delay: a reliable mask becomes a reference after so many reliable frames. Without a gate only prompted masks
            are references.
    """

    min_similarity: float = 0.75
    reliable_similarity: float = 0.85
    patience: int = 12
    delay: int = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.min_similarity <= self.reliable_similarity <= 1:
            raise ValueError(
                "AppearanceGate takes min_similarity <= reliable_similarity <= 1, "
                f"got {self.min_similarity} and {self.reliable_similarity}"
            )
