"""The settings of memory rules: which past to trust, what to keep for good, which candidate to follow."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What all rules have in common: settings that are at least 0."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, int | float) and value < 0 and not field.name.endswith("logit"):
                raise ValueError(f"{type(self).__name__}.{field.name} cannot be negative, got {value}")


@dataclass(frozen=True, kw_only=True)
class Gate(Rule):
    """Recent memories are those that can be trusted, however far back, and not simply the last ones.

    A frame is trusted when the object was there, its predicted IoU is above ``min_iou``, and the quality
    ``(2 presence - 1) * IoU`` is above ``min_quality`` (the memory selection of SAM 3). Trusted frames carry time codes
    by rank, so that none is skipped.

    Attributes:
        min_iou: predicted IoU of a trusted frame.
        min_quality: of a trusted frame.
        newest: the frame just before is recalled even where it is not trusted.
        stride: recent maps are those of every so many frames, beside the newest.
        reach: how many frames back memories are looked for.
        maps: recent maps recalled; more than the model has time codes share them by interpolation. 0 for as many as it
            has codes.
        shared: every prompted or lasting memory after the first takes the place of a recent one.
        emphasis: keys of memories are scaled by up to so much more or less, in the order of their presence
            (SAM2Long: 0.05).
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
    """Some tracked frames become lasting memories, which count as prompted ones (DAM4SAM, arXiv 2411.17576).

    Attributes:
        limit: how many are kept.
        min_iou: predicted IoU of such a frame.
        area_band: its area may differ by so much, as a share, from the median of the last 10 visible ones.
        spacing: frames between two of them, at least.
        reveal: a frame qualifies only where another candidate shows a look-alike: with its largest extra part, the
            mask's box would overlap the old box by at most this IoU. None for no such condition.
        diverse: where there are too many, the most redundant pointer goes; else the oldest.
    """

    limit: int = 3
    min_iou: float = 0.8
    area_band: float = 0.2
    spacing: int = 5
    reveal: float | None = 0.7
    diverse: bool = False


@dataclass(frozen=True, kw_only=True)
class Motion(Rule):
    """Among candidates, the one where the object was going (SAMURAI, arXiv 2411.11922): a Kalman filter on its box.

    Attributes:
        weight: of the overlap with the predicted box; the rest is that of the predicted IoU.
        steady: frames before the prediction is trusted.
        min_iou: predicted IoU below which the filter starts anew.
        patience: frames without the object after which it starts anew.
        presence_logit: the object counts as present where the presence logit is above this.
        margin: separate parts of a mask that lie outside the expected box, grown by this share of its sides, are left
            out where another part lies inside. None leaves masks alone, as published.
    """

    weight: float = 0.25
    steady: int = 15
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
    """Several stories of an object are followed, and the most likely one is told (SAM2Long, arXiv 2410.16268).

    Attributes:
        paths: how many.
        certain_logit: where no path's presence logit is further from 0 than this, paths are kept apart by what they
            say; elsewhere the likeliest are kept.
    """

    paths: int = 3
    certain_logit: float = 2.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.paths <= 8:
            raise ValueError(f"Tree.paths must be 1 to 8, got {self.paths}")


@dataclass(frozen=True, kw_only=True)
class Cuts(Rule):
    """Where the picture changes at once, courses end and recent memory is dropped; prompted and lasting memory stays.

    Attributes:
        min_change: cosine distance of two frames' descriptors that is a cut,
        factor: if it is also so many times the change that is usual in this video.
        forget: recent memory is dropped; else a cut only ends the courses of `Motion`.
    """

    min_change: float = 0.08
    factor: float = 3.0
    forget: bool = True


@dataclass(frozen=True, kw_only=True)
class AppearanceGate(Rule):
    """A mask that does not look like the object is something else: it is not remembered, and soon not shown.

    For models whose presence head seldom says that an object is hidden. A look is the mean image feature under a mask
    (`tracking.look`). The object's looks are those of its prompted masks and, as it turns and comes nearer, those of
    tracked ones that could be trusted and stayed so for a while: what slides over an object is not trusted for long.
    AppearanceGate is the cosine similarity of a look with the one of these most like it.

    Attributes:
        least: likeness below which the object is absent at once, until it is trusted again.
        trusted: likeness below which a `Gate` passes a frame over,
        patience: and the object is absent after so many such frames in a row, until it is trusted again.
        delay: a trusted look is one of the object's own when so many trusted frames have followed it. Without a gate
            only prompted looks are.
    """

    least: float = 0.75
    trusted: float = 0.85
    patience: int = 12
    delay: int = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.least <= self.trusted <= 1:
            raise ValueError(f"AppearanceGate takes least <= trusted <= 1, got {self.least} and {self.trusted}")
