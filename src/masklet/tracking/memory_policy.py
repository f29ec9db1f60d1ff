"""Memory policies: how many memories a frame reads, and the rules beyond SAM 2; the named ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

from masklet.model.config import ModelConfig


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


@dataclass(frozen=True, kw_only=True)
class MemoryPolicy:
    """How many memories a frame reads, and which rules beyond SAM 2 apply; a rule that is None does nothing.

    Attributes:
        memory_frames: spatial memories with a temporal code: one code for prompted frames, the others for recent ones.
        max_pointers: object pointers of recent frames reach back ``max_pointers - 1`` frames.
        max_prompted: prompted frames read at most, the first and the nearest; None for all.
        look_ahead: prompted frames in the future of the pass are read too, and answers to prompts on frames that no
            pass has reached are final, as in the public predictor.
        clip_length: number of frames of a short clip, which shortens the reach and the time scale of pointers;
            None for a stream or a clip of at least ``max_pointers`` frames.
        keep_memories: a session never drops a memory, not even one that a later correction invalidates. For short
            clips, to reproduce the public predictor.
        gate: selects recent frames by quality (SAM2Long, SAM 3); None for the last ones.
        anchors: keeps some tracked frames as lasting memories (DAM4SAM).
        motion: prefers the candidate mask nearest to the predicted box (SAMURAI).
        tree: number of hypotheses (SAM2Long).
        shot_cuts: detects shot cuts.
        appearance: hides masks that do not look like the prompted object.
        non_overlap: resolves overlaps between objects before memory encoding: each pixel goes to the object with the
            highest logit, and an object that loses most of its mask counts as hidden.
    """

    memory_frames: int = 7
    max_pointers: int = 16
    max_prompted: int | None = 8
    look_ahead: bool = False
    clip_length: int | None = None
    keep_memories: bool = False
    gate: Gate | None = None
    anchors: Anchors | None = None
    motion: Motion | None = None
    tree: Tree | None = None
    shot_cuts: ShotCuts | None = None
    appearance: AppearanceGate | None = None
    non_overlap: bool = False

    def __post_init__(self) -> None:
        for name in ("memory_frames", "max_pointers", "max_prompted", "clip_length"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        if self.anchors is not None and self.gate is None:
            raise ValueError("anchors need a gate, which selects them: pass gate=Gate()")

    @property
    def rules(self) -> tuple[Rule, ...]:
        """The rules beyond SAM 2 that are set."""
        found = (self.gate, self.anchors, self.motion, self.tree, self.shot_cuts, self.appearance)
        return tuple(rule for rule in found if rule is not None)

    @property
    def pointer_reach(self) -> int:
        """How many frames back pointers of recent frames are read; also the unit of their temporal code."""
        return max(min(self.clip_length or self.max_pointers, self.max_pointers) - 1, 1)


PolicyName = Literal["plain", "gated", "distractor", "motion", "tree", "auto"]
NAMES: tuple[PolicyName, ...] = get_args(PolicyName)

DISTRACTOR_GATE = Gate(min_quality=0.0, newest=False, stride=5, shared=True)

RULES: Mapping[PolicyName, Mapping[str, Any]] = {
    "plain": {},  # SAM 2
    "gated": {"gate": Gate()},  # the memory selection of SAM 3
    "distractor": {"gate": DISTRACTOR_GATE, "anchors": Anchors()},  # DAM4SAM
    "motion": {"gate": Gate(min_iou=0.5, min_quality=0.0), "motion": Motion()},  # SAMURAI
    "tree": {"gate": Gate(min_iou=0.1, min_quality=0.0, emphasis=0.05), "tree": Tree()},  # SAM2Long
    "auto": {"gate": Gate(min_quality=0.0, newest=False), "appearance": AppearanceGate()},
}


def named_policy(name: PolicyName, config: ModelConfig) -> MemoryPolicy:
    """The policy of a name, with the numbers of memories that a model was trained for."""
    frames = min(config.memory_frames, config.max_maps)
    return MemoryPolicy(memory_frames=frames, max_pointers=config.max_pointers, **RULES[name])
